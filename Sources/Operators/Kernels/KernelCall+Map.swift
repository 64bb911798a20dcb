import StreamRuntime

// Row loops for kernels. They are inlined into the kernel that calls them, closure and all, so that a
// loop is as plain as if it were written out.
extension KernelCall {
    @inline(__always)
    func mapDouble(_ body: (Double) -> Double) -> Column {
        let (result, _) = self.result(.float64)
        let source = arguments[0].float64s
        let target = result.float64s
        var row = 0
        while row < count {
            target[row] = body(source[row])
            row &+= 1
        }
        return result
    }

    /// Nil from `body` fails the row.
    @inline(__always)
    func tryDouble(_ reason: String, _ body: (Double) -> Double?) -> Column {
        let (result, live) = self.result(.float64)
        let source = arguments[0].float64s
        let target = result.float64s
        var row = 0
        while row < count {
            if live[row] != 0 {
                if let value = body(source[row]) {
                    target[row] = value
                } else {
                    fail(row, live, "\(reason) \(ValueText.of(source[row]))")
                }
            }
            row &+= 1
        }
        return result
    }

    @inline(__always)
    func mapDouble2(_ body: (Double, Double) -> Double) -> Column {
        let (result, _) = self.result(.float64)
        let left = arguments[0].float64s
        let right = arguments[1].float64s
        let target = result.float64s
        var row = 0
        while row < count {
            target[row] = body(left[row], right[row])
            row &+= 1
        }
        return result
    }

    @inline(__always)
    func mapInteger(_ body: (Int64) -> Int64) -> Column {
        let (result, live) = self.result()
        let source = arguments[0].int64s
        let target = result.int64s
        var row = 0
        while row < count {
            if live[row] != 0 { target[row] = body(source[row]) }
            row &+= 1
        }
        return result
    }

    /// Nil from `body` fails the row.
    @inline(__always)
    func tryInteger(_ reason: String, _ body: (Int64) -> Int64?) -> Column {
        let (result, live) = self.result()
        let source = arguments[0].int64s
        let target = result.int64s
        var row = 0
        while row < count {
            if live[row] != 0 {
                if let value = body(source[row]) {
                    target[row] = value
                } else {
                    fail(row, live, "\(reason) \(source[row])")
                }
            }
            row &+= 1
        }
        return result
    }

    /// Nil from `body` fails the row.
    @inline(__always)
    func tryInteger2(_ reason: String, _ body: (Int64, Int64) -> Int64?) -> Column {
        let (result, live) = self.result()
        let left = arguments[0].int64s
        let right = arguments[1].int64s
        let target = result.int64s
        var row = 0
        while row < count {
            if live[row] != 0 {
                if let value = body(left[row], right[row]) {
                    target[row] = value
                } else {
                    fail(row, live, "\(reason) \(left[row]), \(right[row])")
                }
            }
            row &+= 1
        }
        return result
    }

    /// Bools, of rows that have every argument.
    @inline(__always)
    func mapRowsToBool(_ body: (Int) -> Bool) -> Column {
        let (result, live) = self.result(.bool)
        let target = result.bools
        var row = 0
        while row < count {
            if live[row] != 0 { target[row] = body(row) ? 1 : 0 }
            row &+= 1
        }
        return result
    }

    /// Whole numbers, of rows that have every argument.
    @inline(__always)
    func mapRowsToInteger(_ body: (Int) -> Int64) -> Column {
        let (result, live) = self.result()
        let target = result.int64s
        var row = 0
        while row < count {
            if live[row] != 0 { target[row] = body(row) }
            row &+= 1
        }
        return result
    }

    /// Doubles, of rows that have every argument.
    @inline(__always)
    func mapRowsToDouble(_ body: (Int) -> Double) -> Column {
        let (result, live) = self.result(.float64)
        let target = result.float64s
        var row = 0
        while row < count {
            if live[row] != 0 { target[row] = body(row) }
            row &+= 1
        }
        return result
    }

    /// Strings or bytes that `body` appends to the arena; the reason it returns fails the row.
    @inline(__always)
    func buildText(_ type: ColumnType = .string, _ body: (Int, ByteArena) -> String?) -> Column {
        let (result, live) = self.result(type)
        let views = result.views
        guard let arena = result.arena else { preconditionFailure("strings have an arena") }
        var row = 0
        while row < count {
            if live[row] != 0 {
                let start = arena.count
                if start > TextLimits.batchMax {
                    fail(row, live, TextLimits.batchTooLong)
                } else if let reason = body(row, arena) {
                    fail(row, live, reason)
                } else {
                    views[row] = ByteView.pack(start: start, length: arena.count &- start)
                }
            }
            row &+= 1
        }
        return result
    }

    /// Parts of the first argument's strings, without copying them: `body` gives the part's range.
    @inline(__always)
    func sliceText(_ body: (Int, UnsafeBufferPointer<UInt8>) -> Range<Int>) -> Column {
        let source = arguments[0]
        let (result, live) = self.result(source.type, arena: source.arena)
        let views = result.views
        var row = 0
        while row < count {
            if live[row] != 0 {
                let part = body(row, source.bytes(row))
                views[row] = ByteView.pack(
                    start: ByteView.start(source.views[row]) &+ part.lowerBound,
                    length: part.count)
            }
            row &+= 1
        }
        return result
    }
}

extension ByteArena {
    /// Appends one byte.
    @inline(__always)
    func add(_ byte: UInt8) {
        reserve(1)
        base[count] = byte
        count &+= 1
    }

    /// Appends bytes, which must not lie in this arena.
    @inline(__always)
    func add(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard let start = bytes.baseAddress, !bytes.isEmpty else { return }
        append(start, bytes.count)
    }

    /// Appends text.
    func add(_ text: String) {
        var text = text
        text.withUTF8 { add($0) }
    }

    /// Appends a scalar as UTF-8.
    func add(scalar: UInt32) {
        if scalar < 0x80 { return add(UInt8(scalar)) }
        if scalar < 0x800 {
            add(UInt8(0xC0 | scalar >> 6))
        } else {
            if scalar < 0x10000 {
                add(UInt8(0xE0 | scalar >> 12))
            } else {
                add(UInt8(0xF0 | scalar >> 18))
                add(UInt8(0x80 | scalar >> 12 & 0x3F))
            }
            add(UInt8(0x80 | scalar >> 6 & 0x3F))
        }
        add(UInt8(0x80 | scalar & 0x3F))
    }
}

/// UTF-8 as characters: Unicode scalars, as DuckDB counts them.
enum Characters {
    typealias Bytes = UnsafeBufferPointer<UInt8>

    @inline(__always)
    static func count(_ bytes: Bytes) -> Int {
        var characters = 0
        var at = 0
        while at < bytes.count {
            if bytes[at] & 0xC0 != 0x80 { characters &+= 1 }
            at &+= 1
        }
        return characters
    }

    /// Where character number `index`, from 0, begins; the end if there are fewer.
    @inline(__always)
    static func offset(_ bytes: Bytes, _ index: Int) -> Int {
        var rest = index
        var at = 0
        while at < bytes.count {
            if bytes[at] & 0xC0 != 0x80 {
                if rest == 0 { return at }
                rest &-= 1
            }
            at &+= 1
        }
        return at
    }

    /// The bytes of characters `range`, cut to those there are.
    @inline(__always)
    static func slice(_ bytes: Bytes, _ range: Range<Int>) -> Range<Int> {
        let start = offset(bytes, max(0, range.lowerBound))
        guard range.upperBound > max(0, range.lowerBound) else { return start..<start }
        let rest = Bytes(rebasing: bytes[start...])
        return start..<(start + offset(rest, range.upperBound - max(0, range.lowerBound)))
    }

    /// The scalar at `at` and how many bytes it takes; a stray byte stands for itself.
    @inline(__always)
    static func scalar(_ bytes: Bytes, _ at: Int) -> (value: UInt32, length: Int) {
        let first = UInt32(bytes[at])
        if first < 0x80 { return (first, 1) }
        let length = first >= 0xF0 ? 4 : (first >= 0xE0 ? 3 : (first >= 0xC0 ? 2 : 1))
        guard length > 1, at + length <= bytes.count else { return (first, 1) }
        var value = length == 4 ? first & 0x07 : (length == 3 ? first & 0x0F : first & 0x1F)
        for index in 1..<length { value = value << 6 | UInt32(bytes[at + index] & 0x3F) }
        return (value, length)
    }

    static func scalars(_ bytes: Bytes) -> [UInt32] {
        var scalars: [UInt32] = []
        var at = 0
        while at < bytes.count {
            let (value, length) = scalar(bytes, at)
            scalars.append(value)
            at += length
        }
        return scalars
    }

    /// Where `needle` first begins in `text`, or nil.
    @inline(__always)
    static func find(_ needle: Bytes, in text: Bytes, from: Int = 0) -> Int? {
        guard needle.count > 0 else { return from }
        guard text.count >= needle.count else { return nil }
        let first = needle[0]
        var at = from
        let last = text.count &- needle.count
        while at <= last {
            if text[at] == first {
                var matched = 1
                while matched < needle.count, text[at &+ matched] == needle[matched] {
                    matched &+= 1
                }
                if matched == needle.count { return at }
            }
            at &+= 1
        }
        return nil
    }
}

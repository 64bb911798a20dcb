import Glibc

/// Where one record ends in a file and the next begins.
public enum FileLayout: Equatable, Sendable {
    /// A record a line; blank lines are none.
    case lines
    /// A CSV row a record; quoted cells may hold line ends.
    case csv(CSVDialect)
    /// A file is one record.
    case whole
    /// Avro object container files, which say themselves where records are.
    case avro

    /// Finds the end of the record that begins at `start`, its line end included.
    ///
    /// - Parameter lines: grows by the line ends passed.
    /// - Returns: the position behind it, or -1 when the record does not end before `end`.
    func recordEnd(
        _ text: UnsafePointer<UInt8>, from start: Int, to end: Int, lines: inout Int
    ) -> Int {
        if self == .whole { return -1 }
        guard case .csv(let dialect) = self else {
            guard let found = memchr(text + start, 0x0A, end - start) else { return -1 }
            lines += 1
            return UnsafePointer(found.assumingMemoryBound(to: UInt8.self)) - text + 1
        }
        return FileLayout.rowEnd(text, start, end, dialect, &lines)
    }

    /// A quote opens a quoted cell only where a cell begins, as `CSVRow` has it.
    private static func rowEnd(
        _ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int, _ dialect: CSVDialect,
        _ lines: inout Int
    ) -> Int {
        let quote = dialect.quote
        let escape = dialect.escape
        let delimiter = dialect.delimiter
        var passed = 0
        var at = start
        var isAtCell = true
        while at < end {
            var byte = text[at]
            at &+= 1
            if isAtCell, byte == quote {
                while true {
                    guard at < end else { return -1 }
                    byte = text[at]
                    at &+= 1
                    if byte == escape, escape != quote {
                        guard at < end else { return -1 }
                        if text[at] == quote || text[at] == escape { at &+= 1 }
                    } else if byte == quote {
                        guard at < end else { return -1 }
                        if escape != quote || text[at] != quote { break }
                        at &+= 1
                    } else if byte == 0x0A {
                        passed &+= 1
                    }
                }
                isAtCell = false
                continue
            }
            if byte == 0x0A {
                lines += passed + 1
                return at
            }
            isAtCell = byte == delimiter
        }
        return -1
    }
}

extension FileLayout {
    /// The records of `text`, their line ends left out; blank lines are none.
    public func records(of text: [UInt8]) -> [Range<Int>] {
        text.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return [] }
            var found: [Range<Int>] = []
            var at = 0
            var lines = 0
            while at < buffer.count {
                let start = at
                let end = recordEnd(base, from: at, to: buffer.count, lines: &lines)
                at = end < 0 ? buffer.count : end
                var last = at
                while last > start, base[last - 1] == 0x0A || base[last - 1] == 0x0D { last -= 1 }
                let isBlank = (start..<last).allSatisfy { base[$0] == 0x20 || base[$0] == 0x09 }
                if !isBlank { found.append(start..<last) }
            }
            return found
        }
    }
}

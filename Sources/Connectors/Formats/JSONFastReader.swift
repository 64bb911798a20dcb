import StreamRuntime

/// Reads the usual document quickly: members written as in the document before.
///
/// What stood between two values of the last document (a comma, a name in quotes, a colon, spaces, the
/// braces of objects that paths lead through) is remembered and compared in whole words, so that in
/// a stream of like documents no name is looked up. A document is taken only when all of it was
/// checked. Anything else (escapes or nesting in a wanted value, a number that needs care, a
/// member twice, any error) is left to the strict reader by returning false; nothing has happened then.
final class JSONFastReader {
    /// How the value of a member is read.
    enum Kind: UInt8 {
        case skipped, string, int64, float64, decimal, timestamp, bool, unusual
    }

    /// A wanted member and where its values go.
    struct Slot {
        var kind: Kind
        var column: Int
        var values: UnsafeMutableRawPointer
        var validity: UnsafeMutablePointer<UInt8>?
        /// Microseconds of one unit; 0 when numbers need care.
        var multiplier: Int64
        var scale: Int
        /// 10^precision
        var bound: Int128
    }

    /// The text between two values, in words, and the member it introduces.
    struct Prefix {
        static let lengthMax = 48
        var length: Int
        /// The object it begins in and the one it ends in, as positions in `objects`.
        var from: Int
        var to: Int
        /// Bits of the objects it enters.
        var enters: UInt64
        /// Position of the member's slot, or -1.
        var slot: Int
        var words: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)
        var masks: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)
    }

    static let slotsMax = 64
    static let prefixesMax = 128

    private let slots: UnsafeMutablePointer<Slot>
    private let slotCount: Int
    private let prefixes: UnsafeMutablePointer<Prefix>
    private var prefixCount = 0
    /// The objects that paths lead through, the document first, and the one around each.
    private var objects: [JSONMembers] = []
    private var parents: [Int] = []
    /// Bits of the slots that must have a value.
    private var requiredBits: UInt64 = 0
    private var columns: [Column] = []
    /// False when a declared field can only be read strictly: a list, a struct, a member wanted twice.
    let isOn: Bool

    init(_ fields: [RecordField], columns: [Int], isOn: Bool) {
        let names = JSONMembers()
        slotCount = fields.count
        slots = .allocate(capacity: max(slotCount, 1))
        prefixes = .allocate(capacity: JSONFastReader.prefixesMax)
        var isUsual = true
        for (slot, field) in fields.enumerated() {
            let kind = JSONFastReader.kind(of: field)
            if kind == .unusual { isUsual = false }
            names.add(field.path[...], leaf: slot)
            var made = Slot(
                kind: kind, column: columns[slot], values: UnsafeMutableRawPointer(prefixes),
                validity: nil, multiplier: 0, scale: 0, bound: 0)
            if case .decimal(let precision, let scale) = field.type {
                made.scale = scale
                made.bound = powersOfTen[precision]
            }
            if let exponent = field.unit.microsExponent, exponent >= 0 {
                made.multiplier = Int64(powersOfTen[exponent])
            }
            slots[slot] = made
            if field.isRequired, slot < 64 { requiredBits |= 1 << UInt64(slot) }
        }
        objects = [names]
        parents = [0]
        var at = 0
        while at < objects.count {
            for member in objects[at].members {
                // A member that two fields want needs the strict reader.
                if member.leaves.count + (member.inner == nil ? 0 : 1) > 1 { isUsual = false }
                guard let inner = member.inner else { continue }
                objects.append(inner)
                parents.append(at)
            }
            at += 1
        }
        self.isOn =
            isOn && isUsual && slotCount <= JSONFastReader.slotsMax && objects.count <= 64
    }

    deinit {
        slots.deallocate()
        prefixes.deallocate()
    }

    private static func kind(of field: RecordField) -> Kind {
        switch field.type {
        case .string: return field.takesAnyText ? .unusual : .string
        case .int64: return .int64
        case .float64: return .float64
        case .decimal(let precision, _): return precision <= 38 ? .decimal : .unusual
        case .timestamp:
            return field.zone == nil && field.unit != .basic ? .timestamp : .unusual
        case .bool: return .bool
        case .date, .bytes, .list, .structure, .interval: return .unusual
        }
    }

    /// Writes rows from now on into the memory of `columns`.
    func point(at columns: [Column]) {
        self.columns = columns
        for slot in 0..<slotCount {
            let column = columns[slots[slot].column]
            slots[slot].values = column.values
            slots[slot].validity = column.validity
        }
    }

    /// Tells the columns that `rows` rows were written.
    func settle(_ columns: [Column], rows: Int) {
        guard isOn else { return }
        for slot in 0..<slotCount {
            columns[slots[slot].column].setCount(rows)
        }
    }

    /// Reads the document at `start` of `base` as row `row`.
    ///
    /// - Precondition: 64 bytes are readable behind the document.
    /// - Returns: false when the strict reader must see it.
    func read(
        _ base: UnsafePointer<UInt8>, start: Int, length: Int, row: Int
    ) -> Bool {
        let slots = self.slots
        let prefixes = self.prefixes
        let end = base + (start &+ length)
        var at = base + start
        var seen: UInt64 = 0
        var member = 0
        var object = 0
        var entered: UInt64 = 0
        while true {
            var slot: Int
            let known = prefixes + member
            if member < prefixCount, known.pointee.from == object,
                JSONFastReader.matches(at, known)
            {
                guard entered & known.pointee.enters == 0 else { return false }
                entered |= known.pointee.enters
                object = known.pointee.to
                at += known.pointee.length
                slot = known.pointee.slot
                if slot == JSONFastReader.closed { break }
            } else {
                if at.pointee == 0x7D, member > 0, object == 0 {
                    at += 1
                    break
                }
                slot = learn(&at, end, member, &object, &entered)
                if slot == JSONFastReader.closed { break }
                if slot == JSONFastReader.unreadable { return false }
            }
            guard at < end else { return false }
            member &+= 1
            if slot < 0 {
                guard let next = JSONFastReader.skip(at, end) else { return false }
                at = next
                continue
            }
            let bit: UInt64 = 1 &<< UInt64(truncatingIfNeeded: slot)
            guard seen & bit == 0 else { return false }
            seen |= bit
            let target = slots + slot
            if at.pointee == 0x6E {
                guard JSONFastReader.word(at) == JSONFastReader.null, requiredBits & bit == 0 else {
                    return false
                }
                setNull(slot, row)
                at += 4
                continue
            }
            switch target.pointee.kind {
            case .string:
                guard at.pointee == 0x22 else { return false }
                guard let close = JSONFastReader.closingQuote(at + 1, end) else { return false }
                target.pointee.values.storeBytes(
                    of: ByteView.pack(start: at + 1 - base, length: close - at - 1),
                    toByteOffset: row &* 8, as: UInt64.self)
                at = close + 1
            case .int64:
                let quote = at.pointee == 0x22 ? 1 : 0
                at += quote
                var value: Int64 = 0
                guard let next = JSONFastReader.integer(at, into: &value) else { return false }
                at = next
                if quote != 0 {
                    guard at.pointee == 0x22 else { return false }
                    at += 1
                }
                target.pointee.values.storeBytes(
                    of: value, toByteOffset: row &* 8, as: Int64.self)
            case .float64:
                var digits: Int64 = 0
                var scale = 0
                var isNegative = false
                guard
                    let next = JSONFastReader.fraction(
                        at, into: &digits, scale: &scale, isNegative: &isNegative),
                    digits <= 1 << 53
                else { return false }
                at = next
                let size = Double(digits) / exactDoublePowers[scale]
                target.pointee.values.storeBytes(
                    of: isNegative ? -size : size, toByteOffset: row &* 8, as: Double.self)
            case .decimal:
                let quote = at.pointee == 0x22 ? 1 : 0
                at += quote
                var digits: Int64 = 0
                var scale = 0
                var isNegative = false
                guard
                    let next = JSONFastReader.fraction(
                        at, into: &digits, scale: &scale, isNegative: &isNegative),
                    scale <= target.pointee.scale
                else { return false }
                at = next
                if quote != 0 {
                    guard at.pointee == 0x22 else { return false }
                    at += 1
                }
                let shift = target.pointee.scale &- scale
                guard shift <= 18 else { return false }
                let size = Int128(digits) &* powersOfTen[shift]
                guard size < target.pointee.bound else { return false }
                target.pointee.values.storeBytes(
                    of: isNegative ? 0 &- size : size, toByteOffset: row &* 16, as: Int128.self)
            case .timestamp:
                var value: Int64 = 0
                if at.pointee == 0x22 {
                    guard let close = JSONFastReader.closingQuote(at + 1, end) else { return false }
                    value = TimeText.readTimestamp(at + 1, close - at - 1)
                    at = close + 1
                } else {
                    guard let next = JSONFastReader.integer(at, into: &value) else { return false }
                    at = next
                    let (micros, overflow) = value.multipliedReportingOverflow(
                        by: target.pointee.multiplier)
                    guard !overflow, target.pointee.multiplier != 0 else { return false }
                    value = micros
                }
                guard value >= TimeText.timestampMin, value <= TimeText.timestampMax else {
                    return false
                }
                target.pointee.values.storeBytes(
                    of: value, toByteOffset: row &* 8, as: Int64.self)
            case .bool:
                let word = JSONFastReader.word(at)
                if word == JSONFastReader.true {
                    at += 4
                } else if word == JSONFastReader.fals, at[4] == 0x65 {
                    at += 5
                } else {
                    return false
                }
                target.pointee.values.storeBytes(
                    of: word == JSONFastReader.true ? 1 : 0, toByteOffset: row, as: UInt8.self)
            case .skipped, .unusual: return false
            }
            if let validity = target.pointee.validity { validity[row] = 1 }
        }
        while at < end, JSONFastReader.isSpace(at.pointee) { at += 1 }
        guard at == end else { return false }
        return finish(seen, row)
    }

    /// Gives the members that were not there a null.
    @inline(__always)
    private func finish(_ seen: UInt64, _ row: Int) -> Bool {
        let all: UInt64 = slotCount == 64 ? ~0 : (1 &<< UInt64(truncatingIfNeeded: slotCount)) &- 1
        var missing = all & ~seen
        guard missing != 0 else { return true }
        guard missing & requiredBits == 0 else { return false }
        while missing != 0 {
            let slot = missing.trailingZeroBitCount
            setNull(slot, row)
            missing &= missing &- 1
        }
        return true
    }

    private func setNull(_ slot: Int, _ row: Int) {
        let column = columns[slots[slot].column]
        let validity = slots[slot].validity ?? column.ensureValidity()
        slots[slot].validity = validity
        validity[row] = 0
        let stride = column.type.stride
        (slots[slot].values + row &* stride).initializeMemory(
            as: UInt8.self, repeating: 0, count: stride)
    }

    // MARK: what stands between values

    static let closed = -2
    static let unreadable = -3

    /// Reads a prefix that was not expected, and remembers it for the next document.
    ///
    /// - Returns: its slot, -1 for a member nobody wants, `closed` or `unreadable`.
    private func learn(
        _ at: inout UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>, _ member: Int,
        _ object: inout Int, _ entered: inout UInt64
    ) -> Int {
        let start = at
        var made = Prefix(
            length: 0, from: object, to: object, enters: 0, slot: JSONFastReader.closed,
            words: (0, 0, 0, 0, 0, 0), masks: (0, 0, 0, 0, 0, 0))
        var scanner = JSONScanner(at, from: 0, to: max(end - at, 0))
        scanner.skipSpace()
        var isFirst = member == 0
        if isFirst {
            guard scanner.next == 0x7B else { return JSONFastReader.unreadable }
            scanner.position += 1
        }
        var isWorthwhile = true
        while true {
            guard let more = scanner.enterMember(isFirst: isFirst) else {
                return JSONFastReader.unreadable
            }
            isFirst = false
            guard more else {
                guard made.to != 0 else { break }
                made.to = parents[made.to]
                continue
            }
            let nameStart = scanner.position + 1
            guard scanner.skipString(), !scanner.sawEscape else { return JSONFastReader.unreadable }
            let names = objects[made.to]
            let found = names.find(start + nameStart, scanner.position - 1 - nameStart)
            guard scanner.skipColon() else { return JSONFastReader.unreadable }
            guard found >= 0, let inner = names.members[found].inner else {
                made.slot = found < 0 ? -1 : names.members[found].leaves[0]
                break
            }
            let object = objects.firstIndex { $0 === inner }!
            guard (entered | made.enters) & 1 << UInt64(object) == 0 else {
                return JSONFastReader.unreadable
            }
            if scanner.next == 0x7B {
                scanner.position += 1
                made.enters |= 1 << UInt64(object)
                made.to = object
                isFirst = true
            } else if scanner.next == 0x6E {
                // A null in place of an object on the way to a value: next time it may be there.
                made.slot = -1
                isWorthwhile = false
                break
            } else {
                return JSONFastReader.unreadable
            }
        }
        at = start + scanner.position
        object = made.to
        entered |= made.enters
        made.length = scanner.position
        if isWorthwhile { remember(start, made, member) }
        return made.slot
    }

    private func remember(_ start: UnsafePointer<UInt8>, _ prefix: Prefix, _ member: Int) {
        guard member < JSONFastReader.prefixesMax, member <= prefixCount,
            prefix.length <= Prefix.lengthMax
        else { return }
        if member == prefixCount { prefixCount += 1 }
        var words = [UInt64](repeating: 0, count: 6)
        var masks = [UInt64](repeating: 0, count: 6)
        for byte in 0..<prefix.length {
            words[byte / 8] |= UInt64(start[byte]) << UInt64(byte % 8 * 8)
            masks[byte / 8] |= 0xFF << UInt64(byte % 8 * 8)
        }
        var made = prefix
        made.words = (words[0], words[1], words[2], words[3], words[4], words[5])
        made.masks = (masks[0], masks[1], masks[2], masks[3], masks[4], masks[5])
        prefixes[member] = made
    }

    /// Whether the text at `at` begins with the prefix.
    @inline(__always)
    private static func matches(
        _ at: UnsafePointer<UInt8>, _ prefix: UnsafeMutablePointer<Prefix>
    ) -> Bool {
        let text = UnsafeRawPointer(at)
        var difference =
            (text.loadUnaligned(as: UInt64.self) ^ prefix.pointee.words.0) & prefix.pointee.masks.0
        difference |=
            (text.loadUnaligned(fromByteOffset: 8, as: UInt64.self) ^ prefix.pointee.words.1)
            & prefix.pointee.masks.1
        guard prefix.pointee.length > 16 else { return difference == 0 }
        difference |=
            (text.loadUnaligned(fromByteOffset: 16, as: UInt64.self) ^ prefix.pointee.words.2)
            & prefix.pointee.masks.2
        guard prefix.pointee.length > 24 else { return difference == 0 }
        difference |=
            (text.loadUnaligned(fromByteOffset: 24, as: UInt64.self) ^ prefix.pointee.words.3)
            & prefix.pointee.masks.3
        difference |=
            (text.loadUnaligned(fromByteOffset: 32, as: UInt64.self) ^ prefix.pointee.words.4)
            & prefix.pointee.masks.4
        difference |=
            (text.loadUnaligned(fromByteOffset: 40, as: UInt64.self) ^ prefix.pointee.words.5)
            & prefix.pointee.masks.5
        return difference == 0
    }
}

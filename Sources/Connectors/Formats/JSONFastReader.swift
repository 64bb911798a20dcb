import StreamRuntime

/// Reads the usual document quickly: flat members, written as in the document before.
///
/// What stood between two values of the last document (a comma, a name in quotes, a colon, spaces) is
/// remembered and compared in whole words, so that in a stream of like documents no name is
/// looked up. A document is taken only when all of it was checked. Anything else (escapes or nesting
/// in a wanted value, a number that needs care, a member twice, any error) is left to the
/// strict reader by returning false; nothing has happened then.
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
    private let names: JSONMembers
    /// Bits of the slots that must have a value.
    private var requiredBits: UInt64 = 0
    private var columns: [Column] = []
    /// False when a declared field can only be read strictly: one inside another object, a list.
    let isOn: Bool

    init(_ fields: [RecordField], columns: [Int], isOn: Bool) {
        names = JSONMembers()
        slotCount = fields.count
        slots = .allocate(capacity: max(slotCount, 1))
        prefixes = .allocate(capacity: JSONFastReader.prefixesMax)
        var isUsual = true
        for (slot, field) in fields.enumerated() {
            let kind = JSONFastReader.kind(of: field)
            if kind == .unusual { isUsual = false }
            names.add(field.path[...].prefix(1), leaf: slot)
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
        // A member that two fields want, or that leads further down, needs the strict reader.
        if names.members.contains(where: { $0.below.count > 1 }) { isUsual = false }
        self.isOn = isOn && isUsual && slotCount <= JSONFastReader.slotsMax
    }

    deinit {
        slots.deallocate()
        prefixes.deallocate()
    }

    private static func kind(of field: RecordField) -> Kind {
        guard field.path.count == 1 else { return .unusual }
        switch field.type {
        case .string: return field.takesAnyText ? .unusual : .string
        case .int64: return .int64
        case .float64: return .float64
        case .decimal(let precision, _): return precision <= 38 ? .decimal : .unusual
        case .timestamp: return .timestamp
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
        while true {
            var slot: Int
            let known = prefixes + member
            if member < prefixCount, JSONFastReader.matches(at, known) {
                at += known.pointee.length
                slot = known.pointee.slot
            } else {
                if at.pointee == 0x7D, member > 0 {
                    at += 1
                    break
                }
                slot = learn(&at, end, member)
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
        _ at: inout UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>, _ member: Int
    ) -> Int {
        let start = at
        var scanner = JSONScanner(at, from: 0, to: max(end - at, 0))
        scanner.skipSpace()
        if member == 0 {
            guard scanner.next == 0x7B else { return JSONFastReader.unreadable }
            scanner.position += 1
        }
        guard let more = scanner.enterMember(isFirst: member == 0) else {
            return JSONFastReader.unreadable
        }
        guard more else {
            at = start + scanner.position
            return JSONFastReader.closed
        }
        let nameStart = scanner.position + 1
        guard scanner.skipString(), !scanner.sawEscape else { return JSONFastReader.unreadable }
        let found = names.find(start + nameStart, scanner.position - 1 - nameStart)
        guard scanner.skipColon() else { return JSONFastReader.unreadable }
        at = start + scanner.position
        let slot = found < 0 ? -1 : names.members[found].below[0]
        remember(start, scanner.position, slot, member)
        return slot
    }

    private func remember(
        _ start: UnsafePointer<UInt8>, _ length: Int, _ slot: Int, _ member: Int
    ) {
        guard member < JSONFastReader.prefixesMax, member <= prefixCount else { return }
        if member == prefixCount {
            guard length <= Prefix.lengthMax else { return }
            prefixCount += 1
        }
        guard length <= Prefix.lengthMax else { return }
        var words = [UInt64](repeating: 0, count: 6)
        var masks = [UInt64](repeating: 0, count: 6)
        for byte in 0..<length {
            words[byte / 8] |= UInt64(start[byte]) << UInt64(byte % 8 * 8)
            masks[byte / 8] |= 0xFF << UInt64(byte % 8 * 8)
        }
        prefixes[member] = Prefix(
            length: length, slot: slot,
            words: (words[0], words[1], words[2], words[3], words[4], words[5]),
            masks: (masks[0], masks[1], masks[2], masks[3], masks[4], masks[5]))
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

import StreamRuntime

/// Reads the usual document quickly: members written as in the document before.
///
/// What stood between two values of earlier documents (a comma, a name in quotes, a colon, spaces, the braces of
/// objects that paths lead through, nulls in their place) is remembered and compared in whole words, so that
/// in a stream of like documents no name is looked up. Each such text knows up to four that followed it, the one
/// of the last document first: documents of several kinds may take turns and leave members out. A struct is read
/// as the members it has. A document is taken only when all of it was checked. Anything else (escapes or
/// lists in a wanted value, a number that needs care, a member twice, any error) is left to the strict reader
/// by returning false; nothing has happened then.
final class JSONFastReader {
    /// How the value of a member is read.
    enum Kind: UInt8 {
        case skipped, string, int64, float64, decimal, timestamp, bool, unusual
    }

    /// A wanted member and where its values go.
    struct Slot {
        var kind: Kind
        var values: UnsafeMutableRawPointer
        var validity: UnsafeMutablePointer<UInt8>?
        /// Microseconds of one unit; 0 when numbers need care.
        var multiplier: Int64
        var scale: Int
        /// 10^precision
        var bound: Int128
        /// Bytes of a value.
        var stride: Int
    }

    /// A wanted struct: which object it is, and where its validity goes.
    struct Structure {
        var bit: UInt64
        var isRequired: Bool
        var validity: UnsafeMutablePointer<UInt8>?
    }

    /// The text between two values, in words, and the member it introduces.
    struct Text {
        static let lengthMax = 64
        typealias Words = (
            UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64
        )
        var length: Int
        /// The object it begins in and the one it ends in, as positions in `objects`.
        var from: Int
        var to: Int
        /// Bits of the objects it enters, or says are null.
        var enters: UInt64
        /// Bits of the objects in whose place it has a null.
        var nulls: UInt64
        /// Position of the member's slot, -1 for none, or `passed` when its value is in the text.
        var slot: Int
        /// The texts that followed this one, the one of the last document first; -1 for none.
        var followers: (Int32, Int32, Int32, Int32)
        var words: Words
        var masks: Words
    }

    static let slotsMax = 64
    static let textsMax = 256

    private let slots: UnsafeMutablePointer<Slot>
    private let slotCount: Int
    /// The first stands for the beginning of a document, the second for any place that is not remembered.
    let texts: UnsafeMutablePointer<Text>
    var textCount = 2
    static let beginning = 0
    static let nowhere = 1
    private let structures: UnsafeMutablePointer<Structure>
    private var structureCount = 0
    /// Where the columns of slots and structs are: the decoded column, then children.
    private var slotPaths: [[Int]] = []
    private var structurePaths: [[Int]] = []
    private var slotColumns: [Column] = []
    private var tops: [Column] = []
    private var structureColumns: [Column] = []
    /// The objects that paths lead through, the document first, and the one around each.
    private(set) var objects: [JSONMembers] = []
    private(set) var parents: [Int] = []
    /// Bits of the slots that must have a value.
    private var requiredBits: UInt64 = 0
    private let moments: UnsafeMutablePointer<RecentDay>
    /// False when a declared field can only be read strictly: a list, a date, a member wanted twice.
    let isOn: Bool

    init(_ fields: [RecordField], columns: [Int], isOn: Bool) {
        let names = JSONMembers()
        var wanted: [(field: RecordField, place: [Int])] = []
        var structs: [(field: RecordField, place: [Int])] = []
        for (index, field) in fields.enumerated() {
            JSONFastReader.expand(field, [columns[index]], &wanted, &structs)
        }
        slotCount = wanted.count
        slots = .allocate(capacity: max(slotCount, 1))
        structures = .allocate(capacity: max(structs.count, 1))
        structureCount = structs.count
        slotPaths = wanted.map(\.place)
        structurePaths = structs.map(\.place)
        moments = .allocate(capacity: 1)
        moments.initialize(to: RecentDay())
        texts = .allocate(capacity: JSONFastReader.textsMax)
        texts.initialize(repeating: JSONFastReader.unknown, count: JSONFastReader.textsMax)
        var isUsual = true
        for (slot, (field, _)) in wanted.enumerated() {
            let kind = JSONFastReader.kind(of: field)
            if kind == .unusual { isUsual = false }
            names.add(field.path[...], leaf: slot)
            var made = Slot(
                kind: kind, values: UnsafeMutableRawPointer(texts),
                validity: nil, multiplier: 0, scale: 0, bound: 0, stride: field.type.stride)
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
        for (index, (field, _)) in structs.enumerated() {
            var object: JSONMembers? = names
            for name in field.path {
                object = object?.members.first { $0.name == Array(name.utf8) }?.inner
            }
            let number = objects.firstIndex { $0 === object } ?? 0
            (structures + index).initialize(
                to: Structure(
                    bit: 1 << UInt64(truncatingIfNeeded: number & 63),
                    isRequired: field.isRequired, validity: nil))
        }
    }

    deinit {
        slots.deallocate()
        structures.deallocate()
        texts.deallocate()
        moments.deallocate()
    }

    /// The members that `field` is made of: itself, or of a struct its fields.
    private static func expand(
        _ field: RecordField, _ place: [Int], _ wanted: inout [(field: RecordField, place: [Int])],
        _ structs: inout [(field: RecordField, place: [Int])]
    ) {
        guard case .structure(let inner) = field.type, !inner.isEmpty else {
            wanted.append((field, place))
            return
        }
        structs.append((field, place))
        for (index, member) in inner.enumerated() {
            expand(field.member(member), place + [index], &wanted, &structs)
        }
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
        guard isOn else { return }
        if structureCount > 0 || !isPointed(at: columns) {
            tops = columns
            slotColumns = slotPaths.map { JSONFastReader.column($0, columns) }
            structureColumns = structurePaths.map { JSONFastReader.column($0, columns) }
        }
        for slot in 0..<slotCount {
            let column = slotColumns[slot]
            slots[slot].values = column.values
            slots[slot].validity = column.validity
        }
        for (index, column) in structureColumns.enumerated() {
            structures[index].validity = column.validity
        }
    }

    private func isPointed(at columns: [Column]) -> Bool {
        guard columns.count == tops.count else { return false }
        for index in columns.indices where columns[index] !== tops[index] { return false }
        return true
    }

    /// The column at `path`, with room for as many rows as those around it.
    private static func column(_ path: [Int], _ columns: [Column]) -> Column {
        var column = columns[path[0]]
        for child in path.dropFirst() {
            let room = column.capacity
            column = column.children[child]
            column.reserve(max(room - column.count, 0))
        }
        return column
    }

    /// Tells the columns that `rows` rows were written.
    func settle(_ columns: [Column], rows: Int) {
        guard isOn else { return }
        for column in slotColumns { column.setCount(rows) }
        for column in structureColumns { column.setCount(rows) }
    }

    /// Reads the document at `start` of `base` as row `row`.
    ///
    /// - Precondition: 64 bytes are readable behind the document.
    /// - Returns: false when the strict reader must see it.
    func read(
        _ base: UnsafePointer<UInt8>, start: Int, length: Int, row: Int
    ) -> Bool {
        let slots = self.slots
        let texts = self.texts
        let end = base + (start &+ length)
        var at = base + start
        var seen: UInt64 = 0
        var last = JSONFastReader.beginning
        var object = 0
        var entered: UInt64 = 0
        var nulled: UInt64 = 0
        while true {
            let found = follower(of: last, at)
            let slot: Int
            if found >= 0 {
                let known = texts + found
                guard entered & known.pointee.enters == 0 else { return false }
                entered |= known.pointee.enters
                nulled |= known.pointee.nulls
                object = known.pointee.to
                at += known.pointee.length
                slot = known.pointee.slot
                last = found
            } else {
                let isFirst = last == JSONFastReader.beginning
                slot = learn(&at, end, &last, &object, &entered, &nulled, isFirst: isFirst)
            }
            guard at < end else {
                if slot == JSONFastReader.closed, at == end { break }
                return false
            }
            if slot < 0 {
                if slot == JSONFastReader.closed { break }
                if slot == JSONFastReader.passed { continue }
                if slot == JSONFastReader.unreadable { return false }
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
                    value = moments.pointee.read(at + 1, close - at - 1)
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
        if structureCount > 0, !finish(structs: entered & ~nulled, row) { return false }
        return finish(seen, row)
    }

    /// Tells of each struct whether it was there.
    private func finish(structs there: UInt64, _ row: Int) -> Bool {
        var index = 0
        while index < structureCount {
            let structure = structures + index
            if there & structure.pointee.bit != 0 {
                if let validity = structure.pointee.validity { validity[row] = 1 }
            } else {
                if structure.pointee.isRequired { return false }
                let validity =
                    structure.pointee.validity ?? structureColumns[index].ensureValidity()
                structure.pointee.validity = validity
                validity[row] = 0
            }
            index &+= 1
        }
        return true
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

    @inline(__always)
    private func setNull(_ slot: Int, _ row: Int) {
        let target = slots + slot
        let validity = target.pointee.validity ?? makeValidity(slot)
        validity[row] = 0
        let stride = target.pointee.stride
        if stride == 8 {
            target.pointee.values.storeBytes(of: 0, toByteOffset: row &* 8, as: UInt64.self)
        } else {
            (target.pointee.values + row &* stride).initializeMemory(
                as: UInt8.self, repeating: 0, count: stride)
        }
    }

    @inline(never)
    private func makeValidity(_ slot: Int) -> UnsafeMutablePointer<UInt8> {
        let validity = slotColumns[slot].ensureValidity()
        slots[slot].validity = validity
        return validity
    }

    // MARK: what stands between values

    static let closed = -2
    static let unreadable = -3
    /// The member and its value, a null in place of an object, are behind.
    static let passed = -4

    private static let unknown = Text(
        length: 0, from: -1, to: 0, enters: 0, nulls: 0, slot: closed, followers: (-1, -1, -1, -1),
        words: (0, 0, 0, 0, 0, 0, 0, 0), masks: (0, 0, 0, 0, 0, 0, 0, 0))

    /// The remembered text that is next behind `last`, or -1.
    @inline(__always)
    private func follower(of last: Int, _ at: UnsafePointer<UInt8>) -> Int {
        let first = Int(texts[last].followers.0)
        if first >= 0, JSONFastReader.matches(at, texts + first) { return first }
        return otherFollower(of: last, at)
    }

    /// One of the followers but the first, which it then becomes.
    @inline(never)
    private func otherFollower(of last: Int, _ at: UnsafePointer<UInt8>) -> Int {
        let known = texts + last
        let (first, second, third, fourth) = known.pointee.followers
        if second >= 0, JSONFastReader.matches(at, texts + Int(second)) {
            known.pointee.followers = (second, first, third, fourth)
            return Int(second)
        }
        if third >= 0, JSONFastReader.matches(at, texts + Int(third)) {
            known.pointee.followers = (third, first, second, fourth)
            return Int(third)
        }
        if fourth >= 0, JSONFastReader.matches(at, texts + Int(fourth)) {
            known.pointee.followers = (fourth, first, second, third)
            return Int(fourth)
        }
        return -1
    }

    /// Whether the text at `at` begins with the known one.
    @inline(__always)
    private static func matches(
        _ at: UnsafePointer<UInt8>, _ known: UnsafeMutablePointer<Text>
    ) -> Bool {
        let text = UnsafeRawPointer(at)
        let words = known.pointee.words
        let masks = known.pointee.masks
        var difference =
            (text.loadUnaligned(as: UInt64.self) ^ words.0) & masks.0
            | (text.loadUnaligned(fromByteOffset: 8, as: UInt64.self) ^ words.1) & masks.1
        guard known.pointee.length > 16 else { return difference == 0 }
        difference |=
            (text.loadUnaligned(fromByteOffset: 16, as: UInt64.self) ^ words.2) & masks.2
            | (text.loadUnaligned(fromByteOffset: 24, as: UInt64.self) ^ words.3) & masks.3
        guard known.pointee.length > 32 else { return difference == 0 }
        difference |=
            (text.loadUnaligned(fromByteOffset: 32, as: UInt64.self) ^ words.4) & masks.4
            | (text.loadUnaligned(fromByteOffset: 40, as: UInt64.self) ^ words.5) & masks.5
            | (text.loadUnaligned(fromByteOffset: 48, as: UInt64.self) ^ words.6) & masks.6
            | (text.loadUnaligned(fromByteOffset: 56, as: UInt64.self) ^ words.7) & masks.7
        return difference == 0
    }
}

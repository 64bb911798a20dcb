import StreamRuntime

/// How records of one writer's schema become rows of the declared fields: the resolution of the two,
/// made once for a schema.
///
/// A field is found by its path of names; where a record has no member of a name, one with that alias
/// counts. Numbers widen as the specification says; a value that has no place in a field's type makes
/// its record unusable, with the reason.
/// - Source: the specification of Apache Avro 1.12, "Schema Resolution".
final class AvroProgram {
    /// Where a column is: one of the batch's, or a part of another one.
    struct Slot {
        /// The slot it is a part of; -1 for the batch's own.
        let parent: Int
        /// Which part, or which of the batch's columns.
        let index: Int
        let type: ColumnType
        let unit: TimeUnit
    }

    /// A value wanted: what is left of the way to it.
    struct Wanted {
        let path: ArraySlice<String>
        let slot: Int
    }

    let schema: AvroSchema
    private(set) var operations: [AvroOperation] = []
    private(set) var links: [Int] = []
    private(set) var slots: [Slot] = []
    /// Texts: words of enums and reasons of mismatches.
    private(set) var texts: [String] = []
    private(set) var root = 0
    /// The columns of the batch that a record may leave without a value.
    let fields: [(column: Int, field: RecordField)]
    /// The type that the bytes are of.
    let start: Int
    private var skips: [Int: Int] = [:]

    /// - Parameters:
    ///   - columns: which column of the batch each field is.
    ///   - start: the type that the bytes are of; the schema's own when nil.
    init(
        _ schema: AvroSchema, fields: [RecordField], columns: [Int], start: Int? = nil
    ) {
        self.schema = schema
        self.start = start ?? schema.root
        self.fields = zip(columns, fields).map { (column: $0, field: $1) }
        for (column, field) in self.fields {
            slots.append(Slot(parent: -1, index: column, type: field.type, unit: field.unit))
        }
        let wanted = fields.indices.map { Wanted(path: fields[$0].path[...], slot: $0) }
        root = compile(self.start, wanted)
        // Whoever looks for a member passes over those before it.
        if case .record(let members) = schema.nodes[schema.root].kind {
            for member in members { _ = skip(member.type) }
        }
    }

    // MARK: making

    private func add(_ operation: AvroOperation) -> Int {
        operations.append(operation)
        return operations.count - 1
    }

    private func add(
        _ action: AvroOperation.Action, slot: Int = -1, number: Int = 0, precision: Int = 0,
        _ below: [Int] = []
    ) -> Int {
        var operation = AvroOperation(
            action: action, slot: slot, number: number, precision: precision)
        operation.first = links.count
        operation.count = below.count
        links += below
        return add(operation)
    }

    private func add(text: String) -> Int {
        texts.append(text)
        return texts.count - 1
    }

    private func slot(under parent: Int, _ index: Int, _ type: ColumnType) -> Int {
        slots.append(Slot(parent: parent, index: index, type: type, unit: slots[parent].unit))
        return slots.count - 1
    }

    /// What passes over a value of type `type`.
    func skip(_ type: Int) -> Int {
        if let made = skips[type] { return made }
        switch schema.nodes[type].kind {
        case .null: skips[type] = add(.nothing)
        case .boolean: skips[type] = add(.skipFixed, number: 1)
        case .int, .long, .enumeration: skips[type] = add(.skipNumber)
        case .float: skips[type] = add(.skipFixed, number: 4)
        case .double: skips[type] = add(.skipFixed, number: 8)
        case .bytes, .string: skips[type] = add(.skipBytes)
        case .fixed(let size): skips[type] = add(.skipFixed, number: size)
        case .array(let element): passOver(type, .skipArray, [element])
        case .map(let value): passOver(type, .skipMap, [value])
        case .record(let members): passOver(type, .record, members.map(\.type))
        case .union(let branches): passOver(type, .union, branches)
        }
        return skips[type]!
    }

    /// Takes its number first: a type may hold itself.
    private func passOver(_ type: Int, _ action: AvroOperation.Action, _ parts: [Int]) {
        let number = add(AvroOperation(action: action))
        skips[type] = number
        let below = parts.map(skip)
        operations[number].first = links.count
        operations[number].count = below.count
        links += below
    }

    /// What brings a value of type `type` to everyone who wants it or something in it.
    private func compile(_ type: Int, _ wanted: [Wanted]) -> Int {
        guard !wanted.isEmpty else { return skip(type) }
        if case .union(let branches) = schema.nodes[type].kind {
            return add(.union, branches.map { compile($0, wanted) })
        }
        let whole = wanted.filter(\.path.isEmpty)
        let parts = wanted.filter { !$0.path.isEmpty }
        let ways = whole.map { value(type, $0.slot) } + (parts.isEmpty ? [] : [into(type, parts)])
        return ways.count == 1 ? ways[0] : add(.again, ways)
    }

    /// What brings parts of a value to those who want them.
    private func into(_ type: Int, _ wanted: [Wanted]) -> Int {
        // What is not there has no parts, which then have no value.
        if schema.nodes[type].kind == .null { return add(.nothing) }
        guard case .record(let members) = schema.nodes[type].kind else {
            let name = wanted[0].path.first ?? ""
            return add(
                .mismatch,
                number: add(text: "is \(schema.describe(type)), which has no member \"\(name)\""))
        }
        return add(.record, below(members, wanted))
    }

    private func below(_ members: [AvroSchema.Member], _ wanted: [Wanted]) -> [Int] {
        members.map { member in
            compile(
                member.type,
                wanted.filter { wanted in
                    let name = wanted.path.first
                    return name == member.name
                        || (!members.contains { $0.name == name }
                            && member.aliases.contains { $0 == name })
                }.map { Wanted(path: $0.path.dropFirst(), slot: $0.slot) })
        }
    }

    /// What brings a value, all of it, to a column.
    private func value(_ type: Int, _ slot: Int) -> Int {
        let node = schema.nodes[type]
        if case .union(let branches) = node.kind {
            return add(.union, branches.map { value($0, slot) })
        }
        if node.kind == .null { return add(.null, slot: slot) }
        let made: Int? =
            switch slots[slot].type {
            case .bool: node.kind == .boolean ? add(.boolean, slot: slot) : parsed(node, slot)
            case .int64: integer(node, slot)
            case .float64: float(node, slot)
            case .decimal(let precision, let scale): decimal(node, slot, precision, scale)
            case .timestamp: timestamp(node, slot)
            case .date:
                node.logical == .date || node.kind == .int
                    ? add(.date, slot: slot) : parsed(node, slot)
            case .string, .bytes: bytes(node, slot)
            case .list(let element): list(type, slot, element)
            case .structure(let fields): structure(node, slot, fields)
            case .interval: nil
            }
        return made
            ?? add(
                .mismatch, slot: slot,
                number: add(
                    text: "is \(schema.describe(type)), which cannot be \(slots[slot].type)"))
    }

    private func parsed(_ node: AvroSchema.Node, _ slot: Int) -> Int? {
        node.kind == .string ? add(.parsed, slot: slot) : nil
    }

    private func integer(_ node: AvroSchema.Node, _ slot: Int) -> Int? {
        node.kind == .int || node.kind == .long ? add(.long, slot: slot) : nil
    }

    private func float(_ node: AvroSchema.Node, _ slot: Int) -> Int? {
        switch node.kind {
        case .int, .long: add(.longToDouble, slot: slot)
        case .float: add(.float, slot: slot)
        case .double: add(.double, slot: slot)
        default: nil
        }
    }

    private func decimal(
        _ node: AvroSchema.Node, _ slot: Int, _ precision: Int, _ scale: Int
    ) -> Int? {
        if case .decimal(_, let written) = node.logical {
            switch node.kind {
            case .bytes:
                return add(.decimalBytes, slot: slot, number: scale - written, precision: precision)
            case .fixed(let size):
                // The size goes with the action below it.
                let bytes = add(.skipFixed, number: size)
                return add(
                    .decimalFixed, slot: slot, number: scale - written, precision: precision,
                    [bytes])
            default: return nil
            }
        }
        if node.kind == .int || node.kind == .long {
            return add(.longToDecimal, slot: slot, number: scale, precision: precision)
        }
        return parsed(node, slot)
    }

    private func timestamp(_ node: AvroSchema.Node, _ slot: Int) -> Int? {
        if node.logical == .date { return add(.dateToTimestamp, slot: slot) }
        if case .timestamp(let unit) = node.logical {
            return add(.timestamp, slot: slot, number: unit.microsExponent ?? 0)
        }
        guard node.kind == .long || node.kind == .int else { return parsed(node, slot) }
        if slots[slot].unit == .days { return add(.dateToTimestamp, slot: slot) }
        return slots[slot].unit.microsExponent.map { add(.timestamp, slot: slot, number: $0) }
    }

    private func bytes(_ node: AvroSchema.Node, _ slot: Int) -> Int? {
        let isText = slots[slot].type == .string
        switch node.kind {
        case .string, .bytes: return add(isText ? .text : .bytes, slot: slot)
        case .fixed(let size):
            if isText { return node.logical == .uuid ? add(.uuid, slot: slot) : nil }
            return add(.fixed, slot: slot, number: size)
        case .enumeration(let symbols):
            guard isText else { return nil }
            let first = texts.count
            texts += symbols
            return add(.symbol, slot: slot, number: first, precision: symbols.count)
        default: return nil
        }
    }

    private func list(_ type: Int, _ slot: Int, _ element: ColumnType) -> Int? {
        switch schema.nodes[type].kind {
        case .array(let written):
            let inner = self.slot(under: slot, 0, element)
            return add(.list, slot: slot, number: inner, [value(written, inner)])
        case .map(let written):
            guard case .structure(let fields) = element, fields.count == 2,
                fields[0] == Field("key", .string), fields[1].name == "value"
            else { return nil }
            let pair = self.slot(under: slot, 0, element)
            let key = self.slot(under: pair, 0, .string)
            let inner = self.slot(under: pair, 1, fields[1].type)
            return add(
                .mapList, slot: slot, number: pair,
                [add(.text, slot: key), value(written, inner)])
        default: return nil
        }
    }

    private func structure(_ node: AvroSchema.Node, _ slot: Int, _ fields: [Field]) -> Int? {
        guard case .record(let members) = node.kind else { return nil }
        let inner = fields.indices.map { self.slot(under: slot, $0, fields[$0].type) }
        let wanted = zip(fields, inner).map { Wanted(path: [$0.name], slot: $1) }
        // The slots of its fields lie one behind the other.
        return add(
            .structure, slot: slot, number: inner.first ?? 0, precision: fields.count,
            below(members, wanted))
    }
}

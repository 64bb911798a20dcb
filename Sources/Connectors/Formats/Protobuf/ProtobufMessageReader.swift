import StreamRuntime

/// Reads the wanted fields of one kind of message: first the whole message is scanned, so that the last
/// value of a field counts, then columns get a value each.
final class ProtobufMessageReader {
    /// Where a field's value goes.
    private struct Target {
        let column: Int
        let value: ProtobufValueReader
        let isRequired: Bool
        let name: String
    }

    /// A wanted field, and what the message at hand has of it.
    private final class Slot {
        let field: ProtobufSchema.MessageField
        var targets: [Target] = []
        /// The wanted fields of the message that this field holds.
        var inner: ProtobufMessageReader?
        var isSet = false
        var raw: UInt64 = 0
        /// The elements of a repeated field, or the pieces of a message.
        var pieces: [UInt64] = []

        init(_ field: ProtobufSchema.MessageField) { self.field = field }

        func clear() {
            isSet = false
            pieces.removeAll(keepingCapacity: true)
        }
    }

    private let message: ProtobufSchema.Message
    private var slots: [Slot] = []
    /// The slot of each field number below 256, or -1.
    private var nearSlots = [Int16](repeating: -1, count: 256)
    private var farSlots: [Int: Int] = [:]
    /// The oneof of every field of a oneof with a wanted member.
    private var oneofs: [Int: Int] = [:]

    init(_ message: ProtobufSchema.Message) { self.message = message }

    /// Wants the value at `path` in a column.
    ///
    /// - Throws: when there is no such field, or it cannot be read as `type`.
    func add(
        path: ArraySlice<String>, type: ColumnType, unit: TimeUnit, column: Int,
        isRequired: Bool = false, in schema: ProtobufSchema
    ) throws(ProtobufMismatch) {
        let name = path.first!
        guard let field = message.field(name) else {
            let known = message.fields.map(\.name).joined(separator: ", ")
            throw ProtobufMismatch(
                "the message \(message.name) has no field \"\(name)\"; it has \(known)",
                field: name)
        }
        let slot = slot(of: field)
        if path.count > 1 {
            guard field.scalar == .message, !field.isRepeated,
                let inner = schema.messages[field.typeName]
            else {
                throw ProtobufMismatch(
                    "a \(field.isRepeated ? "repeated field" : field.scalar.name) has no fields "
                        + "inside", field: name)
            }
            let reader = slot.inner ?? ProtobufMessageReader(inner)
            slot.inner = reader
            do {
                try reader.add(
                    path: path.dropFirst(), type: type, unit: unit, column: column,
                    isRequired: isRequired, in: schema)
            } catch {
                throw ProtobufMismatch(error.reason, field: name + "." + error.field)
            }
            return
        }
        let element: ColumnType
        switch (field.isRepeated, type) {
        case (true, .list(let inside)): element = inside
        case (true, _):
            throw ProtobufMismatch(
                "a repeated field is read as a list, not as \(type)", field: name)
        case (false, _): element = type
        }
        do {
            slot.targets.append(
                Target(
                    column: column,
                    value: try ProtobufValueReader(field, as: element, unit: unit, in: schema),
                    isRequired: isRequired, name: name))
        } catch {
            throw ProtobufMismatch(
                error.reason, field: error.field.isEmpty ? name : name + "." + error.field)
        }
    }

    func add(
        path: [String], type: ColumnType, unit: TimeUnit, column: Int, isRequired: Bool = false,
        in schema: ProtobufSchema
    ) throws(ProtobufMismatch) {
        try add(
            path: path[...], type: type, unit: unit, column: column, isRequired: isRequired,
            in: schema)
    }

    private func slot(of field: ProtobufSchema.MessageField) -> Slot {
        if let known = slots.first(where: { $0.field.number == field.number }) { return known }
        let made = Slot(field)
        if field.number < 256 {
            nearSlots[field.number] = Int16(slots.count)
        } else {
            farSlots[field.number] = slots.count
        }
        slots.append(made)
        if let oneof = field.oneof {
            for other in message.fields where other.oneof == oneof {
                oneofs[other.number] = oneof
            }
        }
        return made
    }

    // MARK: reading

    /// Forgets the message before.
    func begin() { for slot in slots { slot.clear() } }

    /// Takes the fields of a message, or of one piece of it.
    func scan(_ view: UInt64, _ input: ProtobufInput) throws(ValueProblem) {
        var wire = ProtobufWire(
            input.base, start: ByteView.start(view), length: ByteView.length(view))
        while !wire.isAtEnd {
            let tag = try wire.tag()
            let index =
                tag.number < 256 ? Int(nearSlots[tag.number]) : farSlots[tag.number] ?? -1
            if !oneofs.isEmpty, let oneof = oneofs[tag.number] {
                for slot in slots where slot.field.oneof == oneof && slot.field.number != tag.number
                { slot.clear() }
            }
            guard index >= 0 else {
                try wire.skip(tag.kind, number: tag.number)
                continue
            }
            try take(&wire, tag.kind, slots[index])
        }
    }

    private func take(
        _ wire: inout ProtobufWire, _ kind: ProtobufWire.Kind, _ slot: Slot
    ) throws(ValueProblem) {
        let wanted = slot.field.scalar.wire
        if kind == wanted, kind != .groupStart {
            let raw = try wire.value(kind)
            slot.isSet = true
            if slot.field.isRepeated || slot.field.scalar == .message {
                slot.pieces.append(raw)
            } else {
                slot.raw = raw
            }
            return
        }
        // Numbers of a repeated field may be packed, whatever the descriptor says.
        if slot.field.isRepeated, kind == .length, wanted != .length, wanted != .groupStart {
            let span = try wire.span()
            var packed = ProtobufWire(wire.base, start: span.start, length: span.length)
            while !packed.isAtEnd { slot.pieces.append(try packed.value(wanted)) }
            return
        }
        // A field of another type than described counts as unknown.
        try wire.skip(kind, number: slot.field.number)
    }

    /// Appends a value to every column that wants one.
    func append(_ input: ProtobufInput, to columns: [Column]) throws(ValueProblem) {
        for slot in slots {
            for target in slot.targets {
                do throws(ValueProblem) {
                    try append(slot, target, input, to: columns[target.column])
                } catch { throw error.inside(target.name) }
            }
            guard let inner = slot.inner else { continue }
            do throws(ValueProblem) {
                if slot.isSet {
                    inner.begin()
                    for piece in slot.pieces { try inner.scan(piece, input) }
                    try inner.append(input, to: columns)
                } else {
                    try inner.appendNulls(to: columns)
                }
            } catch { throw error.inside(slot.field.name) }
        }
    }

    private func append(
        _ slot: Slot, _ target: Target, _ input: ProtobufInput, to column: Column
    ) throws(ValueProblem) {
        if slot.field.isRepeated {
            let elements = column.children[0]
            let start = elements.count
            for piece in slot.pieces { try target.value.append(piece, input, to: elements) }
            column.appendList(from: start)
        } else if !slot.isSet {
            guard !target.isRequired || target.value.absent != nil else {
                throw ValueProblem("is missing")
            }
            try target.value.appendAbsent(input, to: column)
        } else if slot.field.scalar == .message {
            try target.value.append(slot.pieces, input, to: column)
        } else {
            try target.value.append(slot.raw, input, to: column)
        }
    }

    /// Appends nulls: the message is not there.
    private func appendNulls(to columns: [Column]) throws(ValueProblem) {
        for slot in slots {
            for target in slot.targets {
                guard !target.isRequired else {
                    throw ValueProblem("is missing", field: target.name)
                }
                columns[target.column].appendNull()
            }
            try slot.inner?.appendNulls(to: columns)
        }
    }
}

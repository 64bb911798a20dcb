import StreamRuntime

/// What the readers of one batch share: where the bytes are, and where made texts go.
struct ProtobufInput {
    let text: RecordText

    var base: UnsafePointer<UInt8> { UnsafePointer(text.arena.base) }

    /// Puts a text behind the records' bytes.
    func intern(_ bytes: [UInt8]) -> UInt64 {
        text.makeRoom(bytes.count)
        return bytes.withUnsafeBufferPointer {
            text.arena.append($0.baseAddress ?? UnsafePointer(text.arena.base), $0.count)
        }
    }
}

/// Turns one value of a message's field into a value of a column.
///
/// - Shape: `raw` is a number as it lies in the bytes, or a `ByteView` of what has a length.
final class ProtobufValueReader {
    private enum Rule {
        case scalar
        /// A message read as the fields of a struct.
        case structure(ProtobufMessageReader)
        /// google.protobuf.Timestamp or Duration.
        case moment(isDuration: Bool)
        /// One of the wrappers: its only field counts.
        case wrapper(ProtobufValueReader)
    }

    private let scalar: ProtobufSchema.Scalar
    private let type: ColumnType
    private let unit: TimeUnit
    private let enumeration: ProtobufSchema.Enumeration?
    private let rule: Rule
    /// What an absent field without presence has, or nil for null.
    let absent: UInt64?
    private let absentText: [UInt8]?

    /// A reader of one value (of each element, when the field is repeated) into a column of `type`.
    ///
    /// - Throws: when the field's type cannot be read as `type`.
    init(
        _ field: ProtobufSchema.MessageField, as type: ColumnType, unit: TimeUnit,
        in schema: ProtobufSchema
    ) throws(ProtobufMismatch) {
        scalar = field.scalar
        self.type = type
        self.unit = unit
        enumeration = schema.enumerations[field.typeName]
        var absent: UInt64?
        var absentText: [UInt8]?
        switch field.scalar {
        case .message, .group:
            guard let message = schema.messages[field.typeName], field.scalar == .message else {
                throw ProtobufMismatch("the descriptor file does not describe \(field.typeName)")
            }
            rule = try ProtobufValueReader.rule(message, type, unit, schema)
        default:
            guard ProtobufValueReader.canRead(field.scalar, as: type) else {
                throw ProtobufMismatch("a \(field.scalar.name) is not read as \(type)")
            }
            rule = .scalar
            if let text = field.defaultText {
                (absent, absentText) = ProtobufValueReader.declared(text, field, enumeration)
            } else if !field.hasPresence {
                absent =
                    field.scalar == .enum ? UInt64(bitPattern: Int64(enumeration?.first ?? 0)) : 0
            }
        }
        self.absent = absent
        self.absentText = absentText
    }

    private static func rule(
        _ message: ProtobufSchema.Message, _ type: ColumnType, _ unit: TimeUnit,
        _ schema: ProtobufSchema
    ) throws(ProtobufMismatch) -> Rule {
        if case .structure(let fields) = type {
            let reader = ProtobufMessageReader(message)
            for (column, field) in fields.enumerated() {
                try reader.add(
                    path: [field.name], type: field.type, unit: unit, column: column, in: schema)
            }
            return .structure(reader)
        }
        switch (message.name, type) {
        case ("google.protobuf.Timestamp", .timestamp): return .moment(isDuration: false)
        case ("google.protobuf.Duration", .int64): return .moment(isDuration: true)
        default: break
        }
        if message.name.hasPrefix("google.protobuf."), message.name.hasSuffix("Value"),
            message.fields.count == 1
        {
            var value = message.fields[0]
            value.hasPresence = false
            return .wrapper(try ProtobufValueReader(value, as: type, unit: unit, in: schema))
        }
        throw ProtobufMismatch("the message \(message.name) is not read as \(type)")
    }

    private static func canRead(_ scalar: ProtobufSchema.Scalar, as type: ColumnType) -> Bool {
        switch type {
        case .string: scalar == .string || scalar == .enum
        case .bytes: scalar == .bytes || scalar == .string
        case .bool: scalar == .bool
        case .float64:
            [.double, .float, .int32, .uint32, .sint32, .fixed32, .sfixed32].contains(scalar)
        case .int64, .decimal: ![.double, .float, .bool, .bytes].contains(scalar)
        case .timestamp, .date:
            ![.double, .float, .bool, .bytes, .enum, .uint64, .fixed64].contains(scalar)
        case .interval, .list, .structure: false
        }
    }

    /// The default that a proto2 file declares.
    private static func declared(
        _ text: String, _ field: ProtobufSchema.MessageField,
        _ enumeration: ProtobufSchema.Enumeration?
    ) -> (UInt64?, [UInt8]?) {
        switch field.scalar {
        case .string, .bytes: return (0, Array(text.utf8))
        case .bool: return (text == "true" ? 1 : 0, nil)
        case .double: return (Double(text)?.bitPattern, nil)
        case .float: return (Float(text).map { UInt64($0.bitPattern) }, nil)
        case .enum:
            let number = enumeration?.names.first { $0.value == text }?.key ?? 0
            return (UInt64(bitPattern: Int64(number)), nil)
        case .sint32, .sint64:
            return (Int64(text).map { UInt64(bitPattern: ($0 << 1) ^ ($0 >> 63)) }, nil)
        default:
            return (Int64(text).map { UInt64(bitPattern: $0) } ?? UInt64(text), nil)
        }
    }

    // MARK: reading

    /// Appends what an absent field has: its default, or null.
    func appendAbsent(_ input: ProtobufInput, to column: Column) throws(ValueProblem) {
        guard let absent else { return column.appendNull() }
        try append(absentText.map { input.intern($0) } ?? absent, input, to: column)
    }

    /// Appends a message that lies in the bytes in several pieces, which count as one.
    func append(_ pieces: [UInt64], _ input: ProtobufInput, to column: Column) throws(ValueProblem)
    {
        switch rule {
        case .structure(let reader):
            reader.begin()
            for piece in pieces { try reader.scan(piece, input) }
            try reader.append(input, to: column.children)
            column.appendStructure()
        case .moment(let isDuration): try appendMoment(pieces, isDuration, input, to: column)
        case .wrapper(let value):
            var found = value.absent ?? 0
            for piece in pieces {
                var wire = ProtobufWire(
                    input.base, start: ByteView.start(piece), length: ByteView.length(piece))
                while !wire.isAtEnd {
                    let tag = try wire.tag()
                    guard tag.number == 1, tag.kind == value.scalar.wire else {
                        try wire.skip(tag.kind, number: tag.number)
                        continue
                    }
                    found = try wire.value(tag.kind)
                }
            }
            try value.append(found, input, to: column)
        case .scalar: preconditionFailure("only messages lie in pieces")
        }
    }

    private func appendMoment(
        _ pieces: [UInt64], _ isDuration: Bool, _ input: ProtobufInput, to column: Column
    ) throws(ValueProblem) {
        var seconds: Int64 = 0
        var nanos: Int64 = 0
        for piece in pieces {
            var wire = ProtobufWire(
                input.base, start: ByteView.start(piece), length: ByteView.length(piece))
            while !wire.isAtEnd {
                let tag = try wire.tag()
                switch (tag.number, tag.kind) {
                case (1, .varint): seconds = Int64(bitPattern: try wire.varint())
                case (2, .varint): nanos = Int64(bitPattern: try wire.varint())
                default: try wire.skip(tag.kind, number: tag.number)
                }
            }
        }
        let (micros, isOver) = seconds.multipliedReportingOverflow(by: 1_000_000)
        guard !isOver, abs(nanos) < 1_000_000_000 else {
            throw ValueProblem("\(seconds) s and \(nanos) ns is beyond the range of \(type)")
        }
        // Rounded towards the past, as a time before a microsecond's end is still in it.
        let part = nanos >= 0 ? nanos / 1000 : -((999 - nanos) / 1000)
        try appendChecked(micros.addingReportingOverflow(part), isTime: !isDuration, to: column)
    }

    private func appendChecked(
        _ sum: (partialValue: Int64, overflow: Bool), isTime: Bool, to column: Column
    ) throws(ValueProblem) {
        let range = isTime ? TimeText.timestampMin...TimeText.timestampMax : .min ... .max
        guard !sum.overflow, range.contains(sum.partialValue) else {
            throw ValueProblem(
                isTime
                    ? "the time is outside the years 0001 to 9999"
                    : "the duration is beyond the range of an int64 of microseconds")
        }
        column.append(sum.partialValue)
    }

    /// Appends one value.
    func append(_ raw: UInt64, _ input: ProtobufInput, to column: Column) throws(ValueProblem) {
        guard case .scalar = rule else { return try append([raw], input, to: column) }
        switch scalar {
        case .string, .bytes: try appendText(raw, input, to: column)
        case .bool: column.append(raw != 0)
        case .double: column.append(Double(bitPattern: raw))
        case .float: column.append(Double(Float(bitPattern: UInt32(truncatingIfNeeded: raw))))
        case .uint64, .fixed64: try appendNumber(Int128(raw), to: column)
        case .uint32, .fixed32:
            try appendNumber(Int128(UInt32(truncatingIfNeeded: raw)), to: column)
        case .int32, .sfixed32:
            try appendNumber(Int128(Int32(truncatingIfNeeded: raw)), to: column)
        case .int64, .sfixed64: try appendNumber(Int128(Int64(bitPattern: raw)), to: column)
        case .sint32, .sint64:
            let value = Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1)
            try appendNumber(Int128(value), to: column)
        case .enum:
            let number = Int32(truncatingIfNeeded: raw)
            guard type == .string else { return try appendNumber(Int128(number), to: column) }
            let name = enumeration?.names[number] ?? "\(number)"
            column.append(view: input.intern(Array(name.utf8)))
        case .message, .group: preconditionFailure("messages have rules of their own")
        }
    }

    private func appendText(
        _ view: UInt64, _ input: ProtobufInput, to column: Column
    ) throws(ValueProblem) {
        let text = input.base + ByteView.start(view)
        let length = ByteView.length(view)
        if type != .bytes {
            guard isUTF8(text, length) else { throw ValueProblem("is not UTF-8") }
        }
        if type.isBytes { return column.append(view: view) }
        try TextValue.append(text, length, unit: unit, named: true, to: column)
    }

    private func appendNumber(_ number: Int128, to column: Column) throws(ValueProblem) {
        switch type {
        case .int64:
            guard let value = Int64(exactly: number) else {
                throw ValueProblem("\(number) is beyond the range of an int64")
            }
            column.append(value)
        case .float64: column.append(Double(number))
        default:
            var digits = Array("\(number)".utf8)
            digits.append(contentsOf: repeatElement(0, count: 8))
            var failure: ValueProblem?
            digits.withUnsafeBufferPointer { buffer in
                do throws(ValueProblem) {
                    try TextValue.append(
                        buffer.baseAddress!, buffer.count - 8, unit: unit, named: false, to: column)
                } catch { failure = error }
            }
            if let failure { throw failure }
        }
    }
}

extension ProtobufWire {
    /// One value: the number, or the `ByteView` of what has a length.
    mutating func value(_ kind: Kind) throws(ValueProblem) -> UInt64 {
        switch kind {
        case .varint: return try varint()
        case .fixed32: return try fixed32()
        case .fixed64: return try fixed64()
        case .length:
            let span = try span()
            return ByteView.pack(start: span.start, length: span.length)
        case .groupStart, .groupEnd: preconditionFailure("groups are skipped")
        }
    }
}

/// Why a declared field cannot be read from a message.
public struct ProtobufMismatch: Error, Equatable {
    /// The field, with what leads to it.
    public var field: String
    /// What does not fit.
    public let reason: String

    init(_ reason: String, field: String = "") {
        self.reason = reason
        self.field = field
    }
}

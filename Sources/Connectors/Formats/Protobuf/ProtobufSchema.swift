/// The messages and enums of a descriptor file.
///
/// - Source: `descriptor.proto` of the Protocol Buffers project, of whose FileDescriptorSet (as
///   `protoc --descriptor_set_out --include_imports` writes it) this reads what decoding needs.
public struct ProtobufSchema: Equatable, Sendable {
    /// Why a descriptor file cannot be used.
    public struct Problem: Error, Equatable {
        /// What is wrong.
        public let reason: String
    }

    /// What a field holds, by the numbers of `descriptor.proto`.
    enum Scalar: UInt64, Sendable {
        case double = 1
        case float, int64, uint64, int32, fixed64, fixed32, bool, string, group, message, bytes
        case uint32, `enum`, sfixed32, sfixed64, sint32, sint64

        /// How one value lies in the bytes.
        var wire: ProtobufWire.Kind {
            switch self {
            case .double, .fixed64, .sfixed64: .fixed64
            case .float, .fixed32, .sfixed32: .fixed32
            case .string, .bytes, .message: .length
            case .group: .groupStart
            default: .varint
            }
        }

        /// What a person calls it.
        var name: String { self == .enum ? "enum" : "\(self)" }
    }

    /// A field of a message.
    struct MessageField: Equatable, Sendable {
        var name = ""
        var jsonName = ""
        var number = 0
        var scalar = Scalar.int64
        var isRepeated = false
        /// Whether the field may be absent, rather than then having its default.
        var hasPresence = true
        /// The message's or enum's full name.
        var typeName = ""
        var defaultText: String?
        var oneof: Int?
        fileprivate var isOptionalThree = false
    }

    struct Message: Equatable, Sendable {
        var name = ""
        var fields: [MessageField] = []
        var isMapEntry = false
        /// Its place in its file: the index of the outermost message first.
        var path: [Int] = []
        var file = ""

        func field(_ name: String) -> MessageField? {
            fields.first { $0.name == name } ?? fields.first { $0.jsonName == name }
        }
    }

    struct Enumeration: Equatable, Sendable {
        var name = ""
        /// The values' names by number; of aliases the first.
        var names: [Int32: String] = [:]
        /// The number that stands for absence: the first that is declared.
        var first: Int32 = 0
    }

    private(set) var messages: [String: Message] = [:]
    private(set) var enumerations: [String: Enumeration] = [:]
    private(set) var files: [String: File] = [:]

    /// The names of all messages, in order, for people.
    public var messageNames: [String] {
        messages.values.filter { !$0.isMapEntry }.map(\.name).sorted()
    }

    /// Reads a descriptor file.
    public init(descriptor bytes: [UInt8]) throws(Problem) {
        do throws(ValueProblem) {
            try walk(bytes) { number, field throws(ValueProblem) in
                if number == 1, case .bytes(let file) = field { try self.read(file: file) }
            }
        } catch {
            throw Problem(reason: "it is no descriptor file: \(error.reason)")
        }
        guard !messages.isEmpty else { throw Problem(reason: "it describes no message") }
    }

    private mutating func read(file: ArraySlice<UInt8>) throws(ValueProblem) {
        var package = ""
        var syntax = "proto2"
        var name = ""
        var found: [ArraySlice<UInt8>] = []
        var enums: [ArraySlice<UInt8>] = []
        var imports: [String] = []
        try walk(file) { number, field in
            switch (number, field) {
            case (3, .bytes(let text)): imports.append(String(decoding: text, as: UTF8.self))
            case (1, .bytes(let text)): name = String(decoding: text, as: UTF8.self)
            case (2, .bytes(let text)): package = String(decoding: text, as: UTF8.self)
            case (4, .bytes(let message)): found.append(message)
            case (5, .bytes(let enumeration)): enums.append(enumeration)
            case (12, .bytes(let text)): syntax = String(decoding: text, as: UTF8.self)
            default: break
            }
        }
        files[name] = File(name: name, bytes: Array(file), imports: imports)
        let scope = package.isEmpty ? "" : package + "."
        for enumeration in enums { try read(enumeration: enumeration, scope) }
        for (index, message) in found.enumerated() {
            try read(message: message, scope, [index], file: name, isThree: syntax == "proto3")
        }
    }

    private mutating func read(
        message bytes: ArraySlice<UInt8>, _ scope: String, _ path: [Int], file: String,
        isThree: Bool
    ) throws(ValueProblem) {
        var message = Message(path: path, file: file)
        var inner: [ArraySlice<UInt8>] = []
        var enums: [ArraySlice<UInt8>] = []
        try walk(bytes) { number, field throws(ValueProblem) in
            switch (number, field) {
            case (1, .bytes(let text)): message.name = scope + String(decoding: text, as: UTF8.self)
            case (2, .bytes(let field)):
                message.fields.append(try ProtobufSchema.field(field, isThree: isThree))
            case (3, .bytes(let message)): inner.append(message)
            case (4, .bytes(let enumeration)): enums.append(enumeration)
            case (7, .bytes(let options)):
                try walk(options) { number, field in
                    if number == 7, case .number(let value) = field {
                        message.isMapEntry = value != 0
                    }
                }
            default: break
            }
        }
        let scope = message.name + "."
        messages[message.name] = message
        for enumeration in enums { try read(enumeration: enumeration, scope) }
        for (index, message) in inner.enumerated() {
            try read(message: message, scope, path + [index], file: file, isThree: isThree)
        }
    }

    private static func field(
        _ bytes: ArraySlice<UInt8>, isThree: Bool
    ) throws(ValueProblem) -> MessageField {
        var made = MessageField()
        var label: UInt64 = 1
        try walk(bytes) { number, field throws(ValueProblem) in
            switch (number, field) {
            case (1, .bytes(let text)): made.name = String(decoding: text, as: UTF8.self)
            case (3, .number(let value)): made.number = Int(truncatingIfNeeded: value)
            case (4, .number(let value)): label = value
            case (5, .number(let value)):
                guard let scalar = Scalar(rawValue: value) else {
                    throw ValueProblem("a field has the unknown type \(value)")
                }
                made.scalar = scalar
            case (6, .bytes(let text)):
                made.typeName = String(decoding: text.drop { $0 == 0x2E }, as: UTF8.self)
            case (7, .bytes(let text)): made.defaultText = String(decoding: text, as: UTF8.self)
            case (9, .number(let value)): made.oneof = Int(truncatingIfNeeded: value)
            case (10, .bytes(let text)): made.jsonName = String(decoding: text, as: UTF8.self)
            case (17, .number(let value)): made.isOptionalThree = value != 0
            default: break
            }
        }
        made.isRepeated = label == 3
        made.hasPresence =
            !isThree || made.isOptionalThree || made.oneof != nil || made.scalar == .message
        return made
    }

    private mutating func read(
        enumeration bytes: ArraySlice<UInt8>, _ scope: String
    ) throws(ValueProblem) {
        var made = Enumeration()
        var isFirst = true
        try walk(bytes) { number, field throws(ValueProblem) in
            switch (number, field) {
            case (1, .bytes(let text)): made.name = scope + String(decoding: text, as: UTF8.self)
            case (2, .bytes(let value)):
                var name = ""
                var number: Int32 = 0
                try walk(value) { at, field in
                    switch (at, field) {
                    case (1, .bytes(let text)): name = String(decoding: text, as: UTF8.self)
                    case (2, .number(let value)): number = Int32(truncatingIfNeeded: value)
                    default: break
                    }
                }
                if isFirst { made.first = number }
                isFirst = false
                if made.names[number] == nil { made.names[number] = name }
            default: break
            }
        }
        enumerations[made.name] = made
    }
}

/// A field of a descriptor as it lies in the bytes.
private enum RawField {
    case number(UInt64)
    case bytes(ArraySlice<UInt8>)
}

/// Hands every field of a message to `take`; groups are passed over.
private func walk(
    _ bytes: some Collection<UInt8>,
    _ take: (_ number: Int, _ field: RawField) throws(ValueProblem) -> Void
) throws(ValueProblem) {
    let all = Array(bytes)
    guard !all.isEmpty else { return }
    var failure: ValueProblem?
    all.withUnsafeBufferPointer { buffer in
        do throws(ValueProblem) {
            var wire = ProtobufWire(buffer.baseAddress!, start: 0, length: buffer.count)
            while !wire.isAtEnd {
                let tag = try wire.tag()
                switch tag.kind {
                case .varint: try take(tag.number, .number(try wire.varint()))
                case .fixed32: try take(tag.number, .number(try wire.fixed32()))
                case .fixed64: try take(tag.number, .number(try wire.fixed64()))
                case .length:
                    let span = try wire.span()
                    try take(
                        tag.number, .bytes(all[span.start..<(span.start + span.length)]))
                default: try wire.skip(tag.kind, number: tag.number)
                }
            }
        } catch { failure = error }
    }
    if let failure { throw failure }
}

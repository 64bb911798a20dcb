import Foundation
import StreamRuntime

extension ProtobufSchema {
    /// A file of the descriptor set.
    struct File: Equatable, Sendable {
        let name: String
        let bytes: [UInt8]
        let imports: [String]

        /// Whether registries bring it with them.
        var isWellKnown: Bool { name.hasPrefix("google/protobuf/") }
    }

    /// What stands before each message called `message` in a record, for the registry's number of its file.
    ///
    /// - Shape: a zero byte, the number (four bytes, high ones first), then which message of its file it is:
    ///   how deep and the indexes, as zigzag varints; one zero byte for the first.
    /// - Source: Confluent's "Formats, Serializers, and Deserializers", "Wire format".
    public func frame(of message: String, id: Int32) -> [UInt8] {
        var frame: [UInt8] = [0]
        withUnsafeBytes(of: id.bigEndian) { frame += $0 }
        let path = messages[message]?.path ?? [0]
        guard path != [0] else { return frame + [0] }
        for number in [path.count] + path {
            var rest = UInt64(number) << 1
            while rest >= 0x80 {
                frame.append(UInt8(truncatingIfNeeded: rest) | 0x80)
                rest >>= 7
            }
            frame.append(UInt8(rest))
        }
        return frame
    }
}

extension SchemaRegistry {
    /// Registers the file that `message` is described in, and before it those that it imports.
    ///
    /// A file goes as its descriptor in base64, which the registry takes in place of its text; an imported one
    /// under its own name as the subject. Google's own need no registering.
    /// - Returns: the number of the file under `subject`.
    /// - Throws: also when the registry finds it incompatible with those before it.
    public func register(
        _ schema: ProtobufSchema, message: String, subject: String
    ) throws(JobFailure) -> Int32 {
        guard let file = schema.messages[message].flatMap({ schema.files[$0.file] }) else {
            preconditionFailure("the encoder has found the message")
        }
        var known: [String: Int] = [:]
        let body = try body(of: file, in: schema, &known)
        return try register(body, subject: subject)
    }

    private func body(
        of file: ProtobufSchema.File, in schema: ProtobufSchema, _ known: inout [String: Int]
    ) throws(JobFailure) -> [String: Any] {
        var references: [[String: Any]] = []
        for name in file.imports {
            guard let imported = schema.files[name], !imported.isWellKnown else { continue }
            if known[name] == nil {
                let body = try body(of: imported, in: schema, &known)
                _ = try register(body, subject: name)
                known[name] = try version(body, subject: name)
            }
            references.append(["name": name, "subject": name, "version": known[name]!])
        }
        return [
            "schemaType": "PROTOBUF", "schema": Data(file.bytes).base64EncodedString(),
            "references": references,
        ]
    }
}

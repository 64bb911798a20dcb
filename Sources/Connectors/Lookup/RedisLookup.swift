import Redis
import StreamRuntime
import Synchronization

/// Asks Redis, many keys in one round trip: fields of a hash, or a JSON document.
public final class RedisLookup: LookupTarget {
    /// What is read under a key.
    public enum Content: Equatable, Sendable {
        /// These fields of a hash, in the order of the declared ones.
        case hash([String])
        /// A document.
        case json
    }

    private let address: RedisAddress
    private let key: LookupTemplate
    private let content: Content
    private let fields: LookupFields
    private let timeoutMillis: Int
    private let idle = Mutex<[RedisClient]>([])

    /// Reads `content` under `key` as `fields`.
    public init(
        _ address: RedisAddress, key: LookupTemplate, content: Content, fields: LookupFields,
        timeoutMillis: Int
    ) {
        self.address = address
        self.key = key
        self.content = content
        self.fields = fields
        self.timeoutMillis = timeoutMillis
    }

    /// Questions of one round trip.
    public var batchMax: Int { 128 }

    /// Asks.
    public func ask(_ questions: [LookupQuestion]) -> [LookupReply] {
        let client =
            idle.withLock { $0.popLast() }
            ?? RedisClient(address, timeoutMillis: timeoutMillis)
        let commands = questions.map { question in
            let name = Array(key.rendered(question.parts).utf8)
            switch content {
            case .json: return RedisCommand([Array("GET".utf8), name])
            case .hash(let members):
                return RedisCommand([Array("HMGET".utf8), name] + members.map { Array($0.utf8) })
            }
        }
        let replies: [RedisReply]
        do throws(RedisError) {
            replies = try client.run(commands)
        } catch {
            if case .unreachable = error {
                return questions.map { _ in .outage(error.description) }
            }
            return questions.map { _ in .refused(error.description) }
        }
        idle.withLock { $0.append(client) }
        return read(replies)
    }

    private func read(_ replies: [RedisReply]) -> [LookupReply] {
        var answers = [LookupReply](repeating: .missing, count: replies.count)
        var documents: [[UInt8]] = []
        var places: [Int] = []
        for (place, reply) in replies.enumerated() {
            switch reply {
            case .error(let said):
                // Servers that load, or have no master, come back.
                let passes = ["LOADING", "BUSY", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN"]
                    .contains { said.hasPrefix($0) }
                answers[place] = passes ? .outage(said) : .refused("Redis said: \(said)")
            case .bytes(let bytes):
                documents.append(bytes)
                places.append(place)
            case .array(let values):
                guard values.contains(where: { $0.bytes != nil }) else { continue }
                documents.append(document(values))
                places.append(place)
            default: continue
            }
        }
        for (place, answer) in zip(places, fields.read(documents)) { answers[place] = answer }
        return answers
    }

    /// The values of a hash as a document with the declared fields.
    private func document(_ values: [RedisReply]) -> [UInt8] {
        var members: [JSONValue.Member] = []
        for (field, value) in zip(fields.declared, values) {
            guard let bytes = value.bytes, let name = field.path.last else { continue }
            members.append(.init(name, RedisLookup.value(bytes, of: field.type)))
        }
        return JSONValue.object(members).text
    }

    /// A hash's text as what its field is declared to be.
    private static func value(_ bytes: [UInt8], of type: ColumnType) -> JSONValue {
        let text = String(decoding: bytes, as: UTF8.self)
        if type == .string || type == .bytes { return .string(text) }
        switch JSONValue(bytes) {
        case .some(let value) where value != .null: return value
        default: return .string(text)
        }
    }
}

import CHiredis

/// What a Redis server answers to one command.
public indirect enum RedisReply: Equatable, Sendable {
    case bytes([UInt8])
    case status(String)
    case integer(Int)
    case array([RedisReply])
    case null
    case error(String)

    init(_ reply: UnsafeMutablePointer<redisReply>) {
        let value = reply.pointee
        func text() -> [UInt8] {
            guard let start = value.str else { return [] }
            return Array(
                UnsafeRawBufferPointer(start: start, count: Int(value.len)))
        }
        switch value.type {
        case REDIS_REPLY_STRING: self = .bytes(text())
        case REDIS_REPLY_STATUS: self = .status(String(decoding: text(), as: UTF8.self))
        case REDIS_REPLY_ERROR: self = .error(String(decoding: text(), as: UTF8.self))
        case REDIS_REPLY_INTEGER: self = .integer(Int(value.integer))
        case REDIS_REPLY_ARRAY:
            self = .array(
                (0..<Int(value.elements)).map { index in
                    value.element[index].map { RedisReply($0) } ?? .null
                })
        default: self = .null
        }
    }

    /// The bytes of a text, or nil.
    public var bytes: [UInt8]? { if case .bytes(let bytes) = self { bytes } else { nil } }

    /// The elements of an array, or nil.
    public var array: [RedisReply]? { if case .array(let all) = self { all } else { nil } }
}

/// A command and its arguments.
public struct RedisCommand: Equatable, Sendable {
    /// The command's name, then its arguments; of a script, what follows its digest.
    public let arguments: [[UInt8]]
    /// The position of the key among them, which decides the node of a cluster; nil for any node.
    public let key: Int?
    /// Which of the client's scripts is called; nil for an ordinary command.
    public let script: Int?

    /// A command made of `arguments`.
    public init(_ arguments: [[UInt8]], key: Int? = 1) {
        self.arguments = arguments
        self.key = key
        script = nil
    }

    /// A command without a key whose parts are words.
    public init(_ words: String...) {
        arguments = words.map { Array($0.utf8) }
        key = nil
        script = nil
    }

    /// A call of script number `script` of the client, of one key.
    public init(script: Int, key: [UInt8], _ rest: [[UInt8]]) {
        arguments = [Array("1".utf8), key] + rest
        self.key = 1
        self.script = script
    }
}

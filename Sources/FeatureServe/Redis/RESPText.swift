import StreamRuntime

/// Writes answers of the Redis protocol to the end of an arena.
///
/// - Source: redis.io, "Redis serialization protocol specification", versions 2 and 3.
enum RESPText {
    static func simple(_ text: StaticString, to arena: ByteArena) {
        JSONText.append("+", to: arena)
        JSONText.append(text, to: arena)
        JSONText.append("\r\n", to: arena)
    }

    /// An error; ends of lines in `text` become blanks.
    static func error(_ text: String, to arena: ByteArena) {
        JSONText.append("-", to: arena)
        for byte in text.utf8 {
            JSONText.append(byte: byte == 0x0D || byte == 0x0A ? 0x20 : byte, to: arena)
        }
        JSONText.append("\r\n", to: arena)
    }

    static func integer(_ value: Int, to arena: ByteArena) { head(":", value, to: arena) }

    static func array(_ count: Int, to arena: ByteArena) { head("*", count, to: arena) }

    /// Pairs: a map in version 3, a flat array in version 2.
    static func map(_ pairs: Int, version: Int, to arena: ByteArena) {
        if version >= 3 {
            head("%", pairs, to: arena)
        } else {
            head("*", pairs * 2, to: arena)
        }
    }

    static func bulk(_ bytes: UnsafeBufferPointer<UInt8>, to arena: ByteArena) {
        head("$", bytes.count, to: arena)
        if let base = bytes.baseAddress { arena.append(base, bytes.count) }
        JSONText.append("\r\n", to: arena)
    }

    static func bulk(_ text: String, to arena: ByteArena) {
        var text = text
        text.withUTF8 { bulk($0, to: arena) }
    }

    static func bulk(_ bytes: [UInt8], to arena: ByteArena) {
        bytes.withUnsafeBufferPointer { bulk($0, to: arena) }
    }

    /// What stands for nothing in `version`.
    static func absent(version: Int) -> StaticString { version >= 3 ? "_\r\n" : "$-1\r\n" }

    private static func head(_ kind: StaticString, _ count: Int, to arena: ByteArena) {
        JSONText.append(kind, to: arena)
        JSONText.append(integer: Int64(count), to: arena)
        JSONText.append("\r\n", to: arena)
    }
}

import Glibc
import StreamRuntime

/// Writes protobuf's wire format to the end of an arena.
///
/// - Source: protobuf.dev, "Encoding".
public enum ProtoWriter {
    /// How a field's value lies behind its tag.
    public enum Wire: UInt64, Sendable {
        case varint = 0
        case fixed64 = 1
        case lengthDelimited = 2
        case fixed32 = 5
    }

    /// Appends the tag of field `number`.
    @inline(__always)
    public static func tag(_ number: Int, _ wire: Wire, to arena: ByteArena) {
        varint(UInt64(number) &<< 3 | wire.rawValue, to: arena)
    }

    /// Appends a base-128 number.
    @inline(__always)
    public static func varint(_ value: UInt64, to arena: ByteArena) {
        arena.reserve(10)
        var at = arena.base + arena.count
        var rest = value
        while rest >= 0x80 {
            at.pointee = UInt8(truncatingIfNeeded: rest) | 0x80
            at += 1
            rest &>>= 7
        }
        at.pointee = UInt8(truncatingIfNeeded: rest)
        arena.count = at - arena.base + 1
    }

    /// Appends eight bytes, low first.
    @inline(__always)
    public static func fixed64(_ value: UInt64, to arena: ByteArena) {
        arena.reserve(8)
        UnsafeMutableRawPointer(arena.base + arena.count)
            .storeBytes(of: value.littleEndian, as: UInt64.self)
        arena.count += 8
    }

    /// Appends field `number` holding `bytes`.
    public static func bytes(
        _ number: Int, _ bytes: UnsafeBufferPointer<UInt8>, to arena: ByteArena
    ) {
        tag(number, .lengthDelimited, to: arena)
        varint(UInt64(bytes.count), to: arena)
        if let base = bytes.baseAddress { arena.append(base, bytes.count) }
    }

    /// Appends field `number` holding the UTF-8 bytes of `text`.
    public static func text(_ number: Int, _ text: String, to arena: ByteArena) {
        var text = text
        text.withUTF8 { bytes(number, $0, to: arena) }
    }

    /// Appends field `number` holding what `body` appends.
    public static func message(_ number: Int, to arena: ByteArena, _ body: () -> Void) {
        tag(number, .lengthDelimited, to: arena)
        let start = arena.count
        body()
        close(from: start, in: arena)
    }

    /// Puts the length of all bytes from `start` on in front of them.
    static func close(from start: Int, in arena: ByteArena) {
        let length = arena.count - start
        let end = arena.count
        varint(UInt64(length), to: arena)
        let prefix = arena.count - end
        // The length was written behind the bytes to learn its size: turned round by way of the padding.
        arena.reserve(prefix)
        memmove(arena.base + start + prefix, arena.base + start, length)
        arena.count = start
        varint(UInt64(length), to: arena)
        arena.count = end + prefix
    }
}

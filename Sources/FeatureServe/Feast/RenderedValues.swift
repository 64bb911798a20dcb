import Glibc
import StreamRuntime

/// A view of a row rendered as Feast's values, so that a lookup over RESP or gRPC only copies bytes.
///
/// - Shape: n + 2 u32 offsets into the bytes behind them; fragment i is the `Value` of feature i, fragment n the
///   event time as a `Timestamp`, each framed as a bulk string of RESP (`$LENGTH\r\n…\r\n`): the
///   fragments one after the other are what HMGET of all features and the event time answers. Bit 31
///   of an offset says that the fragment starting there is a null.
public enum RenderedValues {
    static let nullBit: UInt32 = 1 << 31

    /// Bytes before the fragments.
    static func textStart(features: Int) -> Int { (features + 2) * 4 }

    /// Renders `payload` of a view of `features` to the end of `arena`; the length is a multiple of four, so that
    /// offsets stay aligned wherever blocks are lined up.
    static func append(
        payload: UnsafePointer<UInt8>, eventMicros: Int64, features: [Field], to arena: ByteArena,
        scratch: ByteArena
    ) {
        let start = arena.count
        let textStart = start + textStart(features: features.count)
        arena.reserve(textStart - start)
        arena.count = textStart
        func mark(_ fragment: Int, null: Bool) {
            let offset = UInt32(arena.count - textStart) | (null ? nullBit : 0)
            UnsafeMutableRawPointer(arena.base + start + fragment * 4)
                .storeBytes(of: offset, as: UInt32.self)
        }
        var reader = PayloadReader(payload, features: features.count)
        for (index, feature) in features.enumerated() {
            scratch.count = 0
            let isValue =
                reader.isPresent(index) && FeastValue.append(&reader, feature.type, to: scratch)
            mark(index, null: !isValue)
            appendBulk(scratch, to: arena)
        }
        scratch.count = 0
        FeastTimestamp.append(micros: eventMicros, to: scratch)
        mark(features.count, null: false)
        appendBulk(scratch, to: arena)
        mark(features.count + 1, null: false)
        let rest = (start - arena.count) & 3
        arena.reserve(rest)
        memset(arena.base + arena.count, 0, rest)
        arena.count += rest
    }

    private static func appendBulk(_ value: ByteArena, to arena: ByteArena) {
        JSONText.append("$", to: arena)
        JSONText.append(integer: Int64(value.count), to: arena)
        JSONText.append("\r\n", to: arena)
        arena.append(value.base, value.count)
        JSONText.append("\r\n", to: arena)
    }

    /// The framed bytes of fragments `first` up to and with `last` of the block at `block`.
    @inline(__always)
    static func framed(
        _ block: UnsafePointer<UInt8>, features: Int, from first: Int, through last: Int
    ) -> UnsafeBufferPointer<UInt8> {
        let offsets = UnsafeRawPointer(block)
        let from = offsets.load(fromByteOffset: first &* 4, as: UInt32.self) & ~nullBit
        let to = offsets.load(fromByteOffset: (last &+ 1) &* 4, as: UInt32.self) & ~nullBit
        return UnsafeBufferPointer(
            start: block + textStart(features: features) + Int(from), count: Int(to &- from))
    }

    /// The bytes of fragment `index` of the block at `block` without the frame: a `Value`, or the `Timestamp`
    /// when `index` is the number of features.
    ///
    /// - Shape: no bytes for a null.
    @inline(__always)
    public static func value(
        _ block: UnsafePointer<UInt8>, features: Int, index: Int
    ) -> UnsafeBufferPointer<UInt8> {
        let framed = framed(block, features: features, from: index, through: index)
        var at = 1
        while framed[at] != 0x0D { at &+= 1 }
        return UnsafeBufferPointer(
            start: framed.baseAddress! + at + 2, count: framed.count &- at &- 4)
    }

    /// Whether feature `index` of the block at `block` is null.
    @inline(__always)
    public static func isNull(_ block: UnsafePointer<UInt8>, index: Int) -> Bool {
        UnsafeRawPointer(block).load(fromByteOffset: index &* 4, as: UInt32.self) & nullBit != 0
    }
}

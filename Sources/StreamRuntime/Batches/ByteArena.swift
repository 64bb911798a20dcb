import Glibc

/// Bytes that grow at the end and are shared by the views of one or more columns.
///
/// - Shape: `count` bytes in use; 64 more are always readable, so that a scanner may read whole
///   words past the end.
/// - Errors: traps beyond 4 GiB, which the batch limits keep far away.
/// - Note: written by one thread; once handed on in a batch it is only read.
public final class ByteArena {
    /// The first byte; moves when the arena grows.
    public private(set) var base: UnsafeMutablePointer<UInt8>
    /// Bytes there is room for.
    public private(set) var capacity: Int
    /// Bytes in use.
    public var count = 0

    /// Readable bytes behind the last one in use.
    public static let padding = 64

    /// An empty arena with room for `capacity` bytes.
    public init(capacity: Int = 4096) {
        self.capacity = max(capacity, 64)
        base = .allocate(capacity: self.capacity + ByteArena.padding)
    }

    deinit { base.deallocate() }

    /// Makes room for `extra` more bytes; `base` may move.
    public func reserve(_ extra: Int) {
        let wanted = count + extra
        guard wanted > capacity else { return }
        precondition(wanted <= Int(UInt32.max), "an arena holds at most 4 GiB")
        capacity = max(wanted, capacity * 2)
        let grown = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity + ByteArena.padding)
        memcpy(grown, base, count)
        base.deallocate()
        base = grown
    }

    /// Appends `length` bytes and returns their view.
    @discardableResult
    public func append(_ bytes: UnsafePointer<UInt8>, _ length: Int) -> UInt64 {
        reserve(length)
        memcpy(base + count, bytes, length)
        let view = ByteView.pack(start: count, length: length)
        count += length
        return view
    }
}

/// A view into an arena or a list's elements, in one word: start in the low half, length above.
public enum ByteView {
    /// The view of `length` bytes or elements from `start` on.
    @inlinable public static func pack(start: Int, length: Int) -> UInt64 {
        UInt64(truncatingIfNeeded: start) | UInt64(truncatingIfNeeded: length) &<< 32
    }
    /// Where a view begins.
    @inlinable public static func start(_ view: UInt64) -> Int { Int(view & 0xFFFF_FFFF) }
    /// How long a view is.
    @inlinable public static func length(_ view: UInt64) -> Int { Int(view &>> 32) }
}

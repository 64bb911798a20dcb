import Glibc
import StreamRuntime

/// One entity key's current values of all its views, in memory the shard owns.
///
/// - Shape: a header, a slot for each view of the entity, the key's bytes; each slot owns its payload
///   and, once read, its rendered form. `foreign` holds the views on disk that this catalog does not
///   know, kept as they are.
struct OnlineRow {
    struct Header {
        var hash: Int64
        var keyLength: Int32
        var isDirty: Bool
        var isReferenced: Bool
        var foreign: UnsafeMutablePointer<UInt8>?
        var foreignLength: Int
    }

    struct Slot {
        var eventTime: Int64
        var visibleTime: Int64
        var payload: UnsafeMutablePointer<UInt8>?
        var rendered: UnsafeMutablePointer<UInt8>?
        var payloadLength: UInt32
        var payloadCapacity: UInt32
        var renderedLength: UInt32
        var state: State
    }

    enum State: UInt8 {
        case absent = 0
        case value = 1
        case deleted = 2
    }

    let header: UnsafeMutablePointer<Header>
    let slots: UnsafeMutablePointer<Slot>
    let key: UnsafeMutablePointer<UInt8>

    /// The row at `base`, of `views` slots.
    @inline(__always)
    init(at base: UnsafeMutableRawPointer, views: Int) {
        header = base.assumingMemoryBound(to: Header.self)
        let first = base + MemoryLayout<Header>.stride
        slots = first.assumingMemoryBound(to: Slot.self)
        key = (first + views * MemoryLayout<Slot>.stride).assumingMemoryBound(to: UInt8.self)
    }

    static func size(views: Int, keyLength: Int) -> Int {
        MemoryLayout<Header>.stride + views * MemoryLayout<Slot>.stride + keyLength
    }

    /// A new row with every slot absent.
    static func make(
        hash: Int64, key: UnsafePointer<UInt8>, keyLength: Int, views: Int
    ) -> OnlineRow {
        let base = UnsafeMutableRawPointer.allocate(
            byteCount: size(views: views, keyLength: keyLength), alignment: 16)
        let row = OnlineRow(at: base, views: views)
        row.header.initialize(
            to: Header(
                hash: hash, keyLength: Int32(keyLength), isDirty: false, isReferenced: true,
                foreign: nil, foreignLength: 0))
        row.slots.initialize(
            repeating: Slot(
                eventTime: 0, visibleTime: 0, payload: nil, rendered: nil, payloadLength: 0,
                payloadCapacity: 0, renderedLength: 0, state: .absent), count: views)
        memcpy(row.key, key, keyLength)
        return row
    }

    /// Frees the row and all it owns.
    func free(views: Int) {
        for view in 0..<views {
            slots[view].payload?.deallocate()
            slots[view].rendered?.deallocate()
        }
        header.pointee.foreign?.deallocate()
        UnsafeMutableRawPointer(header).deallocate()
    }

    /// Bytes the row takes.
    func byteCount(views: Int) -> Int {
        var total =
            OnlineRow.size(views: views, keyLength: Int(header.pointee.keyLength))
            + header.pointee.foreignLength + 16
        for view in 0..<views {
            total += Int(slots[view].payloadCapacity) + Int(slots[view].renderedLength)
        }
        return total
    }

    /// Puts `length` bytes at `payload` into `slot`, whose rendered form is stale from now on.
    func set(
        slot: Int, eventTime: Int64, visibleTime: Int64, state: State,
        payload: UnsafePointer<UInt8>?, length: Int
    ) {
        let slot = slots + slot
        if Int(slot.pointee.payloadCapacity) < length {
            slot.pointee.payload?.deallocate()
            slot.pointee.payload = .allocate(capacity: length)
            slot.pointee.payloadCapacity = UInt32(length)
        }
        if let payload, length > 0 { memcpy(slot.pointee.payload!, payload, length) }
        slot.pointee.payloadLength = UInt32(length)
        slot.pointee.eventTime = eventTime
        slot.pointee.visibleTime = visibleTime
        slot.pointee.state = state
        slot.pointee.rendered?.deallocate()
        slot.pointee.rendered = nil
        slot.pointee.renderedLength = 0
    }
}

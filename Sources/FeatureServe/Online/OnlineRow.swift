import Glibc
import StreamRuntime

/// One entity key's current values of all its views, in memory the shard owns.
///
/// - Shape: a header, a slot for each view of the entity, the key's bytes; each slot owns its payload
///   and, once read, its rendered form, and the versions that snapshots still need. `foreign` holds
///   the views on disk that this catalog does not know, kept as they are.
struct OnlineRow {
    typealias State = ViewVersion.State

    struct Header {
        var hash: Int64
        var keyLength: Int32
        var isDirty: Bool
        var isReferenced: Bool
        /// Whether a slot has older versions, which the shard's list then knows of.
        var hasOlder: Bool
        var foreign: UnsafeMutablePointer<UInt8>?
        var foreignLength: Int
    }

    struct Slot {
        var version: ViewVersion
        var payload: UnsafeMutablePointer<UInt8>?
        var rendered: UnsafeMutablePointer<UInt8>?
        /// The `RenderedValues`, made when they are first asked for.
        var values: UnsafeMutablePointer<UInt8>?
        /// What snapshots may still show, newest first.
        var older: UnsafeMutablePointer<OlderVersion>?
        var payloadLength: UInt32
        var payloadCapacity: UInt32
        var renderedLength: UInt32
        var valuesLength: UInt32

        var state: State { version.state }
        var eventTime: Int64 { version.eventTime }
        var visibleTime: Int64 { version.visibleTime }
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
                hasOlder: false, foreign: nil, foreignLength: 0))
        row.slots.initialize(
            repeating: Slot(
                version: .none, payload: nil, rendered: nil, values: nil, older: nil,
                payloadLength: 0, payloadCapacity: 0, renderedLength: 0, valuesLength: 0),
            count: views)
        memcpy(row.key, key, keyLength)
        return row
    }

    /// Frees the row and all it owns.
    func free(views: Int) {
        for view in 0..<views {
            slots[view].payload?.deallocate()
            slots[view].rendered?.deallocate()
            slots[view].values?.deallocate()
            _ = OlderVersion.free(slots[view].older)
        }
        header.pointee.foreign?.deallocate()
        UnsafeMutableRawPointer(header).deallocate()
    }

    /// Bytes the row takes.
    func byteCount(views: Int) -> Int {
        var total =
            OnlineRow.size(views: views, keyLength: Int(header.pointee.keyLength))
            + header.pointee.foreignLength + 16
        for view in 0..<views { total += bytes(slot: view) }
        return total
    }

    /// Bytes that what `slot` owns takes.
    func bytes(slot: Int) -> Int {
        var total =
            Int(slots[slot].payloadCapacity) + Int(slots[slot].renderedLength)
            + Int(slots[slot].valuesLength)
        var older = slots[slot].older
        while let this = older {
            total += MemoryLayout<OlderVersion>.stride + Int(this.pointee.payloadCapacity)
            older = this.pointee.next
        }
        return total
    }

    /// Puts `length` bytes at `payload` into `slot`, whose rendered form is stale from now on.
    func set(
        slot: Int, _ version: ViewVersion, payload: UnsafePointer<UInt8>?, length: Int
    ) {
        let slot = slots + slot
        if Int(slot.pointee.payloadCapacity) < length {
            slot.pointee.payload?.deallocate()
            slot.pointee.payload = .allocate(capacity: length)
            slot.pointee.payloadCapacity = UInt32(length)
        }
        if let payload, length > 0 { memcpy(slot.pointee.payload!, payload, length) }
        slot.pointee.payloadLength = UInt32(length)
        slot.pointee.version = version
        slot.pointee.rendered?.deallocate()
        slot.pointee.rendered = nil
        slot.pointee.renderedLength = 0
        slot.pointee.values?.deallocate()
        slot.pointee.values = nil
        slot.pointee.valuesLength = 0
    }
}

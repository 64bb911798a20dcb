import Glibc
import StreamRuntime

/// The bytes of a row at rest.
///
/// - Shape: key = table id u16 big-endian, then the entity key's bytes. Value = version byte 1, then for each
///   view: view id u16, state u8 (1 value, 2 deleted), event time i64, visible time i64, payload length
///   u32, payload; little-endian. Documented in `docs/FORMATS.md`, "Online rows".
struct OnlineRowCodec {
    static let version: UInt8 = 1
    private static let viewHeaderBytes = 23

    /// The table's id on disk.
    let tableId: UInt16
    /// The id on disk of each view's slot.
    let viewIds: [UInt16]

    var keyPrefix: [UInt8] { [UInt8(tableId >> 8), UInt8(tableId & 255)] }

    /// Appends the key and returns its length.
    func appendKey(_ key: UnsafePointer<UInt8>, _ length: Int, to arena: ByteArena) -> Int {
        arena.reserve(length + 2)
        arena.base[arena.count] = UInt8(tableId >> 8)
        arena.base[arena.count + 1] = UInt8(tableId & 255)
        arena.count += 2
        arena.append(key, length)
        return length + 2
    }

    /// Appends the value of `row`.
    func appendValue(_ row: OnlineRow, to arena: ByteArena) {
        arena.reserve(1)
        arena.base[arena.count] = OnlineRowCodec.version
        arena.count += 1
        for (index, id) in viewIds.enumerated() where row.slots[index].state != .absent {
            let slot = row.slots[index]
            arena.reserve(OnlineRowCodec.viewHeaderBytes)
            let at = UnsafeMutableRawPointer(arena.base + arena.count)
            at.storeBytes(of: id.littleEndian, as: UInt16.self)
            at.storeBytes(of: slot.state.rawValue, toByteOffset: 2, as: UInt8.self)
            at.storeBytes(of: slot.eventTime.littleEndian, toByteOffset: 3, as: Int64.self)
            at.storeBytes(of: slot.visibleTime.littleEndian, toByteOffset: 11, as: Int64.self)
            at.storeBytes(of: slot.payloadLength.littleEndian, toByteOffset: 19, as: UInt32.self)
            arena.count += OnlineRowCodec.viewHeaderBytes
            if let payload = slot.payload { arena.append(payload, Int(slot.payloadLength)) }
        }
        if let foreign = row.header.pointee.foreign {
            arena.append(foreign, row.header.pointee.foreignLength)
        }
    }

    /// Fills `row`, whose slots are absent, from `value`.
    ///
    /// - Throws: when the value is of another version or does not add up.
    func read(_ value: UnsafeRawBufferPointer, into row: OnlineRow) throws(JobFailure) {
        guard let base = value.baseAddress, value.count > 0, value[0] == OnlineRowCodec.version
        else {
            throw damaged(
                value.isEmpty ? "an empty online row" : "an online row of version \(value[0])")
        }
        let bytes = base.assumingMemoryBound(to: UInt8.self)
        var at = 1
        var foreign: [UInt8] = []
        while at < value.count {
            let start = at
            guard value.count - at >= OnlineRowCodec.viewHeaderBytes else {
                throw damaged("an online row that was cut short")
            }
            let id = UInt16(littleEndian: (base + at).loadUnaligned(as: UInt16.self))
            let state = OnlineRow.State(rawValue: value[at + 2])
            let event = Int64(littleEndian: (base + at + 3).loadUnaligned(as: Int64.self))
            let visible = Int64(littleEndian: (base + at + 11).loadUnaligned(as: Int64.self))
            let length = Int(
                UInt32(littleEndian: (base + at + 19).loadUnaligned(as: UInt32.self)))
            at += OnlineRowCodec.viewHeaderBytes
            guard value.count - at >= length, let state, state != .absent else {
                throw damaged("an online row whose lengths do not add up")
            }
            if let slot = viewIds.firstIndex(of: id) {
                row.set(
                    slot: slot, eventTime: event, visibleTime: visible, state: state,
                    payload: bytes + at, length: length)
            } else {
                foreign += value[start..<(at + length)]
            }
            at += length
        }
        guard !foreign.isEmpty else { return }
        let kept = UnsafeMutablePointer<UInt8>.allocate(capacity: foreign.count)
        for (index, byte) in foreign.enumerated() { kept[index] = byte }
        row.header.pointee.foreign = kept
        row.header.pointee.foreignLength = foreign.count
    }

    private func damaged(_ what: String) -> JobFailure {
        JobFailure(
            .corruption, "the online store holds \(what)", at: "online store, table \(tableId)",
            remedy: "delete the online store's directory and replay the topics into it, or use the "
                + "version of millrace that wrote it")
    }
}

import Glibc
import StreamRuntime

/// The bytes of a row at rest.
///
/// - Shape: key = table id u16 big-endian, then the entity key's bytes. Value = version byte 2, the opening of
///   the store that wrote it, then for each view its id and its versions, newest first. Documented in
///   `docs/FORMATS.md`, "Online rows".
struct OnlineRowCodec {
    static let version: UInt8 = 2
    private static let stateBits: UInt8 = 3
    private static let isOrphan: UInt8 = 4
    private static let hasOrigin: UInt8 = 8
    private static let isDerived: UInt8 = 16
    private static let hasOlder: UInt8 = 32

    /// The table's id on disk.
    let tableId: UInt16
    /// The id on disk of each view's slot.
    let viewIds: [UInt16]
    let epochs: StoreEpochs

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

    /// Appends the value of `row`, with the versions that snapshots may still ask for.
    func appendValue(_ row: OnlineRow, to arena: ByteArena) {
        JSONText.append(byte: OnlineRowCodec.version, to: arena)
        CompactNumber.append(unsigned: epochs.generation, to: arena)
        let completed = epochs.newest
        for (index, id) in viewIds.enumerated() where row.slots[index].state != .absent {
            let slot = row.slots[index]
            CompactNumber.append(unsigned: UInt64(id), to: arena)
            var version = slot.version
            var payload = slot.payload
            var length = slot.payloadLength
            var older = slot.older
            while true {
                let next = version.epoch > completed ? older : nil
                append(version, payload, Int(length), hasOlder: next != nil, to: arena)
                guard let next else { break }
                version = next.pointee.version
                payload = next.pointee.payload
                length = next.pointee.payloadLength
                older = next.pointee.next
            }
        }
        if let foreign = row.header.pointee.foreign {
            arena.append(foreign, row.header.pointee.foreignLength)
        }
    }

    /// Appends one version.
    func append(
        _ version: ViewVersion, _ payload: UnsafePointer<UInt8>?, _ length: Int, hasOlder: Bool,
        to arena: ByteArena
    ) {
        let isMade = version.origin >= RowOrder.derived
        var flags = version.state.rawValue
        if version.epoch == ViewVersion.orphan { flags |= OnlineRowCodec.isOrphan }
        if version.origin != ViewVersion.noOrigin { flags |= OnlineRowCodec.hasOrigin }
        if isMade { flags |= OnlineRowCodec.isDerived }
        if hasOlder { flags |= OnlineRowCodec.hasOlder }
        JSONText.append(byte: flags, to: arena)
        CompactNumber.append(signed: version.eventTime, to: arena)
        CompactNumber.append(signed: version.visibleTime &- version.eventTime, to: arena)
        if version.epoch != ViewVersion.orphan {
            CompactNumber.append(unsigned: UInt64(version.epoch), to: arena)
        }
        if isMade {
            CompactNumber.append(
                unsigned: UInt64(bitPattern: version.origin &- RowOrder.derived), to: arena)
        } else if version.origin != ViewVersion.noOrigin {
            let origin = UInt64(bitPattern: version.origin)
            CompactNumber.append(unsigned: origin &>> 32, to: arena)
            CompactNumber.append(unsigned: origin & 0xFFFF_FFFF, to: arena)
            CompactNumber.append(signed: version.offset, to: arena)
        }
        CompactNumber.append(unsigned: UInt64(length), to: arena)
        if let payload { arena.append(payload, length) }
    }

    /// A version and its payload.
    struct Record {
        var version: ViewVersion
        let payload: UnsafePointer<UInt8>
        let length: Int
        let hasOlder: Bool
    }

    /// Reads one version that the opening `generation` wrote; nil when it does not add up.
    func record(_ reader: inout CompactReader, generation: UInt64) -> Record? {
        let flags = reader.byte()
        guard let state = OnlineRow.State(rawValue: flags & OnlineRowCodec.stateBits),
            state != .absent
        else { return nil }
        let event = reader.signed()
        var version = ViewVersion(
            eventTime: event, visibleTime: event &+ reader.signed(),
            origin: ViewVersion.noOrigin, offset: 0, epoch: ViewVersion.orphan, state: state)
        if flags & OnlineRowCodec.isOrphan == 0 {
            version.epoch = epochs.settled(
                UInt32(truncatingIfNeeded: reader.unsigned()), generation: generation)
        }
        if flags & OnlineRowCodec.isDerived != 0 {
            version.origin = RowOrder.derived &+ Int64(bitPattern: reader.unsigned())
        } else if flags & OnlineRowCodec.hasOrigin != 0 {
            let source = reader.unsigned()
            version.origin = Int64(bitPattern: source &<< 32 | reader.unsigned())
            version.offset = reader.signed()
        }
        let length = reader.unsigned()
        guard let payload = reader.take(length) else { return nil }
        return Record(
            version: version, payload: payload, length: Int(length),
            hasOlder: flags & OnlineRowCodec.hasOlder != 0)
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
        var reader = CompactReader(bytes, from: 1, to: value.count)
        let generation = reader.unsigned()
        var foreign: [UInt8] = []
        while !reader.isAtEnd {
            let start = reader.at
            let id = reader.unsigned()
            let slot = viewIds.firstIndex { UInt64($0) == id }
            var isFirst = true
            var hasOlder = true
            while hasOlder {
                guard let record = record(&reader, generation: generation) else {
                    throw damaged("an online row whose lengths do not add up")
                }
                hasOlder = record.hasOlder
                if let slot, isFirst {
                    row.set(
                        slot: slot, record.version, payload: record.payload, length: record.length)
                } else if let slot {
                    row.append(
                        slot: slot, record.version, payload: record.payload, length: record.length)
                }
                isFirst = false
            }
            if slot == nil { foreign += value[start..<reader.at] }
        }
        guard !reader.isShort else { throw damaged("an online row that was cut short") }
        guard !foreign.isEmpty else { return }
        let kept = UnsafeMutablePointer<UInt8>.allocate(capacity: foreign.count)
        for (index, byte) in foreign.enumerated() { kept[index] = byte }
        row.header.pointee.foreign = kept
        row.header.pointee.foreignLength = foreign.count
    }

    func damaged(_ what: String) -> JobFailure {
        JobFailure(
            .corruption, "the online store holds \(what)", at: "online store, table \(tableId)",
            remedy: "delete the online store's directory and replay the topics into it, or use the "
                + "version of millrace that wrote it")
    }
}

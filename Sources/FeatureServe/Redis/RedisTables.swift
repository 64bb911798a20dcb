import Redis
import StreamRuntime

/// The tables of an online store as hashes of Feast's layout on a Redis server.
struct RedisTables: Sendable {
    private struct Entry: Sendable {
        let table: OnlineTable
        let keys: FeastEntityKey
        /// Each view's fields, its event time last, and the mark of its deletion.
        let names: [[[UInt8]]]
        let deletions: [[UInt8]]
        /// All of them in a row, as they are asked for.
        let asked: [[UInt8]]
    }
    private let entries: [UInt16: Entry]

    init(_ tables: [OnlineTable], project: String) {
        var entries: [UInt16: Entry] = [:]
        for table in tables {
            guard let keys = FeastEntityKey(entity: table.entity, project: project) else {
                continue
            }
            let names = table.views.map { view in
                view.features.map { FeastField.name(view: view.name, feature: $0.name) }
                    + [FeastField.time(view: view.name)]
            }
            let deletions = table.views.map { RedisScript.deletion(view: $0.name) }
            let asked = zip(names, deletions).flatMap { $0 + [$1] }
            entries[table.codec.tableId] = Entry(
                table: table, keys: keys, names: names, deletions: deletions, asked: asked)
        }
        self.entries = entries
    }

    /// A row of the store on its way out.
    struct Outgoing {
        let command: RedisCommand
        /// What to forget when the server has something newer.
        let tableId: UInt16
        let slot: Int
        let key: [UInt8]
        let eventMicros: Int64
    }

    /// The commands that write the row at rest `key` and `value`: one for each view.
    func commands(key: [UInt8], value: [UInt8]) throws(JobFailure) -> [Outgoing] {
        let tableId = UInt16(key[0]) << 8 | UInt16(key[1])
        guard let entry = entries[tableId] else { return [] }
        let own = Array(key[2...])
        let views = entry.table.views.count
        let row = own.withUnsafeBufferPointer { bytes in
            OnlineRow.make(
                hash: 0, key: bytes.baseAddress!, keyLength: bytes.count, views: views)
        }
        defer { row.free(views: views) }
        let reading = value.withUnsafeBytes { bytes in
            Result { () throws(JobFailure) in try entry.table.codec.read(bytes, into: row) }
        }
        try reading.get()
        let arena = ByteArena()
        own.withUnsafeBufferPointer { entry.keys.append(encoded: $0, to: arena) }
        let outside = RedisTables.bytes(arena)
        var commands: [Outgoing] = []
        for slot in 0..<views where row.slots[slot].state != .absent {
            let names = entry.names[slot]
            let isDeleted = row.slots[slot].state == .deleted
            let micros = row.slots[slot].eventTime
            arena.count = 0
            FeastTimestamp.append(micros: micros, to: arena)
            var rest = [
                names[names.count - 1], RedisTables.bytes(arena), entry.deletions[slot],
                Array(isDeleted ? "1".utf8 : "0".utf8),
            ]
            if isDeleted {
                rest += names.dropLast()
            } else if let payload = row.slots[slot].payload {
                let features = entry.table.views[slot].features
                var reader = PayloadReader(payload, features: features.count)
                for (index, feature) in features.enumerated() {
                    arena.count = 0
                    if reader.isPresent(index) {
                        _ = FeastValue.append(&reader, feature.type, to: arena)
                    }
                    rest.append(names[index])
                    rest.append(RedisTables.bytes(arena))
                }
            }
            commands.append(
                Outgoing(
                    command: RedisCommand(script: 0, key: outside, rest), tableId: tableId,
                    slot: slot, key: own, eventMicros: micros))
        }
        return commands
    }

    /// The command that asks for all views of the store's key; nil for an entity that Feast cannot name.
    func question(
        _ tableId: UInt16, _ key: UnsafeBufferPointer<UInt8>
    ) -> RedisCommand? {
        guard let entry = entries[tableId] else { return nil }
        let arena = ByteArena()
        entry.keys.append(encoded: key, to: arena)
        return RedisCommand([Array("HMGET".utf8), RedisTables.bytes(arena)] + entry.asked)
    }

    /// The views that the answer to `question` holds.
    func views(_ tableId: UInt16, _ answer: [RedisReply]) -> [RemoteView] {
        guard let entry = entries[tableId], answer.count == entry.asked.count else { return [] }
        var views: [RemoteView] = []
        var at = 0
        for (slot, view) in entry.table.views.enumerated() {
            let count = view.features.count
            defer { at += count + 2 }
            let mark = answer[at + count + 1].bytes
            guard let time = answer[at + count].bytes ?? mark,
                let micros = time.withUnsafeBufferPointer({ try? FeastTimestamp.micros($0) })
            else { continue }
            var version = ViewVersion.none
            version.eventTime = micros
            // When it became visible was not kept there; not before what it is about.
            version.visibleTime = micros
            guard answer[at + count].bytes != nil else {
                version.state = .deleted
                views.append(RemoteView(slot: slot, version: version, payload: []))
                continue
            }
            version.state = .value
            let columns = view.features.enumerated().map { index, feature in
                RedisTables.column(answer[at + index].bytes, feature.type)
            }
            views.append(
                RemoteView(
                    slot: slot, version: version, payload: RedisTables.payload(columns)))
        }
        return views
    }

    /// A column of one row; what is not of its type counts as null.
    private static func column(_ bytes: [UInt8]?, _ type: ColumnType) -> Column {
        let column = Column(type, capacity: 1)
        do throws(FeastProblem) {
            let reading = (bytes ?? []).withUnsafeBufferPointer { bytes in
                Result { () throws(FeastProblem) in try FeastValue.read(bytes, into: column) }
            }
            try reading.get()
        } catch {
            column.removeAll()
            column.appendNull()
        }
        return column
    }

    private static func payload(_ columns: [Column]) -> [UInt8] {
        let arena = ByteArena()
        var hints = [UInt8](repeating: 0, count: max(columns.count, 1))
        let lent = columns.map { Unmanaged.passUnretained($0) }
        lent.withUnsafeBufferPointer {
            ViewPayload.append(row: 0, of: $0, hints: &hints, to: arena)
        }
        withExtendedLifetime(columns) {}
        return bytes(arena)
    }

    private static func bytes(_ arena: ByteArena) -> [UInt8] {
        Array(UnsafeBufferPointer(start: arena.base, count: arena.count))
    }

    /// Forgets, in the table's memory, a view for which the server has something newer.
    func forget(_ row: Outgoing) throws(JobFailure) {
        guard let entry = entries[row.tableId] else { return }
        try entry.table.forget(key: row.key, slot: row.slot, upTo: row.eventMicros)
    }
}

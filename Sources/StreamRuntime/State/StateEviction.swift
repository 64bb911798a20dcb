/// A table that may give memory back.
struct EvictionCandidate {
    let state: KeyedState
    let table: StateTable
}

/// Chooses what leaves memory, and gathers the changed entries among it.
final class StateEviction {
    private let pool: BlockPool
    private let memory: StoreMemory
    private let target: Int
    private var spared: StateTable.Spared
    /// Changed entries that left and must be written.
    private(set) var pieces: [RecordPiece] = []
    /// Those of one table, over all passes: few large blocks of memory instead of many small ones.
    private var records: [ObjectIdentifier: RecordBuffer] = [:]
    /// The states whose entries those are.
    private(set) var writtenStates: [KeyedState] = []
    /// Tables that nobody asked for during this many `relieve` calls are cold.
    private static let coldTicks = 256

    init(pool: BlockPool, memory: StoreMemory, target: Int) {
        self.pool = pool
        self.memory = memory
        self.target = target
        memory.evictions = memory.evictions % 255 + 1
        spared = StateTable.Spared(eviction: memory.evictions, bytesMin: max(target / 8, 4096))
    }

    /// Bytes of large entries that stayed because they are in use.
    var sparedBytes: Int { spared.bytes }

    /// What is in use takes no room from the rest: an eighth of the target stays for that.
    private var isEnough: Bool {
        memory.meter.bytes.pointee <= max(target, spared.bytes + target / 8)
    }

    /// Empties segments of the candidates, coldest tables first, until enough is free.
    func run(_ candidates: [EvictionCandidate]) {
        let usable = candidates.filter { candidate in
            let table = candidate.table
            guard table.pins == 0, table.resident > 0 else { return false }
            // Where nearly all is waiting for a checkpoint, moving it around frees nothing.
            let bound = table.dirty + table.inFlight
            return !candidate.state.isFrozen || bound * 4 < table.index.count * 3
        }
        let byAge = usable.sorted {
            ($0.table.lastUsed, $0.table.place.namespace)
                < ($1.table.lastUsed, $1.table.place.namespace)
        }
        for candidate in byAge {
            let age = memory.tick - candidate.table.lastUsed
            guard !isEnough, age > StateEviction.coldTicks else { break }
            empty(candidate, candidate.table.log.order.count, .all)
        }
        let bySize = usable.sorted { $0.table.log.held > $1.table.log.held }
        var round = 0
        while !isEnough, round < 32 {
            for candidate in bySize where !isEnough {
                let segments = candidate.table.log.order.count
                // The first two passes over a table give what was used lately another chance.
                empty(candidate, max(1, segments / 8), round < 16 ? .unused : .all)
            }
            round += 1
        }
        for candidate in usable { hand(over: candidate) }
    }

    /// Notes what has left of a table to be written.
    private func hand(over candidate: EvictionCandidate) {
        guard let records = records.removeValue(forKey: ObjectIdentifier(candidate.table)),
            records.count > 0
        else { return }
        pieces.append(candidate.state.piece(candidate.table.place.namespace, records))
        if !writtenStates.contains(where: { $0 === candidate.state }) {
            writtenStates.append(candidate.state)
        }
    }

    private func empty(
        _ candidate: EvictionCandidate, _ segments: Int, _ eviction: StateTable.Eviction
    ) {
        let table = candidate.table
        let records = records[ObjectIdentifier(table)] ?? RecordBuffer(pool: pool)
        self.records[ObjectIdentifier(table)] = records
        for number in table.log.order.prefix(segments) {
            guard !isEnough else { break }
            table.empty(
                number, eviction, sparing: &spared, state: candidate.state, records: records)
        }
    }
}

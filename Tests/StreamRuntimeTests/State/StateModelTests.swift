import Foundation
import Testing

@testable import StreamRuntime

/// What the state must hold, kept in the simplest way.
private struct Model: Equatable {
    struct Value: Equatable {
        var number: Int64
        var text: [UInt8]
    }

    /// By state, namespace and key.
    var entries: [Int: [Int64: [String: Value]]] = [0: [:], 1: [:]]
}

/// Stores over a backend beside a model, through random work.
private final class Rehearsal {
    static let layouts = [StateLayout(fixedBytes: 12), StateLayout(fixedBytes: 8, blobs: 2)]
    let budget: Int
    /// What a table gains before it is written ahead.
    let aheadBytes: Int?
    /// Snapshots that were taken ahead of a checkpoint.
    var written = 0
    var random: SeededGenerator
    var model = Model()
    var saved = Model()
    var checkpoint = 0
    /// The most entries that were on disk only.
    var spilledMax = 0
    var whole: (path: String, registry: StateRegistry)?
    var backend: StateBackend
    var stores: [StateStore] = []
    var states: [[KeyedState]] = []
    /// Last, so that it goes away after the database in it was closed.
    let directory = ScratchDirectory()

    init(seed: UInt64, budget: Int, aheadBytes: Int?) throws {
        random = SeededGenerator(seed: seed)
        self.budget = budget
        self.aheadBytes = aheadBytes
        backend = try StateBackend(
            directory: directory.path + "/live", memoryBytes: 8 << 20, aheadBytes: aheadBytes)
        try open(workers: 1)
    }

    func open(workers: Int) throws {
        stores = (0..<workers).map {
            StateStore(backend: backend, worker: $0, of: workers, budgetBytes: budget)
        }
        states = try stores.map { store in
            try (0..<2).map { try store.state("s\($0)", of: "step", layout: Rehearsal.layouts[$0]) }
        }
    }

    /// Each worker's share of `texts`.
    func shares(_ texts: [String]) -> [[String]] {
        var shares = [[String]](repeating: [], count: stores.count)
        let encoded = keys(texts)
        for (row, text) in texts.enumerated() {
            let group = KeyGroup.of(hash: encoded.hashes.int64s[row])
            shares[KeyGroup.worker(of: group, workers: stores.count)].append(text)
        }
        return shares
    }

    func pick(_ count: Int) -> Int { Int(random.next(upperBound: UInt64(count))) }

    func update() throws {
        let state = pick(2)
        let namespace = Int64(pick(4)) * 60 - 60
        let texts = (0..<(1 + pick(40))).map { _ in "key \(pick(pick(4) == 0 ? 2000 : 200))" }
        for (worker, share) in shares(texts).enumerated() where !share.isEmpty {
            let table = try states[worker][state].table(namespace)
            for (text, entry) in zip(share, try table.resolve(share)) {
                let old = model.entries[state]![namespace, default: [:]][text]
                #expect(entry.isNew == (old == nil), "\(text) is new as the model says")
                entry.settle()
                var value = old ?? Model.Value(number: 0, text: [])
                #expect(entry.number == value.number)
                value.number += Int64(1 + pick(9))
                entry.number = value.number
                if state == 1 {
                    #expect(Array(entry.blob(1, of: Rehearsal.layouts[1])) == value.text)
                    value.text = (0..<pick(30)).map { _ in UInt8(pick(256)) }
                    let bytes = entry.resizeBlob(1, to: value.text.count, of: Rehearsal.layouts[1])
                    for (at, byte) in value.text.enumerated() { bytes[at] = byte }
                }
                model.entries[state]![namespace, default: [:]][text] = value
            }
        }
    }

    func remove() throws {
        let state = pick(2)
        let namespace = Int64(pick(4)) * 60 - 60
        let texts = Set((0..<(1 + pick(20))).map { _ in "key \(pick(200))" }).sorted()
        for (worker, share) in shares(texts).enumerated() where !share.isEmpty {
            let table = try states[worker][state].table(namespace)
            for (text, entry) in zip(share, try table.find(share)) {
                let old = model.entries[state]![namespace]?[text]
                #expect(entry.exists == (old != nil))
                if entry.exists {
                    #expect(entry.number == old?.number)
                    try table.remove(entry)
                }
                model.entries[state]![namespace]?[text] = nil
            }
        }
    }

    func drop() throws {
        let state = pick(2)
        let namespace = Int64(pick(4)) * 60 - 60
        for worker in states { try worker[state].drop(namespace) }
        model.entries[state]![namespace] = nil
    }

    func compare() throws {
        for state in 0..<2 {
            var found: [Int64: [String: Model.Value]] = [:]
            for worker in states {
                for namespace in worker[state].namespaces {
                    let table = try worker[state].table(namespace)
                    var last: (UInt64, [UInt8])?
                    var seen = 0
                    try table.all(chunk: 1 + pick(50)) { entry in
                        let place = (UInt64(bitPattern: entry.hash), Array(entry.key))
                        if let last {
                            #expect(
                                last.0 < place.0
                                    || last.0 == place.0
                                        && last.1.lexicographicallyPrecedes(place.1)
                            )
                        }
                        last = place
                        seen += 1
                        let text =
                            state == 1 ? Array(entry.blob(1, of: Rehearsal.layouts[1])) : []
                        found[namespace, default: [:]][entry.text] = Model.Value(
                            number: entry.number, text: text)
                    }
                    #expect(seen == table.count)
                }
            }
            #expect(found == model.entries[state]!.filter { !$0.value.isEmpty })
        }
    }

    func checkpointNow() throws {
        let snapshots = try stores.map { try $0.snapshot(step: "step") }
        let atBarrier = model
        for _ in 0..<pick(6) { try step(among: 6) }
        checkpoint += 1
        let path = directory.path + "/checkpoint-\(checkpoint)"
        try backend.complete(snapshots: snapshots, linkingTo: path)
        whole = (path, backend.states)
        saved = atBarrier
    }

    func crash() throws {
        stores = []
        states = []
        let live = directory.path + "/live-\(checkpoint)-\(pick(1 << 30))"
        try StateBackend.fill(live, from: whole?.path)
        var records = whole?.registry.records ?? []
        for index in records.indices { records[index].isRestored = true }
        backend = try StateBackend(
            directory: live, memoryBytes: 8 << 20, registry: StateRegistry(records),
            aheadBytes: aheadBytes)
        model = saved
        try open(workers: 1 + pick(3))
    }

    func relieve() throws {
        // The store looks at its tables at every sixteenth call.
        for store in stores { for _ in 0..<(1 + pick(16)) { try store.relieve() } }
        written += states.joined().count { $0.isFrozen }
        if pick(2) == 0 { try backend.writeAhead() }
        let spilled = states.joined().reduce(0) {
            $0 + $1.tables.values.reduce(0) { $0 + $1.spilled }
        }
        spilledMax = max(spilledMax, spilled)
    }

    func step(among kinds: Int = 100) throws {
        switch pick(kinds) {
        case 0: try drop()
        case 1, 2: try remove()
        case 3, 4: try relieve()
        case 5...88: try update()
        case 89, 90: try compare()
        case 91...96: try checkpointNow()
        default: try crash()
        }
    }
}

/// Runs of random work; `MILLRACE_SEEDS` asks for more of them.
private let seeds: [UInt64] = Array(
    1...(ProcessInfo.processInfo.environment["MILLRACE_SEEDS"].flatMap { UInt64($0) } ?? 6))

@Suite struct StateModelTests {
    @Test(arguments: seeds)
    func
        `state is what a dictionary holds, through eviction, writing ahead, checkpoints and crashes`(
            seed: UInt64
        ) throws
    {
        let budget = [40 << 10, 32 << 10, 16 << 10, 1 << 30, 24 << 10][Int(seed % 5)]
        print("seed \(seed)")
        let ahead = seed % 2 == 0 ? nil : 4 << 10
        let rehearsal = try Rehearsal(seed: seed, budget: budget, aheadBytes: ahead)
        for _ in 0..<300 { try rehearsal.step() }
        try rehearsal.compare()
        #expect(budget >= 1 << 20 || rehearsal.spilledMax > 100, "the budget made entries leave")
        #expect(ahead == nil || rehearsal.written > 0, "tables grew enough to be written ahead")
    }
}

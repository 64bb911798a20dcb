import Testing

@testable import StreamRuntime

@Suite struct StateTableTests {
    private func table(_ layout: StateLayout) throws -> StateTable {
        try StateStore().state("s", of: "step", layout: layout).table(0)
    }

    @Test func `equal keys of one batch get one entry, which is new until it is settled`() throws {
        let table = try table(StateLayout(fixedBytes: 8))
        let first = try table.resolve(["a", "b", "a"])
        #expect(first[0].header == first[2].header)
        #expect(first.map(\.isNew) == [true, true, true])
        first[0].settle()
        #expect(try table.resolve(["a", "b"]).map(\.isNew) == [false, true])
        #expect(table.count == 2)
    }

    @Test func `a new entry has the initial bytes and empty byte strings`() throws {
        let layout = StateLayout(fixedBytes: 3, blobs: 1, initial: [7, 8, 9])
        let table = try table(layout)
        let entry = try table.resolve(["a"])[0]
        #expect((0..<3).map { entry.value.load(fromByteOffset: $0, as: UInt8.self) } == [7, 8, 9])
        #expect(entry.blob(0, of: layout).count == 0)
        entry.resizeBlob(0, to: 1000, of: layout)[999] = 5
        entry.value.storeBytes(of: 0, as: UInt8.self)
        try table.remove(entry)
        let again = try table.resolve(["a"])[0]
        #expect(again.isNew)
        #expect(again.value.load(as: UInt8.self) == 7)
        #expect(again.blob(0, of: layout).count == 0)
    }

    @Test func `addresses of entries stay while others come and go`() throws {
        let table = try table(StateLayout(fixedBytes: 8))
        let kept = try table.resolve(["kept"])[0]
        kept.number = 42
        for round in 0..<20 {
            let texts = (0..<500).map { "\(round)-\($0)" }
            for entry in try table.resolve(texts) { entry.number = -1 }
            for entry in try table.find(texts) where round % 2 == 0 { try table.remove(entry) }
        }
        #expect(try table.find(["kept"])[0].header == kept.header)
        #expect(kept.number == 42)
        #expect(table.count == 1 + 10 * 500)
    }

    @Test func `a row subset resolves those rows in their order`() throws {
        let table = try table(StateLayout(fixedBytes: 8))
        let column = keys(["a", "b", "c"])
        let rows: [Int32] = [2, 0]
        let entries = UnsafeMutablePointer<StateEntry>.allocate(capacity: 2)
        defer { entries.deallocate() }
        try table.resolve(column, rows: rows, count: 2, into: entries)
        #expect([entries[0].text, entries[1].text] == ["c", "a"])
        #expect(try table.find(["b"])[0].exists == false)
    }

    @Test func `keys of every length, one the start of another, are kept apart`() throws {
        let table = try table(StateLayout(fixedBytes: 0))
        let texts = (0..<200).map { String(repeating: "x", count: $0) }
        for entry in try table.resolve(texts) { #expect(entry.isNew) }
        #expect(try table.find(texts).map(\.text) == texts)
        #expect(table.count == 200)
    }

    @Test func `hashes that agree do not confuse keys`() throws {
        let table = try table(StateLayout(fixedBytes: 8))
        let column = keys((0..<100).map { "key \($0)" })
        for row in 0..<100 { column.hashes.int64s[row] = 7 }
        let entries = UnsafeMutablePointer<StateEntry>.allocate(capacity: 100)
        defer { entries.deallocate() }
        try table.resolve(column, rows: nil, count: 100, into: entries)
        for row in 0..<100 { entries[row].number = Int64(row) }
        try table.find(column, rows: nil, count: 100, into: entries)
        #expect((0..<100).map { entries[$0].number } == Array(0..<100))
        var seen: [[UInt8]] = []
        try table.all { seen.append(Array($0.key)) }
        #expect(seen == seen.sorted { $0.lexicographicallyPrecedes($1) })
        #expect(seen.count == 100)
    }

    @Test func `a cursor lets what it returned be removed`() throws {
        let table = try table(StateLayout(fixedBytes: 8))
        _ = try table.resolve((0..<100).map { "key \($0)" })
        try table.all(chunk: 7) { try table.remove($0) }
        #expect(table.count == 0)
    }

    @Test func `dropping a namespace gives its memory back at once`() throws {
        let store = StateStore()
        let state = try store.state("s", of: "step", layout: StateLayout(fixedBytes: 8, blobs: 1))
        let before = store.bytes
        let entries = try state.table(60).resolve((0..<5000).map { "key \($0)" })
        for entry in entries { entry.resizeBlob(0, to: 100, of: state.layout) }
        #expect(store.bytes > before + 5000 * 140)
        #expect(state.namespaces == [60])
        try state.drop(60)
        #expect(store.bytes == before)
        #expect(state.namespaces == [])
    }

    @Test func `memory of removed entries comes back without dropping`() throws {
        let store = StateStore()
        let table = try store.state("s", of: "step", layout: StateLayout(fixedBytes: 48)).table(0)
        var most = 0
        for round in 0..<200 {
            _ = try table.resolve((0..<100).map { "\(round) \($0)" })
            if round >= 5 {
                for entry in try table.find((0..<100).map { "\(round - 5) \($0)" }) {
                    try table.remove(entry)
                }
            }
            try store.relieve()
            most = max(most, store.bytes)
        }
        #expect(table.count == 500)
        #expect(most < 500 * 100 * 5)
    }

    @Test func `a snapshot of a store in memory holds everything and fills other stores`() throws {
        let layout = StateLayout(fixedBytes: 8, blobs: 1)
        let store = StateStore()
        let texts = (0..<300).map { "key \($0)" }
        for (number, entry) in try store.state("s", of: "step", layout: layout).table(60)
            .resolve(texts).enumerated()
        {
            entry.settle()
            entry.number = Int64(number)
            entry.resizeBlob(0, to: 1, of: layout)[0] = UInt8(number % 256)
        }
        let snapshot = try store.snapshot(step: "step")
        #expect(snapshot.entries == 300)
        var found: [String: Int64] = [:]
        for worker in 0..<3 {
            let part = StateStore(holding: [snapshot], worker: worker, of: 3)
            let table = try part.state("s", of: "step", layout: layout).table(60)
            try table.all { entry in
                #expect(
                    KeyGroup.range(worker: worker, of: 3).contains(KeyGroup.of(hash: entry.hash)))
                #expect(entry.blob(0, of: layout).first == UInt8(entry.number % 256))
                #expect(!entry.isNew)
                found[entry.text] = entry.number
            }
        }
        #expect(found == Dictionary(uniqueKeysWithValues: zip(texts, 0..<300)))
    }
}

@Suite struct StateSnapshotTests {
    @Test func `a snapshot is of one step, not of those whose ids begin alike`() throws {
        let store = StateStore()
        for step in ["a", "a/b", "ab"] {
            _ = try store.state("s", of: step, layout: StateLayout(fixedBytes: 8)).table(0)
                .resolve(["key"])
        }
        for step in ["a", "a/b", "ab"] {
            #expect(try store.snapshot(step: step).pieces.map(\.address) == [step + "/s"])
            #expect(store.keys(of: step) == 1)
        }
        #expect(store.keys == 3)
    }
}

@Suite struct StateSpillTests {
    let scratch = ScratchDirectory()

    private func store(budget: Int) throws -> StateStore {
        let backend = try StateBackend(directory: scratch.path + "/live", memoryBytes: 8 << 20)
        return StateStore(backend: backend, worker: 0, of: 1, budgetBytes: budget)
    }

    @Test func `what does not fit is read back in batches, and what is nowhere asks no disk`()
        throws
    {
        let store = try store(budget: 128 << 10)
        let table = try store.state("s", of: "step", layout: StateLayout(fixedBytes: 48)).table(0)
        let texts = (0..<4000).map { "key \($0)" }
        for (number, entry) in try table.resolve(texts).enumerated() {
            entry.settle()
            entry.number = Int64(number)
        }
        try store.relieve()
        #expect(store.bytes <= 128 << 10)
        #expect(table.count == 4000)
        #expect(table.spilled > 2500)
        #expect(try table.find(texts).map(\.number) == Array(0..<4000))
        let others = (0..<1000).map { "other \($0)" }
        #expect(try table.find(others).allSatisfy { !$0.exists })
        let column = keys(others)
        let asked = (0..<1000).filter { table.filter.mayContain(column.hashes.int64s[$0]) }
        #expect(asked.count < 50)
    }

    @Test func `an entry larger than the budget stays in memory while every batch uses it`() throws
    {
        let store = try store(budget: 64 << 10)
        let layout = StateLayout(fixedBytes: 8, blobs: 1)
        let table = try store.state("s", of: "step", layout: layout).table(0)
        for round in 0..<40 {
            let entry = try table.resolve(["hot"])[0]
            entry.settle()
            entry.resizeBlob(0, to: 200 << 10, of: layout)[0] = UInt8(round)
            try store.relieve()
            #expect(table.spilled == 0)
        }
        #expect(store.sparedBytes >= 200 << 10)
        for _ in 0..<40 { try store.relieve() }
        #expect(table.spilled == 1)
        #expect(store.sparedBytes == 0)
        #expect(try table.find(["hot"])[0].blob(0, of: layout).first == 39)
    }

    @Test func `between a snapshot and its checkpoint nothing newer reaches the disk`() throws {
        let store = try store(budget: 32 << 10)
        let state = try store.state("s", of: "step", layout: StateLayout(fixedBytes: 48))
        let table = try state.table(0)
        let texts = (0..<1000).map { "key \($0)" }
        for entry in try table.resolve(texts) { entry.number = 1 }
        let snapshot = try store.snapshot(step: "step")
        for entry in try table.resolve(texts) { entry.number = 2 }
        #expect(try store.relieve() == .waitForCheckpoint)
        #expect(table.spilled == 0)
        try store.backend!.complete(snapshots: [snapshot], linkingTo: scratch.path + "/one")
        #expect(try store.relieve() == .none)
        #expect(table.spilled > 0)
        #expect(try table.find(texts).allSatisfy { $0.number == 2 })

        var record = store.backend!.states.records
        record[0].isRestored = true
        let old = StateStore(
            backend: try StateBackend(
                directory: scratch.path + "/one", memoryBytes: 8 << 20,
                registry: StateRegistry(record)), worker: 0, of: 1, budgetBytes: 1 << 30)
        let restored = try old.state("s", of: "step", layout: state.layout).table(0)
        #expect(restored.count == 1000)
        #expect(try restored.find(texts).allSatisfy { $0.number == 1 })
    }
}

import Testing

@testable import StreamRuntime

@Suite struct StateRenameTests {
    private func registry(_ addresses: [String]) -> StateRegistry {
        StateRegistry(
            addresses.enumerated().map { index, address in
                .init(
                    address: address, number: UInt16(index + 1), fixedBytes: 8, blobs: 0,
                    version: 1,
                    isRestored: true)
            })
    }

    @Test func `a renamed step takes over every state of the old id and keeps its number`() {
        var states = registry(["seen/keys", "newest/rows", "newest/sorter", "newest_count/rows"])
        states.rename("latest", from: "newest")
        #expect(
            states.records.map { "\($0.address) \($0.number)" } == [
                "seen/keys 1", "latest/rows 2", "latest/sorter 3", "newest_count/rows 4",
            ])
        #expect(states.records.allSatisfy { $0.isRestored })
    }

    @Test func `a step that has state already takes over none`() {
        var states = registry(["seen/keys", "newest/keys"])
        states.rename("newest", from: "seen")
        #expect(states == registry(["seen/keys", "newest/keys"]))
        states.rename("other", from: "nobody")
        #expect(states == registry(["seen/keys", "newest/keys"]))
    }

    /// Runs a job whose one step counts the runs, and returns what it counted so far.
    private func run(_ directory: String, step: String, checkpoint: Int64) throws -> Int64 {
        let storage = try DurableStorage(
            DurableStorage.Settings(
                directory: directory, job: "job", memoryBytes: 16 << 20,
                renames: step == "new" ? ["new": "old"] : [:]))
        let store = try storage.openStore(worker: 0, of: 1)
        let table = try store.state("runs", of: step, layout: StateLayout(fixedBytes: 8)).table(0)
        let entry = try table.resolve(["all"])[0]
        entry.settle()
        let value = entry.value.assumingMemoryBound(to: Int64.self)
        value.pointee += 1
        let count = value.pointee
        _ = try storage.complete(
            CheckpointParts(
                checkpoint: checkpoint, snapshots: [try store.snapshot(step: step)], positions: [:],
                tokens: [:]))
        return count
    }

    @Test func `state counts on under the new id, after every restart`() throws {
        let scratch = ScratchDirectory()
        let directory = scratch.path + "/job"
        let counts = try ["old", "old", "new", "new"].enumerated().map { index, step in
            try run(directory, step: step, checkpoint: Int64(index + 1))
        }
        #expect(counts == [1, 2, 3, 4])
    }
}

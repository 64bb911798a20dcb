import Foundation
import Synchronization
import Testing

@testable import StreamRuntime

/// A disk that fails at one of the steps that make a checkpoint durable.
private final class FailingFiles: CheckpointFiles {
    private let stepsLeft: Mutex<Int>
    private let real = SystemFiles()

    init(failingAt step: Int) { stepsLeft = Mutex(step) }

    private func step(_ path: String) throws(JobFailure) {
        let left = stepsLeft.withLock { left in
            left -= 1
            return left
        }
        if left < 0 { throw FileTree.failure("cannot be written", path, code: ENOSPC) }
    }

    func write(_ bytes: [UInt8], to path: String) throws(JobFailure) {
        try step(path)
        try real.write(bytes, to: path)
    }

    func rename(_ path: String, to target: String) throws(JobFailure) {
        try step(path)
        try real.rename(path, to: target)
    }

    func syncDirectory(_ path: String) throws(JobFailure) {
        try step(path)
        try real.syncDirectory(path)
    }
}

private let layout = StateLayout(fixedBytes: 8)

/// Runs a job of one step that keeps a number for each key.
private final class Job {
    let storage: DurableStorage
    let store: StateStore
    let table: StateTable

    init(_ directory: String, job: String = "orders", files: any CheckpointFiles = SystemFiles())
        throws
    {
        storage = try DurableStorage(
            DurableStorage.Settings(directory: directory, job: job, memoryBytes: 16 << 20),
            files: files)
        store = try storage.openStore(worker: 0, of: 1)
        table = try store.state("numbers", of: "step", layout: layout).table(0)
    }

    func set(_ key: String, _ number: Int64) throws {
        let entry = try table.resolve([key])[0]
        entry.settle()
        entry.number = number
    }

    func number(_ key: String) throws -> Int64? {
        let entry = try table.find([key])[0]
        return entry.exists ? entry.number : nil
    }

    func checkpoint(_ number: Int64) throws {
        let parts = CheckpointParts(
            checkpoint: number, snapshots: [try store.snapshot(step: "step")],
            positions: ["in/0": [UInt8(number)]], tokens: [:])
        _ = try storage.complete(parts)
    }
}

@Suite struct CheckpointStoreTests {
    let scratch = ScratchDirectory()
    var directory: String { scratch.path + "/orders" }

    private func three() throws {
        let job = try Job(directory)
        for number in 1...3 {
            try job.set("a", Int64(number))
            try job.checkpoint(Int64(number))
        }
        try job.set("a", 99)
    }

    @Test func `a restart continues from the newest checkpoint`() throws {
        try three()
        let job = try Job(directory)
        #expect(job.storage.restored?.checkpoint == 3)
        #expect(job.storage.restored?.positions == ["in/0": [3]])
        #expect(try job.number("a") == 3)
        #expect(job.storage.skipped == [])
    }

    @Test func `only the last checkpoints are kept, and each restores as it was`() throws {
        try three()
        do {
            let job = try Job(directory)
            try job.set("a", 4)
            try job.checkpoint(4)
            #expect(job.storage.checkpoints.list().map(\.checkpoint) == [2, 3, 4])
        }
        try FileManager.default.removeItem(atPath: directory + "/checkpoints/4")
        #expect(try Job(directory).number("a") == 3)
    }

    @Test(arguments: ["manifest cut", "manifest changed", "manifest gone", "file cut", "file gone"])
    func `a damaged checkpoint is passed over and named`(damage: String) throws {
        try three()
        let newest = directory + "/checkpoints/3"
        let manifest = URL(fileURLWithPath: newest + "/manifest")
        let sorted = try FileManager.default.contentsOfDirectory(atPath: newest + "/state")
            .filter { !$0.hasPrefix("LOCK") }.sorted()[0]
        let file = URL(fileURLWithPath: newest + "/state/" + sorted)
        switch damage {
        case "manifest cut": try Data(contentsOf: manifest).dropLast().write(to: manifest)
        case "manifest changed":
            var bytes = try Data(contentsOf: manifest)
            bytes[30] ^= 1
            try bytes.write(to: manifest)
        case "manifest gone": try FileManager.default.removeItem(at: manifest)
        case "file gone": try FileManager.default.removeItem(at: file)
        default:
            // A new file, so that checkpoints that share the old one keep it.
            try FileManager.default.removeItem(at: file)
            try Data([1]).write(to: file)
        }
        let job = try Job(directory)
        #expect(job.storage.restored?.checkpoint == 2)
        #expect(try job.number("a") == 2)
        #expect(job.storage.skipped.count == 1)
        #expect(job.storage.skipped[0].problem.contains("checkpoint 3 cannot be used"))
        // The number is used again.
        try job.set("a", 30)
        try job.checkpoint(3)
        #expect(job.storage.checkpoints.list().map(\.checkpoint) == [1, 2, 3])
        #expect(try job.storage.checkpoints.inspect(3).checkpoint == 3)
    }

    @Test func `when no checkpoint is whole the job does not start from nothing`() throws {
        try three()
        for number in 1...3 {
            try Data([0]).write(
                to: URL(fileURLWithPath: directory + "/checkpoints/\(number)/manifest"))
        }
        let error = #expect(throws: JobFailure.self) { _ = try Job(directory) }
        #expect(error?.problem.contains("none of the 3 checkpoints is whole") == true)
    }

    @Test func `a disk that fills up at any step leaves the checkpoint before it whole`() throws {
        for step in 0..<4 {
            let directory = scratch.path + "/full-\(step)"
            do {
                let job = try Job(directory)
                try job.set("a", 1)
                try job.checkpoint(1)
            }
            do {
                let job = try Job(directory, files: FailingFiles(failingAt: step))
                try job.set("a", 2)
                let error = #expect(throws: JobFailure.self) { try job.checkpoint(2) }
                #expect(error?.problem.contains("No space left on device") == true)
                #expect(error?.remedy.contains("free space") == true)
            }
            // After the rename the checkpoint is there, only not known to survive a power cut.
            #expect(try Job(directory).number("a") == (step < 3 ? 1 : 2))
        }
    }

    @Test func `a second process is refused, and the holder named`() throws {
        let first = try Job(directory)
        let error = #expect(throws: JobFailure.self) { _ = try Job(directory) }
        #expect(error?.problem == "the state directory is in use by process \(getpid())")
        try first.set("a", 1)
    }

    @Test func `another job's directory is refused`() throws {
        try three()
        let error = #expect(throws: JobFailure.self) { _ = try Job(directory, job: "returns") }
        #expect(error?.problem == "the state belongs to job \"orders\", this is job \"returns\"")
    }

    @Test func `state of a newer version is refused, not skipped`() throws {
        try three()
        let manifest = URL(fileURLWithPath: directory + "/checkpoints/3/manifest")
        var bytes = [UInt8](try Data(contentsOf: manifest))
        bytes[8] = 9
        let sum = ManifestFormat.checksum(bytes[..<(bytes.count - 4)])
        withUnsafeBytes(of: sum.littleEndian) {
            bytes.replaceSubrange((bytes.count - 4)..., with: $0)
        }
        try Data(bytes).write(to: manifest)
        var error = #expect(throws: JobFailure.self) { _ = try Job(directory) }
        #expect(error?.problem.contains("written by a newer version (format 9") == true)

        try Data("millrace state 2\njob orders\n".utf8)
            .write(to: URL(fileURLWithPath: directory + "/identity"))
        error = #expect(throws: JobFailure.self) { _ = try Job(directory) }
        #expect(error?.problem.contains("written by a newer version (format 2") == true)
    }

    @Test func `a state with another layout is refused with both layouts`() throws {
        try three()
        let job = try DurableStorage(
            DurableStorage.Settings(directory: directory, job: "orders", memoryBytes: 16 << 20))
        let store = try job.openStore(worker: 0, of: 1)
        let error = #expect(throws: JobFailure.self) {
            _ = try store.state("numbers", of: "step", layout: StateLayout(fixedBytes: 16))
        }
        #expect(error?.problem.contains("8 fixed bytes") == true)
        #expect(error?.place == "step step")
    }

    @Test func `a directory deleted under the job is an error that says so`() throws {
        let job = try Job(directory)
        try job.set("a", 1)
        try FileManager.default.removeItem(atPath: directory)
        let error = #expect(throws: JobFailure.self) { try job.checkpoint(1) }
        #expect(error?.remedy.contains("do not delete the state directory") == true)
    }

    @Test func `a directory that cannot be made is an error that names it`() throws {
        try Data().write(to: URL(fileURLWithPath: scratch.path + "/file"))
        let error = #expect(throws: JobFailure.self) { _ = try Job(scratch.path + "/file/state") }
        #expect(error?.place == scratch.path + "/file/state")
    }

    @Test func `looking into a directory needs no lock`() throws {
        let job = try Job(directory)
        try job.checkpoint(1)
        let reader = try CheckpointStore(reading: directory)
        #expect(try reader.list().map { try $0.manifest.get().checkpoint } == [1])
        #expect(try reader.inspect(1).states.records.map(\.address) == ["step/numbers"])
        #expect(throws: JobFailure.self) { try CheckpointStore(reading: directory + "/nowhere") }
    }
}

import Foundation
import Synchronization
import Testing

@testable import StreamRuntime

/// An archive in memory, shared by the machines of a test, that fails where it is told to.
final class MemoryArchive: CheckpointArchive {
    /// How a request fails.
    enum Fault: CaseIterable {
        /// Nothing is done.
        case before
        /// It is done, but the answer is lost.
        case after
    }

    struct Contents {
        var objects: [String: (bytes: [UInt8], writtenMillis: Int64)] = [:]
        var nowMillis: Int64 = 1_000_000
        var uploads: [String] = []
        var downloads: [String] = []
    }

    let contents: Mutex<Contents>
    private let shared: MemoryArchive?
    /// Writing requests until the one that fails, and how; those after it fail as if the process were
    /// gone, unless only one is to fail.
    private let plan: Mutex<(left: Int, fault: Fault, isDead: Bool)?>

    init() {
        contents = Mutex(Contents())
        shared = nil
        plan = Mutex(nil)
    }

    /// The same archive as seen by a process that is killed at its `step`-th writing request.
    init(_ other: MemoryArchive, killedAt step: Int, _ fault: Fault) {
        contents = Mutex(Contents())
        shared = other
        plan = Mutex((step, fault, false))
    }

    var place: String { "memory:" }
    private var root: MemoryArchive { shared ?? self }

    /// Names and sizes of what there is.
    var names: [String] { root.contents.withLock { $0.objects.keys.sorted() } }

    private static func gone() -> JobFailure {
        JobFailure(.checkpoint, "the store does not answer", at: "memory:", remedy: "wait")
    }

    private func write<R>(_ body: (inout Contents) -> R) throws(JobFailure) -> R {
        let fault: Fault? = try plan.withLock { (plan) throws(JobFailure) -> Fault? in
            guard plan != nil else { return nil }
            if plan!.isDead { throw MemoryArchive.gone() }
            plan!.left -= 1
            guard plan!.left < 0 else { return nil }
            plan!.isDead = true
            return plan!.fault
        }
        if fault == .before { throw MemoryArchive.gone() }
        let result = root.contents.withLock { body(&$0) }
        if fault == .after { throw MemoryArchive.gone() }
        return result
    }

    func list(_ prefix: String) throws(JobFailure) -> ArchiveListing {
        root.contents.withLock { contents in
            ArchiveListing(
                objects: contents.objects.filter { $0.key.hasPrefix(prefix) }.map {
                    ArchiveListing.Object(
                        name: $0.key, bytes: Int64($0.value.bytes.count),
                        writtenMillis: $0.value.writtenMillis)
                }.sorted { $0.name < $1.name }, nowMillis: contents.nowMillis)
        }
    }

    func read(_ name: String) throws(JobFailure) -> [UInt8]? {
        root.contents.withLock { $0.objects[name]?.bytes }
    }

    func download(_ name: String, to path: String) throws(JobFailure) -> Bool {
        guard let bytes = try read(name) else { return false }
        try SystemFiles().write(bytes, to: path)
        root.contents.withLock { $0.downloads.append(name) }
        return true
    }

    func upload(_ path: String, as name: String) throws(JobFailure) {
        let bytes = try FileTree.read(path)
        try write { contents in
            contents.objects[name] = (bytes, contents.nowMillis)
            contents.uploads.append(name)
        }
    }

    func create(_ name: String, _ bytes: [UInt8]) throws(JobFailure) -> Bool {
        try write { contents in
            guard contents.objects[name] == nil else { return false }
            contents.objects[name] = (bytes, contents.nowMillis)
            return true
        }
    }

    func remove(_ name: String) throws(JobFailure) {
        try write { contents in contents.objects[name] = nil }
    }
}

/// What a job's transaction has committed, in place of Kafka.
final class NamedTransaction: CheckpointTransaction {
    let last = Mutex<CommittedCheckpoint?>(nil)
    func lastCommitted() throws(JobFailure) -> CommittedCheckpoint? { last.withLock { $0 } }
    func commit(
        checkpoint: Int64, manifest: String, positions: [String: [UInt8]]
    ) throws(JobFailure) {
        last.withLock { $0 = CommittedCheckpoint(checkpoint: checkpoint, manifest: manifest) }
    }
}

/// A process that runs a job of one step, which keeps a number for each key.
final class SharedJob {
    let storage: DurableStorage
    private let store: StateStore
    private let table: StateTable
    private let transaction: NamedTransaction?

    init(
        _ directory: String, _ archive: (any CheckpointArchive)?, job: String = "orders",
        retained: Int = 3, transaction: NamedTransaction? = nil
    ) throws {
        var settings = DurableStorage.Settings(
            directory: directory, job: job, memoryBytes: 16 << 20, retained: retained)
        settings.archive = archive
        settings.archiveScope = "orders/"
        self.transaction = transaction
        storage = try DurableStorage(settings, transaction: transaction)
        store = try storage.openStore(worker: 0, of: 1)
        table = try store.state("numbers", of: "step", layout: StateLayout(fixedBytes: 8)).table(0)
    }

    var restored: Int64? { storage.restored?.checkpoint }

    func set(_ key: String, _ number: Int64) throws {
        let entry = try table.resolve([key])[0]
        entry.settle()
        entry.number = number
    }

    func number(_ key: String) throws -> Int64? {
        let entry = try table.find([key])[0]
        return entry.exists ? entry.number : nil
    }

    func complete(_ number: Int64) throws -> CheckpointSummary {
        try storage.complete(
            CheckpointParts(
                checkpoint: number, snapshots: [try store.snapshot(step: "step")],
                positions: ["in/0": [UInt8(number)]], tokens: ["out": [UInt8(number)]]))
    }

    /// Makes a checkpoint in which key "a" has its number, as a job does.
    func checkpoint(_ number: Int64) throws {
        try set("a", number)
        let summary = try complete(number)
        try storage.publish(number)
        guard let transaction else { return }
        try transaction.commit(checkpoint: number, manifest: summary.manifest, positions: [:])
        try storage.settled(number)
    }
}

import Glibc
import StreamRuntime
import Synchronization

@testable import FeatureServe

/// Rows on a disk that stands still or fails when told to.
final class StalledRows: OnlineRows {
    private let rows = MemoryRows()
    private let stalled = Atomic<Bool>(false)
    private let broken = Atomic<Bool>(false)
    private let asked = Atomic<Int>(0)
    private let stalledReads = Atomic<Bool>(false)

    /// Whether what is read waits.
    var stallsReads: Bool {
        get { stalledReads.load(ordering: .acquiring) }
        set { stalledReads.store(newValue, ordering: .releasing) }
    }

    /// Whether what is put durably waits.
    var isStalled: Bool {
        get { stalled.load(ordering: .acquiring) }
        set { stalled.store(newValue, ordering: .releasing) }
    }

    /// Whether putting fails.
    var isBroken: Bool {
        get { broken.load(ordering: .acquiring) }
        set { broken.store(newValue, ordering: .releasing) }
    }

    /// Returns once something waits for the disk.
    func waitUntilAsked() { while asked.load(ordering: .acquiring) == 0 { sched_yield() } }

    func get(_ key: UnsafeRawBufferPointer) throws(JobFailure) -> [UInt8]? {
        while stallsReads { sched_yield() }
        return try rows.get(key)
    }

    func put(_ batch: OnlineRowBatch, durable: Bool) throws(JobFailure) {
        if isBroken {
            throw JobFailure(.environment, "the disk is full", at: "disk", remedy: "make room")
        }
        if isStalled {
            asked.wrappingAdd(1, ordering: .releasing)
            while isStalled { sched_yield() }
        }
        try rows.put(batch, durable: durable)
    }

    func scan(
        prefix: [UInt8],
        _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws(JobFailure) -> Bool
    ) throws(JobFailure) { try rows.scan(prefix: prefix, body) }
}

/// A thread of its own that a test waits for.
final class Thread {
    private final class Work {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    private var thread = pthread_t()

    init(_ body: @escaping @Sendable () -> Void) {
        let work = Unmanaged.passRetained(Work(body)).toOpaque()
        pthread_create(
            &thread, nil,
            {
                Unmanaged<Work>.fromOpaque($0!).takeRetainedValue().body()
                return nil
            }, work)
    }

    func join() { pthread_join(thread, nil) }
}

/// A sink that counts the rows that were committed.
final class CountingSink: Sink, Sendable {
    private let written = Atomic<Int>(0)
    let committed = Atomic<Int>(0)

    func recover(token: [UInt8]?) throws(JobFailure) {}

    func write(_ batch: ColumnBatch) throws(JobFailure) {
        written.wrappingAdd(batch.count, ordering: .relaxed)
    }

    func prepare(checkpoint: Int64) throws(JobFailure) -> [UInt8] { [] }

    func commit(checkpoint: Int64, token: [UInt8]) throws(JobFailure) {
        committed.store(written.load(ordering: .relaxed), ordering: .relaxed)
    }
}

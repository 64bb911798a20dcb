import Codecs
import Glibc
import StreamRuntime
import Synchronization

/// Reads the log of one view and gives every version to joins that have the same labels' index.
///
/// - Note: `@unchecked Sendable` because each partition's reader is used by one thread only.
public final class VersionScan: @unchecked Sendable {
    /// The readers of each topic's partitions.
    private let topics: [[any PartitionReader]]
    private let joins: [PointInTimeJoin]
    private let labels: LabelIndex
    private let pools: [RecordPool]
    private let next = Atomic<Int>(0)
    private let done = Atomic<Int>(0)
    private let running = Atomic<Int>(0)
    private let isStopped = Atomic<Bool>(false)
    private let failure = Mutex<JobFailure?>(nil)
    private let newest = Atomic<Int64>(.min)
    private let oldest = Atomic<Int64>(.max)

    /// A scan of the topics `sources`, in the order that decides between versions of one event time.
    ///
    /// - Parameters:
    ///   - joins: at least one; all of them over the same index.
    ///   - threads: more than one only where a key never changes its partition.
    public init(
        _ sources: [any RecordSource], into joins: [PointInTimeJoin], threads: Int
    ) throws(JobFailure) {
        var topics: [[any PartitionReader]] = []
        for source in sources {
            var readers: [any PartitionReader] = []
            for partition in try source.partitions() {
                readers.append(try source.reader(partition: partition))
            }
            topics.append(readers)
        }
        self.topics = topics
        let index = joins[0].labels
        precondition(joins.allSatisfy { $0.labels === index }, "joins of one index")
        self.joins = joins
        labels = index
        pools = (0..<max(threads, 1)).map { _ in RecordPool() }
    }

    /// Versions read so far.
    public var versionCount: Int { done.load(ordering: .relaxed) }

    /// The latest visible time of any version, once the scan has ended; nil without versions.
    public var newestVisible: Int64? {
        let micros = newest.load(ordering: .relaxed)
        return micros == .min ? nil : micros
    }

    /// The earliest visible time of any version, once the scan has ended; nil without versions.
    public var oldestVisible: Int64? {
        let micros = oldest.load(ordering: .relaxed)
        return micros == .max ? nil : micros
    }

    /// Bytes of versions kept for labels.
    public var heldBytes: Int { pools.reduce(0) { $0 + $1.byteCount } }

    /// Reads everything and settles the joins; the scan must live as long as their answers are used.
    ///
    /// - Parameter show: called on this thread, ten times a second, while the others read.
    public func run(show: () -> Void = {}) throws(JobFailure) {
        // Topics one after the other: a key's labels are never in two threads.
        for topic in topics.indices {
            next.store(0, ordering: .relaxed)
            running.store(pools.count, ordering: .releasing)
            for index in pools.indices { start(topic, index) }
            var pause: UInt32 = 1000
            while running.load(ordering: .acquiring) > 0 {
                usleep(pause)
                pause = min(pause * 2, 100_000)
                if pause == 100_000 { show() }
            }
            if let failure = failure.withLock({ $0 }) { throw failure }
        }
        for join in joins { join.settle() }
        show()
    }

    private func start(_ topic: Int, _ pool: Int) {
        let passed = Unmanaged.passRetained(Work(scan: self, topic: topic, pool: pool)).toOpaque()
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { passed in
                let work = Unmanaged<Work>.fromOpaque(passed!).takeRetainedValue()
                work.scan.work(work.topic, pool: work.pool)
                return nil
            }, passed)
        if code == 0 {
            pthread_detach(thread)
        } else {
            // Without another thread this one does it.
            Unmanaged<Work>.fromOpaque(passed).release()
            work(topic, pool: pool)
        }
    }

    private final class Work {
        let scan: VersionScan
        let topic: Int
        let pool: Int

        init(scan: VersionScan, topic: Int, pool: Int) {
            self.scan = scan
            self.topic = topic
            self.pool = pool
        }
    }

    private func work(_ topic: Int, pool: Int) {
        do throws(JobFailure) {
            while !isStopped.load(ordering: .relaxed) {
                let part = next.wrappingAdd(1, ordering: .relaxed).oldValue
                guard part < topics[topic].count else { break }
                try read(topics[topic][part], sequence: UInt64(topic) << 56, pool: pools[pool])
            }
        } catch {
            isStopped.store(true, ordering: .relaxed)
            failure.withLock { $0 = $0 ?? error }
        }
        running.wrappingSubtract(1, ordering: .releasing)
    }

    private func read(
        _ reader: any PartitionReader, sequence first: UInt64, pool: RecordPool
    ) throws(JobFailure) {
        var sequence = first
        while !isStopped.load(ordering: .relaxed) {
            switch try reader.read(maxRecords: 4096, maxBytes: 1 << 20) {
            case .records(let batch):
                try take(batch, sequence: &sequence, from: reader.name, pool: pool)
                done.wrappingAdd(batch.count, ordering: .relaxed)
            case .waiting: usleep(1000)
            case .caughtUp, .ended: return
            }
        }
    }

    private func take(
        _ batch: RecordBatch, sequence: inout UInt64, from name: String, pool: RecordPool
    ) throws(JobFailure) {
        guard batch.count > 0, let keyArena = batch.keys.arena, let arena = batch.values.arena
        else { return }
        let keys = UnsafePointer(keyArena.base)
        let values = UnsafePointer(arena.base)
        let keyViews = batch.keys.views
        let views = batch.values.views
        let labels = labels
        let joins = joins
        let first = joins[0]
        var latest = Int64.min
        var earliest = Int64.max
        var row = 0
        while row < batch.count {
            let value = values + ByteView.start(views[row])
            let length = ByteView.length(views[row])
            guard length >= FeatureVersion.headBytes, value[0] == FeatureVersion.format else {
                throw JobFailure(
                    .corruption,
                    "offset \(batch.offsets.int64s[row]) of \(name) holds no version "
                        + "of a feature, or one of a newer format", at: name,
                    remedy: "use the version of millrace that wrote it, or another place for the "
                        + "feature log")
            }
            let visible = Int64(
                littleEndian: UnsafeRawPointer(value + FeatureVersion.visibleAt)
                    .loadUnaligned(as: Int64.self))
            latest = max(latest, visible)
            earliest = min(earliest, visible)
            let key = keys + ByteView.start(keyViews[row])
            let keyLength = ByteView.length(keyViews[row])
            let found = labels.find(Hash.xxh3(key, keyLength), key, keyLength)
            sequence &+= 1
            if found >= 0 {
                first.take(
                    key: found, value: value, length: length, sequence: sequence, pool: pool)
                var join = 1
                while join < joins.count {
                    joins[join].take(
                        key: found, value: value, length: length, sequence: sequence, pool: pool)
                    join &+= 1
                }
            }
            row &+= 1
        }
        newest.max(latest, ordering: .relaxed)
        oldest.min(earliest, ordering: .relaxed)
        withExtendedLifetime(batch) {}
    }
}

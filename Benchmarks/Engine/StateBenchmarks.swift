import Glibc
import StreamRuntime
import Synchronization

/// How fast keyed state is, in memory, at checkpoints and beyond memory.
///
/// Keys are 17 bytes as encoded, values 48 bytes, batches 4,096 rows; one thread unless said.
enum StateBenchmarks {
    private static let layout = StateLayout(fixedBytes: 48)
    private static let batchRows = 4096

    /// Prints one line for each figure, with its target.
    static func run() {
        let directory = "/tmp/millrace-bench-state-\(getpid())"
        do {
            try underBudget(directory + "-budget")
            try updates(keys: 1_000_000, target: "12 M/s")
            try updates(keys: 5_000_000, target: "5 M/s")
            try checkpoints(directory + "-checkpoint")
        } catch {
            print("state benchmarks failed: \(error)")
        }
    }

    // MARK: updates

    private static func updates(keys: Int, target: String) throws(JobFailure) {
        let table = try StateStore().state("sums", of: "step", layout: layout).table(0)
        let entries = UnsafeMutablePointer<StateEntry>.allocate(capacity: batchRows)
        defer { entries.deallocate() }
        let inserts = seconds {
            for first in stride(from: 0, to: keys, by: batchRows) {
                update(table, KeyBatches.sequence(from: first, batchRows, of: keys), entries)
            }
        }
        print("state, insert \(keys / 1_000_000) M keys, keys made too: \(rate(keys, inserts))")
        let batches = KeyBatches.random(512, rows: batchRows, of: keys)
        var times: [Double] = []
        for _ in 0..<5 {
            times.append(
                seconds { for batch in batches { update(table, batch, entries) } })
        }
        let rows = batches.count * batchRows
        print(
            "state, update \(keys / 1_000_000) M keys uniformly: "
                + "\(rate(rows, times.sorted()[2])) (target \(target))")
        let began = now()
        for batch in batches {
            try table.find(batch, rows: nil, count: batchRows, into: entries)
        }
        let finds = now() - began
        print("state, find \(keys / 1_000_000) M keys uniformly: \(rate(rows, finds))")
    }

    private static func update(
        _ table: StateTable, _ keys: KeyColumn, _ entries: UnsafeMutablePointer<StateEntry>
    ) {
        let count = keys.count
        do { try table.resolve(keys, rows: nil, count: count, into: entries) } catch {
            fatalError("\(error)")
        }
        var row = 0
        while row < count {
            let entry = entries[row]
            if entry.isNew { entry.settle() }
            let value = entry.value.assumingMemoryBound(to: Int64.self)
            value[0] &+= 1
            value[1] &+= Int64(row)
            row &+= 1
        }
    }

    // MARK: checkpoints

    private static func checkpoints(_ directory: String) throws(JobFailure) {
        let keys = 1_000_000
        defer { remove(directory) }
        let settings = DurableStorage.Settings(
            directory: directory, job: "bench", memoryBytes: 1 << 30)
        do {
            let storage = try DurableStorage(settings)
            let store = try storage.openStore(worker: 0, of: 1)
            let table = try store.state("sums", of: "step", layout: layout).table(0)
            let entries = UnsafeMutablePointer<StateEntry>.allocate(capacity: batchRows)
            defer { entries.deallocate() }
            for number in 1...4 {
                for first in stride(from: 0, to: keys, by: batchRows) {
                    update(table, KeyBatches.sequence(from: first, batchRows, of: keys), entries)
                }
                let began = now()
                let snapshot = try store.snapshot(step: "step")
                let pause = now() - began
                let summary = try storage.complete(
                    CheckpointParts(
                        checkpoint: Int64(number), snapshots: [snapshot], positions: [:],
                        tokens: [:]))
                print(
                    "state, checkpoint \(number) of \(snapshot.entries) dirty entries: pause "
                        + "\(millis(pause)) (target 30 ms), total \(millis(now() - began)) "
                        + "(target 1,000 ms), \(summary.bytes >> 20) MiB")
                try store.relieve()
            }
        }
        for workers in 1...2 {
            let began = now()
            let storage = try DurableStorage(settings)
            let opened = now()
            var restored = 0
            for worker in 0..<workers {
                let store = try storage.openStore(worker: worker, of: workers)
                restored += try store.state("sums", of: "step", layout: layout).table(0).count
            }
            print(
                "state, restore \(restored) keys into \(workers) workers in turn: "
                    + "\(millis(now() - began)) (target 2,000 ms), \(millis(opened - began)) of it "
                    + "to check and open")
        }
    }

    // MARK: beyond memory

    private static func underBudget(_ directory: String) throws(JobFailure) {
        let keys = 5_000_000
        defer { remove(directory) }
        let storage = try DurableStorage(
            DurableStorage.Settings(directory: directory, job: "bench", memoryBytes: 256 << 20))
        let store = try storage.openStore(worker: 0, of: 1)
        let table = try store.state("sums", of: "step", layout: layout).table(0)
        let entries = UnsafeMutablePointer<StateEntry>.allocate(capacity: batchRows)
        defer { entries.deallocate() }
        let checkpointer = Checkpointer(storage)
        var residentMax = 0
        var last = now()
        func step(_ batch: KeyColumn) throws(JobFailure) {
            update(table, batch, entries)
            while try store.relieve() == .waitForCheckpoint { usleep(500) }
            if checkpointer.isIdle, now() - last > 2 {
                last = now()
                checkpointer.start(try store.snapshot(step: "step"))
            }
        }
        var began = now()
        for first in stride(from: 0, to: keys, by: batchRows) {
            try step(KeyBatches.sequence(from: first, batchRows, of: keys))
            if first & 0xF_FFFF == 0 { residentMax = max(residentMax, residentBytes()) }
        }
        print("state, 256 MiB, insert 5 M keys: \(rate(keys, now() - began))")
        let before = residentBytes()
        let batches = KeyBatches.skewed(1024, rows: batchRows, of: keys)
        let batchBytes = residentBytes() - before
        began = now()
        for round in 0..<2 {
            for (at, batch) in batches.enumerated() {
                try step(batch)
                if at & 63 == 0 {
                    residentMax = max(residentMax, residentBytes() - batchBytes)
                }
            }
            let took = now() - began
            began = now()
            print(
                "state, 256 MiB, update 5 M keys with skew, round \(round + 1): "
                    + "\(rate(batches.count * batchRows, took))")
        }
        checkpointer.finish()
        print(
            "state, 256 MiB, resident at most: \(residentMax >> 20) MiB (target 400 MB), "
                + "\(table.count) keys, \(checkpointer.count) checkpoints")
    }

    // MARK: measuring

    private static func seconds(_ work: () -> Void) -> Double {
        let began = now()
        work()
        return now() - began
    }

    private static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private static func rate(_ rows: Int, _ seconds: Double) -> String {
        let hundredths = Int(Double(rows) / seconds / 1e4)
        return "\(hundredths / 100).\(hundredths % 100 / 10)\(hundredths % 10) M/s"
    }

    private static func millis(_ seconds: Double) -> String { "\(Int(seconds * 1000 + 0.5)) ms" }

    private static func residentBytes() -> Int {
        guard let file = fopen("/proc/self/statm", "r") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 128)
        guard fgets(&line, 128, file) != nil else { return 0 }
        let text = String(
            decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return (text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 4096
    }

    private static func remove(_ path: String) {
        if let directory = opendir(path) {
            while let entry = readdir(directory) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                if name != ".", name != ".." { remove(path + "/" + name) }
            }
            closedir(directory)
        }
        Glibc.remove(path)
    }
}

/// Writes state to disk on a thread of its own, as a job's coordinator does: what tables hand over
/// ahead of a checkpoint whenever there is some, and the checkpoints, one at a time.
private final class Checkpointer {
    private let work: Work
    private let thread: pthread_t
    private(set) var count = 0

    private final class Work: Sendable {
        let storage: DurableStorage
        let parts = Mutex<CheckpointParts?>(nil)
        let isStopped = Atomic<Bool>(false)
        init(_ storage: DurableStorage) { self.storage = storage }

        func run() throws(JobFailure) {
            while true {
                // Asked before the last look, so that a checkpoint started before the stop is completed.
                let isLast = isStopped.load(ordering: .acquiring)
                if let parts = parts.withLock({ $0 }) {
                    _ = try storage.complete(parts)
                    self.parts.withLock { $0 = nil }
                }
                if isLast { return }
                try storage.writeAhead()
                usleep(500)
            }
        }
    }

    init(_ storage: DurableStorage) {
        work = Work(storage)
        var made = pthread_t()
        pthread_create(
            &made, nil,
            { raw in
                let work = Unmanaged<Work>.fromOpaque(raw!).takeRetainedValue()
                do { try work.run() } catch { fatalError("\(error)") }
                return nil
            }, Unmanaged.passRetained(work).toOpaque())
        thread = made
    }

    var isIdle: Bool { work.parts.withLock { $0 == nil } }

    func start(_ snapshot: StateSnapshot) {
        count += 1
        work.parts.withLock {
            $0 = CheckpointParts(
                checkpoint: Int64(count), snapshots: [snapshot], positions: [:], tokens: [:])
        }
    }

    func finish() {
        work.isStopped.store(true, ordering: .releasing)
        pthread_join(thread, nil)
    }
}

/// Batches of encoded keys.
private enum KeyBatches {
    static func sequence(from first: Int, _ rows: Int, of keys: Int) -> KeyColumn {
        let count = min(rows, keys - first)
        return make(count) { first + $0 }
    }

    static func random(_ batches: Int, rows: Int, of keys: Int) -> [KeyColumn] {
        var state: UInt64 = 42
        return (0..<batches).map { _ in
            make(rows) { _ in Int(next(&state) % UInt64(keys)) }
        }
    }

    /// Nine rows of ten go to a tenth of the keys, and so again inside that tenth.
    static func skewed(_ batches: Int, rows: Int, of keys: Int) -> [KeyColumn] {
        var state: UInt64 = 43
        return (0..<batches).map { _ in
            make(rows) { _ in
                var range = UInt64(keys)
                while range > 1000, next(&state) % 10 != 0 { range /= 10 }
                // Hot keys are spread over all keys, not those that came first.
                return Int(next(&state) % range &* 2_654_435_761 % UInt64(keys))
            }
        }
    }

    private static func make(_ count: Int, _ key: (Int) -> Int) -> KeyColumn {
        let column = Column(.string, capacity: count)
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 14) { text in
            for row in 0..<count {
                var rest = key(row)
                var at = 13
                while at >= 0 {
                    text[at] = UInt8(48 + rest % 10)
                    rest /= 10
                    at -= 1
                }
                column.append(UnsafeBufferPointer(text))
            }
        }
        return KeyEncoder(columns: [0]).encode([column], count: count)
    }

    private static func next(_ state: inout UInt64) -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

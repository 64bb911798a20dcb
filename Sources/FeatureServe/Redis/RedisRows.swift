import Glibc
import NIOPosix
import Redis
import StreamRuntime
import Synchronization

/// Rows that are kept on a Redis server, or a cluster, in Feast's layout, and locally as a cache.
///
/// A row is written where it is written locally and soon after on the server, unless the server has a newer one
/// (compared there, by event time). While the server is away rows wait in order; when too many wait, so do
/// pipelines; a checkpoint counts only when its rows are on the server, so that nothing is lost. A row that is not
/// here is asked for on the server.
public final class RedisRows: OnlineRows, RemoteRows {
    /// Bytes that may be on their way before pipelines wait: some seconds of a fast pipeline.
    static let pendingBytesMax = 64 << 20
    /// Rows sent before their answers are read.
    private static let chunkRows = 512
    /// How long rows wait for others to travel with.
    private static let pauseNanos = 2_000_000
    private static let askMillis = 250
    private static let sendMillis = 5000
    /// How long after a failed question no other is tried.
    private static let restNanos: Int64 = 1_000_000_000

    private struct Pending {
        let key: [UInt8]
        let value: [UInt8]
    }

    private struct Queue {
        var rows: [Pending] = []
        /// The first that is not on the server yet.
        var first = 0
        var bytes = 0
        /// Rows put, and rows on the server, since the start.
        var put = 0
        var done = 0
        var isEnding = false
        var isClosed = false
        var endsAtNanos: Int64 = .max
    }

    private let local: any OnlineRows
    private let address: RedisAddress
    private let project: String
    private let monitor = Monitor()
    private nonisolated(unsafe) var queue = Queue()  // behind the monitor
    private let tables = Mutex<RedisTables?>(nil)
    private let askers = Mutex<[RedisClient]>([])
    private let restsUntil = Atomic<Int64>(0)
    private let isUp = Atomic<Bool>(true)
    private let sender = NIOThreadPool(numberOfThreads: 1)
    private let sent: Counter
    private let rejected: Counter
    private let failures: Counter
    private let asked: Counter

    /// Rows on the server at `address` in the keys of `project`, kept in `local` too.
    public init(
        local: any OnlineRows, address: RedisAddress, project: String, metrics: MetricsRegistry
    ) {
        self.local = local
        self.address = address
        self.project = project
        sent = metrics.counter(
            "millrace_redis_rows_total", help: "Rows of views written to the Redis online store.")
        rejected = metrics.counter(
            "millrace_redis_older_total",
            help: "Rows the Redis online store had something newer for.")
        failures = metrics.counter(
            "millrace_redis_failures_total", help: "Requests the Redis online store did not answer."
        )
        asked = metrics.counter(
            "millrace_redis_reads_total", help: "Rows asked of the Redis online store.")
        metrics.reading(
            "millrace_redis_up", help: "Whether the Redis online store answers."
        ) { [weak self] in self.map { $0.isUp.load(ordering: .relaxed) ? 1 : 0 } }
        metrics.reading(
            "millrace_redis_waiting_bytes",
            help: "Bytes of rows on their way to the Redis online store."
        ) { [weak self] in self.map { rows in Double(rows.monitor.locked { rows.queue.bytes }) } }
    }

    // MARK: rows at rest

    /// The row as it is kept locally.
    public func get(_ key: UnsafeRawBufferPointer) throws(JobFailure) -> [UInt8]? {
        try local.get(key)
    }

    /// Puts every pair locally, durably or not, and hands it on to be sent to the server.
    public func put(_ batch: OnlineRowBatch, durable: Bool) throws(JobFailure) {
        var rows: [Pending] = []
        batch.forEach { key, value in
            guard key.count > 2, key[0] != 0xFF || key[1] != 0xFF else { return }
            rows.append(Pending(key: [UInt8](key), value: [UInt8](value)))
        }
        try local.put(batch, durable: durable)
        monitor.locked {
            queue.rows += rows
            queue.bytes += rows.reduce(0) { $0 + $1.key.count + $1.value.count }
            queue.put += rows.count
            monitor.signal()
        }
    }

    /// Waits until every row put so far is on the server.
    ///
    /// - Throws: when it does not answer and `end` set a limit; what is missing there is only here.
    func waitUntilSent() throws(JobFailure) {
        let isDone = monitor.locked { () -> Bool in
            let last = queue.put
            while queue.done < last, !queue.isClosed,
                WallClock.monotonicNanos() < queue.endsAtNanos
            {
                monitor.wait(nanos: 100_000_000)
            }
            return queue.done >= last
        }
        guard isDone else {
            throw JobFailure(
                .sink, "rows of features wait for Redis, which does not answer",
                at: "online store at \(address.text)",
                remedy: "start Redis, then the job again: it goes on from its last checkpoint",
                recovery: .retry(afterMillis: 1000))
        }
    }

    /// Calls `body` with each pair under `prefix` that is kept locally.
    public func scan(
        prefix: [UInt8],
        _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws(JobFailure) -> Bool
    ) throws(JobFailure) {
        try local.scan(prefix: prefix, body)
    }

    /// Calls `body` with each pair under `prefix` and behind `after` that is kept locally.
    public func scan(
        prefix: [UInt8], after: [UInt8],
        _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws(JobFailure) -> Bool
    ) throws(JobFailure) {
        try local.scan(prefix: prefix, after: after, body)
    }

    // MARK: what is on the server

    func attach(_ tables: [OnlineTable]) {
        let made = RedisTables(tables, project: project)
        self.tables.withLock { $0 = made }
    }

    func fetch(
        tableId: UInt16, key: UnsafeBufferPointer<UInt8>
    ) throws(JobFailure) -> [RemoteView] {
        guard let tables = tables.withLock({ $0 }), let question = tables.question(tableId, key)
        else { return [] }
        guard WallClock.monotonicNanos() >= restsUntil.load(ordering: .relaxed) else {
            throw away("Redis did not answer a moment ago")
        }
        let client =
            askers.withLock { $0.popLast() }
            ?? RedisClient(address, timeoutMillis: RedisRows.askMillis)
        defer { askers.withLock { $0.append(client) } }
        asked.add()
        do throws(RedisError) {
            let reply = try client.run([question])[0]
            guard let values = reply.array else {
                throw .refused(place: address.text, answer: "\(reply)")
            }
            isUp.store(true, ordering: .relaxed)
            return tables.views(tableId, values)
        } catch {
            failures.add()
            isUp.store(false, ordering: .relaxed)
            restsUntil.store(
                WallClock.monotonicNanos() + RedisRows.restNanos, ordering: .relaxed)
            throw away("\(error)")
        }
    }

    private func away(_ problem: String) -> JobFailure {
        JobFailure(
            .environment, problem, at: "online store at \(address.text)",
            remedy: "start Redis, or correct online.redis", recovery: .retry(afterMillis: 1000))
    }

    func waitForRoom() {
        monitor.locked {
            while queue.bytes > RedisRows.pendingBytesMax, !queue.isClosed, !queue.isEnding {
                monitor.wait(nanos: 100_000_000)
            }
        }
    }

    // MARK: sending

    /// Begins to send what `store` writes over these rows.
    ///
    /// - Throws: when the server cannot be reached now, or refuses: better known before a job starts.
    public func start(_ store: OnlineStore) throws(JobFailure) {
        let client = RedisClient(
            address, timeoutMillis: RedisRows.sendMillis, scripts: [RedisScript.setNewer])
        do throws(RedisError) {
            _ = try client.run([RedisCommand("PING")])
        } catch {
            throw away("\(error)")
        }
        sender.start()
        sender.submit { [weak store] state in
            guard state == .active else { return }
            self.send(by: client) { () throws(JobFailure) in try store?.handOver() }
        }
    }

    /// From now on rows are waited for no longer than `seconds`.
    public func end(within seconds: Int64) {
        monitor.locked {
            guard !queue.isEnding else { return }
            queue.isEnding = true
            queue.endsAtNanos = WallClock.monotonicNanos() + seconds * 1_000_000_000
            monitor.signal()
        }
    }

    /// Stops sending; rows that are not on the server are only here.
    public func close() {
        monitor.locked {
            queue.isClosed = true
            monitor.signal()
        }
        try? sender.syncShutdownGracefully()
    }

    /// Sends what comes until it is closed.
    private func send(by client: RedisClient, gather: () throws(JobFailure) -> Void) {
        var pauseMillis = 100
        while true {
            // What fails here fails the next checkpoint too, which tells of it.
            try? gather()
            let chunk = monitor.locked { () -> ArraySlice<Pending>? in
                if queue.isClosed { return nil }
                if queue.first == queue.rows.count { monitor.wait(nanos: RedisRows.pauseNanos) }
                let end = min(queue.first + RedisRows.chunkRows, queue.rows.count)
                return queue.rows[queue.first..<end]
            }
            guard let chunk else { return }
            if chunk.isEmpty { continue }
            if deliver(chunk, by: client) {
                pauseMillis = 100
                finish(chunk)
            } else {
                failures.add()
                isUp.store(false, ordering: .relaxed)
                client.disconnect()
                monitor.locked {
                    if !queue.isClosed { monitor.wait(nanos: pauseMillis * 1_000_000) }
                }
                pauseMillis = min(pauseMillis * 2, 2000)
            }
        }
    }

    private func deliver(_ chunk: ArraySlice<Pending>, by client: RedisClient) -> Bool {
        guard let tables = tables.withLock({ $0 }) else { return false }
        do {
            var rows: [RedisTables.Outgoing] = []
            for row in chunk { rows += try tables.commands(key: row.key, value: row.value) }
            let replies = try client.run(rows.map(\.command))
            for reply in replies { if case .error = reply { return false } }
            for (row, reply) in zip(rows, replies) where reply == .integer(0) {
                rejected.add()
                try tables.forget(row)
            }
            sent.add(rows.count)
            isUp.store(true, ordering: .relaxed)
            return true
        } catch {
            return false
        }
    }

    private func finish(_ chunk: ArraySlice<Pending>) {
        monitor.locked {
            queue.bytes -= chunk.reduce(0) { $0 + $1.key.count + $1.value.count }
            queue.done += chunk.count
            queue.first += chunk.count
            if queue.first == queue.rows.count {
                queue.rows.removeAll(keepingCapacity: queue.first <= 1 << 16)
                queue.first = 0
            } else if queue.first > 1 << 14, queue.first * 2 > queue.rows.count {
                queue.rows.removeFirst(queue.first)
                queue.first = 0
            }
            monitor.signal()
        }
    }
}

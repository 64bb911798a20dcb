import NIOCore
import NIOPosix
import StreamRuntime
import Synchronization

/// The rows that clients write, one after the other, off the threads that serve lookups; one for all servers.
///
/// What has gathered while a group was being written makes the next one, so that a single wait for the disk
/// answers them all. An answer is given when the rows are readable and durable.
public final class WriteQueue: Sendable {
    /// What a client named: a push source, or a view.
    enum Kind: Sendable { case push, view }

    /// What a request is answered with.
    struct Reply: Sendable {
        var status = 200
        var body: [UInt8] = []
        /// What is said beside it.
        var notes: [LookupNote] = []
        /// Why nothing was written, for encodings that say it in their own way.
        var problem: LookupProblem?
        /// Seconds after which the same request may succeed; nil for no such advice.
        var retryAfter: Int64?
    }

    /// Reads a request and writes its rows, on the queue's thread.
    typealias Write = @Sendable (WriteClerk, inout [WrittenKeys]) -> Reply

    private struct Work: Sendable {
        let kind: Kind
        let bytes: Int
        let write: Write
        let startNanos: Int64
        let answer: EventLoopPromise<Reply>
    }

    private struct Waiting {
        var works: [Work] = []
        var bytes = 0
        var isWriting = false
        var isStopped = false
    }

    /// Bytes of requests that may wait: eight of the largest, or some hundred thousand rows.
    public static let bytesMax = 64 << 20

    private let waiting = Mutex(Waiting())
    private let thread = NIOThreadPool(numberOfThreads: 1)
    private let clerk: WriteClerk
    private let bytesMax: Int

    /// A queue of writes to `targets` of `store`, which `stop` ends.
    ///
    /// - Parameters:
    ///   - metrics: where writes are counted.
    ///   - style: whose errors are given.
    ///   - bytesMax: bytes of requests that may wait.
    public init(
        store: OnlineStore, targets: WriteTargets, metrics: MetricsRegistry,
        style: Compatibility = .millrace, bytesMax: Int = WriteQueue.bytesMax
    ) {
        self.bytesMax = bytesMax
        clerk = WriteClerk(store: store, targets: targets, metrics: metrics, style: style)
        thread.start()
    }

    /// Takes a request of `bytes`; the future fails when too much is waiting, or the queue has stopped.
    func submit(
        _ kind: Kind, bytes: Int, on loop: any EventLoop, _ write: @escaping Write
    ) -> EventLoopFuture<Reply> {
        let answer = loop.makePromise(of: Reply.self)
        let work = Work(
            kind: kind, bytes: bytes, write: write, startNanos: WallClock.monotonicNanos(),
            answer: answer)
        let (isTaken, starts) = waiting.withLock { waiting in
            guard !waiting.isStopped, waiting.bytes + bytes <= bytesMax else {
                return (false, false)
            }
            waiting.works.append(work)
            waiting.bytes += bytes
            let starts = !waiting.isWriting
            waiting.isWriting = true
            return (true, starts)
        }
        if starts {
            thread.submit { [self] state in
                if state == .active { drain() } else { refuseAll() }
            }
        }
        if !isTaken { answer.fail(CancellationError()) }
        return answer.futureResult
    }

    /// Takes a request whose body is JSON.
    func submit(
        _ kind: Kind, json body: UnsafeBufferPointer<UInt8>, for caller: AccessCaller = .anyone,
        on loop: any EventLoop
    ) -> EventLoopFuture<Reply> {
        let body = Array(body)
        return submit(kind, bytes: body.count, on: loop) { clerk, written in
            clerk.write(kind, json: body, for: caller, into: &written)
        }
    }

    /// Finishes what has begun and refuses the rest, from now on too.
    public func stop() {
        waiting.withLock { $0.isStopped = true }
        try? thread.syncShutdownGracefully()
        refuseAll()
    }

    private func take() -> [Work] {
        waiting.withLock { waiting in
            let works = waiting.works
            waiting.works = []
            waiting.bytes = 0
            if works.isEmpty { waiting.isWriting = false }
            return works
        }
    }

    private func refuseAll() {
        for work in take() { work.answer.fail(CancellationError()) }
    }

    private func drain() {
        while true {
            let works = take()
            guard !works.isEmpty else { return }
            var written: [WrittenKeys] = []
            var replies = works.map { $0.write(clerk, &written) }
            if let failure = clerk.persist(written) {
                for index in replies.indices where replies[index].problem == nil {
                    replies[index] = clerk.reply(to: failure)
                }
            }
            for (work, reply) in zip(works, replies) {
                clerk.count(
                    work.kind, nanos: WallClock.monotonicNanos() - work.startNanos,
                    isDone: reply.problem == nil)
                work.answer.succeed(reply)
            }
        }
    }
}

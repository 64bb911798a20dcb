import NIOCore
import NIOPosix
import Synchronization

/// The requests that bring records, one group after the other, off the threads that serve lookups.
///
/// What has gathered while a group was being made durable makes the next one, so that a single wait for the
/// log answers them all.
final class IngestQueue: Sendable {
    private struct Work: Sendable {
        let request: IngestRequest
        let answer: EventLoopPromise<WriteQueue.Reply>
    }

    private struct Waiting {
        var works: [Work] = []
        var bytes = 0
        var isTaking = false
        var isStopped = false
    }

    /// Bytes of bodies that may be waiting or under way: eight of the usual largest.
    static let bytesMax = 64 << 20

    private let waiting = Mutex(Waiting())
    private let thread = NIOThreadPool(numberOfThreads: 1)
    private let desk: any IngestDesk

    /// A queue before `desk`, which `stop` ends.
    init(_ desk: any IngestDesk) {
        self.desk = desk
        thread.start()
    }

    /// The rules of `stream`; nil for one that takes no requests.
    func rules(of stream: String) -> IngestRules? { desk.rules(of: stream) }

    /// Takes a request; the future fails when the queue has stopped, and says so when too much is waiting.
    func submit(
        _ request: IngestRequest, on loop: any EventLoop
    ) -> EventLoopFuture<WriteQueue.Reply> {
        let answer = loop.makePromise(of: WriteQueue.Reply.self)
        let count = request.body.count
        let (isTaken, starts) = waiting.withLock { waiting in
            guard !waiting.isStopped, waiting.bytes + count <= IngestQueue.bytesMax else {
                return (false, false)
            }
            waiting.works.append(Work(request: request, answer: answer))
            waiting.bytes += count
            let starts = !waiting.isTaking
            waiting.isTaking = true
            return (true, starts)
        }
        if starts {
            thread.submit { [self] state in
                if state == .active { drain() } else { refuseAll() }
            }
        }
        if !isTaken {
            desk.noteBusy(request.stream)
            answer.succeed(
                WriteQueue.Reply(
                    status: 429,
                    body: Array(#"{"detail":"Too much is waiting to be logged"}"#.utf8),
                    retryAfter: 1))
        }
        return answer.futureResult
    }

    /// Finishes what has begun and refuses the rest, from now on too.
    func stop() {
        waiting.withLock { $0.isStopped = true }
        try? thread.syncShutdownGracefully()
        refuseAll()
    }

    private func take() -> [Work] {
        waiting.withLock { waiting in
            let works = waiting.works
            waiting.works = []
            if works.isEmpty { waiting.isTaking = false }
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
            let replies = desk.take(works.map(\.request))
            precondition(replies.count == works.count, "every request has an answer")
            // What is under way counts as waiting: its bytes are in memory.
            let bytes = works.reduce(0) { $0 + $1.request.body.count }
            waiting.withLock { $0.bytes -= bytes }
            for (work, reply) in zip(works, replies) {
                work.answer.succeed(
                    WriteQueue.Reply(
                        status: reply.status, body: reply.body, retryAfter: reply.retryAfter))
            }
        }
    }
}

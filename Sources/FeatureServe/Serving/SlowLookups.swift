import NIOCore
import NIOPosix
import StreamRuntime
import Synchronization

/// Finishes lookups that cannot be answered on the spot, off the threads that serve: those that wait for a
/// record, need rows that are not in memory, or ask about the past. One for each kind of engine of a server.
final class SlowLookups: Sendable {
    fileprivate let store: OnlineStore
    private let make: @Sendable () -> any DeferringEngine
    private let threads = NIOThreadPool(numberOfThreads: 2)
    private let state = Mutex(State())

    private struct State {
        var engines: [any DeferringEngine] = []
        var open: [ObjectIdentifier: SlowLookup] = [:]
        var reading = 0
        var isHurried = false
    }

    /// Lookups that may wait for rows at rest; more are answered without them.
    private static let readingMax = 4096

    init(store: OnlineStore, make: @escaping @Sendable () -> any DeferringEngine) {
        self.store = store
        self.make = make
        threads.start()
    }

    /// Answers `body` when what `deferral` says is there, or its time is up.
    ///
    /// - Parameters:
    ///   - engine: that of `loop`, on which this is called.
    ///   - stage: who asks, and for what encoding.
    func finish(
        _ body: [UInt8], _ deferral: LookupDeferral, engine: any DeferringEngine,
        stage: LookupStage,
        on loop: any EventLoop
    ) -> EventLoopFuture<WriteQueue.Reply> {
        let lookup = SlowLookup(
            body, engine: engine, all: self, answer: loop.makePromise(of: WriteQueue.Reply.self),
            startNanos: deferral.startNanos, stage: stage)
        state.withLock { $0.open[ObjectIdentifier(lookup)] = lookup }
        lookup.begin(deferral)
        return lookup.answer.futureResult
    }

    /// Answers what still waits with what there is; to be called while the loops still run.
    func hurry() {
        let open = state.withLock { state in
            state.isHurried = true
            return Array(state.open.values)
        }
        for lookup in open { lookup.hurry() }
    }

    /// Whether nothing may wait any more.
    fileprivate var isHurried: Bool { state.withLock { $0.isHurried } }

    /// Lets the threads go, once nothing is asked any more.
    func stop() {
        hurry()
        threads.shutdownGracefully { _ in }
    }

    fileprivate func close(_ lookup: SlowLookup) {
        state.withLock { $0.open[ObjectIdentifier(lookup)] = nil }
    }

    /// Reads that threads are at, or that wait for one.
    var readingCount: Int { state.withLock { $0.reading } }

    /// Has `act` done on the lookup's loop, from any thread, unless it was answered: its loop may be gone then.
    ///
    /// Under the lock, so that the loop, which closes the lookup before it goes, takes the task first.
    fileprivate func tell(_ lookup: SlowLookup, _ act: @escaping @Sendable (SlowLookup) -> Void) {
        state.withLock { state in
            guard state.open[ObjectIdentifier(lookup)] === lookup else { return }
            lookup.loop.execute { act(lookup) }
        }
    }

    /// Runs `body` on another thread with an engine of its own; false when too many wait for that.
    fileprivate func read(_ body: @escaping @Sendable ((any DeferringEngine)?) -> Void) -> Bool {
        let isTaken = state.withLock { state in
            guard state.reading < SlowLookups.readingMax else { return false }
            state.reading += 1
            return true
        }
        guard isTaken else { return false }
        threads.submit { [self] work in
            let spare = state.withLock { $0.engines.popLast() }
            let engine = work == .active ? spare ?? make() : nil
            body(engine)
            state.withLock { state in
                state.reading -= 1
                if let engine { state.engines.append(engine) }
            }
        }
        return true
    }
}

/// One lookup that waits.
///
/// - Note: `@unchecked Sendable` because all but `hurry` happens on the loop it belongs to.
private final class SlowLookup: @unchecked Sendable {
    let answer: EventLoopPromise<WriteQueue.Reply>
    private let body: [UInt8]
    private let engine: any DeferringEngine
    private let all: SlowLookups
    private let startNanos: Int64
    private let stage: LookupStage
    fileprivate var loop: any EventLoop { answer.futureResult.eventLoop }
    private var isDone = false
    private var applied: Bool?
    private var waiter: Int?
    private var timers: [Scheduled<Void>] = []

    /// An answer is on its way this long before it has to be there.
    private static let marginNanos: Int64 = 1_000_000

    init(
        _ body: [UInt8], engine: any DeferringEngine, all: SlowLookups,
        answer: EventLoopPromise<WriteQueue.Reply>, startNanos: Int64, stage: LookupStage
    ) {
        self.body = body
        self.engine = engine
        self.all = all
        self.answer = answer
        self.startNanos = startNanos
        var stage = stage
        stage.packs = false
        stage.startNanos = startNanos
        self.stage = stage
    }

    func begin(_ deferral: LookupDeferral) {
        guard !all.isHurried else { return hurry() }
        if let deadline = deferral.deadlineNanos {
            let span = deadline - startNanos
            at(deadline - min(SlowLookup.marginNanos, span / 4)) { $0.giveUp() }
        }
        guard let record = deferral.record else { return read() }
        // Never at once: the connection has not put its request away yet.
        waiter = all.store.board.wait(for: record.targets, offset: record.offset) { [self] in
            all.tell(self) { $0.resume(applied: true) }
        }
        guard waiter != nil else { return loop.execute { self.resume(applied: true) } }
        at(record.deadlineNanos) { $0.resume(applied: false) }
    }

    /// From any thread: answers with what there is.
    func hurry() { all.tell(self) { $0.giveUp() } }

    private func at(_ nanos: Int64, _ act: @escaping @Sendable (SlowLookup) -> Void) {
        timers.append(
            loop.scheduleTask(deadline: .uptimeNanoseconds(UInt64(max(nanos, 0)))) { act(self) })
    }

    /// The record has been applied, or its deadline has come.
    private func resume(applied: Bool) {
        guard !isDone, self.applied == nil else { return }
        self.applied = applied
        attempt(defers: true)
    }

    /// The deadline of the request has come.
    private func giveUp() {
        guard !isDone else { return }
        if waiter != nil, applied == nil { applied = false }
        attempt(defers: false)
    }

    private func attempt(defers: Bool) {
        let text = ByteArena()
        var stage = stage
        stage.fetches = false
        stage.defers = defers
        stage.applied = applied
        switch body.withUnsafeBufferPointer({ engine.attempt($0, stage, into: text) }) {
        case .answered(let status): succeed(status, text, engine.notes)
        case .deferred: read()
        }
    }

    private var wholeStage: LookupStage {
        var stage = stage
        stage.fetches = true
        stage.defers = false
        stage.applied = applied
        return stage
    }

    /// Has the rows read on another thread.
    private func read() {
        let stage = wholeStage
        let isTaken = all.read { [self] engine in
            guard let engine else { return hurry() }
            let text = ByteArena()
            let outcome = body.withUnsafeBufferPointer { engine.attempt($0, stage, into: text) }
            guard case .answered(let status) = outcome else { return hurry() }
            let bytes = [UInt8](UnsafeBufferPointer(start: text.base, count: text.count))
            let notes = engine.notes
            all.tell(self) { $0.succeed(status, bytes, notes) }
        }
        if !isTaken { hurry() }
    }

    private func succeed(_ status: Int, _ text: ByteArena, _ notes: [LookupNote]) {
        succeed(status, [UInt8](UnsafeBufferPointer(start: text.base, count: text.count)), notes)
    }

    private func succeed(_ status: Int, _ bytes: [UInt8], _ notes: [LookupNote]) {
        guard !isDone else { return }
        isDone = true
        for timer in timers { timer.cancel() }
        timers = []
        if let waiter { all.store.board.cancel(waiter) }
        all.close(self)
        answer.succeed(WriteQueue.Reply(status: status, body: bytes, notes: notes))
    }
}

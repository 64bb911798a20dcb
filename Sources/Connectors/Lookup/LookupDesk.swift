import FeatureServe
import StreamRuntime
import Synchronization

/// Asks a table elsewhere from threads of its own and writes every answer down before it is told.
///
/// The threads that ask look into the journal first. One more thread, the keeper, writes what was answered, as many
/// answers at once as there are, and then hands them to those who asked. It also trims the journal.
///
/// - Note: shared by its threads; everything that changes is guarded by `monitor` or belongs to the keeper.
public final class LookupDesk: LookupSource, @unchecked Sendable {
    /// How long answers hold.
    public let terms: LookupTerms
    let settings: LookupSettings
    private let target: any LookupTarget
    private let openJournal: @Sendable () throws(JobFailure) -> LookupJournal
    private let clock: any Clock
    private let metrics: MetricsRegistry?
    private let latency: Histogram?
    private let warn: @Sendable (String) -> Void

    private let monitor = Monitor()
    private var queue: LookupQueue
    private var done: [LookupQueue.Done] = []
    private var journal: LookupJournal?
    private var horizon: LookupHorizon
    /// The event time before which answers are to be forgotten; nil for nothing to do.
    private var trimBefore: Int64?
    private var users = 0
    private var readers = 0
    private var threads = 0
    private var idleThreads = 0
    private var isKeeping = false
    private var isStopping = false
    private var counts = LookupFigures()
    private let hits = Atomic<Int>(0)

    /// Answers that may wait for the keeper.
    private static let doneMax = 16_384

    /// A desk that asks `target`.
    ///
    /// - Parameters:
    ///   - warn: tells a person, one line without its end.
    ///   - journal: opens the journal when the first instance of the step asks.
    public init(
        _ settings: LookupSettings, target: any LookupTarget, clock: any Clock = SystemClock(),
        metrics: MetricsRegistry? = nil, warn: @escaping @Sendable (String) -> Void = { _ in },
        journal: @escaping @Sendable () throws(JobFailure) -> LookupJournal
    ) {
        self.settings = settings
        terms = settings.terms
        self.target = target
        self.clock = clock
        self.metrics = metrics
        self.warn = warn
        openJournal = journal
        queue = LookupQueue(settings, batchMax: target.batchMax, now: clock.nowMicros)
        horizon = LookupHorizon(
            keepMicros: settings.terms.keepMicros, retained: settings.checkpointsKept)
        latency = metrics?.histogram(
            "millrace_lookup_seconds", help: "How long requests of lookups took.",
            labels: [("step", settings.name)])
    }

    // MARK: for the step

    /// Opens the journal for the first instance.
    public func open() throws(JobFailure) {
        let failure = monitor.locked { () -> JobFailure? in
            users += 1
            horizon.instances = users
            if journal != nil { return nil }
            do throws(JobFailure) {
                journal = try openJournal()
            } catch {
                users -= 1
                return error
            }
            isStopping = false
            isKeeping = true
            DetachedThread.run("lookups") { [self] in keep() }
            return nil
        }
        if let failure { throw failure }
        if let metrics {
            LookupFigures.table.register(in: metrics, labels: [("step", settings.name)]) {
                [weak self] in self?.figures
            }
        }
    }

    /// Puts questions into the queue.
    public func ask(_ questions: [LookupQuestion], for inbox: LookupInbox) {
        monitor.locked {
            for question in questions {
                queue.add(LookupQueue.Item(question: question, inbox: inbox))
            }
            if idleThreads == 0, threads < settings.inFlight { spawn() }
            monitor.signal()
        }
    }

    /// Counts rows that had their answer in memory.
    public func noteHits(_ count: Int) { hits.wrappingAdd(count, ordering: .relaxed) }

    /// Remembers how far an instance was at a barrier.
    public func pass(checkpoint: Int64, reached: EventTime) {
        monitor.locked { horizon.pass(checkpoint, reached: reached.micros) }
    }

    /// A checkpoint counts: what no kept one can ask for again is forgotten.
    public func commit(checkpoint: Int64) {
        monitor.locked {
            guard let before = horizon.commit(checkpoint) else { return }
            trimBefore = before
            monitor.signal()
        }
    }

    /// Closes the journal behind the last instance; questions that are open get no answer.
    public func close() {
        monitor.locked {
            users -= 1
            guard users == 0 else { return }
            isStopping = true
            queue.removeAll()
            monitor.signal()
            while isKeeping || readers > 0 { monitor.wait(nanos: 50_000_000) }
            journal = nil
        }
    }

    /// A recent view.
    public var figures: LookupFigures {
        monitor.locked {
            var figures = counts
            figures.hits = hits.load(ordering: .relaxed)
            figures.waiting = queue.waiting
            figures.retried = queue.retried
            figures.limited = queue.limited
            figures.breaker = queue.breaker
            return figures
        }
    }

    // MARK: asking

    private func spawn() {
        threads += 1
        DetachedThread.run("lookups") { [self] in work() }
    }

    private func work() {
        while let duty = take() {
            switch duty {
            case .look(let items): lookUp(items)
            case .ask(let items): request(items)
            case .end, .wait: break
            }
        }
    }

    /// What this thread is to do next; nil when it is to end.
    private func take() -> LookupQueue.Duty? {
        monitor.locked {
            while true {
                if isStopping {
                    threads -= 1
                    return nil
                }
                // Answers that are not written yet hold further requests up.
                let isFull = done.count >= LookupDesk.doneMax
                let now = clock.nowMicros
                let duty = isFull ? LookupQueue.Duty.wait(now + 10_000) : queue.next(now)
                switch duty {
                case .look, .ask:
                    if case .ask(let items) = duty { counts.inFlight += items.count }
                    if queue.waiting > 0, idleThreads == 0, threads < settings.inFlight {
                        spawn()
                    }
                    return duty
                case .end(let given):
                    finish(given)
                case .wait(let due):
                    let micros = due.map { min(max($0 - now, 1), 1_000_000) } ?? 1_000_000
                    idleThreads += 1
                    monitor.wait(nanos: Int(micros) * 1000)
                    idleThreads -= 1
                }
            }
        }
    }

    /// Hands questions that are over to the keeper.
    private func finish(_ over: [LookupQueue.Done]) {
        for done in over {
            switch done.outcome {
            case .missing: counts.missing += 1
            case .failed: counts.failed += 1
            case .found: break
            }
        }
        done += over
        monitor.signal()
    }

    /// Tells what the journal has of `items`, and leaves the others to be asked; who looks into it keeps it open.
    private func lookUp(_ items: [LookupQueue.Item]) {
        let journal = monitor.locked { () -> LookupJournal? in
            if isStopping { return nil }
            readers += 1
            return self.journal
        }
        guard let journal else { return }
        var open: [LookupQueue.Item] = []
        var known: [LookupQueue.Done] = []
        var forgotten = 0
        var failure: JobFailure?
        do throws(JobFailure) {
            for item in items {
                let found = try journal.known(of: item.question)
                var next = item
                next.exceptions = found.exceptions
                if let outcome = found.outcome {
                    known.append(LookupQueue.Done(item: next, outcome: outcome))
                } else {
                    open.append(next)
                    if journal.hasForgotten(item.question) { forgotten += 1 }
                }
            }
        } catch {
            failure = error
        }
        withExtendedLifetime(journal) {
            let isFirst = monitor.locked { () -> Bool in
                let isFirst = counts.forgotten == 0 && forgotten > 0
                readers -= 1
                counts.journalled += known.count
                counts.forgotten += forgotten
                if failure == nil, !isStopping { queue.addOpen(open, now: clock.nowMicros) }
                monitor.signal()
                return isFirst
            }
            if let failure {
                for item in items { item.inbox.fail(failure) }
                return
            }
            if isFirst { warn(forgottenWarning(journal)) }
            tell(known)
        }
    }

    private func forgottenWarning(_ journal: LookupJournal) -> String {
        var horizon: [UInt8] = []
        ValueText.append(timestamp: journal.horizon, to: &horizon)
        return "warning: what step \"\(settings.name)\" was answered for rows before "
            + String(decoding: horizon, as: UTF8.self) + " UTC "
            + "is no longer kept: it is asked again and may be told something else\n"
    }

    private func request(_ items: [LookupQueue.Item]) {
        let began = clock.nanos
        let replies = target.ask(items.map(\.question))
        latency?.observe(nanos: clock.nanos - began)
        monitor.locked {
            counts.inFlight -= items.count
            counts.requests += 1
            counts.asked += items.count { $0.tries == 1 }
            finish(
                queue.end(items, replies, now: clock.nowMicros) { Double.random(in: 0..<1) })
            monitor.signal()
        }
    }

    // MARK: keeping

    /// What the keeper is to do next.
    private struct Duty {
        var answers: [LookupQueue.Done] = []
        var trimBefore: Int64?
        var journal: LookupJournal?
        var isLast = false
    }

    private func keep() {
        while true {
            let duty = monitor.locked { () -> Duty in
                while done.isEmpty, trimBefore == nil, !isStopping {
                    monitor.wait(nanos: 500_000_000)
                }
                defer {
                    done = []
                    trimBefore = nil
                    monitor.signal()
                }
                // Answers nobody waits for need not be kept: they are asked for again.
                return Duty(
                    answers: isStopping ? [] : done, trimBefore: trimBefore, journal: journal,
                    isLast: isStopping)
            }
            guard let journal = duty.journal else { return }
            if duty.isLast {
                if let before = duty.trimBefore { trim(journal, before) }
                return monitor.locked {
                    isKeeping = false
                    monitor.signal()
                }
            }
            do throws(JobFailure) {
                let kept = duty.answers.filter { done in
                    if case .failed = done.outcome { return settings.keepsFailures }
                    return true
                }
                try journal.write(
                    kept.map { ($0.item.question, $0.outcome) }, at: clock.nowMicros)
            } catch {
                for done in duty.answers { done.item.inbox.fail(error) }
                continue
            }
            tell(duty.answers)
            if let before = duty.trimBefore { trim(journal, before) }
        }
    }

    /// Forgets answers; what cannot be forgotten now is so with later ones.
    private func trim(_ journal: LookupJournal, _ before: Int64) {
        do throws(JobFailure) {
            try journal.trim(before: before)
            monitor.locked { counts.trims += 1 }
        } catch {
            warn("warning: \(error)\n")
        }
    }

    /// Hands answers to those who asked.
    private func tell(_ batch: [LookupQueue.Done]) {
        var inboxes: [(inbox: LookupInbox, answers: [LookupAnswer])] = []
        for done in batch {
            let answer = LookupAnswer(
                number: done.item.question.number, outcome: done.outcome,
                exceptions: done.item.exceptions)
            if let place = inboxes.firstIndex(where: { $0.inbox === done.item.inbox }) {
                inboxes[place].answers.append(answer)
            } else {
                inboxes.append((done.item.inbox, [answer]))
            }
        }
        for (inbox, answers) in inboxes { inbox.put(answers) }
    }
}

import FeatureServe
import Glibc
import HTTP
import StreamRuntime
import Synchronization

/// Asks a table elsewhere from threads of its own and writes every answer down before it is told.
///
/// The threads that ask look into the journal first. One more thread, the keeper, writes what was answered, as many
/// answers at once as there are, and then hands them to those who asked.
///
/// - Note: shared by its threads; everything that changes is guarded by `monitor` or belongs to the keeper.
public final class LookupDesk: LookupSource, @unchecked Sendable {
    /// What it did so far.
    public struct Figures: Equatable, Sendable {
        /// Rows whose answer was in memory.
        public var hits = 0
        /// Questions whose answer was in the journal.
        public var journalled = 0
        /// Questions that were asked.
        public var asked = 0
        /// Requests that were made for them.
        public var requests = 0
        /// Questions of which nothing is known.
        public var missing = 0
        /// Questions that failed for good.
        public var failed = 0
        /// Questions that were asked again after a failure.
        public var retried = 0
        /// Questions that wait for a request.
        public var waiting = 0
        /// Questions whose request is under way.
        public var inFlight = 0
    }

    private struct Item {
        let question: LookupQuestion
        let inbox: LookupInbox
        var tries = 0
        var firstAt: Int64 = 0
        /// What was answered otherwise in its cell before.
        var exceptions: [LookupException] = []
    }

    private struct Done {
        let item: Item
        let outcome: LookupAnswer.Outcome
    }

    /// How long answers hold.
    public let terms: LookupTerms
    private let settings: LookupSettings
    private let target: any LookupTarget
    private let openJournal: @Sendable () throws(JobFailure) -> LookupJournal
    private let clock: any Clock
    private let metrics: MetricsRegistry?
    private let latency: Histogram?

    private let monitor = Monitor()
    private var queue: [Item] = []
    private var head = 0
    private var later: [(due: Int64, item: Item)] = []
    private var done: [Done] = []
    private var journal: LookupJournal?
    private var users = 0
    private var readers = 0
    private var threads = 0
    private var idleThreads = 0
    private var isKeeping = false
    private var isStopping = false
    private var counts = Figures()
    private let hits = Atomic<Int>(0)

    /// Answers that may wait for the keeper.
    private static let doneMax = 16_384

    /// A desk that asks `target`.
    ///
    /// - Parameter journal: opens the journal when the first instance of the step asks.
    public init(
        _ settings: LookupSettings, target: any LookupTarget, clock: any Clock = SystemClock(),
        metrics: MetricsRegistry? = nil,
        journal: @escaping @Sendable () throws(JobFailure) -> LookupJournal
    ) {
        self.settings = settings
        terms = settings.terms
        self.target = target
        self.clock = clock
        self.metrics = metrics
        openJournal = journal
        latency = metrics?.histogram(
            "millrace_lookup_seconds", help: "How long requests of lookups took.",
            labels: [("step", settings.name)])
    }

    // MARK: for the step

    /// Opens the journal for the first instance.
    public func open() throws(JobFailure) {
        let failure = monitor.locked { () -> JobFailure? in
            users += 1
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
        registerMetrics()
    }

    /// Puts questions into the queue.
    public func ask(_ questions: [LookupQuestion], for inbox: LookupInbox) {
        monitor.locked {
            for question in questions { queue.append(Item(question: question, inbox: inbox)) }
            if idleThreads == 0, threads < settings.inFlight { spawn() }
            monitor.signal()
        }
    }

    /// Counts rows that had their answer in memory.
    public func noteHits(_ count: Int) { hits.wrappingAdd(count, ordering: .relaxed) }

    /// Closes the journal behind the last instance; questions that are open get no answer.
    public func close() {
        monitor.locked {
            users -= 1
            guard users == 0 else { return }
            isStopping = true
            queue = []
            head = 0
            later = []
            monitor.signal()
            while isKeeping || readers > 0 { monitor.wait(nanos: 50_000_000) }
            journal = nil
        }
    }

    /// A recent view.
    public var figures: Figures {
        monitor.locked {
            var figures = counts
            figures.hits = hits.load(ordering: .relaxed)
            figures.waiting = queue.count - head + later.count
            return figures
        }
    }

    // MARK: asking

    private func spawn() {
        threads += 1
        DetachedThread.run("lookups") { [self] in work() }
    }

    private func work() {
        while let items = take() {
            let open = lookUp(items)
            if !open.isEmpty { request(open) }
            monitor.locked { counts.inFlight -= items.count }
        }
    }

    /// Tells what the journal has of `items`; who looks into it keeps it open.
    ///
    /// - Returns: what has to be asked.
    private func lookUp(_ items: [Item]) -> [Item] {
        let journal = monitor.locked { () -> LookupJournal? in
            if isStopping { return nil }
            readers += 1
            return self.journal
        }
        guard let journal else { return [] }
        var open: [Item] = []
        var known: [Done] = []
        var failure: JobFailure?
        do throws(JobFailure) {
            for item in items {
                // A question that was tried before is not in it.
                guard item.tries == 0 else {
                    open.append(item)
                    continue
                }
                let found = try journal.known(of: item.question)
                var next = item
                next.exceptions = found.exceptions
                if let outcome = found.outcome {
                    known.append(Done(item: next, outcome: outcome))
                } else {
                    open.append(next)
                }
            }
        } catch {
            failure = error
        }
        return withExtendedLifetime(journal) {
            monitor.locked {
                readers -= 1
                counts.journalled += known.count
                monitor.signal()
            }
            if let failure {
                for item in items { item.inbox.fail(failure) }
                return []
            }
            tell(known)
            return open
        }
    }

    private func take() -> [Item]? {
        monitor.locked {
            while true {
                if isStopping {
                    threads -= 1
                    return nil
                }
                let now = clock.nanos
                if !later.isEmpty {
                    let due = later.filter { $0.due <= now }
                    later.removeAll { $0.due <= now }
                    queue += due.map(\.item)
                }
                if head < queue.count, done.count < LookupDesk.doneMax {
                    let count = min(queue.count - head, target.batchMax)
                    let items = Array(queue[head..<(head + count)])
                    head += count
                    if head == queue.count {
                        queue.removeAll(keepingCapacity: true)
                        head = 0
                    } else if head > 1024, head * 2 > queue.count {
                        queue.removeFirst(head)
                        head = 0
                    }
                    if head < queue.count, idleThreads == 0, threads < settings.inFlight {
                        spawn()
                    }
                    counts.inFlight += count
                    return items
                }
                let next = later.map(\.due).min().map { max($0 - now, 1) } ?? 1_000_000_000
                idleThreads += 1
                monitor.wait(nanos: Int(min(next, done.isEmpty ? 1_000_000_000 : 10_000_000)))
                idleThreads -= 1
            }
        }
    }

    private func request(_ items: [Item]) {
        let began = clock.nanos
        let replies = target.ask(items.map(\.question))
        let ended = clock.nanos
        latency?.observe(nanos: ended - began)
        var over: [Done] = []
        var again: [(due: Int64, item: Item)] = []
        for (asked, reply) in zip(items, replies) {
            var item = asked
            if item.firstAt == 0 { item.firstAt = began }
            switch reply {
            case .found(let fields):
                over.append(Done(item: item, outcome: .found(fields)))
            case .missing: over.append(Done(item: item, outcome: .missing))
            case .refused(let reason):
                over.append(Done(item: item, outcome: .failed(reason)))
            case .failed(let reason):
                item.tries += 1
                decide(item, reason, settings.retry.wait(after: item.tries, chance: chance), ended)
            case .outage(let reason):
                item.tries += 1
                let isOver = ended - item.firstAt >= settings.giveUpMicros * 1000
                let wait = settings.retry.wait(
                    after: min(item.tries, max(settings.retry.tries - 1, 1)), chance: chance)
                decide(
                    item, reason, isOver ? nil : wait ?? settings.retry.longestMillis, ended)
            }
        }
        func decide(_ item: Item, _ reason: String, _ wait: Int?, _ now: Int64) {
            if let wait {
                again.append((now + Int64(wait) * 1_000_000, item))
            } else {
                let tries = item.tries == 1 ? "1 try" : "\(item.tries) tries"
                over.append(
                    Done(item: item, outcome: .failed("\(reason), after \(tries)")))
            }
        }
        monitor.locked {
            counts.requests += 1
            counts.asked += items.count { $0.tries == 0 }
            counts.retried += again.count
            for done in over {
                switch done.outcome {
                case .missing: counts.missing += 1
                case .failed: counts.failed += 1
                case .found: break
                }
            }
            later += again
            done += over
            monitor.signal()
        }
    }

    private var chance: Double { Double.random(in: 0..<1) }

    // MARK: keeping

    private func keep() {
        while true {
            let (batch, journal) = monitor.locked { () -> ([Done], LookupJournal?) in
                while done.isEmpty, !isStopping { monitor.wait(nanos: 500_000_000) }
                if isStopping {
                    // Answers nobody waits for need not be kept: they are asked for again.
                    done = []
                    isKeeping = false
                    monitor.signal()
                    return ([], nil)
                }
                defer {
                    done = []
                    monitor.signal()
                }
                return (done, self.journal)
            }
            guard let journal else { return }
            do throws(JobFailure) {
                let kept = batch.filter { done in
                    if case .failed = done.outcome { return settings.keepsFailures }
                    return true
                }
                try journal.write(
                    kept.map { ($0.item.question, $0.outcome) }, at: clock.nowMicros)
            } catch {
                for done in batch { done.item.inbox.fail(error) }
                continue
            }
            tell(batch)
        }
    }

    /// Hands answers to those who asked.
    private func tell(_ batch: [Done]) {
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

    // MARK: figures

    private func registerMetrics() {
        guard let metrics else { return }
        let labels = [MetricsRegistry.Label("step", settings.name)]
        let all: [(String, String, Bool, @Sendable (Figures) -> Int)] = [
            ("millrace_lookup_hits_total", "Rows whose answer was in memory.", true, { $0.hits }),
            (
                "millrace_lookup_journalled_total",
                "Questions whose answer was in the journal.", true, { $0.journalled }
            ),
            ("millrace_lookup_asked_total", "Questions that were asked.", true, { $0.asked }),
            ("millrace_lookup_requests_total", "Requests that were made.", true, { $0.requests }),
            (
                "millrace_lookup_missing_total", "Questions of which nothing is known.", true,
                { $0.missing }
            ),
            (
                "millrace_lookup_failed_total", "Questions that failed for good.", true,
                { $0.failed }
            ),
            (
                "millrace_lookup_retried_total", "Questions asked again after a failure.", true,
                { $0.retried }
            ),
            ("millrace_lookup_waiting", "Questions that wait.", false, { $0.waiting }),
            (
                "millrace_lookup_in_flight", "Questions whose request is under way.", false,
                { $0.inFlight }
            ),
        ]
        for (name, help, grows, read) in all {
            metrics.reading(name, help: help, labels: labels, grows: grows) { [weak self] in
                self.map { Double(read($0.figures)) }
            }
        }
    }
}

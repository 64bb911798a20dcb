import HTTP
import StreamRuntime

/// Decides which questions are looked up, which are asked when, and which are given up. A pure value: it is told the
/// time and what came of each request.
///
/// A question is looked up in the journal first, whatever the service does; only those that nothing was answered to go
/// through the gate.
///
/// - Units: all times in microseconds.
struct LookupQueue {
    /// A question on its way.
    struct Item: Sendable {
        let question: LookupQuestion
        let inbox: LookupInbox
        /// Requests that were made for it.
        var tries = 0
        /// Those that failed while the service was thought to work.
        var failures = 0
        /// When it was asked first, or began to wait for a service that is down; nil for not yet.
        var since: Int64?
        /// What was answered otherwise in its cell before.
        var exceptions: [LookupException] = []
    }

    /// A question that is over.
    struct Done: Sendable {
        let item: Item
        let outcome: LookupAnswer.Outcome
    }

    /// What is to be done next.
    enum Duty {
        /// Look these up in the journal.
        case look([Item])
        /// Ask these in one request.
        case ask([Item])
        /// These were waited for long enough.
        case end([Done])
        /// Nothing before this time, as far as is known; nil for nothing before an answer or a question comes.
        case wait(Int64?)
    }

    private let settings: LookupSettings
    private let batchMax: Int
    private var fresh = WaitingLine<Item>()
    private var open = WaitingLine<Item>()
    private var later: [(due: Int64, item: Item)] = []
    private var gate: ServiceGate
    /// Since when the service takes nothing, and what it said; nil while it does.
    private var down: (since: Int64, reason: String)?
    /// Before this nothing is given up.
    private var nextEnd = Int64.max
    /// Questions that were asked again after a failure.
    private(set) var retried = 0
    /// Answers that asked for fewer requests.
    private(set) var limited = 0

    /// Questions looked up at once at least.
    private static let lookMin = 8
    /// How often is looked for what is to be given up.
    private static let endMicros: Int64 = 10_000

    init(_ settings: LookupSettings, batchMax: Int, now: Int64) {
        self.settings = settings
        self.batchMax = batchMax
        gate = ServiceGate(rate: settings.rate, breaker: settings.breaker, now: now)
    }

    /// Questions that wait.
    var waiting: Int { fresh.count + open.count + later.count }

    /// What the circuit breaker does.
    var breaker: CircuitBreaker.State { gate.state }

    /// Adds a question that nobody has looked up.
    mutating func add(_ item: Item) { fresh.append(item) }

    /// Adds questions that the journal has no answer to.
    mutating func addOpen(_ items: [Item], now: Int64) {
        for item in items { append(item, now) }
    }

    private mutating func append(_ item: Item, _ now: Int64) {
        var item = item
        if down != nil {
            item.since = item.since ?? now
            nextEnd = min(nextEnd, ends(item))
        }
        open.append(item)
    }

    /// Forgets everything that waits.
    mutating func removeAll() {
        fresh.removeAll()
        open.removeAll()
        later = []
    }

    /// What to do at `now`.
    mutating func next(_ now: Int64) -> Duty {
        if !later.isEmpty {
            let due = later.filter { $0.due <= now }
            if !due.isEmpty {
                later.removeAll { $0.due <= now }
                for (_, item) in due { append(item, now) }
            }
        }
        var wake = later.map(\.due).min()
        if !open.isEmpty {
            let ready = gate.ready(now)
            if let ready, ready <= now {
                gate.begin()
                return .ask(
                    open.removeFirst(batchMax).map {
                        var item = $0
                        item.tries += 1
                        item.since = item.since ?? now
                        return item
                    })
            }
            if down != nil {
                let ended = giveUp(now)
                if !ended.isEmpty { return .end(ended) }
                wake = min(wake ?? .max, nextEnd)
            }
            if let ready { wake = min(wake ?? .max, ready) }
        }
        if !fresh.isEmpty {
            return .look(fresh.removeFirst(max(batchMax, LookupQueue.lookMin)))
        }
        return .wait(wake.map { max($0, now + 1) })
    }

    /// Ends what has waited as long as it may for a service that takes nothing.
    private mutating func giveUp(_ now: Int64) -> [Done] {
        guard let down, now >= nextEnd else { return [] }
        let ends = self.ends
        let over = open.remove { ends($0) <= now }
        let next = open.waiting.map(ends).min() ?? .max
        nextEnd = max(next, now + LookupQueue.endMicros)
        return over.map { Done(item: $0, outcome: failure($0, down.reason)) }
    }

    /// Tells when a question is given up while the service takes nothing.
    private var ends: (Item) -> Int64 {
        let limit = settings.giveUpMicros
        let fallback = down?.since ?? 0
        return { item in
            let since = item.since ?? fallback
            return since > .max - limit ? .max : since + limit
        }
    }

    private func failure(_ item: Item, _ reason: String) -> LookupAnswer.Outcome {
        switch item.tries {
        case 0: .failed("\(reason); it was not asked for this")
        case 1: .failed("\(reason), after 1 try")
        default: .failed("\(reason), after \(item.tries) tries")
        }
    }

    /// Takes what came of a request for `items`.
    ///
    /// - Parameter chance: gives numbers in 0..<1, for waits.
    /// - Returns: the questions that are over.
    mutating func end(
        _ items: [Item], _ replies: [LookupReply], now: Int64, chance: () -> Double
    ) -> [Done] {
        let wasClosed = gate.state == .closed
        noteService(replies, now)
        var over: [Done] = []
        for (asked, reply) in zip(items, replies) {
            var item = asked
            var wait: Int?
            let reason: String
            switch reply {
            case .found(let fields):
                over.append(Done(item: item, outcome: .found(fields)))
                continue
            case .missing:
                over.append(Done(item: item, outcome: .missing))
                continue
            case .refused(let text):
                over.append(Done(item: item, outcome: .failed(text)))
                continue
            case .failed(let text) where wasClosed:
                reason = text
                item.failures += 1
                wait = settings.retry.wait(after: item.failures, chance: chance())
            case .failed(let text), .outage(let text), .limited(let text, _):
                // What fails while the service is known to be down says nothing of the question.
                reason = text
                if now < ends(item) {
                    let done = min(item.tries, max(settings.retry.tries - 1, 1))
                    wait =
                        settings.retry.wait(after: done, chance: chance())
                        ?? settings.retry.longestMillis
                }
            }
            if let wait {
                retried += 1
                later.append((now + Int64(wait) * 1000, item))
            } else {
                over.append(Done(item: item, outcome: failure(item, reason)))
            }
        }
        return over
    }

    /// Notes what a request says of the service.
    private mutating func noteService(_ replies: [LookupReply], _ now: Int64) {
        var reason: String?
        var limit: Int64??
        for reply in replies {
            switch reply {
            case .found, .missing, .refused:
                gate.succeed(now: now)
                down = nil
                return
            case .failed(let text), .outage(let text): reason = reason ?? text
            case .limited(let text, let until):
                reason = reason ?? text
                limit = .some(until)
            }
        }
        guard let reason else { return }
        if let until = limit {
            limited += 1
            gate.limit(until: until, now: now)
        } else {
            gate.fail(now)
        }
        guard down == nil, gate.state != .closed || gate.isBlocked(now) else { return }
        down = (now, reason)
        // What waits already waits for the service from now on.
        nextEnd = now + settings.giveUpMicros
        let waiting = open.removeFirst(open.count)
        for item in waiting { append(item, now) }
    }
}

import HTTP

/// Decides which request is sent when: queues per tenant, rates, waits after failures, circuit breakers.
/// A pure value: it is told the time and what came of each request.
///
/// A tenant's requests wait in its own queue, so one that is slow, limited or down holds up nobody else. Half
/// of the places for requests under way are kept for tenants that have none.
///
/// - Units: all times in microseconds.
struct CallScheduler {
    /// A request that waits, by its place in the outbox.
    struct Item: Equatable, Sendable {
        let offset: Int64
        let bytes: Int
        /// Failed tries that count.
        var attempts = 0
        /// All tries.
        var tries = 0
        /// When it was tried first.
        var firstAt: Int64?

        init(offset: Int64, bytes: Int) {
            self.offset = offset
            self.bytes = bytes
        }
    }

    /// A request to send now.
    struct Ticket: Equatable, Sendable {
        let tenant: Int
        var item: Item
    }

    /// What came of a request.
    enum Outcome: Equatable, Sendable {
        /// The service answered for good, well or not; it is not to be called before `limitedUntil`.
        case answered(limitedUntil: Int64?)
        /// It failed and may be repeated.
        case failed
        /// It was done in part; the rest may be repeated.
        case partial
        /// The service cannot be reached or does not work at all: no fault of the request.
        case outage
        /// The service asks not to be called before `until`; nil when it does not say.
        case limited(until: Int64?)
    }

    /// What becomes of it.
    enum Decision: Equatable, Sendable {
        case finished
        case again
        case gaveUp
    }

    /// Figures of a tenant.
    struct Figures: Equatable, Sendable {
        var waiting = 0
        var breaker = CircuitBreaker.State.closed
    }

    private struct Tenant {
        let name: String
        var queue = WaitingLine<Item>()
        var later: [(due: Int64, item: Item)] = []
        var inFlight = 0
        var gate: ServiceGate
        var hasWork: Bool { !queue.isEmpty || !later.isEmpty }
    }

    private let settings: CallSettings
    private var tenants: [Tenant] = []
    private var indexes: [String: Int] = [:]
    private var turn = 0
    /// Requests under way.
    private(set) var inFlight = 0
    /// Requests that wait.
    private(set) var waiting = 0
    /// Bytes of those that wait or are under way.
    private(set) var bytes: Int64 = 0
    private(set) var retried = 0
    private(set) var limited = 0

    init(_ settings: CallSettings) { self.settings = settings }

    /// Whether nothing waits and nothing is under way.
    var isEmpty: Bool { waiting == 0 && inFlight == 0 }

    var tenantCount: Int { tenants.count }

    func name(of tenant: Int) -> String { tenants[tenant].name }

    func figures(of tenant: Int) -> Figures {
        let tenant = tenants[tenant]
        return Figures(
            waiting: tenant.queue.count + tenant.later.count, breaker: tenant.gate.state)
    }

    /// Adds a request to the queue of its tenant.
    mutating func add(_ item: Item, tenant name: String, rate: RequestRate?, now: Int64) {
        let tenant: Int
        if let known = indexes[name] {
            tenant = known
        } else {
            tenant = tenants.count
            indexes[name] = tenant
            tenants.append(
                Tenant(
                    name: name,
                    gate: ServiceGate(rate: rate, breaker: settings.breaker, now: now)))
        }
        tenants[tenant].queue.append(item)
        waiting += 1
        bytes += Int64(item.bytes)
    }

    /// Gives a tenant another rate.
    mutating func setRate(_ rate: RequestRate?, of name: String, now: Int64) {
        guard let tenant = indexes[name] else { return }
        tenants[tenant].gate.setRate(rate, now: now)
    }

    /// The request whose turn it is; nil when none can be sent now.
    mutating func next(_ now: Int64) -> Ticket? {
        guard waiting > 0, inFlight < settings.inFlight else { return nil }
        let kept = settings.inFlight > 1 ? settings.inFlight / 2 : 0
        for step in 0..<tenants.count {
            let index = (turn + step) % tenants.count
            if tenants[index].inFlight > 0, inFlight >= settings.inFlight - kept { continue }
            guard let when = ready(index, now), when <= now else { continue }
            turn = (index + 1) % tenants.count
            var item: Item
            if let due = tenants[index].later.firstIndex(where: { $0.due <= now }) {
                item = tenants[index].later.remove(at: due).item
            } else {
                item = tenants[index].queue.removeFirst()!
            }
            tenants[index].gate.begin()
            tenants[index].inFlight += 1
            inFlight += 1
            waiting -= 1
            item.tries += 1
            if item.firstAt == nil { item.firstAt = now }
            return Ticket(tenant: index, item: item)
        }
        return nil
    }

    /// When something can be sent by time alone; nil when only an answer or a new request changes that.
    mutating func wake(_ now: Int64) -> Int64? {
        guard waiting > 0, inFlight < settings.inFlight else { return nil }
        var earliest: Int64?
        for index in tenants.indices {
            guard let when = ready(index, now) else { continue }
            earliest = min(earliest ?? when, when)
        }
        return earliest.map { max($0, now + 1) }
    }

    /// When `tenant` may send something; nil when it has nothing or waits for an answer.
    private mutating func ready(_ tenant: Int, _ now: Int64) -> Int64? {
        guard tenants[tenant].hasWork, tenants[tenant].inFlight < settings.inFlightPerTenant
        else { return nil }
        guard let when = tenants[tenant].gate.ready(now) else { return nil }
        guard tenants[tenant].queue.isEmpty else { return when }
        return max(when, tenants[tenant].later.map(\.due).min() ?? now)
    }

    /// Takes what came of a request.
    ///
    /// - Parameter chance: a number in 0..<1, for the wait before it is repeated.
    mutating func end(
        _ ticket: inout Ticket, _ outcome: Outcome, now: Int64, chance: Double
    ) -> Decision {
        let tenant = ticket.tenant
        inFlight -= 1
        tenants[tenant].inFlight -= 1
        switch outcome {
        case .answered(let until):
            tenants[tenant].gate.succeed(until: until, now: now)
            bytes -= Int64(ticket.item.bytes)
            return .finished
        case .limited(let until):
            tenants[tenant].gate.limit(until: until ?? now + 1_000_000, now: now)
            limited += 1
            again(ticket, due: now)
            return .again
        case .partial:
            tenants[tenant].gate.succeed(now: now)
            ticket.item.attempts += 1
            guard let wait = settings.retry.wait(after: ticket.item.attempts, chance: chance) else {
                bytes -= Int64(ticket.item.bytes)
                return .gaveUp
            }
            retried += 1
            again(ticket, due: now + Int64(wait) * 1000)
            return .again
        case .failed, .outage:
            // What fails while the service is known to be down says nothing of the request.
            let wasClosed = tenants[tenant].gate.state == .closed
            tenants[tenant].gate.fail(now)
            if outcome == .failed, wasClosed { ticket.item.attempts += 1 }
            let isOver = now - (ticket.item.firstAt ?? now) >= settings.giveUpMicros
            let done = max(ticket.item.attempts, 1)
            let wait = settings.retry.wait(
                after: outcome == .outage || !wasClosed
                    ? min(max(ticket.item.tries, 1), settings.retry.tries - 1) : done,
                chance: chance)
            guard !isOver, let wait else {
                bytes -= Int64(ticket.item.bytes)
                return .gaveUp
            }
            retried += 1
            again(ticket, due: now + Int64(wait) * 1000)
            return .again
        }
    }

    private mutating func again(_ ticket: Ticket, due: Int64) {
        tenants[ticket.tenant].later.append((due, ticket.item))
        waiting += 1
    }
}

import FeatureServe
import Glibc
import HTTP
import StreamRuntime
import Synchronization

/// Sends the sealed requests of a call from threads of its own, and tells their results.
///
/// The threads that send take requests from the scheduler. One more thread, the keeper, reads what was sealed,
/// and writes what was answered: results and dead letters first, readable once the ledger knows of them.
///
/// - Note: shared by its threads; everything that changes is guarded by `monitor` or belongs to the keeper.
public final class CallSender: @unchecked Sendable {
    /// Where it reads and writes.
    struct Places: Sendable {
        let outbox: CallOutbox
        let results: CallTopicPlace?
        let deadLetters: CallTopicPlace?
    }

    let settings: CallSettings
    private let driver: CallDriver
    private let places: Places
    private let transport: Transport
    private let clock: any Clock
    let metrics: MetricsRegistry?

    let monitor = Monitor()
    var scheduler: CallScheduler
    private var workspaces: CallWorkspaces
    private var payloads: [Int64: [UInt8]] = [:]
    private var payloadBytes = 0
    private var partials: [Int64: CallPartial] = [:]
    private var finished: [(offset: Int64, report: CallReport)] = []
    /// Tries of requests that are not over, which the ledger does not know of yet.
    private var tried: [Int64: CallLedger.Tries] = [:]
    private var nextTried: Int64 = 0
    private var threads = 0
    private var idleThreads = 0
    private var isStopping = false
    private var isKeeperDone = false
    private var isBehind = true
    private var isWriting = false
    private var isReading = false
    private var told: JobFailure?
    private var counts = CallFigures()
    var shownTenants = 0
    private let lowest = Atomic<Int64>(0)
    private let waitingBytes = Atomic<Int64>(0)

    /// Bytes of requests that are kept in memory besides their places; others are read when they are sent.
    private static let payloadBytesMax = 16 << 20
    /// How long tries may go unnoted, in nanoseconds: a kill makes at most those of so long again.
    private static let triedNanos: Int64 = 500_000_000
    /// Answers that may wait for the keeper.
    private static let finishedMax = 4096
    /// How long a stop waits for answers to requests under way, in nanoseconds.
    private static let graceNanos: Int64 = 3_000_000_000

    init(
        _ settings: CallSettings, places: Places, workspaces: CallWorkspaces,
        transport: @escaping Transport, clock: any Clock, metrics: MetricsRegistry?
    ) {
        self.settings = settings
        self.places = places
        self.workspaces = workspaces
        self.transport = transport
        self.clock = clock
        self.metrics = metrics
        driver = CallDriver(settings: settings)
        scheduler = CallScheduler(settings)
    }

    // MARK: for the sink

    /// The first request that is not over.
    var low: Int64 { lowest.load(ordering: .relaxed) }

    /// Bytes of sealed requests that are not over.
    var backlog: Int64 { waitingBytes.load(ordering: .relaxed) }

    /// What ended the sender, if anything did.
    var failure: JobFailure? { monitor.locked { told } }

    /// Opens the ledger and the topics, and begins to send.
    func start() throws(JobFailure) {
        if let metrics {
            CallFigures.table.register(in: metrics, labels: [("call", settings.name)]) {
                [weak self] in self?.figures
            }
        }
        let keeper = try CallKeeper(places)
        lowest.store(keeper.ledger.entry.low, ordering: .relaxed)
        let handed = Handed(keeper)
        DetachedThread.run("calls") { [self] in
            keep(handed.take())
            // The ledger and the topics are free by now.
            monitor.locked {
                isKeeperDone = true
                isStopping = true
                monitor.signal()
            }
        }
    }

    /// Further requests were sealed.
    func wake() {
        monitor.locked {
            isBehind = true
            monitor.signal()
        }
    }

    /// Waits until every sealed request is over; false when `isStopping` says so before, or the sender failed.
    public func drain(_ isStopping: () -> Bool) -> Bool {
        while !isStopping() {
            let isOver: Bool? = monitor.locked {
                if told != nil || self.isStopping { return nil }
                let isOver =
                    !isBehind && scheduler.isEmpty && finished.isEmpty && !isWriting
                    && !isReading
                if !isOver { monitor.wait(nanos: 20_000_000) }
                return isOver
            }
            guard let isOver else { return false }
            if isOver { return true }
        }
        return false
    }

    /// Stops: requests under way get a moment for their answers, what is then unsure is sent again by the next.
    public func stop() {
        monitor.locked {
            isStopping = true
            monitor.signal()
            while !isKeeperDone { monitor.wait(nanos: 50_000_000) }
        }
    }

    /// A recent view.
    public var figures: CallFigures {
        monitor.locked {
            var figures = counts
            figures.inFlight = scheduler.inFlight
            figures.waiting = scheduler.waiting
            figures.retried = scheduler.retried
            figures.limited = scheduler.limited
            return figures
        }
    }

    // MARK: sending

    private func spawn() {
        threads += 1
        DetachedThread.run("calls") { [self] in work() }
    }

    /// Sends requests until the sender stops.
    private func work() {
        var reader: CallOutboxReader?
        while let taken = take() {
            do throws(JobFailure) {
                var bytes = taken.payload
                if bytes == nil {
                    if reader == nil { reader = try places.outbox.reader() }
                    bytes = try reader!.record(at: taken.ticket.item.offset).bytes
                }
                call(taken, bytes!)
            } catch {
                fail(error)
            }
        }
    }

    private struct Taken {
        var ticket: CallScheduler.Ticket
        let tenant: String
        let payload: [UInt8]?
        let workspace: CallWorkspace?
        let partial: CallPartial?
    }

    private func take() -> Taken? {
        monitor.locked {
            while true {
                if isStopping || told != nil {
                    threads -= 1
                    return nil
                }
                let now = clock.nowMicros
                if finished.count < CallSender.finishedMax, let ticket = scheduler.next(now) {
                    if idleThreads == 0, threads < settings.inFlight, scheduler.waiting > 0 {
                        spawn()
                    }
                    let offset = ticket.item.offset
                    let tenant = scheduler.name(of: ticket.tenant)
                    return Taken(
                        ticket: ticket, tenant: tenant, payload: payloads[offset],
                        workspace: workspace(tenant), partial: partials[offset])
                }
                // Answers that are not written yet hold further requests up, too.
                let isFull = finished.count >= CallSender.finishedMax
                let due =
                    isFull ? 10_000 : scheduler.wake(now).map { max($0 - now, 1) } ?? 1_000_000
                idleThreads += 1
                monitor.wait(nanos: Int(min(due, 1_000_000)) * 1000)
                idleThreads -= 1
            }
        }
    }

    private func workspace(_ tenant: String) -> CallWorkspace? {
        guard let known = workspaces.known else { return CallWorkspace() }
        return known[tenant]
    }

    private func rate(_ tenant: String) -> RequestRate? { workspace(tenant)?.rate ?? settings.rate }

    private func call(_ taken: Taken, _ bytes: [UInt8]) {
        let row = JSONValue(bytes) ?? .object([])
        let prepared: CallDriver.Prepared
        do throws(CallDriver.Refusal) {
            prepared = try driver.prepare(
                row, tenant: taken.tenant, workspace: taken.workspace, only: taken.partial?.only,
                round: taken.partial?.round ?? 0)
        } catch {
            end(
                taken, row, nil, answer: .refused(error.reason), status: nil, limitedUntil: nil,
                messages: driver.fallbackMessages(row))
            return
        }
        switch transport(prepared.request, prepared.provider) {
        case .success(let response):
            let limit = RetryAfter.until(response, now: clock.nowMicros)
            end(
                taken, row, prepared.provider, answer: driver.judge(response, prepared),
                status: response.status, limitedUntil: limit, messages: prepared.messages)
        case .failure(let failure):
            end(
                taken, row, prepared.provider, answer: CallDriver.judge(failure), status: nil,
                limitedUntil: nil, messages: prepared.messages)
        }
    }

    private func end(
        _ taken: Taken, _ row: JSONValue, _ provider: CallProvider?, answer: CallDriver.Answer,
        status: Int?, limitedUntil: Int64?, messages: [CallDriver.Message]
    ) {
        let now = clock.nowMicros
        let chance = Double.random(in: 0..<1)
        monitor.locked {
            guard !isKeeperDone else { return }
            var ticket = taken.ticket
            var partial = taken.partial ?? CallPartial()
            var providerId: String?
            let decision: CallScheduler.Decision
            var reason: String?
            var failed: [String: String] = [:]
            var isRefused = false
            switch answer {
            case .done(let refused, let id):
                providerId = id
                failed = refused
                for message in messages where message.id.map({ refused[$0] == nil }) ?? true {
                    partial.results.append(.init(message: message, status: .sent, reason: nil))
                }
                let repeats = !refused.isEmpty && provider?.recipients?.retriesFailed == true
                decision = scheduler.end(
                    &ticket, repeats ? .partial : .answered(limitedUntil: limitedUntil), now: now,
                    chance: chance)
                if decision == .again {
                    partial.only = Set(refused.keys)
                    partial.refused = refused
                    partial.round += 1
                    partials[ticket.item.offset] = partial
                }
            case .refused(let text):
                reason = text
                isRefused = true
                decision = scheduler.end(
                    &ticket, .answered(limitedUntil: limitedUntil), now: now, chance: chance)
            case .failed(let text):
                reason = text
                decision = scheduler.end(&ticket, .failed, now: now, chance: chance)
            case .outage(let text):
                reason = text
                decision = scheduler.end(&ticket, .outage, now: now, chance: chance)
            case .limited(let text):
                reason = text
                decision = scheduler.end(
                    &ticket, .limited(until: limitedUntil), now: now, chance: chance)
            }
            defer { monitor.signal() }
            if decision == .again {
                let item = ticket.item
                tried[item.offset] = CallLedger.Tries(
                    attempts: item.attempts, tries: item.tries, firstAt: item.firstAt ?? now)
                return
            }
            tried[ticket.item.offset] = nil
            partial.end(messages, failed: failed, reason: reason, isRefused: isRefused)
            let offset = ticket.item.offset
            partials[offset] = nil
            if let bytes = payloads.removeValue(forKey: offset) { payloadBytes -= bytes.count }
            let sent = partial.results.count { $0.status == .sent }
            counts.sent += sent
            counts.failed += partial.results.count - sent
            finished.append(
                (
                    offset,
                    CallReport(
                        call: settings.name, tenant: taken.tenant, row: row,
                        tries: ticket.item.tries, provider: provider?.name,
                        providerId: providerId, httpStatus: status,
                        firstAt: ticket.item.firstAt ?? now, endedAt: now,
                        results: partial.results)
                ))
        }
    }

    private func fail(_ failure: JobFailure) {
        monitor.locked {
            if told == nil { told = failure }
            monitor.signal()
        }
    }

    // MARK: keeping

    /// A keeper on its way to its thread.
    private final class Handed: @unchecked Sendable {
        private var keeper: CallKeeper?
        init(_ keeper: CallKeeper) { self.keeper = keeper }
        func take() -> CallKeeper {
            defer { keeper = nil }
            return keeper!
        }
    }

    private func keep(_ keeper: CallKeeper) {
        var nextReload = clock.nanos
        var stopAt: Int64?
        do throws(JobFailure) {
            while true {
                let duty = nextDuty(&stopAt)
                if !duty.isEmpty {
                    try keeper.write(duty)
                    lowest.store(keeper.ledger.entry.low, ordering: .relaxed)
                    monitor.locked {
                        isWriting = false
                        waitingBytes.store(scheduler.bytes, ordering: .relaxed)
                        monitor.signal()
                    }
                }
                if duty.isOver { break }
                if duty.reads { try intake(keeper) }
                if clock.nanos >= nextReload {
                    nextReload = clock.nanos + 1_000_000_000
                    reload()
                }
            }
        } catch {
            fail(error)
        }
        keeper.close()
    }

    /// Waits for something to do: answers to write, requests to read, or the end.
    private func nextDuty(_ stopAt: inout Int64?) -> CallKeeperDuty {
        monitor.locked {
            while true {
                let now = clock.nanos
                if isStopping, stopAt == nil { stopAt = now + CallSender.graceNanos }
                let isOver =
                    told != nil
                    || stopAt.map { scheduler.inFlight == 0 || now >= $0 } ?? false
                let reads = isBehind && !isStopping && canRead
                let notes = !tried.isEmpty && (isOver || now >= nextTried)
                if !finished.isEmpty || isOver || reads || notes {
                    var duty = CallKeeperDuty(finished: finished, reads: reads, isOver: isOver)
                    finished = []
                    if notes || !duty.finished.isEmpty {
                        duty.tried = tried
                        tried = [:]
                        nextTried = now + CallSender.triedNanos
                    }
                    isWriting = !duty.isEmpty
                    isReading = reads && !isOver
                    return duty
                }
                monitor.wait(nanos: 200_000_000)
                if clock.nanos - now >= 200_000_000, !isStopping { return CallKeeperDuty() }
            }
        }
    }

    /// Whether there is room for the places of further requests.
    private var canRead: Bool { scheduler.waiting < 1_000_000 }

    /// Takes sealed requests into the queues.
    private func intake(_ keeper: CallKeeper) throws(JobFailure) {
        // What is sealed after this is asked for again.
        monitor.locked { isBehind = false }
        let records = try keeper.reader.read(1024)
        monitor.locked {
            if !records.isEmpty { isBehind = true }
            isReading = false
            let now = clock.nowMicros
            for record in records where !keeper.ledger.done.contains(record.offset) {
                var item = CallScheduler.Item(offset: record.offset, bytes: record.bytes.count)
                // What an earlier process tried counts.
                if let tries = keeper.ledger.tried[record.offset] {
                    item.attempts = tries.attempts
                    item.tries = tries.tries
                    item.firstAt = tries.firstAt
                    keeper.ledger.forgetTries(of: record.offset)
                }
                scheduler.add(
                    item, tenant: record.tenant, rate: rate(record.tenant), now: now)
                if payloadBytes + record.bytes.count <= CallSender.payloadBytesMax {
                    payloads[record.offset] = record.bytes
                    payloadBytes += record.bytes.count
                }
            }
            waitingBytes.store(scheduler.bytes, ordering: .relaxed)
            if threads == 0, scheduler.waiting > 0 { spawn() }
            showTenants()
            monitor.signal()
        }
    }

    private func reload() {
        guard let reload = monitor.locked({ workspaces.reload }), let fresh = reload() else {
            return
        }
        monitor.locked {
            workspaces.known = fresh
            let now = clock.nowMicros
            for tenant in 0..<scheduler.tenantCount {
                let name = scheduler.name(of: tenant)
                scheduler.setRate(rate(name), of: name, now: now)
            }
            monitor.signal()
        }
    }
}

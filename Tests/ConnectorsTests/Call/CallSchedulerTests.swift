import HTTP
import Testing

@testable import Connectors

/// Requests are decided upon by values alone: the time is set here.
@Suite struct CallSchedulerTests {
    private static let second: Int64 = 1_000_000

    private func settings(_ change: (inout CallSettings) -> Void = { _ in }) throws -> CallSettings
    {
        var settings = CallSettings(
            name: "send",
            provider: CallProvider(
                name: "crm", url: "http://crm", path: try CallTemplate(path: "/")))
        settings.retry = RetryPolicy(tries: 4, firstMillis: 1000, longestMillis: 8000)
        change(&settings)
        return settings
    }

    private func add(
        _ count: Int, of tenant: String, to scheduler: inout CallScheduler, now: Int64 = 0
    ) {
        for index in 0..<count {
            scheduler.add(
                .init(offset: Int64(index), bytes: 10), tenant: tenant, rate: nil, now: now)
        }
    }

    private func take(_ scheduler: inout CallScheduler, _ now: Int64) throws -> CallScheduler.Ticket
    {
        let ticket = scheduler.next(now)
        return try #require(ticket)
    }

    private func wake(_ scheduler: inout CallScheduler, _ now: Int64) throws -> Int64 {
        let due = scheduler.wake(now)
        return try #require(due)
    }

    @Test func `a tenant gets its burst at once and then its rate`() throws {
        var scheduler = CallScheduler(
            try settings {
                $0.inFlight = 1000; $0.inFlightPerTenant = 1000
            })
        for index in 0..<20 {
            scheduler.add(
                .init(offset: Int64(index), bytes: 1), tenant: "a",
                rate: RequestRate(perSecond: 10, burst: 5), now: 0)
        }
        var sent: [Int64] = []
        var now: Int64 = 0
        while sent.count < 20 {
            while scheduler.next(now) != nil { sent.append(now / 1000) }
            guard let wake = scheduler.wake(now) else { break }
            now = wake
        }
        #expect(sent == [0, 0, 0, 0, 0] + (1...15).map { Int64($0) * 100 })
    }

    @Test func `a slow tenant takes at most its places, and others always find one`() throws {
        var scheduler = CallScheduler(
            try settings {
                $0.inFlight = 8; $0.inFlightPerTenant = 8
            })
        add(100, of: "slow", to: &scheduler)
        var slow = 0
        while scheduler.next(0) != nil { slow += 1 }
        // Half of the places are kept for tenants that have none.
        #expect(slow == 4)
        add(10, of: "quick", to: &scheduler)
        for _ in 0..<10 {
            var ticket = try take(&scheduler, 0)
            #expect(scheduler.name(of: ticket.tenant) == "quick")
            let decision = scheduler.end(
                &ticket, .answered(limitedUntil: nil), now: 0, chance: 0)
            #expect(decision == .finished)
        }
        let none = scheduler.next(0)
        #expect(none == nil)
    }

    @Test func `after 429 nothing is sent before the reset, and no try is counted`() throws {
        var scheduler = CallScheduler(try settings())
        add(1, of: "a", to: &scheduler)
        for round in 0..<10 {
            let now = Int64(round) * 3600 * Self.second
            var ticket = try take(&scheduler, now)
            #expect(ticket.item.attempts == 0)
            let reset = now + 3600 * Self.second
            let decision = scheduler.end(&ticket, .limited(until: reset), now: now, chance: 0)
            #expect(decision == .again)
            let none = scheduler.next(reset - 1)
            #expect(none == nil)
            let woken = scheduler.wake(now)
            #expect(woken == reset)
        }
    }

    @Test func `a request that fails four times is given up, with waits that double`() throws {
        var scheduler = CallScheduler(try settings())
        add(1, of: "a", to: &scheduler)
        var now: Int64 = 0
        var waits: [Int64] = []
        while true {
            var ticket = try take(&scheduler, now)
            guard scheduler.end(&ticket, .failed, now: now, chance: 0) == .again else {
                #expect(ticket.item.tries == 4)
                break
            }
            let due = try wake(&scheduler, now)
            waits.append((due - now) / 1000)
            now = due
        }
        #expect(waits == [500, 1000, 2000])
        #expect(scheduler.isEmpty)
        #expect(scheduler.bytes == 0)
    }

    @Test func `in an outage of ten minutes nothing is given up, and one call at a time asks`()
        throws
    {
        var scheduler = CallScheduler(try settings { $0.rate = nil })
        add(500, of: "a", to: &scheduler)
        let end = 600 * Self.second
        var now: Int64 = 0
        var calls = 0
        var gaveUp = 0
        var done = 0
        while done + gaveUp < 500 {
            var open: [CallScheduler.Ticket] = []
            while let ticket = scheduler.next(now) { open.append(ticket) }
            if now < end { calls += open.count }
            let took = now + 10_000
            for var ticket in open {
                let decision = scheduler.end(
                    &ticket, now < end ? .outage : .answered(limitedUntil: nil), now: took,
                    chance: 0.5)
                if decision == .finished { done += 1 }
                if decision == .gaveUp { gaveUp += 1 }
            }
            now = max(took, scheduler.wake(took) ?? took)
        }
        #expect(gaveUp == 0)
        #expect(done == 500)
        // Ten calls until it opens, then one each half minute.
        #expect(calls < 50)
    }

    @Test func `a request that waits longer than give_up for a service that is gone is given up`()
        throws
    {
        var scheduler = CallScheduler(try settings { $0.giveUpMicros = 60 * Self.second })
        add(1, of: "a", to: &scheduler)
        var now: Int64 = 0
        while true {
            var ticket = try take(&scheduler, now)
            if scheduler.end(&ticket, .outage, now: now, chance: 0) == .gaveUp { break }
            now = try wake(&scheduler, now)
        }
        #expect(now >= 60 * Self.second)
        #expect(now < 100 * Self.second)
    }

    @Test func `the breaker opens on a share of errors, asks once, and closes on an answer`() {
        var settings = CircuitBreaker.Settings()
        settings.errors = 0.5
        settings.calls = 4
        settings.openMicros = 100
        var breaker = CircuitBreaker(settings)
        for failed in [false, true, false] {
            breaker.begin()
            if failed { breaker.fail(0) } else { breaker.succeed() }
        }
        #expect(breaker.state == .closed)
        breaker.begin()
        breaker.fail(10)
        #expect(breaker.state == .open)
        #expect(!breaker.allows(109))
        #expect(breaker.allows(110))
        breaker.begin()
        #expect(breaker.state == .halfOpen)
        #expect(!breaker.allows(120))
        breaker.fail(130)
        #expect(breaker.state == .open)
        #expect(breaker.openUntil == 230)
        breaker.begin()
        breaker.succeed()
        #expect(breaker.state == .closed)
        #expect(breaker.allows(240))
    }
}

import Testing

@testable import Connectors

/// When a service may be asked.
@Suite struct ServiceGateTests {
    private static let second: Int64 = 1_000_000

    private func breaker() -> CircuitBreaker.Settings {
        var settings = CircuitBreaker.Settings()
        settings.calls = 2
        settings.openMicros = 30 * Self.second
        return settings
    }

    @Test func `a rate lets some through at once and then one at a time`() {
        var gate = ServiceGate(
            rate: RequestRate(perSecond: 4, burst: 2), breaker: nil, now: 0)
        for _ in 0..<2 {
            #expect(gate.ready(0) == 0)
            gate.begin()
        }
        #expect(gate.ready(0) == Self.second / 4)
        gate.setRate(nil, now: 0)
        #expect(gate.ready(0) == 0)
    }

    @Test func `what the service asks for is kept, two hours at most`() {
        var gate = ServiceGate(rate: nil, breaker: nil, now: 0)
        gate.limit(until: 5 * Self.second, now: 0)
        #expect(gate.ready(0) == 5 * Self.second)
        #expect(gate.isBlocked(4 * Self.second) && !gate.isBlocked(5 * Self.second))
        // An earlier moment takes nothing back, and none at all says nothing.
        gate.limit(until: Self.second, now: 0)
        gate.limit(until: nil, now: 0)
        #expect(gate.ready(0) == 5 * Self.second)
        gate.succeed(until: .max, now: 0)
        #expect(gate.ready(0) == ServiceGate.blockMax)
    }

    @Test func `behind an open breaker one request finds out whether it is back`() {
        var gate = ServiceGate(rate: nil, breaker: breaker(), now: 0)
        for _ in 0..<2 {
            gate.begin()
            gate.fail(Self.second)
        }
        #expect(gate.state == .open)
        #expect(gate.ready(2 * Self.second) == 31 * Self.second)
        #expect(gate.ready(31 * Self.second) == 31 * Self.second)
        gate.begin()
        #expect(gate.ready(32 * Self.second) == nil)
        // An answer that asks for patience neither opens nor closes it.
        gate.limit(until: nil, now: 32 * Self.second)
        #expect(gate.state == .halfOpen && gate.ready(32 * Self.second) != nil)
        gate.begin()
        gate.succeed(now: 33 * Self.second)
        #expect(gate.state == .closed)
    }
}

import HTTP
import StreamRuntime
import Testing

@testable import Connectors

/// Which questions of a lookup are asked when, and which are given up, as a value that is told the time.
@Suite struct LookupQueueTests {
    private static let second: Int64 = 1_000_000

    private func queue(
        batchMax: Int = 1, _ change: (inout LookupSettings) -> Void = { _ in }
    ) -> LookupQueue {
        var settings = LookupSettings(name: "test")
        settings.retry = RetryPolicy(tries: 3, firstMillis: 1000, longestMillis: 4000)
        settings.giveUpMicros = 60 * Self.second
        change(&settings)
        return LookupQueue(settings, batchMax: batchMax, now: 0)
    }

    private func items(_ numbers: Range<Int>) -> [LookupQueue.Item] {
        numbers.map { number in
            LookupQueue.Item(
                question: LookupQuestion(
                    number: number, key: [UInt8(number % 256)], hash: 0,
                    parts: [.integer(Int64(number))], time: 0),
                inbox: LookupInbox {})
        }
    }

    private func numbers(_ items: [LookupQueue.Item]) -> [Int] { items.map(\.question.number) }

    /// What is asked at `now`; empty when nothing is.
    private func asked(_ queue: inout LookupQueue, _ now: Int64) -> [LookupQueue.Item] {
        if case .ask(let items) = queue.next(now) { items } else { [] }
    }

    private func end(
        _ queue: inout LookupQueue, _ items: [LookupQueue.Item], _ reply: LookupReply, _ now: Int64
    ) -> [LookupAnswer.Outcome] {
        queue.end(items, items.map { _ in reply }, now: now) { 0.999 }.map(\.outcome)
    }

    @Test func `a question is looked up first, and then asked in batches`() {
        var queue = queue(batchMax: 20)
        for item in items(0..<25) { queue.add(item) }
        guard case .look(let first) = queue.next(0) else {
            Issue.record("nothing is looked up")
            return
        }
        #expect(numbers(first) == Array(0..<20))
        queue.addOpen(Array(first[5...]), now: 0)
        #expect(numbers(asked(&queue, 0)) == Array(5..<20))
        guard case .look(let rest) = queue.next(0) else {
            Issue.record("the rest is not looked up")
            return
        }
        #expect(numbers(rest) == Array(20..<25))
        guard case .wait(nil) = queue.next(0) else {
            Issue.record("something is left")
            return
        }
    }

    @Test func `a rate holds requests up, and not what the journal may answer`() {
        var queue = queue { $0.rate = RequestRate(perSecond: 2, burst: 1) }
        queue.addOpen(items(0..<3), now: 0)
        #expect(numbers(asked(&queue, 0)) == [0])
        guard case .wait(let due) = queue.next(0) else {
            Issue.record("the rate is not kept")
            return
        }
        #expect(due == Self.second / 2)
        for item in items(3..<5) { queue.add(item) }
        if case .look(let looked) = queue.next(0) {
            #expect(numbers(looked) == [3, 4])
        } else {
            Issue.record("the journal is not asked")
        }
        #expect(numbers(asked(&queue, Self.second / 2)) == [1])
        // Waiting for a rate is no failure, however long it takes.
        #expect(numbers(asked(&queue, 500 * Self.second)) == [2])
    }

    @Test func `a request that fails is repeated so often, and one nobody takes until give_up`() {
        var queue = queue()
        queue.addOpen(items(0..<1), now: 0)
        var now: Int64 = 0
        for wait in [1, 2] {
            #expect(end(&queue, asked(&queue, now), .failed("500"), now).isEmpty)
            #expect(asked(&queue, now).isEmpty)
            now += Int64(wait) * Self.second
        }
        #expect(
            end(&queue, asked(&queue, now), .failed("500"), now) == [.failed("500, after 3 tries")])
        #expect(queue.retried == 2 && queue.waiting == 0)
        queue.addOpen(items(1..<2), now: now)
        let began = now
        while true {
            let over = end(&queue, asked(&queue, now), .outage("gone"), now)
            if !over.isEmpty { break }
            guard case .wait(let due?) = queue.next(now) else {
                Issue.record("nothing is to come")
                return
            }
            now = due
        }
        #expect(now - began >= 60 * Self.second && now - began < 65 * Self.second)
    }

    @Test func `nothing is asked before the service says, and rows wait no longer than give_up`() {
        var queue = queue()
        queue.addOpen(items(0..<2), now: 0)
        let first = asked(&queue, 0)
        #expect(end(&queue, first, .limited("429", until: 30 * Self.second), 0).isEmpty)
        #expect(asked(&queue, 29 * Self.second).isEmpty)
        #expect(numbers(asked(&queue, 30 * Self.second)) == [1])
        let second = asked(&queue, 30 * Self.second)
        #expect(numbers(second) == [0])
        #expect(end(&queue, second, .limited("429", until: .max), 30 * Self.second).isEmpty)
        #expect(queue.limited == 2)
        queue.addOpen(items(2..<3), now: 40 * Self.second)
        guard case .wait = queue.next(59 * Self.second) else {
            Issue.record("it is given up too early")
            return
        }
        guard case .end(let over) = queue.next(60 * Self.second) else {
            Issue.record("it is not given up")
            return
        }
        #expect(over.map(\.outcome) == [.failed("429, after 2 tries")])
        guard case .end(let later) = queue.next(100 * Self.second) else {
            Issue.record("the other one is not given up")
            return
        }
        #expect(later.map(\.outcome) == [.failed("429; it was not asked for this")])
    }

    @Test func `an open breaker asks for one to see, and all others wait or are given up`() {
        var queue = queue {
            var breaker = CircuitBreaker.Settings()
            breaker.calls = 4
            breaker.openMicros = 10 * Self.second
            $0.breaker = breaker
            $0.giveUpMicros = 25 * Self.second
        }
        queue.addOpen(items(0..<10), now: 0)
        for _ in 0..<4 { _ = end(&queue, asked(&queue, 0), .outage("down"), 0) }
        #expect(queue.breaker == .open)
        #expect(asked(&queue, 9 * Self.second).isEmpty)
        let probe = asked(&queue, 10 * Self.second)
        #expect(probe.count == 1)
        #expect(asked(&queue, 10 * Self.second).isEmpty)
        // What fails now says nothing of the question: retries are not used up.
        #expect(end(&queue, probe, .failed("500"), 10 * Self.second).isEmpty)
        #expect(queue.waiting == 10)
        guard case .ask(let second) = queue.next(20 * Self.second) else {
            Issue.record("it is not asked again")
            return
        }
        #expect(end(&queue, second, .outage("down"), 20 * Self.second).isEmpty)
        guard case .end(let over) = queue.next(25 * Self.second) else {
            Issue.record("nothing is given up")
            return
        }
        #expect(over.count == 10)
        #expect(
            over.allSatisfy {
                if case .failed(let reason) = $0.outcome { reason.hasPrefix("down") } else { false }
            })
        // It comes back: the next question finds out, and others follow at once.
        queue.addOpen(items(10..<13), now: 31 * Self.second)
        let back = asked(&queue, 31 * Self.second)
        #expect(end(&queue, back, .missing, 31 * Self.second) == [.missing])
        #expect(queue.breaker == .closed)
        #expect(asked(&queue, 31 * Self.second).count == 1)
    }
}

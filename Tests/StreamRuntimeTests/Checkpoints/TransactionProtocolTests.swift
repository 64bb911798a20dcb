import Testing

@testable import StreamRuntime

@Suite struct TransactionProtocolTests {
    private typealias Event = TransactionProtocol.Event
    private typealias Action = TransactionProtocol.Action

    private func checkpoint(_ number: Int64) -> CommittedCheckpoint {
        CommittedCheckpoint(checkpoint: number, manifest: "\(number)-a")
    }

    /// A protocol that has been started and resumed after `last`.
    private func running(after last: Int64 = 0) -> TransactionProtocol {
        var value = TransactionProtocol()
        for event in [
            Event.started, .initialized(.even), .initialized(.odd), .told(nil),
            .resumed(after: last),
        ] { _ = value.receive(event) }
        return value
    }

    private func expect(
        _ start: TransactionProtocol, _ table: [(Event, Action)],
        _ location: SourceLocation = #_sourceLocation
    ) {
        var value = start
        for (event, action) in table {
            #expect(value.receive(event) == action, "\(event)", sourceLocation: location)
        }
    }

    @Test func `the broker is asked only when both producers have fenced their elders`() {
        expect(
            TransactionProtocol(),
            [
                (.started, .initialize(.even)),
                (.failed(.again), .initialize(.even)),
                (.initialized(.even), .initialize(.odd)),
                (.initialized(.odd), .ask),
                (.failed(.again), .ask),
                (.told(checkpoint(7)), .restore(checkpoint(7))),
                (.resumed(after: 7), .none),
                (.writing(epoch: 8), .begin(.even)),
            ])
    }

    @Test func `an epoch waits for its manifest while the next one is written`() {
        expect(
            running(),
            [
                (.writing(epoch: 1), .begin(.odd)), (.begun(.odd), .write(.odd)),
                (.writing(epoch: 1), .write(.odd)),
                (.writing(epoch: 2), .begin(.even)), (.begun(.even), .write(.even)),
                (.manifestWhole(checkpoint(1)), .addOffsets(.odd, checkpoint(1))),
                (.writing(epoch: 2), .write(.even)),
                (.offsetsAdded(.odd), .commit(.odd)),
                (.writing(epoch: 2), .write(.even)),
                (.committed(.odd), .publish(checkpoint(1))),
                (.writing(epoch: 3), .begin(.odd)), (.begun(.odd), .write(.odd)),
                (.manifestWhole(checkpoint(2)), .addOffsets(.even, checkpoint(2))),
            ])
    }

    @Test func `an epoch without rows still commits its offsets`() {
        expect(
            running(after: 4),
            [
                (.manifestWhole(checkpoint(5)), .begin(.odd)),
                (.writing(epoch: 6), .begin(.even)), (.begun(.even), .write(.even)),
                (.begun(.odd), .addOffsets(.odd, checkpoint(5))),
                (.offsetsAdded(.odd), .commit(.odd)),
                (.committed(.odd), .publish(checkpoint(5))),
            ])
    }

    @Test func `an answer that does not come is asked for again, then left to the next instance`() {
        expect(
            running(),
            [
                (.manifestWhole(checkpoint(1)), .begin(.odd)),
                (.begun(.odd), .addOffsets(.odd, checkpoint(1))),
                (.failed(.again), .addOffsets(.odd, checkpoint(1))),
                (.offsetsAdded(.odd), .commit(.odd)),
                (.failed(.again), .commit(.odd)),
                (.failed(.outage), .stop(.unknown)),
                (.committed(.odd), .none),
            ])
    }

    @Test(arguments: [false, true])
    func `what cannot be committed is aborted, and a new instance goes on`(atCommit: Bool) {
        var value = running()
        _ = value.receive(.manifestWhole(checkpoint(1)))
        _ = value.receive(.begun(.odd))
        if atCommit { _ = value.receive(.offsetsAdded(.odd)) }
        expect(
            value,
            [
                (.failed(.abort), .abort(.odd)), (.failed(.again), .abort(.odd)),
                (.aborted(.odd), .stop(.restart)),
            ])
        expect(value, [(.failed(.abort), .abort(.odd)), (.failed(.abort), .stop(.restart))])
    }

    @Test func `one that is fenced or broken does nothing more`() {
        for (failure, reason) in [
            (TransactionProtocol.Failure.fenced, TransactionProtocol.Stop.fenced),
            (.fatal, .fatal),
        ] {
            var value = running()
            _ = value.receive(.writing(epoch: 1))
            expect(
                value,
                [
                    (.failed(failure), .stop(reason)), (.writing(epoch: 1), .none),
                    (.manifestWhole(checkpoint(1)), .none), (.failed(.abort), .none),
                ])
        }
        var early = TransactionProtocol()
        _ = early.receive(.started)
        expect(early, [(.failed(.outage), .stop(.restart))])
    }
}

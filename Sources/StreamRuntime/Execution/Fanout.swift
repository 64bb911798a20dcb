/// Where the output of one node instance goes: steps run in place, and exchanges to other tasks.
///
/// A failure in a step run in place is kept in the task's `FailureSlot`, since `emit` cannot throw, and
/// thrown by the task after the call.
final class Fanout: Output {
    private var ports: [[Route]] = []
    private let failure: FailureSlot
    private let counters: StepCounters
    /// All channels below the task's output.
    private(set) var outlets = Outlets()

    enum Route {
        case inPlace(any Operator, Fanout, StepCounters)
        case exchange(Exchange)
    }

    init(failure: FailureSlot, counters: StepCounters) {
        self.failure = failure
        self.counters = counters
    }

    func add(_ route: Route, port: Int) {
        while ports.count <= port { ports.append([]) }
        ports[port].append(route)
        Fanout.join(route, outlets)
    }

    private static func join(_ route: Route, _ outlets: Outlets) {
        switch route {
        case .exchange(let exchange):
            for channel in exchange.channels { channel.outlets = outlets }
        case .inPlace(_, let output, _):
            output.outlets = outlets
            for route in output.ports.joined() { join(route, outlets) }
        }
    }

    func emit(_ batch: ColumnBatch, port: Int) {
        guard batch.count > 0, failure.failure == nil else { return }
        if port == 0 { counters.add(.rowsOut, batch.count) }
        guard port < ports.count else { return }
        for route in ports[port] {
            switch route {
            case .exchange(let exchange): exchange.send(batch)
            case .inPlace(let step, let output, let counters):
                counters.add(.rowsIn, batch.count)
                do throws(JobFailure) {
                    try step.process(batch, into: output)
                } catch {
                    failure.failure = error
                }
            }
        }
    }

    /// Passes the promise on to every task behind: steps that run in place keep their rows' places.
    func promise(_ place: OrderPlace) {
        for exchange in exchanges { exchange.broadcast(.place(place)) }
    }

    /// Every exchange below this output.
    var exchanges: [Exchange] {
        ports.joined().flatMap { route in
            switch route {
            case .exchange(let exchange): [exchange]
            case .inPlace(_, let output, _): output.exchanges
            }
        }
    }
}

/// The first failure of the steps that run in place in one task.
final class FailureSlot {
    var failure: JobFailure?

    func rethrow() throws(JobFailure) {
        if let failure { throw failure }
    }
}

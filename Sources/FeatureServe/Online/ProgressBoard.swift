import StreamRuntime
import Synchronization

/// How far the sink of each view has applied each partition of its sources, and who waits for more.
///
/// Told by sinks, asked by the threads that serve; nobody is held up by the other for longer than a look.
final class ProgressBoard: Sendable {
    private struct Place: Hashable {
        let view: Int
        let origin: Int64
    }

    private struct Waiter {
        let id: Int
        var open: [(place: Place, offset: Int64)]
        let wake: @Sendable () -> Void
    }

    private struct State {
        var applied: [Place: Int64] = [:]
        var waiters: [Waiter] = []
        var nextId = 1
    }

    private let state = Mutex(State())

    /// The sink of `view` has applied everything up to `mark`.
    func reach(view: Int, _ mark: SourceMark) {
        let due: [@Sendable () -> Void] = state.withLock { state in
            let place = Place(view: view, origin: mark.origin)
            state.applied[place] = max(state.applied[place] ?? .min, mark.offset)
            guard !state.waiters.isEmpty else { return [] }
            var due: [@Sendable () -> Void] = []
            for index in state.waiters.indices {
                let before = state.waiters[index].open.count
                state.waiters[index].open.removeAll {
                    $0.place == place && $0.offset <= mark.offset
                }
                if before > 0, state.waiters[index].open.isEmpty {
                    due.append(state.waiters[index].wake)
                }
            }
            if !due.isEmpty { state.waiters.removeAll { $0.open.isEmpty } }
            return due
        }
        for wake in due { wake() }
    }

    /// Calls `wake` once, from whatever thread, when all of `views` have applied record `offset` of every
    /// one of `origins` that belongs to them.
    ///
    /// - Returns: nil when they have already; otherwise what `cancel` takes.
    func wait(
        for targets: [(view: Int, origin: Int64)], offset: Int64,
        wake: @escaping @Sendable () -> Void
    ) -> Int? {
        state.withLock { state in
            let open = targets.map {
                (place: Place(view: $0.view, origin: $0.origin), offset: offset)
            }
            .filter { state.applied[$0.place] ?? .min < offset }
            guard !open.isEmpty else { return nil }
            let id = state.nextId
            state.nextId += 1
            state.waiters.append(Waiter(id: id, open: open, wake: wake))
            return id
        }
    }

    /// Whether everything up to `offset` has been applied.
    func hasReached(_ targets: [(view: Int, origin: Int64)], offset: Int64) -> Bool {
        state.withLock { state in
            targets.allSatisfy {
                state.applied[Place(view: $0.view, origin: $0.origin)] ?? .min >= offset
            }
        }
    }

    /// The waiter does not want to be woken any more.
    func cancel(_ id: Int) {
        state.withLock { state in state.waiters.removeAll { $0.id == id } }
    }

    /// How many wait.
    var waiting: Int { state.withLock { $0.waiters.count } }
}

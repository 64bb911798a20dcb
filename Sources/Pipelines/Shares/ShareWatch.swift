import Connectors
import Foundation
import StreamRuntime
import Synchronization

/// Sees to it that every share has an owner: makes the group share out anew when one has had none for long.
///
/// - Note: the looks and the visit run on a thread of their own, one at a time.
final class ShareWatch: Sendable {
    private struct State {
        var isLooking = false
        var nextLook: Int64
        /// How many looks in a row have found the same shares without an owner.
        var looks = 0
        var missing = Set<Int32>()
    }

    /// A share that is on its way from one process to another has no owner for a while either.
    private static let looksMin = 3

    private let watch: KafkaShareWatch
    private let all: Set<Int32>
    private let visited: String
    private let everyNanos: Int64
    private let state: Mutex<State>

    /// - Parameters:
    ///   - visited: a topic that exists and is not shared out by the group.
    ///   - everyNanos: time between two looks.
    init(
        _ watch: KafkaShareWatch, shares: Int, visited: String, everyNanos: Int64, now: Int64
    ) {
        self.watch = watch
        all = Set(0..<Int32(shares))
        self.visited = visited
        self.everyNanos = everyNanos
        state = Mutex(State(nextLook: now + everyNanos))
    }

    /// Looks, if it is time to; `owned` are the shares of this process.
    func look(owned: Set<Int>, now: Int64) {
        let isDue = state.withLock { state in
            guard !state.isLooking, now >= state.nextLook else { return false }
            state.isLooking = true
            state.nextLook = now + everyNanos
            return true
        }
        guard isDue else { return }
        Thread { [self] in
            do throws(JobFailure) {
                try lookNow(owned: owned)
            } catch {
                // The next look may be luckier; a group that cannot be followed is told of elsewhere.
                state.withLock { $0.looks = 0 }
            }
            state.withLock { $0.isLooking = false }
        }.start()
    }

    private func lookNow(owned mine: Set<Int>) throws(JobFailure) {
        let owned = try watch.owned()
        let missing = owned.map { all.subtracting($0) } ?? []
        let mustVisit = state.withLock { state in
            state.looks = missing.isEmpty ? 0 : state.missing == missing ? state.looks + 1 : 1
            state.missing = missing
            guard state.looks >= ShareWatch.looksMin else { return false }
            state.looks = 0
            return true
        }
        guard mustVisit, let owned else { return }
        // One of the processes is enough: the one with the first share that has an owner.
        guard owned.min().map({ mine.contains(Int($0)) }) ?? true else { return }
        try watch.visit(by: visited, millis: 10_000)
    }
}

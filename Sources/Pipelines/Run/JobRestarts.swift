import Foundation
import StreamRuntime
import Synchronization

/// The restarts of one job, or of one share, in this process: decides, waits, tells, counts.
final class JobRestarts: Sendable {
    private struct State {
        var policy: RestartPolicy
        var count = 0
        var last: String?
    }

    private let state: Mutex<State>
    private let clock: any Clock
    /// What is said about a restart begins with this.
    private let what: String
    private let isQuiet: Bool
    private let json: Bool

    /// - Parameters:
    ///   - what: "the job", or "share 3".
    ///   - seed: what waits are drawn from.
    init(
        _ settings: RestartPolicy.Settings, of what: String, options: RunOptions,
        seed: UInt64 = .random(in: 0 ... .max), clock: any Clock
    ) {
        state = Mutex(State(policy: RestartPolicy(options.restart ?? settings, seed: seed)))
        self.what = what
        self.clock = clock
        isQuiet = options.isQuiet
        json = options.json
    }

    /// How often it was started again.
    var count: Int { state.withLock { $0.count } }

    /// Why it was started again last; nil when it never was.
    var lastReason: String? { state.withLock { $0.last } }

    /// Whether a restart is ever tried.
    var isAllowed: Bool { state.withLock { $0.policy.settings.attempts > 0 } }

    /// A checkpoint was committed: the next wait is short again.
    func noteProgress() { state.withLock { $0.policy.noteProgress() } }

    /// Takes note of a failure and tells what follows.
    ///
    /// - Parameter isAnswered: whether the restart itself answers a failure that looks final, as when a share
    ///   was fenced and the group still says that it is this process's.
    /// - Returns: how long to wait before the restart, in nanoseconds; nil when there is none.
    func wait(after failure: JobFailure, evenIf isAnswered: Bool = false) -> Int64? {
        guard failure.isRestartable || isAnswered else { return nil }
        let now = clock.nanos
        let wait = state.withLock { state -> Int64? in
            let wait = state.policy.failed(now: now)
            if wait != nil {
                state.count += 1
                state.last = "\(failure)"
            }
            return wait
        }
        if let wait {
            say("is started again in \(JobRestarts.seconds(wait)) s", wait, failure)
        } else if isAllowed {
            say("has failed too often to be started again", nil, failure)
        }
        return wait
    }

    /// Counts and tells a restart at a checkpoint, for which nothing had to fail.
    func noteOrderly(_ reason: String) {
        state.withLock { state in
            state.count += 1
            state.last = reason
        }
        guard !isQuiet else { return }
        Terminal.error(
            json
                ? JSONText.object([("restart", .string(what)), ("reason", .string(reason))]).compact
                    + "\n"
                : "\(what) is started again at a checkpoint: \(reason)\n")
    }

    private func say(_ text: String, _ wait: Int64?, _ failure: JobFailure) {
        guard !isQuiet else { return }
        guard json else { return Terminal.error("\(what) \(text): \(failure)\n") }
        Terminal.error(
            JSONText.object([
                ("restart", .string(what)),
                ("in_millis", wait.map { JSONText.integer(Int($0 / 1_000_000)) } ?? .null),
                ("reason", .string("\(failure)")),
            ]).compact + "\n")
    }

    private static func seconds(_ nanos: Int64) -> String {
        let tenths = (nanos + 50_000_000) / 100_000_000
        return "\(tenths / 10).\(tenths % 10)"
    }
}

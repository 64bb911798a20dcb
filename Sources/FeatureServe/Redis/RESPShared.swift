import StreamRuntime
import Synchronization

/// What all event loops of a RESP server have in common.
final class RESPShared: Sendable {
    let store: OnlineStore
    let hashes: HashStore
    let layout: FeastLayout
    /// Views that only their pipelines write.
    let readOnly: Set<String>
    let password: String?
    /// Who may do what, where keys are declared.
    let access: AccessRules
    let now: @Sendable () -> Int64
    let port = Atomic<Int>(0)
    let commands: Counter
    let errors: Counter

    /// Where a SCAN goes on.
    struct ScanPlace: Sendable {
        /// The layout's table, or their number for the hashes.
        var phase = 0
        /// The last key seen, as it is kept there.
        var after: [UInt8]?
    }

    private struct Scans {
        var places: [UInt64: ScanPlace] = [:]
        var next: UInt64 = 1
    }
    private let scans = Mutex(Scans())
    /// The most scans that may be under way; the oldest are forgotten.
    static let scansMax: UInt64 = 4096

    init(
        store: OnlineStore, hashes: HashStore, project: String, readOnly: Set<String>,
        password: String?, access: AccessRules = .open, metrics: MetricsRegistry,
        now: @escaping @Sendable () -> Int64
    ) throws(JobFailure) {
        self.store = store
        self.hashes = hashes
        layout = try FeastLayout(catalog: store.catalog, project: project)
        self.readOnly = readOnly
        self.password = password
        self.access = access
        self.now = now
        commands = metrics.counter(
            "millrace_resp_commands_total", help: "Commands of the Redis protocol.")
        errors = metrics.counter(
            "millrace_resp_errors_total",
            help: "Commands of the Redis protocol answered by an error.")
    }

    /// Whether commands are answered to anyone.
    var isOpen: Bool { password == nil && access.isOpen }

    /// Keeps `place` under a cursor of its own.
    func keep(_ place: ScanPlace) -> UInt64 {
        scans.withLock { scans in
            let cursor = scans.next
            scans.next += 1
            scans.places[cursor] = place
            if cursor > RESPShared.scansMax {
                scans.places.removeValue(forKey: cursor - RESPShared.scansMax)
            }
            return cursor
        }
    }

    /// What was kept under `cursor`; nil when it is unknown, or was forgotten.
    func place(_ cursor: UInt64) -> ScanPlace? { scans.withLock { $0.places[cursor] } }
}

/// Why a command is refused, in the words of the answer.
struct RESPRefusal: Error, Equatable {
    let text: String

    /// A refusal that begins with the general code.
    init(_ text: String) { self.text = "ERR " + text }

    /// A refusal whose text brings its own code.
    init(coded text: String) { self.text = text }

    init(_ failure: JobFailure) {
        text = "ERR \(failure.problem) (\(failure.place)); \(failure.remedy)"
    }
}

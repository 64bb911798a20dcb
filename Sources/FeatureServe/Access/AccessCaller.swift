import Synchronization

/// Who makes a request, what they may, and how much of it they have left; shared by all lanes and threads.
public final class AccessCaller: Sendable {
    /// The key's name; empty when no keys are declared.
    public let name: String
    private let reads: AccessKey.Views
    private let writes: AccessKey.Views
    private let ingests: AccessKey.Views
    /// Whether the server's figures and its registry may be read.
    public let isAdmin: Bool
    private let intervalNanos: Int64
    private let burstNanos: Int64
    /// When the next request would be due if all came evenly, in nanoseconds of the monotonic clock.
    private let due = Atomic<Int64>(.min)

    /// Whoever calls when no keys are declared: they may do everything.
    public static let anyone = AccessCaller(
        AccessKey(
            name: "", digest: [UInt8](repeating: 0, count: AccessKey.digestBytes), reads: .all,
            writes: .all, ingests: .all, isAdmin: true))

    init(_ key: AccessKey) {
        name = key.name
        reads = key.reads
        writes = key.writes
        ingests = key.ingests
        isAdmin = key.isAdmin
        intervalNanos = key.perSecond.map { 1_000_000_000 / Int64(max($0, 1)) } ?? 0
        burstNanos = 1_000_000_000
    }

    /// Whether `view` may be read.
    @inline(__always)
    public func mayRead(_ view: String) -> Bool { reads.contains(view) }

    /// Whether `view` may be written.
    @inline(__always)
    public func mayWrite(_ view: String) -> Bool { writes.contains(view) }

    /// Whether records may be brought for `stream`.
    public func mayIngest(_ stream: String) -> Bool { ingests.contains(stream) }

    /// Whether all views may be read, and what no view declares.
    @inline(__always)
    var mayReadAll: Bool { if case .all = reads { true } else { false } }

    /// Whether all views may be written, and what no view declares.
    @inline(__always)
    var mayWriteAll: Bool { if case .all = writes { true } else { false } }

    /// Whether there is a bound on requests in a second.
    @inline(__always)
    var isLimited: Bool { intervalNanos > 0 }

    /// Checks that everything `plan` reads may be read.
    @inline(__always)
    func checkRead(_ plan: ServingPlan) throws(LookupProblem) {
        if case .all = reads { return }
        for view in plan.views where view.columns > 0 && !mayRead(view.declaration.name) {
            throw .forbidden("read", view.declaration.name)
        }
        for view in plan.computed where !mayRead(view.declaration.name) {
            throw .forbidden("read", view.declaration.name)
        }
    }

    /// Checks that `view` may be written.
    func checkWrite(_ view: String) throws(LookupProblem) {
        guard mayWrite(view) else { throw .forbidden("write", view) }
    }

    /// Takes one request out of the caller's bucket, which holds a second's worth.
    ///
    /// - Returns: 0 when there was one; otherwise nanoseconds until there is, and nothing was taken.
    /// - Source: the generic cell rate algorithm (ITU-T I.371), a token bucket kept as one number.
    public func take(nowNanos: Int64) -> Int64 {
        guard intervalNanos > 0 else { return 0 }
        var known = due.load(ordering: .relaxed)
        while true {
            let next = max(known, nowNanos) + intervalNanos
            let wait = next - nowNanos - burstNanos
            if wait > 0 { return wait }
            let (exchanged, found) = due.compareExchange(
                expected: known, desired: next, ordering: .relaxed)
            if exchanged { return 0 }
            known = found
        }
    }
}

extension LookupProblem {
    /// The caller's key is no administrator's.
    static let notAdmin = LookupProblem(
        status: 403, className: "FeastPermissionError",
        message: "Permission error: the key may not read the server's own state")
    /// The caller's key may not bring records for `stream`.
    static func mayNotIngest(_ stream: String) -> LookupProblem {
        LookupProblem(
            status: 403, className: "FeastPermissionError",
            message: "Permission error: the key may not ingest into stream \(stream)")
    }
    /// The caller's key has no right to `action` `view`.
    static func forbidden(_ action: String, _ view: String) -> LookupProblem {
        LookupProblem(
            status: 403, className: "FeastPermissionError",
            message: "Permission error: the key may not \(action) feature view \(view)")
    }
}

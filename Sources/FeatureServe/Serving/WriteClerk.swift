import StreamRuntime

/// Carries out clients' writes, one at a time.
///
/// - Note: `@unchecked Sendable` because it is made by the queue and used by the queue's one thread only.
final class WriteClerk: @unchecked Sendable {
    private struct Desk {
        let rows: WrittenRows
        let writer: FeatureWriter
        let table: OnlineTable
        let keys: KeyEncoder
    }

    private let store: OnlineStore
    private let targets: WriteTargets
    private let metrics: MetricsRegistry
    private let style: Compatibility
    private var desks: [String: Desk] = [:]
    /// Whether versions were written that their log must show before the answer.
    private var hasLogged = false
    private let latency: [WriteQueue.Kind: Histogram]
    private let outcomes: [WriteQueue.Kind: (done: Counter, refused: Counter)]

    init(store: OnlineStore, targets: WriteTargets, metrics: MetricsRegistry, style: Compatibility)
    {
        self.store = store
        self.targets = targets
        self.metrics = metrics
        self.style = style
        let names: [WriteQueue.Kind: String] = [.push: "/push", .view: "/write-to-online-store"]
        latency = names.mapValues { name in
            metrics.histogram(
                "feast_feature_server_request_latency_seconds",
                help: "Time to answer a request, by its size.",
                labels: [
                    ("endpoint", name), ("feature_count", ""), ("feature_view_count", ""),
                ])
        }
        outcomes = names.mapValues { name in
            func counter(_ status: String) -> Counter {
                metrics.counter(
                    "feast_feature_server_request_total", help: "Requests, by outcome.",
                    labels: [("endpoint", name), ("status", status)])
            }
            return (counter("success"), counter("error"))
        }
    }

    /// Writes the rows of a request whose body is JSON.
    func write(
        _ kind: WriteQueue.Kind, json body: [UInt8], for caller: AccessCaller,
        into written: inout [WrittenKeys]
    ) -> WriteQueue.Reply {
        body.withUnsafeBufferPointer { bytes in
            var scanner = JSONScanner(bytes)
            scanner.takesNotFinite = true
            let request: WriteRequest
            do throws(JSONFault) {
                request = try WriteRequest(&scanner)
            } catch {
                return reply(422, .invalid(error.message)) { error.append(to: $0) }
            }
            let given = kind == .push ? request.source : request.view
            guard let name = given, request.hasData else {
                let wanted = kind == .push ? "push_source_name" : "feature_view_name"
                let missing = given == nil ? wanted : "df"
                return reply(422, .invalid("\(missing) is missing")) {
                    MissingField(name: missing).append(to: $0)
                }
            }
            do throws(LookupProblem) {
                if let to = request.unknownTarget {
                    throw .invalid(
                        "\(to) is not a supported push format. Please specify one of these "
                            + "['online', 'offline', 'online_and_offline'].")
                }
                try write(kind, name, to: request.target, into: &written) {
                    (rows) throws(LookupProblem) in
                    try caller.checkWrite(rows.view.name)
                    return try rows.batch(request, scanner, style: style)
                }
                return WriteQueue.Reply(body: kind == .push ? [] : Array("null".utf8))
            } catch {
                return reply(to: error)
            }
        }
    }

    /// Writes the rows that `read` makes for each view of the push source, or for the view, called `name`.
    ///
    /// The rows are readable then; their keys are added to `written`, to be made durable.
    func write(
        _ kind: WriteQueue.Kind, _ name: String, to target: WriteRequest.Target,
        into written: inout [WrittenKeys],
        _ read: (WrittenRows) throws(LookupProblem) -> ColumnBatch?
    ) throws(LookupProblem) {
        var views = [name]
        if kind == .push {
            guard let found = targets.pushSources[name] else { throw .noPushSource(name) }
            views = found
            guard target == .online || store.pushedVersions != nil else {
                throw .notDone(
                    "This job keeps no log of feature versions to push to: set feature_log, or push "
                        + "with \"to\": \"online\"")
            }
        } else {
            guard store.catalog.view(name) != nil else { throw .noView(name) }
            guard targets.takes(name) else { throw .readOnly(name) }
        }
        // All are read before any is written: a request is taken whole or not at all.
        var ready: [(Desk, ColumnBatch)] = []
        for view in views {
            let desk = try desk(view)
            if let batch = try read(desk.rows) { ready.append((desk, batch)) }
        }
        for (desk, batch) in ready {
            do throws(JobFailure) {
                if target != .online { hasLogged = true }
                if target == .offline, let log = store.pushedVersions {
                    try desk.writer.log(batch, to: log)
                    continue
                }
                _ = try desk.writer.write(batch)
            } catch {
                throw .storage(error)
            }
            written.append(
                WrittenKeys(
                    table: desk.table, keys: desk.keys.encode(batch), count: batch.count))
        }
        if kind == .push {
            metrics.counter(
                "feast_push_request_total", help: "Pushes taken, by push source and target.",
                labels: [("push_source", name), ("mode", target.rawValue)]
            ).add()
        }
    }

    private func desk(_ name: String) throws(LookupProblem) -> Desk {
        if let known = desks[name] { return known }
        guard let view = store.catalog.view(name), let place = store.catalog.place(of: name) else {
            throw .noView(name)
        }
        let table = store.tables[place.table]
        let rows = WrittenRows(view: view, entity: table.entity)
        do throws(JobFailure) {
            let desk = Desk(
                rows: rows,
                writer: try FeatureWriter(store: store, view: name, schema: rows.schema),
                table: table, keys: KeyEncoder(columns: Array(0..<rows.keys.count)))
            desks[name] = desk
            return desk
        } catch {
            throw .storage(error)
        }
    }

    /// Makes the rows of `written` durable, and what was pushed for training readable; nil when they are.
    func persist(_ written: [WrittenKeys]) -> LookupProblem? {
        do throws(JobFailure) {
            if hasLogged { try store.pushedVersions?.commit() }
            hasLogged = false
            if !written.isEmpty { try store.persist(written) }
            return nil
        } catch {
            return .storage(error)
        }
    }

    /// Counts a request that was answered.
    func count(_ kind: WriteQueue.Kind, nanos: Int64, isDone: Bool) {
        latency[kind]?.observe(nanos: nanos)
        if isDone { outcomes[kind]?.done.add() } else { outcomes[kind]?.refused.add() }
    }

    /// The reply that says `problem`.
    func reply(to problem: LookupProblem) -> WriteQueue.Reply {
        reply(problem.status(style), problem) { problem.append(to: $0, style: style) }
    }

    private func reply(
        _ status: Int, _ problem: LookupProblem, _ write: (ByteArena) -> Void
    ) -> WriteQueue.Reply {
        let arena = ByteArena(capacity: 512)
        write(arena)
        return WriteQueue.Reply(
            status: status, body: Array(UnsafeBufferPointer(start: arena.base, count: arena.count)),
            problem: problem)
    }
}

/// A member that a request must have and does not.
struct MissingField: Equatable {
    let name: String

    /// Appends the body of the answer, in the form of Feast's validation errors.
    func append(to arena: ByteArena) {
        JSONText.append(
            "{\"detail\":[{\"type\":\"missing\",\"loc\":[\"body\",", to: arena)
        JSONText.append(string: name, to: arena)
        JSONText.append("],\"msg\":\"Field required\",\"input\":{}}]}", to: arena)
    }
}

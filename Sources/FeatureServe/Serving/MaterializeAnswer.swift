import StreamRuntime

/// Answers requests to materialize, which is to bring views up to date from their history.
///
/// A view that a pipeline writes is brought up to date by every event as it comes, so there is nothing to start:
/// the answer says whether the view has got as far as was asked. Computing history anew is `millrace replay`.
struct MaterializeAnswer: Sendable {
    let catalog: FeatureCatalog
    let style: Compatibility
    let progress: @Sendable (String) -> Int64?

    /// Appends the body of the answer to `arena`.
    ///
    /// - Returns: the status: 200 when every view has applied all events before `end_ts`, 409 when one has not
    ///   yet, 501 when a view has no pipeline to wait for.
    func answer(_ body: UnsafeBufferPointer<UInt8>, into arena: ByteArena) -> Int {
        var scanner = JSONScanner(body)
        var views: [String]?
        var end: String?
        do throws(JSONFault) {
            try scanner.object { (name, scanner) throws(JSONFault) in
                let name = scanner.text(name)
                if name == "end_ts", scanner.peek() == 0x22 {
                    end = scanner.text(try scanner.value())
                } else if name == "feature_views", scanner.peek() == 0x5B {
                    var names: [String] = []
                    try scanner.array { (scanner) throws(JSONFault) in
                        names.append(scanner.text(try scanner.value()))
                    }
                    views = names
                } else {
                    _ = try scanner.value()
                }
            }
        } catch {
            error.append(to: arena)
            return 422
        }
        guard let end else {
            MissingField(name: "end_ts").append(to: arena)
            return 422
        }
        do throws(LookupProblem) {
            try check(views ?? catalog.views.map(\.name), end: end)
            JSONText.append("null", to: arena)
            return 200
        } catch {
            error.append(to: arena, style: style)
            return error.status(style)
        }
    }

    private func check(_ views: [String], end: String) throws(LookupProblem) {
        let micros = Array(end.utf8).withUnsafeBufferPointer { TimestampText.micros($0) }
        guard let micros else {
            throw .invalid("\"\(end.prefix(80))\" is no time; write end_ts as ISO 8601")
        }
        for view in views {
            guard catalog.view(view) != nil else { throw .noView(view) }
            guard let reached = progress(view) else {
                throw .notDone(
                    "Feature view \(view) has no pipeline that could fill it: write it by /push or "
                        + "/write-to-online-store")
            }
            guard reached >= micros else { throw .notYet(view, reached: reached) }
        }
    }
}

extension LookupProblem {
    /// The view's pipeline has not got as far as was asked.
    fileprivate static func notYet(_ view: String, reached: Int64) -> LookupProblem {
        let arena = ByteArena(capacity: 64)
        JSONText.append(timestamp: reached, to: arena)
        let time = String(
            decoding: UnsafeBufferPointer(start: arena.base, count: arena.count), as: UTF8.self)
        return LookupProblem(
            status: 409, className: "FeastError",
            message: "Feature view \(view) is kept up to date by its pipeline, which has applied "
                + (reached == .min ? "no event yet" : "the events before \(time)")
                + ": ask again, or compute history anew with: millrace replay")
    }
}

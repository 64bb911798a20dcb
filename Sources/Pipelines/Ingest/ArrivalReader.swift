import HTTP
import StreamRuntime

/// Reads what `from:` says of watched directories and polled services.
struct ArrivalReader {
    let diagnostics: Diagnostics

    /// `watch:` beside files.
    func watch(_ node: SpecNode, path: String) -> PlannedWatch {
        var watch = PlannedWatch(path: path)
        if let every = node["every"]?.duration { watch.every = every }
        if let quiet = node["quiet"]?.duration { watch.quiet = quiet }
        watch.marker = node["marker"]?.text
        watch.isByTime = node["order"]?.text == "time"
        refuseZero(node["every"], "1s")
        return watch
    }

    /// `poll:`; nil when it does not say what to ask.
    func poll(_ node: SpecNode) -> PlannedPoll? {
        guard let url = node["url"]?.text ?? node["path"]?.text else { return nil }
        var poll = PlannedPoll(connection: node["http"]?.text, url: url)
        if let place = node["url"], !url.hasPrefix("http://"), !url.hasPrefix("https://") {
            diagnostics.report(
                .badValue, "\"\(url)\" is no address", at: place.position,
                fix: "write http://HOST:PORT/PATH, or name a connection: http: NAME, path: /PATH")
        }
        if node["method"]?.text == "post" || node["body"] != nil { poll.method = .post }
        poll.headers = (node["headers"]?.entries ?? []).compactMap { entry in
            entry.value.text.map { HTTPHeader(entry.key, $0) }
        }
        poll.body = node["body"]?.text
        if let every = node["every"]?.duration { poll.every = every }
        if let overlap = node["overlap"]?.duration { poll.overlap = overlap }
        if let size = node["max_answer"]?.text.flatMap(SpecScalars.size) {
            poll.bodyBytesMax = size
        }
        if let partitions = node["partitions"]?.integer { poll.partitions = partitions }
        poll.items = node["items"].map(ArrivalReader.steps)
        poll.key = node["key"].map(ArrivalReader.steps)
        if let paging = node["paging"] { poll.paging = self.paging(paging) }
        refuseZero(node["every"], "5m")
        if poll.paging != .none, poll.items == nil, case .page = poll.paging {
            diagnostics.report(
                .conflictingKeys, "without items it is not known which page is the last",
                at: node.position, fix: "add items: the path of the array")
        }
        return poll
    }

    private func paging(_ node: SpecNode) -> PlannedPoll.Paging {
        if let cursor = node["cursor"] {
            return .cursor(
                path: ArrivalReader.steps(cursor), parameter: node["parameter"]?.text ?? "cursor",
                isInBody: node["in"]?.text == "body")
        }
        if let next = node["next"] {
            return next.text == "header:Link" ? .link : .next(path: ArrivalReader.steps(next))
        }
        if let page = node["page"]?.text {
            return .page(parameter: page, first: node["first"]?.integer ?? 1)
        }
        if let offset = node["offset"]?.text { return .offset(parameter: offset) }
        return .none
    }

    /// A path as text with points, or as a list of names that may have points in them.
    static func steps(_ node: SpecNode) -> [String] {
        if let text = node.text { return IngestReader.steps(text) }
        return node.items.compactMap(\.text)
    }

    private func refuseZero(_ node: SpecNode?, _ example: String) {
        guard let node, node.duration == .zero else { return }
        diagnostics.report(
            .badDuration, "nothing can be looked at without a pause", at: node.position,
            fix: "write a duration such as \(example)")
    }
}

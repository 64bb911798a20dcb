import HTTP
import StreamRuntime

/// How far a service has been polled: what the ledger keeps.
///
/// - Shape: four lines: when the last whole poll began, when the one under way did (0 for none), the page it
///   is at, and the cursor or address of that page; times in microseconds since 1970.
struct PollState: Equatable {
    /// When the last whole poll began; 0 before the first.
    var sinceMicros: Int64 = 0
    /// When the poll under way began; nil between two.
    var beganMicros: Int64?
    /// The page it is at, from 0.
    var page = 0
    /// Items of the pages before.
    var items = 0
    /// What leads to that page; empty for the first.
    var cursor = ""

    init() {}

    /// Reads a state; a fresh one for an empty text, nil for another.
    init?(_ text: String) {
        guard !text.isEmpty else { return }
        let lines = text.split(separator: "\n", maxSplits: 4, omittingEmptySubsequences: false)
        guard lines.count == 5, let since = Int64(lines[0]), let began = Int64(lines[1]),
            let page = Int(lines[2]), let items = Int(lines[3])
        else { return nil }
        sinceMicros = since
        beganMicros = began == 0 ? nil : began
        self.page = page
        self.items = items
        cursor = String(lines[4])
    }

    /// The state as the ledger has it.
    var text: String { "\(sinceMicros)\n\(beganMicros ?? 0)\n\(page)\n\(items)\n\(cursor)" }

    /// The request of this page.
    func request(_ poll: PlannedPoll, base: String) -> HTTPRequest {
        let hasPlace = poll.url.contains("{cursor}") || poll.body?.contains("{cursor}") == true
        var url = fill(poll.url, poll, encodes: true)
        if !url.hasPrefix("http://"), !url.hasPrefix("https://") { url = base + url }
        var body = poll.body.map { fill($0, poll, encodes: false) }
        switch poll.paging {
        case .none: break
        case .cursor(_, let parameter, let isInBody):
            guard !cursor.isEmpty, !hasPlace else { break }
            if isInBody {
                body = PollState.adding(parameter, cursor, to: body ?? "{}")
            } else {
                url = PollState.adding(parameter, cursor, toQuery: url)
            }
        case .next, .link: if !cursor.isEmpty { url = cursor }
        case .page(let parameter, let first):
            url = PollState.adding(parameter, "\(first + page)", toQuery: url)
        case .offset(let parameter):
            url = PollState.adding(parameter, "\(items)", toQuery: url)
        }
        var headers = poll.headers
        if body != nil, !headers.contains(where: { $0.name.lowercased() == "content-type" }) {
            headers.append(HTTPHeader("Content-Type", "application/json"))
        }
        return HTTPRequest(
            poll.method, url, headers: headers,
            body: body.map { .bytes(Array($0.utf8)) } ?? .none)
    }

    private func fill(_ text: String, _ poll: PlannedPoll, encodes: Bool) -> String {
        let since = max(sinceMicros - (sinceMicros > 0 ? poll.overlap.micros : 0), 0)
        let values = [
            ("{since}", PollState.iso(since)), ("{since_ms}", "\(since / 1000)"),
            ("{since_s}", "\(since / 1_000_000)"), ("{now}", PollState.iso(beganMicros ?? 0)),
            ("{cursor}", cursor),
        ]
        var text = text
        for (place, value) in values where text.contains(place) {
            text = text.replacing(place, with: encodes ? HTTPText.encode(value) : value)
        }
        return text
    }

    /// A moment as ISO 8601 has it, in UTC.
    static func iso(_ micros: Int64) -> String {
        var text: [UInt8] = []
        ValueText.append(timestamp: micros, to: &text)
        return String(decoding: text, as: UTF8.self).replacing(" ", with: "T") + "Z"
    }

    static func adding(_ name: String, _ value: String, toQuery url: String) -> String {
        url + (url.contains("?") ? "&" : "?") + "\(HTTPText.encode(name))=\(HTTPText.encode(value))"
    }

    /// A JSON object with one more member at its beginning.
    private static func adding(_ name: String, _ value: String, to object: String) -> String {
        guard let brace = object.firstIndex(of: "{") else { return object }
        let rest = object[object.index(after: brace)...]
        let isEmpty = rest.first { !$0.isWhitespace } == "}"
        return "{\(JSONText.quoted(name)):\(JSONText.quoted(value))" + (isEmpty ? "" : ",") + rest
    }

    /// The address with the relation "next" in a `Link` field; nil when there is none.
    ///
    /// - Source: RFC 8288.
    static func next(inLink field: String?) -> String? {
        for link in (field ?? "").split(separator: ",") {
            let parts = link.split(separator: ";").map {
                String($0.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
            }
            guard let target = parts.first, target.hasPrefix("<"), target.hasSuffix(">"),
                parts.dropFirst().contains(where: {
                    $0.lowercased().replacing("\"", with: "") == "rel=next"
                })
            else { continue }
            return String(target.dropFirst().dropLast())
        }
        return nil
    }

    /// `link` as seen from `url`.
    static func resolve(_ link: String, from url: String) -> String {
        if link.contains("://") { return link }
        guard let scheme = url.firstRange(of: "://") else { return link }
        let root = url[..<scheme.upperBound] + url[scheme.upperBound...].prefix { $0 != "/" }
        if link.hasPrefix("/") { return root + link }
        let path = url.prefix { $0 != "?" }
        let end = path.lastIndex(of: "/") ?? path.endIndex
        return path[..<end] + "/" + link
    }
}

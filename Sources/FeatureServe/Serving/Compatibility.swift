/// Whose answers the server gives where Feast's servers disagree with each other, or with the protocol.
///
/// - Source: each difference is listed in `docs/FEAST.md`, with what was seen of which version.
public enum Compatibility: String, CaseIterable, Sendable {
    /// What the protocol means: every status told apart, and errors that say what to do.
    case millrace
    /// As Feast's Python feature server answers with Redis behind it.
    case python
    /// As Feast's Go feature server answers.
    case go
    /// As Feast's Java server names things.
    case java

    /// The status of a value, in quotes, as this server would give it.
    func text(of status: FeatureStatus) -> StaticString {
        switch (self, status) {
        case (_, .invalid): "\"INVALID\""
        case (_, .present), (.python, _): "\"PRESENT\""
        case (.go, .nullValue), (_, .notFound): "\"NOT_FOUND\""
        case (_, .nullValue): "\"NULL_VALUE\""
        case (_, .outsideMaxAge): "\"OUTSIDE_MAX_AGE\""
        }
    }

    /// The name of a feature in the answer.
    func name(view: String, feature: String, full: Bool) -> String {
        if self == .java { return "\(view):\(feature)" }
        return full ? "\(view)__\(feature)" : feature
    }

    /// Whether an answer shows the join keys as columns of its own.
    var showsKeys: Bool { self != .java }

    /// Whether statuses and event times are given only to who asks with `?status=true`.
    var hidesDetails: Bool { self == .go }

    /// Whether event times are cut to whole seconds, and join keys carry the time of the answer.
    var cutsTimes: Bool { self == .go }

    /// Whether a request that leaves out some of the join keys is answered with nulls.
    var answersWithoutKey: Bool { self == .python }

    /// Whether a key in `entities` that no feature asked for needs is an error.
    var refusesUnknownKeys: Bool { self == .go }

    /// Whether rows that are pushed with nothing but nulls are dropped without a word.
    var dropsNullRows: Bool { self == .python }
}

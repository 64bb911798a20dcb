import Operators
import StreamRuntime

/// The sides, the kind and the condition of a join step.
struct JoinBody: Sendable {
    /// When a left row and a right row can meet.
    enum Kind: Sendable {
        /// The right rows are the changes of a table, kept by these columns; none: by those of the join.
        case asOf(key: [Located<String>])
        /// The same of a bounded input that is read before the first left row.
        case side(key: [Located<String>])
        /// Both sides are tables, kept by these columns or, without any, as bags; the result is one too.
        case tables(key: [Located<String>], withKey: [Located<String>])
        /// The right row happens so much before the left one at most, or so much after it.
        case within(before: Duration, after: Duration)
        /// Both rows lie in the same window.
        case window(size: Duration, every: Duration)
    }

    let with: Located<String>
    /// What the right row is called.
    let alias: Located<String>
    /// The columns that are compared: left, right.
    let on: [(left: Located<String>, right: Located<String>)]
    let type: JoinType
    let kind: Kind
    let condition: SpecExpression?
    let timeToLive: Duration?
}

extension JoinBody {
    /// Whether the right side is read to its end before the first left row.
    var isSide: Bool { if case .side = kind { true } else { false } }

    /// Whether the left side may be changed and deleted later.
    var takesChanges: Bool { if case .tables = kind { true } else { false } }

    /// What comes out where the sides are together `sides`: rows that stay of two streams, else changes.
    func changelog(of sides: Changelog?) -> Changelog? {
        guard case .tables(let key, let withKey) = kind else { return nil }
        let onlyGrows = sides == nil && key.isEmpty && withKey.isEmpty
        return onlyGrows && (type == .inner || type == .semi) ? nil : .full
    }
}

extension PipelineSpec {
    /// What the pipeline reads: its inputs, and the other sides of its joins.
    var inputs: [Located<String>] { from + joined }

    /// The other sides of its joins.
    var joined: [Located<String>] {
        steps.compactMap { step in
            if case .join(let body) = step.action { body.with } else { nil }
        }
    }
}

extension PipelineReader {
    /// Reads a join step.
    func join(_ node: SpecNode) -> StepSpec.Action? {
        let on: [(left: Located<String>, right: Located<String>)]
        if case .mapping? = node["on"]?.content {
            on = node["on"]!.entries.compactMap { entry in
                entry.value.located.map { (left: entry.name, right: $0) }
            }
        } else {
            on = (node["on"]?.oneOrMore ?? []).compactMap(\.located).map { (left: $0, right: $0) }
        }
        if let asked = node["lookup"] { return lookup(node, asked, on: on) }
        guard let with = node["with"]?.located else { return nil }
        let kind: JoinBody.Kind
        if let within = node["within"] {
            kind = .within(
                before: within["before"]?.duration ?? .zero,
                after: within["after"]?.duration ?? .zero)
        } else if let tables = node["tables"] {
            kind = .tables(
                key: (tables["key"]?.oneOrMore ?? []).compactMap(\.located),
                withKey: (tables["with_key"]?.oneOrMore ?? []).compactMap(\.located))
        } else if let side = node["side"] {
            kind = .side(key: (side["key"]?.oneOrMore ?? []).compactMap(\.located))
        } else if let window = node["window"] {
            let name = window["hop"] == nil ? "tumble" : "hop"
            guard let size = positive(window[name], name) else { return nil }
            let every = window["every"].map { positive($0, "every") } ?? size
            guard let every else { return nil }
            kind = .window(size: size, every: every)
        } else {
            kind = .asOf(key: (node["as_of"]?["key"]?.oneOrMore ?? []).compactMap(\.located))
        }
        let name = with.value.split(separator: ".").last.map(String.init) ?? with.value
        return .join(
            JoinBody(
                with: with,
                alias: node["as"]?.located ?? Located(value: name, position: with.position),
                on: on, type: node["type"]?.text.flatMap(JoinType.init) ?? .inner,
                kind: kind,
                condition: node["where"]?.expression, timeToLive: node["ttl"]?.duration))
    }
}

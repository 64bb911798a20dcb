import Operators
import StreamRuntime

/// One side of a join on its way into the form both share.
enum JoinSideShape: Equatable, Sendable {
    case left(alias: String)
    /// Columns by position: what is compared, what is kept of a row, and the table's own key, if any.
    case right(
        left: Schema, alias: String, leftKeys: [Int], rightKeys: [Int], kept: [Int],
        tableKey: [Int], keepsIncomplete: Bool, isFirst: Bool)
}

/// A join, as it is done on rows in the shared form.
struct JoinShape: Equatable, Sendable {
    /// When rows can meet.
    enum Kind: Equatable, Sendable {
        /// The right rows are a table's changes; with a key of its own it has several rows for a left one.
        case asOf(tableKey: [String])
        /// Both sides are tables, kept by these columns: the left one's, the right one's.
        case tables(key: [Int], withKey: [String])
        /// The right row happens so much before the left one at most, or so much after it.
        case within(before: Duration, after: Duration)
        /// Both rows lie in the same window.
        case window(size: Duration, every: Duration)
    }

    let type: JoinType
    let kind: Kind
    let alias: String
    /// The fields of a right row.
    let right: [Field]
    /// For each column of the key the field of a right row it is compared with, where rows of them come out.
    let rightKeys: [Int]
    let condition: String?
    let timeToLive: Duration?

    /// What the join does, on one line; the key is told apart.
    var text: String {
        var words = type == .inner ? "" : "\(type.rawValue) "
        switch kind {
        case .asOf(let key):
            words += "as of" + (key.isEmpty ? "" : ", a table by \(key.joined(separator: ", "))")
        case .tables(_, let withKey):
            words += "of two tables"
            if !withKey.isEmpty { words += ", the right one by \(withKey.joined(separator: ", "))" }
            if timeToLive == nil { words += ", kept for good" }
        case .within(let before, let after):
            words += "within \(before.text) before and \(after.text) after"
        case .window(let size, let every):
            words += "in windows of \(size.text)"
            if every != size { words += " every \(every.text)" }
        }
        words += ", \(alias)"
        if let condition { words += " where \(condition)" }
        if let timeToLive { words += ", kept \(timeToLive.text)" }
        return words
    }
}

extension JoinSideShape {
    /// What the side is, on one line.
    var text: String {
        switch self {
        case .left: return "left rows"
        case .right(let left, let alias, let leftKeys, _, let kept, let tableKey, _, _):
            let columns = leftKeys.map { left.fields[$0].name }.joined(separator: ", ")
            return "right rows as \(alias) by \(columns), \(kept.count) fields"
                + (tableKey.isEmpty ? "" : ", behind their key")
        }
    }
}

extension StepFactory {
    /// The operator for one side of a join.
    static func makeSide(_ shape: JoinSideShape, _ schema: Schema) -> JoinSide {
        switch shape {
        case .left(let alias): JoinSide.left(schema, alias: alias)
        case .right(
            let left, let alias, let leftKeys, let rightKeys, let kept, let tableKey,
            let keepsIncomplete, let isFirst):
            JoinSide.right(
                schema, left: left, alias: alias, leftKeys: leftKeys, rightKeys: rightKeys,
                kept: kept, tableKey: tableKey, keepsIncomplete: keepsIncomplete,
                isFirst: isFirst)
        }
    }

    /// The operator for a join.
    static func makeJoin(_ shape: JoinShape, _ step: PlannedStep) throws(JobFailure) -> any Operator
    {
        let bare = JoinForm(
            input: step.inputSchema, right: shape.right, type: shape.type, keys: step.keys)
        var condition: CompiledExpression?
        if let text = shape.condition {
            condition = try compile(text, step, schema: bare.pairSchema)
        }
        let form = JoinForm(
            input: step.inputSchema, right: shape.right, type: shape.type, keys: step.keys,
            rightKeys: shape.rightKeys, condition: condition, onError: step.onError)
        switch shape.kind {
        case .asOf(let key):
            return TemporalJoin(
                form: form, hasTableKey: !key.isEmpty, timeToLive: shape.timeToLive)
        case .tables(let key, let withKey):
            return UpdatingJoin(
                form: form, leftKey: key, hasRightKey: !withKey.isEmpty,
                timeToLive: shape.timeToLive)
        case .window(let size, let every):
            return WindowJoin(form: form, size: size, every: every)
        case .within(let before, let after):
            return IntervalJoin(form: form, before: before, after: after)
        }
    }
}

/// The form a piece of the file must have: what the checker, the JSON Schema and the reference are all
/// made from, so that they cannot disagree.
indirect enum Shape: Sendable {
    case text(TextKind)
    case list(of: Shape, min: Int)
    case mapping(MappingShape)
    /// A mapping with names of the user's choice.
    case table(TableShape)
    /// Told apart by whether a scalar, a list or a mapping is written; at most one of each.
    case either([Shape])
    /// A mapping with one verb.
    case step
    /// Whatever is written; checked when what it depends on is known.
    case anything
}

/// What a scalar may hold.
enum TextKind: Equatable, Sendable {
    /// Any text or number.
    case any
    /// A path or an address.
    case place
    case name
    /// A name in which `{over}` may stand.
    case template
    /// A stream, a pipeline or a pipeline's route.
    case reference
    case topic
    case duration
    case size
    case integer(ClosedRange<Int>)
    case boolean
    case type
    case expression
    /// An expression, or null written without quotes.
    case expressionOrNull
    case words([String])
    /// `value`, `key`, `timestamp`, `offset`, `partition`, `file_name`, `file_time` or `header:NAME`.
    case fieldOrigin
}

/// A mapping whose keys are fixed.
struct MappingShape: Sendable {
    /// What it is called: "stream", "time".
    let what: String
    let keys: [KeyShape]
    /// Of each group of keys exactly one must be there.
    var oneOf: [[String]] = []
    /// At least one of these keys must be there; empty for no such rule.
    var needsOne: [String] = []
    /// A key that is required unless another one has a certain word.
    var requiredUnless: Exception?

    /// `key` must be there unless `other` is `word`.
    struct Exception: Sendable {
        let key: String
        let other: String
        let word: String
    }
}

/// A key of a mapping.
struct KeyShape: Sendable {
    let name: String
    let shape: Shape
    var isRequired = false
    /// One of these must be there too.
    var with: [String] = []
    /// All of these must be there too.
    var needs: [String] = []
    /// What is said when it is required and missing.
    var missing = DiagnosticCode.missingKey
    /// Known, but not in this version.
    var isLater = false
    let meaning: String
}

/// A mapping from names to things of one form.
struct TableShape: Sendable {
    /// What an entry is called: "stream", "field".
    let what: String
    let key: TextKind
    let value: Shape
    var min = 1
}

extension TextKind {
    /// What the value must be, in words.
    var description: String {
        switch self {
        case .any: "text"
        case .place: "a path or an address"
        case .name: "a name (letters, digits, _)"
        case .template: "a name, in which {over} stands for the window's width"
        case .reference: "the name of a stream or pipeline"
        case .topic: "the name of a topic"
        case .duration: "a duration such as 5s, 10m, 1h, 30d"
        case .size: "a size such as 256MiB"
        case .integer(let range) where range.lowerBound == range.upperBound:
            "\(range.lowerBound)"
        case .integer(let range): "a whole number from \(range.lowerBound) to \(range.upperBound)"
        case .boolean: "true or false"
        case .type: "a type such as int64 or decimal(12,2)"
        case .expression: "an expression"
        case .expressionOrNull: "an expression, or null"
        case .words(let words): words.joined(separator: ", ")
        case .fieldOrigin:
            "value, key, timestamp, offset, partition, file_name, file_time or header:NAME"
        }
    }
}

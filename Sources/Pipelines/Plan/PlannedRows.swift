import StreamRuntime

/// The rows that come out of a stream, a pipeline or a step while a plan is made.
struct PlannedRows {
    /// One place they come out of.
    struct Endpoint {
        let from: PlannedEdge.Node
        let port: Int
        /// The columns by whose key the rows are already on their worker; nil when by none.
        var partitioning: [String]?
        /// By what they are spread over the shares of the job; nil when that is not known.
        var spread: PlannedSpread?
    }

    var schema: Schema
    var endpoints: [Endpoint]
    /// Columns that exist but whose expression could not be read: not to be complained of again.
    var poisoned: Set<String> = []
    /// Nothing is known of them: an earlier step could not be read.
    var isBroken = false
    /// What they say of a table; nil for rows that are there to stay.
    var changelog: Changelog?

    static let broken = PlannedRows(schema: Schema([]), endpoints: [], isBroken: true)

    /// The columns with their types, for messages.
    var columns: String {
        schema.fields.map { "\($0.name) \($0.type.brief)" }.joined(separator: ", ")
    }

    /// The same rows under another schema, out of one place.
    func following(
        _ step: Int, port: Int = 0, schema: Schema, partitioning: [String]?,
        spread: PlannedSpread?
    ) -> PlannedRows {
        var rows = self
        rows.schema = schema
        rows.endpoints = [
            Endpoint(
                from: .step(step), port: port, partitioning: partitioning, spread: spread)
        ]
        return rows
    }

    /// The key all endpoints agree on.
    var partitioning: [String]? {
        guard let first = endpoints.first?.partitioning else { return nil }
        return endpoints.allSatisfy { $0.partitioning == first } ? first : nil
    }

    /// The spread all endpoints agree on.
    var spread: PlannedSpread? {
        guard let first = endpoints.first?.spread else { return nil }
        return endpoints.allSatisfy { $0.spread == first } ? first : nil
    }

    func edges(_ exchange: PlannedEdge.Exchange, by key: [String] = []) -> [PlannedEdge] {
        endpoints.map { endpoint in
            var isLocal = false
            if case .keyed = exchange { isLocal = endpoint.partitioning == key }
            return PlannedEdge(
                from: endpoint.from, port: endpoint.port, exchange: exchange, isLocal: isLocal)
        }
    }
}

/// Which columns of its input a step reads: for itself, and for each column it gives out.
struct ColumnUse: Equatable, Sendable {
    var always: Set<Int> = []
    /// For each output column of the main port the input columns it is made of.
    var outputs: [Set<Int>] = []
    /// The output columns of a select that are made whether anything needs them or not: making them may fail.
    var kept: Set<Int> = []

    static func passing(_ count: Int, always: Set<Int> = []) -> ColumnUse {
        ColumnUse(always: always, outputs: (0..<count).map { [$0] })
    }
}

/// What is known of a stream or pipeline by its name.
struct PlannedName {
    var rows: PlannedRows
    /// What becomes of rows that fail in a pipeline that reads it; nil when its inputs disagree.
    var policy: PolicySpec?
    /// The topic connections its rows come from.
    var connections: [String]
}

extension ColumnType {
    /// The type as a message has room for it: of a large struct only the names.
    var brief: String {
        let text = "\(self)"
        if text.utf8.count <= 60 { return text }
        switch self {
        case .structure(let fields):
            return "struct<" + fields.map(\.name).joined(separator: ", ") + ">"
        case .list(let element): return "list<" + element.brief + ">"
        default: return text
        }
    }
}

import StreamRuntime

/// Computes on-demand features: made where expressions are compiled, called where features are served.
///
/// One transform serves any number of threads at once.
public protocol OnDemandTransform: Sendable {
    /// The features of `inputs.rows` rows.
    func evaluate(_ inputs: OnDemandInputs) -> OnDemandResult
}

/// What on-demand features are computed from.
public struct OnDemandInputs {
    /// The request's columns, in the order of the view's `request`.
    public let request: [Column]
    /// For each of the view's `sources` the columns of its features, in their order.
    public let stored: [[Column]]
    /// Rows of every column.
    public let rows: Int
    /// What `now()` is, in microseconds since 1970.
    public let nowMicros: Int64

    /// Inputs of `rows` rows.
    public init(request: [Column], stored: [[Column]], rows: Int, nowMicros: Int64) {
        self.request = request
        self.stored = stored
        self.rows = rows
        self.nowMicros = nowMicros
    }
}

/// On-demand features of some rows.
public struct OnDemandResult {
    /// One column for each of the view's features; a row that failed is null.
    public let columns: [Column]
    /// The rows that failed, with the feature and the reason.
    public let failures: [Failure]

    /// A row that could not be computed.
    public struct Failure: Equatable, Sendable {
        /// The row.
        public let row: Int
        /// The position of the feature in the view.
        public let feature: Int
        /// What is wrong with the row.
        public let reason: String

        /// The failure of `feature` in `row`.
        public init(row: Int, feature: Int, reason: String) {
            self.row = row
            self.feature = feature
            self.reason = reason
        }
    }

    /// A result of these columns and failures.
    public init(columns: [Column], failures: [Failure] = []) {
        self.columns = columns
        self.failures = failures
    }
}

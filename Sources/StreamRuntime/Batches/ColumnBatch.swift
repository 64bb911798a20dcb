/// A few thousand rows of typed columns on their way through the dataflow.
///
/// - Shape: every column, and `order`, has `count` rows. `changes`, if there, has one `RowChange` raw
///   value a row; without it every row is an insert. `keys`, if there, is the encoded key of each row.
/// - Note: one owner at a time. A batch is filled by the task that makes it and is never written
///   again once it was emitted, which is why it may cross threads.
public final class ColumnBatch: @unchecked Sendable {
    /// The columns' names and types.
    public let schema: Schema
    /// The columns, in the order of the schema.
    public var columns: [Column]
    /// Each row's place in the total order.
    public var order: RowOrder
    /// Each row's kind; nil when all are inserts.
    public var changes: Column?
    /// Each row's key, after a keyed exchange.
    public var keys: KeyColumn?
    /// The raw record each row came from, kept as far as dead letters may need it.
    public var raw: Column?
    /// The number of rows.
    public var count: Int

    /// An empty batch with room for `capacity` rows.
    public init(schema: Schema, capacity: Int) {
        self.schema = schema
        columns = schema.fields.map { Column($0.type, capacity: capacity) }
        order = RowOrder(capacity: capacity)
        count = 0
    }

    /// A batch of columns that are already filled.
    ///
    /// - Precondition: every column and `order` has `count` rows.
    public init(schema: Schema, columns: [Column], order: RowOrder, count: Int) {
        precondition(columns.count == schema.count, "a column for every field")
        for column in columns { precondition(column.count == count, "columns of one length") }
        precondition(order.count == count, "an order for every row")
        self.schema = schema
        self.columns = columns
        self.order = order
        self.count = count
    }

    /// The column called `name`, or nil.
    public func column(_ name: String) -> Column? { schema.index(of: name).map { columns[$0] } }

    /// The rows at `rows`, in that order; memory of strings and lists is shared.
    public func gathered(_ rows: UnsafePointer<Int32>, count picked: Int) -> ColumnBatch {
        let result = ColumnBatch(
            schema: schema, columns: columns.map { $0.gathered(rows, count: picked) },
            order: order.gathered(rows, count: picked), count: picked)
        result.changes = changes?.gathered(rows, count: picked)
        result.keys = keys?.gathered(rows, count: picked)
        result.raw = raw?.gathered(rows, count: picked)
        return result
    }

    /// The same rows under other columns: what select, extend and rename make.
    public func replacingColumns(_ columns: [Column], schema: Schema) -> ColumnBatch {
        let result = ColumnBatch(schema: schema, columns: columns, order: order, count: count)
        result.changes = changes
        result.raw = raw
        return result
    }

    /// Appends row `row` of `other`, a batch of the same schema; keys and raw bytes stay behind.
    public func append(from other: ColumnBatch, row: Int) {
        for (column, source) in zip(columns, other.columns) {
            column.append(from: source, row: row)
        }
        order.append(from: other.order, row: row)
        if let theirs = other.changes {
            changes = changes ?? RowChange.inserts(count)
            changes!.append(from: theirs, row: row)
        } else if let changes {
            changes.append(false)
        }
        count += 1
    }
}

/// What a row says about the table it belongs to.
///
/// - Source: the four kinds of Flink's changelog.
public enum RowChange: UInt8, Sendable {
    case insert = 0
    case updateAfter = 1
    case updateBefore = 2
    case delete = 3

    /// A column of `count` inserts, to be filled further (`Column.bools` holds the raw values).
    public static func inserts(_ count: Int) -> Column {
        let column = Column(.bool, capacity: max(count, 16))
        for _ in 0..<count { column.append(false) }
        return column
    }
}

import StreamRuntime

/// Makes one row for each element of a list; an empty list or a null one makes none.
///
/// - Shape: the row's columns repeated, then the element under its own name. The rows have the place of
///   their record in the order, elements apart by their number in the list. Of a full changelog what is
///   replaced is deleted and what replaces it inserted.
public final class Unnest: StreamRuntime.Operator {
    /// What comes out.
    public let outputSchema: Schema
    private let list: CompiledExpression
    private let alias: Int
    private var rejection: Rejection
    private let changelog: Changelog?

    /// Elements a list inside a list may have, so that both numbers fit into one.
    private static let elementsMax: Int64 = 1 << 24

    /// Unnests `list`, evaluated on rows of `schema`, as a column `alias`.
    public init(
        schema: Schema, list: CompiledExpression, alias: String, onError: FailurePolicy = .fail,
        changelog: Changelog? = nil
    ) {
        self.changelog = changelog
        guard case .list(let element) = list.type else {
            preconditionFailure("the planner unnests lists only")
        }
        self.list = list
        var fields = schema.fields
        self.alias = schema.index(of: alias) ?? fields.count
        if self.alias < fields.count {
            fields[self.alias] = Field(alias, element)
        } else {
            fields.append(Field(alias, element))
        }
        outputSchema = Schema(fields)
        rejection = Rejection(policy: onError)
    }

    /// Remembers the step's place for dead letters.
    public func open(_ context: OperatorContext) throws(JobFailure) { rejection.open(context) }

    /// Hands on a row for each element of the lists of `batch`.
    public func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        var errors = RejectedRows()
        let lists = list.evaluate(batch, errors: &errors)
        _ = try rejection.settle(errors, of: batch, into: output)
        var total = 0
        for row in 0..<batch.count where lists.isValid(row) {
            total += ByteView.length(lists.views[row])
        }
        if total == 0 { return }
        let rows = UnsafeMutablePointer<Int32>.allocate(capacity: total * 2)
        defer { rows.deallocate() }
        let items = rows + total
        let elements = Column(.int64, capacity: total)
        let before = batch.order.elements?.int64s
        var slot = 0
        for row in 0..<batch.count where lists.isValid(row) {
            let start = ByteView.start(lists.views[row])
            let outer = (before?[row] ?? 0) &* Unnest.elementsMax
            for element in 0..<ByteView.length(lists.views[row]) {
                rows[slot] = Int32(truncatingIfNeeded: row)
                items[slot] = Int32(truncatingIfNeeded: start + element)
                elements.int64s[slot] = outer &+ Int64(element)
                slot += 1
            }
        }
        elements.setCount(total)
        let repeated = batch.gathered(rows, count: total)
        let item = lists.children[0].gathered(items, count: total)
        var columns = repeated.columns
        if alias < columns.count { columns[alias] = item } else { columns.append(item) }
        var order = repeated.order
        order.elements = elements
        let result = ColumnBatch(
            schema: outputSchema, columns: columns, order: order, count: total)
        // An element does not take the place of one: those of the old list go, those of the new one come.
        result.changes =
            changelog == nil ? repeated.changes : repeated.changes.map(RowChange.apart)
        result.raw = repeated.raw
        output.emit(result)
    }
}

import StreamRuntime

/// Brings the rows of one side of a join into the form both sides share, so that they can meet in one
/// order: the columns of the left rows, and a column that holds a right row whole.
///
/// - Shape: a left row has null in the last column. A right row has the values it is compared by in
///   the places of the left ones, null in all others, and its fields packed in the last. A right row
///   without one of those values matches nothing and is left out, unless rows without partner come out.
public final class JoinSide: StreamRuntime.Operator {
    /// What the side's rows are made of.
    private enum Content {
        case left
        case right(Right)
    }

    private struct Right {
        let packing: RowPacking
        /// For each left column the right one whose values stand in it.
        let sources: [Int?]
        let kept: [Int]
        let tableKey: [Int]
        let keepsIncomplete: Bool
        let isFirst: Bool
    }

    /// The shared form.
    public let outputSchema: Schema
    private let content: Content

    private init(_ schema: Schema, _ content: Content) {
        outputSchema = schema
        self.content = content
    }

    /// The shared form of rows of `left`.
    public static func schema(left: Schema, alias: String) -> Schema {
        Schema(left.fields.filter { $0.name != alias } + [Field(alias, .bytes)])
    }

    /// The left side, rows of `left`.
    public static func left(_ left: Schema, alias: String) -> JoinSide {
        JoinSide(schema(left: left, alias: alias), .left)
    }

    /// The right side, rows of `right`: column i of `leftKeys` is compared with column i of `rightKeys`;
    /// of the rows the columns `kept` are packed, behind the key `tableKey` if they have one of their own.
    /// `keepsIncomplete` says whether rows without a value that is compared come, too; `isFirst` gives the rows a
    /// place before all others in time.
    public static func right(
        _ right: Schema, left: Schema, alias: String, leftKeys: [Int], rightKeys: [Int],
        kept: [Int], tableKey: [Int], keepsIncomplete: Bool = false, isFirst: Bool = false
    ) -> JoinSide {
        let sources = left.fields.indices.map { column in
            leftKeys.firstIndex(of: column).map { rightKeys[$0] }
        }
        return JoinSide(
            schema(left: left, alias: alias),
            .right(
                Right(
                    packing: RowPacking(kept.map { right.fields[$0] }), sources: sources,
                    kept: kept, tableKey: tableKey, keepsIncomplete: keepsIncomplete,
                    isFirst: isFirst)))
    }

    /// Hands on the rows of `batch` in the shared form.
    public func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        switch content {
        case .left:
            let none = Column(.bytes, capacity: batch.count)
            none.appendNulls(batch.count)
            output.emit(
                batch.replacingColumns(batch.columns + [none], schema: outputSchema))
        case .right(let right):
            let rows = right.keepsIncomplete ? batch : JoinSide.complete(batch, right.sources)
            output.emit(shared(rows, right))
        }
    }

    private func shared(_ batch: ColumnBatch, _ right: Right) -> ColumnBatch {
        let count = batch.count
        var columns: [Column] = []
        for (field, source) in zip(outputSchema.fields, right.sources) {
            columns.append(
                source.map { batch.columns[$0] } ?? JoinSide.nulls(field.type, count))
        }
        let prefix =
            right.tableKey.isEmpty ? nil : KeyEncoder(columns: right.tableKey).encode(batch).bytes
        columns.append(
            right.packing.pack(
                right.kept.map { batch.columns[$0] }, prefix: prefix, count: count))
        let result = batch.replacingColumns(columns, schema: outputSchema)
        if right.isFirst { result.order = JoinSide.first(batch.order) }
        return result
    }

    /// The places of rows at the beginning of time.
    private static func first(_ order: RowOrder) -> RowOrder {
        var first = RowOrder(capacity: order.count)
        for row in 0..<order.count {
            first.append(
                eventTime: TimeRule.possible.lowerBound, watermark: .min,
                origin: order.origins.int64s[row], offset: order.offsets.int64s[row])
        }
        first.elements = order.elements
        return first
    }

    /// The rows that have all values they are compared by.
    private static func complete(_ batch: ColumnBatch, _ sources: [Int?]) -> ColumnBatch {
        let validities = sources.compactMap { $0 }.compactMap { batch.columns[$0].validity }
        if validities.isEmpty { return batch }
        var rows: [Int32] = []
        for row in 0..<batch.count where validities.allSatisfy({ $0[row] != 0 }) {
            rows.append(Int32(truncatingIfNeeded: row))
        }
        return rows.count == batch.count ? batch : batch.gathered(rows, count: rows.count)
    }

    private static func nulls(_ type: ColumnType, _ count: Int) -> Column {
        guard case .structure(let fields) = type else {
            let column = Column(type, capacity: count)
            column.appendNulls(count)
            return column
        }
        let column = Column(type, capacity: 0)
        column.children = fields.map { nulls($0.type, count) }
        column.reserve(count)
        column.setCount(count)
        let validity = column.ensureValidity()
        for row in 0..<count { validity[row] = 0 }
        return column
    }
}

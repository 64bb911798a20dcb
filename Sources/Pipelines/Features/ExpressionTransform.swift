import FeatureServe
import Operators
import StreamRuntime

/// On-demand features by the pipelines' evaluator.
final class ExpressionTransform: OnDemandTransform {
    /// Where a column of the expressions comes from.
    private enum Place {
        case request(Int)
        /// One feature of a source.
        case stored(source: Int, feature: Int)
        /// All of a source, as a struct.
        case source(Int)
    }

    private let places: [Place]
    private let schema: Schema
    /// The schema before each expression: that of the inputs and the features before it.
    private let schemas: [Schema]
    private let expressions: [CompiledExpression]

    /// The transform of a checked view.
    ///
    /// - Parameter sources: the types of the features of each of the view's sources, in their order.
    init(_ view: PlannedOnDemand, sources: [(name: String, features: [Field])])
        throws(JobFailure)
    {
        var places: [Place] = []
        var fields: [Field] = []
        for (index, input) in view.request.enumerated() {
            fields.append(input.field)
            places.append(.request(index))
        }
        for (index, source) in sources.enumerated() {
            for (position, feature) in source.features.enumerated()
            where view.shortNames.contains(feature.name) {
                fields.append(feature)
                places.append(.stored(source: index, feature: position))
            }
            fields.append(Field(source.name, .structure(source.features)))
            places.append(.source(index))
        }
        self.places = places
        schema = Schema(fields)
        var schemas: [Schema] = []
        var expressions: [CompiledExpression] = []
        for (item, feature) in zip(view.items, view.features) {
            schemas.append(Schema(fields))
            do {
                expressions.append(
                    try ExpressionCompiler(schema: Schema(fields)).compile(item.text))
            } catch {
                throw JobFailure(
                    .step, "\(item.text): \(error.message)",
                    at: "on_demand \(view.name), \(item.name)",
                    remedy: error.fix ?? "correct the expression")
            }
            fields.append(feature)
        }
        self.schemas = schemas
        self.expressions = expressions
    }

    func evaluate(_ inputs: OnDemandInputs) -> OnDemandResult {
        let rows = inputs.rows
        var columns = places.indices.map { index in
            switch places[index] {
            case .request(let index): inputs.request[index]
            case .stored(let source, let feature): inputs.stored[source][feature]
            case .source(let source):
                ExpressionTransform.structure(
                    inputs.stored[source], schema.fields[index].type, rows)
            }
        }
        for (index, column) in columns.enumerated() where column.type != schema.fields[index].type {
            preconditionFailure("inputs are of the types the view declares")
        }
        let order = ExpressionTransform.order(rows: rows, at: inputs.nowMicros)
        var features: [Column] = []
        var failures: [OnDemandResult.Failure] = []
        for (index, expression) in expressions.enumerated() {
            let batch = ColumnBatch(
                schema: schemas[index], columns: columns, order: order, count: rows)
            var rejected = RejectedRows()
            let column = expression.evaluate(batch, errors: &rejected)
            for reject in rejected.rejects {
                failures.append(.init(row: reject.row, feature: index, reason: reject.reason))
            }
            features.append(column)
            columns.append(column)
        }
        return OnDemandResult(columns: features, failures: failures)
    }

    /// The columns as the fields of a struct without nulls of its own.
    private static func structure(
        _ columns: [Column], _ type: ColumnType, _ rows: Int
    ) -> Column {
        let result = Column(type, capacity: rows, arena: nil, children: columns)
        result.setCount(rows)
        return result
    }

    private static func order(rows: Int, at micros: Int64) -> RowOrder {
        let order = RowOrder(capacity: rows)
        for row in 0..<rows {
            order.append(eventTime: micros, watermark: .min, origin: 0, offset: Int64(row))
        }
        return order
    }
}

import StreamRuntime

/// Makes nodes of literal values.
enum Constants {
    static func bool(_ value: Bool) -> ConstantNode {
        let column = Column(.bool, capacity: 1)
        column.append(value)
        return ConstantNode(column)
    }

    static func int64(_ value: Int64) -> ConstantNode {
        let column = Column(.int64, capacity: 1)
        column.append(value)
        return ConstantNode(column, literal: .integer)
    }

    static func text(_ value: String, literal: ConstantNode.Literal = .none) -> ConstantNode {
        let column = Column(.string, capacity: 1)
        column.append(value)
        return ConstantNode(column, literal: literal)
    }

    static func interval(_ value: Interval) -> ConstantNode {
        let column = Column(.interval, capacity: 1)
        column.append(value)
        return ConstantNode(column)
    }

    static func emptyList(of element: ColumnType) -> ConstantNode {
        let column = Column(.list(element), capacity: 1)
        column.appendList(from: 0)
        return ConstantNode(column, literal: .emptyList)
    }

    /// A number as written: whole, decimal with as many digits as written, or double with an exponent.
    static func number(
        _ digits: String, at range: Range<Int>
    ) throws(ExpressionError) -> ConstantNode {
        if let value = Int64(digits) { return int64(value) }
        let isExponent = digits.lowercased().contains("e")
        let fraction = digits.split(separator: ".", omittingEmptySubsequences: false)
        let scale = fraction.count == 2 ? fraction[1].utf8.count : 0
        var text = digits
        if !isExponent, scale <= 38,
            let value = text.withUTF8({ NumberText.decimal($0, scale: scale) })
        {
            let precision = min(38, max(Decimals.digits(value), scale, 1))
            let column = Column(.decimal(precision: precision, scale: scale), capacity: 1)
            column.append(value)
            return ConstantNode(column)
        }
        guard let value = text.withUTF8({ NumberText.double($0) }) else {
            throw ExpressionError("\(digits) is too large a number", at: range)
        }
        let column = Column(.float64, capacity: 1)
        column.append(value)
        return ConstantNode(column)
    }
}

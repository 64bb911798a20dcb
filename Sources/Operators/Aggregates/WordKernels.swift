import Glibc
import StreamRuntime

/// Values as 64-bit words whose signed order is the order of the values.
enum WordKernels {
    /// Types whose values fit a word.
    static func holds(_ type: ColumnType) -> Bool {
        switch type {
        case .bool, .int64, .float64, .timestamp, .date: true
        default: false
        }
    }

    /// The words of `column`: the column itself for integers and times.
    static func words(_ column: Column) -> Column {
        let count = column.count
        switch column.type {
        case .bool:
            let result = Column(.int64, capacity: count)
            let words = result.int64s
            let bools = column.bools
            var row = 0
            while row < count {
                words[row] = Int64(bools[row])
                row &+= 1
            }
            result.setCount(count)
            return result
        case .float64:
            let result = Column(.int64, capacity: count)
            let words = result.int64s
            let numbers = column.float64s
            var row = 0
            while row < count {
                words[row] = word(numbers[row])
                row &+= 1
            }
            result.setCount(count)
            return result
        default: return column
        }
    }

    /// -0 becomes 0, and every NaN one that is above infinity, as DuckDB orders them.
    @inline(__always) static func word(_ number: Double) -> Int64 {
        if number.isNaN { return .max }
        let bits = Int64(bitPattern: (number + 0.0).bitPattern)
        return bits ^ (bits &>> 63 & .max)
    }

    /// Appends the value that `word` stands for to `column`.
    static func append(_ word: Int64, to column: Column) {
        switch column.type {
        case .bool: column.append(word != 0)
        case .float64:
            if word == .max { return column.append(Double.nan) }
            column.append(Double(bitPattern: UInt64(bitPattern: word ^ (word &>> 63 & .max))))
        default: column.append(word)
        }
    }

    /// A column of numbers as doubles.
    static func doubles(_ column: Column) -> Column {
        guard column.type != .float64 else { return column }
        let count = column.count
        let result = Column(.float64, capacity: count)
        let numbers = result.float64s
        for row in 0..<count {
            switch column.type {
            case .decimal(_, let scale):
                numbers[row] = ExactRounding.quotient(column.decimals[row], 1, scale: scale)
            case .bool: numbers[row] = Double(column.bools[row])
            default: numbers[row] = Double(column.int64s[row])
            }
        }
        result.setCount(count)
        return result
    }
}

import StreamRuntime

/// Writes values of columns as answers show them: the same text that rendered views hold.
enum FeatureText {
    /// Appends row `row` of `column`.
    ///
    /// - Returns: false for a null, and for a number that JSON cannot say; both are written as `null`.
    static func append(_ column: Column, _ row: Int, to arena: ByteArena) -> Bool {
        guard column.isValid(row) else {
            JSONText.append("null", to: arena)
            return false
        }
        switch column.type {
        case .bool: JSONText.append(column.bools[row] != 0 ? "true" : "false", to: arena)
        case .int64: JSONText.append(integer: column.int64s[row], to: arena)
        case .timestamp:
            let micros = column.int64s[row]
            let seconds = micros / 1_000_000
            JSONText.append(integer: micros % 1_000_000 < 0 ? seconds - 1 : seconds, to: arena)
        case .date: JSONText.append(date: column.int64s[row], to: arena)
        case .float64:
            JSONText.append(number: column.float64s[row], to: arena)
            return !column.float64s[row].isNaN
        case .decimal(_, let scale):
            JSONText.append(decimal: column.decimals[row], scale: scale, to: arena)
        case .string: JSONText.append(string: column.bytes(row), to: arena)
        case .bytes: JSONText.append(base64: column.bytes(row), to: arena)
        case .list:
            let start = ByteView.start(column.views[row])
            let end = start + ByteView.length(column.views[row])
            JSONText.append("[", to: arena)
            for element in start..<end {
                if element > start { JSONText.append(",", to: arena) }
                _ = append(column.children[0], element, to: arena)
            }
            JSONText.append("]", to: arena)
        case .interval, .structure: preconditionFailure("the catalog refuses such features")
        }
        return true
    }
}

import StreamRuntime

@testable import Connectors

/// What a decoder made of some records: rows as text, and what it refused.
struct Decoded: Equatable {
    var rows: [String] = []
    var rejects: [String] = []
}

/// Records of these values, in one batch; nil is a tombstone.
func records(_ values: [[UInt8]?], keys: [[UInt8]?]? = nil) -> RecordBatch {
    let batch = RecordBatch(partition: 3, capacity: values.count)
    for (index, value) in values.enumerated() {
        if let value {
            value.withUnsafeBufferPointer { batch.values.append($0) }
        } else {
            batch.values.appendNull()
        }
        if let key = keys?[index] {
            key.withUnsafeBufferPointer { batch.keys.append($0) }
        } else {
            batch.keys.appendNull()
        }
        batch.timestamps.append(Int64(1_700_000_000_000_000 + index))
        batch.offsets.append(Int64(100 + index))
    }
    return batch
}

/// Decodes `values` and shows every row as the texts of its columns.
func decode(_ decoder: any RecordDecoder, _ values: [String]) -> Decoded {
    decode(decoder, records(values.map { Array($0.utf8) }))
}

func decode(_ decoder: any RecordDecoder, _ batch: RecordBatch) -> Decoded {
    let rows = DecodedRows(schema: decoder.schema, capacity: 4)
    var rejects = RejectedRows()
    decoder.decode(batch, into: rows, rejects: &rejects)
    var decoded = Decoded()
    for row in 0..<rows.count {
        for column in rows.columns { precondition(column.count == rows.count, "ragged columns") }
        decoded.rows.append(rows.columns.map { show($0, row) }.joined(separator: " | "))
    }
    decoded.rejects = rejects.rejects.map { "\($0.row) \($0.column): \($0.reason)" }
    return decoded
}

/// One value as text.
func show(_ column: Column, _ row: Int) -> String {
    guard column.isValid(row) else { return "null" }
    switch column.type {
    case .bool: return column.bools[row] == 1 ? "true" : "false"
    case .int64, .timestamp, .date: return "\(column.int64s[row])"
    case .float64: return "\(column.float64s[row])"
    case .decimal(_, let scale): return "\(column.decimals[row])e-\(scale)"
    case .string: return column.string(row)
    case .bytes: return column.bytes(row).map { String($0, radix: 16) }.joined(separator: ".")
    case .interval: return "interval"
    case .list:
        let view = column.views[row]
        let elements = (0..<ByteView.length(view)).map {
            show(column.children[0], ByteView.start(view) + $0)
        }
        return "[" + elements.joined(separator: ", ") + "]"
    case .structure(let fields):
        let members = zip(fields, column.children).map { "\($0.name)=\(show($1, row))" }
        return "{" + members.joined(separator: ", ") + "}"
    }
}

/// A seeded generator (SplitMix64), so that a failing case can be run again.
struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

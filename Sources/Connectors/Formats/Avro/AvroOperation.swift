/// One thing to do with a value of the writer's schema.
struct AvroOperation {
    enum Action: UInt8 {
        // Passing over.
        case nothing, skipNumber, skipBytes, skipFixed, skipArray, skipMap
        // Into the column.
        case null, boolean, long, longToDouble, float, double, longToDecimal
        case text, bytes, symbol, fixed, uuid, decimalBytes, decimalFixed
        case timestamp, dateToTimestamp, date, parsed, list, mapList, structure
        // Ways to others.
        case union, record, again, mismatch
    }

    let action: Action
    /// The column's place among `AvroProgram.slots`.
    var slot = -1
    /// A size in bytes, a power of ten, a number of a text: what the action says.
    var number = 0
    /// The precision of a decimal.
    var precision = 0
    /// The operations below, `AvroProgram.links[first..<first + count]`.
    var first = 0
    var count = 0
}

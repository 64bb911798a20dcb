import Glibc
import StreamRuntime

/// A view of a row rendered as JSON fragments, so that a lookup only copies bytes.
///
/// - Shape: n + 2 u32 offsets into the text behind them; fragment 0 is the quoted event time, fragment i
///   the value of feature i - 1. Bit 31 of an offset says that the fragment starting there is a null
///   value.
enum RenderedView {
    static let nullBit: UInt32 = 1 << 31

    /// Bytes before the text.
    static func textStart(features: Int) -> Int { (features + 2) * 4 }

    /// Renders `payload` to the end of `arena` and returns the start; the length is a multiple of four,
    /// so that offsets stay aligned wherever blocks are lined up.
    static func append(
        block payload: UnsafePointer<UInt8>, eventMicros: Int64, features: [Field],
        to arena: ByteArena
    ) -> Int {
        let start = append(
            payload: payload, eventMicros: eventMicros, features: features, to: arena)
        let rest = (start - arena.count) & 3
        arena.reserve(rest)
        memset(arena.base + arena.count, 0, rest)
        arena.count += rest
        return start
    }

    /// Renders `payload` of `view` to the end of `arena` and returns the start.
    static func append(
        payload: UnsafePointer<UInt8>, eventMicros: Int64, features: [Field], to arena: ByteArena
    ) -> Int {
        let start = arena.count
        let textStart = start + textStart(features: features.count)
        arena.reserve(textStart - start)
        arena.count = textStart
        func mark(_ fragment: Int, null: Bool) {
            let offset = UInt32(arena.count - textStart) | (null ? nullBit : 0)
            UnsafeMutableRawPointer(arena.base + start + fragment * 4)
                .storeBytes(of: offset, as: UInt32.self)
        }
        mark(0, null: false)
        JSONText.append(timestamp: eventMicros, to: arena)
        var reader = PayloadReader(payload, features: features.count)
        for (index, feature) in features.enumerated() {
            let at = arena.count
            let offsetAt = index + 1
            var isNull = true
            if reader.isPresent(index) {
                isNull = !append(&reader, feature.type, to: arena)
            } else {
                JSONText.append("null", to: arena)
            }
            let end = arena.count
            arena.count = at
            mark(offsetAt, null: isNull)
            arena.count = end
        }
        mark(features.count + 1, null: false)
        return start
    }

    /// Appends the next value; false when it is one JSON cannot say (not a number), written as null.
    private static func append(
        _ reader: inout PayloadReader, _ type: ColumnType, to arena: ByteArena
    ) -> Bool {
        switch type {
        case .bool: JSONText.append(reader.byte() != 0 ? "true" : "false", to: arena)
        case .int64: JSONText.append(integer: reader.integer(), to: arena)
        case .timestamp:
            let micros = reader.integer()
            let seconds = micros / 1_000_000
            JSONText.append(
                integer: micros % 1_000_000 < 0 ? seconds - 1 : seconds, to: arena)
        case .date: JSONText.append(date: reader.integer(), to: arena)
        case .float64:
            switch reader.number() {
            case .decimal(let digits, let decimals):
                JSONText.append(digits: digits, decimals: decimals, to: arena)
            case .double(let value):
                JSONText.append(number: value, to: arena)
                return !value.isNaN
            }
        case .decimal(_, let scale):
            JSONText.append(decimal: reader.decimal(), scale: scale, to: arena)
        case .string: JSONText.append(string: reader.bytes(), to: arena)
        case .bytes: JSONText.append(base64: reader.bytes(), to: arena)
        case .list(let element):
            let count = reader.count()
            JSONText.append("[", to: arena)
            for index in 0..<count {
                if index > 0 { JSONText.append(",", to: arena) }
                if reader.byte() == 0 {
                    JSONText.append("null", to: arena)
                } else {
                    _ = append(&reader, element, to: arena)
                }
            }
            JSONText.append("]", to: arena)
        case .interval, .structure: preconditionFailure("the catalog refuses such features")
        }
        return true
    }
}

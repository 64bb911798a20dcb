import Glibc
import StreamRuntime

/// Versions that are written again: after a crash a run writes what the one before it had written.
extension OnlineRow {
    /// When the very version `version` was first readable, if it is the one that lookups see now.
    func visibleTime(
        slot index: Int, of version: ViewVersion, payload: UnsafePointer<UInt8>?, length: Int,
        features: [Field]
    ) -> Int64? {
        let slot = slots + index
        let current = slot.pointee.version
        guard current.eventTime == version.eventTime, current.state == version.state else {
            return nil
        }
        guard let held = slot.pointee.payload, let payload, version.state == .value else {
            return version.state == .value ? nil : current.visibleTime
        }
        // Equal values may be written in several ways.
        let isSame =
            Int(slot.pointee.payloadLength) == length && memcmp(held, payload, length) == 0
            || ViewPayload.isEqual(UnsafePointer(held), payload, features: features)
        return isSame ? current.visibleTime : nil
    }
}

extension ViewPayload {
    /// Whether two payloads of these features hold the same values.
    static func isEqual(
        _ left: UnsafePointer<UInt8>, _ right: UnsafePointer<UInt8>, features: [Field]
    ) -> Bool {
        var one = PayloadReader(left, features: features.count)
        var other = PayloadReader(right, features: features.count)
        for (index, feature) in features.enumerated() {
            let isPresent = one.isPresent(index)
            guard isPresent == other.isPresent(index) else { return false }
            if isPresent, !isEqual(&one, &other, feature.type) { return false }
        }
        return true
    }

    private static func isEqual(
        _ one: inout PayloadReader, _ other: inout PayloadReader, _ type: ColumnType
    ) -> Bool {
        switch type {
        case .bool: return one.byte() == other.byte()
        case .int64, .timestamp, .date: return one.integer() == other.integer()
        case .float64:
            return one.number().value.bitPattern == other.number().value.bitPattern
        case .decimal: return one.decimal() == other.decimal()
        case .string, .bytes:
            let (left, right) = (one.bytes(), other.bytes())
            return left.count == right.count && left.elementsEqual(right)
        case .list(let element):
            let count = one.count()
            guard count == other.count() else { return false }
            for _ in 0..<count {
                let isPresent = one.byte() != 0
                guard isPresent == (other.byte() != 0) else { return false }
                if isPresent, !isEqual(&one, &other, element) { return false }
            }
            return true
        case .interval, .structure: preconditionFailure("the catalog refuses such features")
        }
    }
}

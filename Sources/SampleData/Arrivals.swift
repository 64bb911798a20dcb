/// The records of one topic, each with the moment it arrives; appended in any order.
final class Arrivals {
    struct Entry {
        let arrival: Int64
        let eventTime: Int64
        let keyStart: Int
        let valueStart: Int
        /// -1 for a tombstone.
        let valueLength: Int
    }

    private var bytes: [UInt8] = []
    private var entries: [Entry] = []

    var count: Int { entries.count }

    func append(arrival: Int64, eventTime: Int64, key: String, value: [UInt8]?) {
        let keyStart = bytes.count
        bytes += key.utf8
        let valueStart = bytes.count
        if let value { bytes += value }
        entries.append(
            Entry(
                arrival: arrival, eventTime: eventTime, keyStart: keyStart, valueStart: valueStart,
                valueLength: value?.count ?? -1))
    }

    func append(arrival: Int64, eventTime: Int64, key: String, value: String) {
        append(arrival: arrival, eventTime: eventTime, key: key, value: Array(value.utf8))
    }

    /// By arrival; what arrives together stays in the order it was appended.
    func sorted() -> [Entry] {
        entries.enumerated().sorted {
            ($0.element.arrival, $0.offset) < ($1.element.arrival, $1.offset)
        }.map(\.element)
    }

    func key(_ entry: Entry) -> [UInt8] { Array(bytes[entry.keyStart..<entry.valueStart]) }

    func value(_ entry: Entry) -> [UInt8]? {
        guard entry.valueLength >= 0 else { return nil }
        return Array(bytes[entry.valueStart..<(entry.valueStart + entry.valueLength)])
    }
}

/// Spoils records, each kind of fault in turn.
struct Spoiler {
    /// A text in the record and what stands there instead.
    typealias Swap = (part: String, with: String)

    private var turn = 0

    /// `record` with the next fault: cut short, a page of HTML, or one of `swaps`; the last byte string of a
    /// swap's `with` may be marked to become invalid UTF-8 by a `\u{1}`.
    mutating func spoil(_ record: String, _ swaps: [Swap]) -> [UInt8] {
        let kind = turn % (swaps.count + 2)
        turn += 1
        switch kind {
        case 0: return Array(record.utf8.prefix(record.utf8.count * 3 / 5))
        case 1: return Array("<html><body>502 Bad Gateway</body></html>".utf8)
        default:
            let swap = swaps[kind - 2]
            let changed = SampleText.replacing(swap.part, in: record, with: swap.with)
            precondition(changed != record, "a fault changes the record")
            return changed.utf8.map { $0 == 1 ? 0xFF : $0 }
        }
    }
}

extension SampleText {
    /// `text` with the first `part` in it replaced.
    static func replacing(_ part: String, in text: String, with other: String) -> String {
        guard let range = text.firstRange(of: part) else { return text }
        return text.replacingCharacters(in: range, with: other)
    }
}

extension String {
    fileprivate func replacingCharacters(
        in range: Range<String.Index>, with other: String
    ) -> String {
        String(self[..<range.lowerBound]) + other + String(self[range.upperBound...])
    }
}

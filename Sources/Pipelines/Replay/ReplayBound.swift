import Foundation
import StreamRuntime

/// Where a replay begins or ends, as a person writes it.
public enum ReplayBound: Equatable, Sendable {
    /// The oldest record there is.
    case earliest
    /// What the log holds when the replay is first started.
    case now
    /// The same offset in every partition.
    case offset(Int64)
    /// An offset for each of these partitions, by "stream/partition".
    case offsets([String: Int64])
    /// The first record of each partition with a timestamp of at least this, in microseconds.
    case time(Int64)

    /// Reads `earliest`, `now`, an offset, `stream/partition=offset,…`, or a time as
    /// 2026-01-31 or 2026-01-31T12:00:00Z; nil for anything else.
    public init?(_ text: String) {
        switch text {
        case "earliest": self = .earliest
        case "now": self = .now
        default:
            if let offset = Int64(text) {
                guard offset >= 0 else { return nil }
                self = .offset(offset)
            } else if text.contains("=") {
                var offsets: [String: Int64] = [:]
                for part in text.split(separator: ",") {
                    let sides = part.split(separator: "=").map(String.init)
                    guard sides.count == 2, let offset = Int64(sides[1]), offset >= 0 else {
                        return nil
                    }
                    offsets[sides[0]] = offset
                }
                self = .offsets(offsets)
            } else if let micros = ReplayBound.moment(text) {
                self = .time(micros)
            } else {
                return nil
            }
        }
    }

    private static func moment(_ text: String) -> Int64? {
        let whole = text.utf8.count == 10 ? text + "T00:00:00Z" : text
        for options: ISO8601DateFormatter.Options in [
            [.withInternetDateTime], [.withInternetDateTime, .withFractionalSeconds],
        ] {
            let formatter = ISO8601DateFormatter()
            formatter.formatOptions = options
            if let date = formatter.date(from: whole) {
                return Int64((date.timeIntervalSince1970 * 1_000_000).rounded())
            }
        }
        return nil
    }
}

/// Makes offset ranges from the two bounds of a replay.
struct RangeResolver {
    let from: ReplayBound
    let to: ReplayBound

    /// The range of each partition of `plan`'s inputs, files whole.
    ///
    /// - Parameter open: opens a stream's source, an archive before it included.
    /// - Throws: when a bound names no partition, lies behind the end of the log, or nothing is left
    ///   between the two.
    func ranges(
        of plan: JobPlan, open: (PlannedSource) throws(JobFailure) -> any RecordSource
    ) throws(JobFailure) -> SourceRanges {
        var ranges: SourceRanges = [:]
        var hasFiles = false
        for planned in plan.sources {
            let source = try open(planned)
            for partition in try source.partitions() {
                let address = "\(planned.name)/\(partition)"
                guard let log = source as? any LogLookup else {
                    ranges[address] = OffsetRange(from: 0, to: nil)
                    hasFiles = true
                    continue
                }
                let extent = try log.extent(partition: partition)
                let from = try self.offset(from, log, partition, extent, address, isEnd: false)
                let to = try self.offset(to, log, partition, extent, address, isEnd: true)
                ranges[address] = OffsetRange(from: min(from, to), to: to)
            }
        }
        try check(ranges, hasFiles: hasFiles)
        return ranges
    }

    private func offset(
        _ bound: ReplayBound, _ log: any LogLookup, _ partition: Int32, _ extent: LogExtent,
        _ address: String, isEnd: Bool
    ) throws(JobFailure) -> Int64 {
        let wanted: Int64
        switch bound {
        case .earliest: return extent.oldest
        case .now: return extent.end
        case .time(let micros):
            return try log.offset(partition: partition, atOrAfter: micros) ?? extent.end
        case .offset(let offset): wanted = offset
        case .offsets(let offsets):
            guard let offset = offsets[address] else { return isEnd ? extent.end : extent.oldest }
            wanted = offset
        }
        guard wanted <= extent.end else {
            throw JobFailure(
                .source,
                "offset \(wanted) of \(address) is not there: the log ends at \(extent.end)",
                at: address, remedy: "give an offset up to \(extent.end), or \"now\"")
        }
        return wanted
    }

    private func check(_ ranges: SourceRanges, hasFiles: Bool) throws(JobFailure) {
        for case .offsets(let offsets) in [from, to] {
            if let strange = offsets.keys.sorted().first(where: { ranges[$0] == nil }) {
                throw JobFailure(
                    .environment, "there is no partition \"\(strange)\" to replay", at: strange,
                    remedy: "write stream/partition=offset with: "
                        + ranges.keys.sorted().joined(separator: ", "))
            }
        }
        if !hasFiles, ranges.values.allSatisfy(\.isEmpty) {
            throw JobFailure(
                .environment, "there is nothing between the two bounds", at: "--from and --to",
                remedy: "the partitions end at "
                    + ranges.sorted { $0.key < $1.key }
                    .map { "\($0.key)=\($0.value.to ?? 0)" }.joined(separator: ", "))
        }
    }
}

import Foundation
import StreamRuntime

/// What a finished replay can prove: every offset of its ranges was applied once, or was not there.
struct ReplayLedger: Codable, Equatable {
    /// One partition.
    struct Part: Codable, Equatable {
        let partition: String
        let from: Int64
        let to: Int64?
        /// Records applied; nil for a file, whose offsets are lines.
        let records: Int64?
        let gaps: [RangeAccount.Gap]
        /// The ranges applied by each life of the replay, in order: each begins where the one before
        /// ended.
        let applied: [OffsetRange]
        /// The offset up to which records came from an archive.
        let archived: Int64?
    }

    /// What came out.
    struct Output: Codable, Equatable {
        let name: String
        let records: Int64
        let digest: String
    }

    let replay: String
    let file: String
    let fingerprint: String
    let pipelines: [String]
    let from: String
    let to: String
    let finished: String
    let complete: Bool
    let partitions: [Part]
    let outputs: [Output]

    /// The ledger of a replay whose last checkpoint stands at `positions`.
    init(
        _ spec: ReplaySpec, book: ReplayBook, positions: [String: Int64], outputs: [OutputDigest],
        finishedMicros: Int64
    ) {
        replay = spec.id
        file = spec.file
        fingerprint = spec.fingerprint
        pipelines = spec.pipelines
        from = spec.from
        to = spec.to
        var moment: [UInt8] = []
        ValueText.append(timestamp: finishedMicros, to: &moment)
        finished = String(decoding: moment, as: UTF8.self)
        let parts = spec.ranges.sorted { ReplayLedger.precedes($0.key, $1.key) }.map {
            ReplayLedger.part(
                $0.key, $0.value, book, position: positions[$0.key], seam: spec.seams[$0.key])
        }
        partitions = parts
        complete = parts.allSatisfy(\.isComplete)
        self.outputs = outputs.map {
            Output(name: $0.name, records: $0.records, digest: $0.digest)
        }
    }

    /// orders/2 before orders/10.
    static func precedes(_ left: String, _ right: String) -> Bool {
        left.compare(right, options: .numeric) == .orderedAscending
    }

    private static func part(
        _ address: String, _ range: OffsetRange, _ book: ReplayBook, position: Int64?, seam: Int64?
    ) -> Part {
        let gaps = (book.entries[address]?.gaps ?? []).filter { $0.to > range.from }
        var starts = [range.from]
        for life in book.lives.dropFirst() {
            if let start = life[address], start > starts.last! { starts.append(start) }
        }
        let end = position ?? range.from
        var applied = zip(starts, starts.dropFirst()).map { OffsetRange(from: $0, to: $1) }
        if end > starts.last! { applied.append(OffsetRange(from: starts.last!, to: end)) }
        let missing = gaps.reduce(0) { $0 + $1.to - $1.from }
        return Part(
            partition: address, from: range.from, to: range.to,
            records: range.to.map { $0 - range.from - missing }, gaps: gaps, applied: applied,
            archived: seam.map { min(max($0, range.from), range.to ?? $0) })
    }

    /// The ledger for a terminal.
    var text: String {
        var table = TextTable(["partition", "from", "to", "records", "missing", "lives"])
        for part in partitions {
            let missing = part.gaps.reduce(0) { $0 + $1.to - $1.from }
            table.append([
                part.partition, "\(part.from)", part.to.map { "\($0)" } ?? "end of file",
                part.records.map(Grouped.text) ?? "", Grouped.text(missing),
                "\(max(part.applied.count, 1))",
            ])
        }
        var text = table.rendered()
        for part in partitions {
            for gap in part.gaps.prefix(5) {
                text +=
                    "missing: \(part.partition) offsets \(gap.from) to \(gap.to - 1): "
                    + gap.reason.words + "\n"
            }
            if part.gaps.count > 5 {
                text +=
                    "missing: \(part.partition): \(part.gaps.count - 5) more gaps, in the file\n"
            }
            if let seam = part.archived {
                text += "archive: \(part.partition) up to offset \(seam), the topic from there\n"
            }
        }
        var results = TextTable(["output", "records", "digest"])
        for output in outputs {
            results.append([output.name, Grouped.text(output.records), output.digest])
        }
        if !outputs.isEmpty { text += "\n" + results.rendered() }
        return text
            + (complete
                ? "\nevery offset of every range applied exactly once\n"
                : "\nnot every offset of the ranges was applied\n")
    }
}

extension ReplayLedger.Part {
    /// Whether the lives cover the range without a hole and without overlap.
    var isComplete: Bool {
        guard let to else { return true }
        var at = from
        for range in applied {
            guard range.from == at, let end = range.to, end > at else { return false }
            at = end
        }
        return at == to
    }
}

extension RangeAccount.Gap.Reason {
    /// What the user is told.
    var words: String {
        switch self {
        case .retention: "deleted by retention"
        case .absent: "not in the log: compacted away, of an aborted transaction, or its marks"
        }
    }
}

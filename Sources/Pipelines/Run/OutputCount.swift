import StreamRuntime

/// What an output that keeps no rows says of them when a run ends.
public struct OutputCount: Equatable, Sendable {
    /// The output: `blackhole:PIPELINE`.
    public let output: String
    /// Rows it took in this run.
    public let rowsIn: Int64
    /// Rows that are there, those taken back left out, since the job began.
    public let rows: Int64
    /// The sum of the hashes of the rows that are there; nil when they are only counted.
    public let checksum: UInt64?

    /// The counts of all such outputs of `plan`, by the figures of a run.
    static func all(
        of plan: JobPlan, _ figures: [String: [StepCounters.Figure: Int64]]
    ) -> [OutputCount] {
        plan.sinks.compactMap { sink in
            guard case .blackhole(let isSummed, _) = sink.target, let known = figures[sink.id]
            else { return nil }
            return OutputCount(
                output: sink.id, rowsIn: known[.rowsIn] ?? 0, rows: known[.tableRows] ?? 0,
                checksum: isSummed ? UInt64(bitPattern: known[.checksum] ?? 0) : nil)
        }
    }

    private var digits: String? {
        checksum.map { sum in
            let digits = String(sum, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }
    }

    /// One line for a person.
    var text: String {
        "\(output): \(Grouped.text(rowsIn)) rows in, \(Grouped.text(rows)) rows"
            + (digits.map { ", checksum \($0)" } ?? "")
    }

    /// One line for a program.
    var json: String {
        "{\"output\":\"\(output)\",\"rows_in\":\(rowsIn),\"rows\":\(rows)"
            + (digits.map { ",\"checksum\":\"\($0)\"" } ?? "") + "}"
    }
}

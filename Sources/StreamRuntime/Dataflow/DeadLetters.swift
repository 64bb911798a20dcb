/// What becomes of a row or record that cannot be used: a stream's or a step's `on_error`.
public enum FailurePolicy: Equatable, Sendable {
    /// Stop the job.
    case fail
    /// Count it and go on.
    case drop
    /// Emit it on this side output, in the shape of `DeadLetters.schema`, and count it.
    case deadLetter(port: Int)
}

/// The rows that tell of records and rows that could not be used.
public enum DeadLetters {
    /// The raw bytes, where they came from, which step and column refused them, why, and which try
    /// it was (from 1).
    public static let schema = Schema([
        Field("raw", .bytes), Field("topic", .string), Field("partition", .int64),
        Field("offset", .int64), Field("step", .string), Field("column", .string),
        Field("reason", .string), Field("attempt", .int64),
    ])

    /// The dead letters of the rejected rows of `batch`; without raw bytes at hand the row's position
    /// in its topic is what leads back to them.
    public static func rows(
        of batch: ColumnBatch, rejected: RejectedRows, context: OperatorContext
    ) -> ColumnBatch {
        let letters = ColumnBatch(schema: schema, capacity: rejected.rejects.count)
        for reject in rejected.rejects {
            let origin = batch.order.origins.int64s[reject.row]
            if let raw = batch.raw {
                letters.columns[0].append(from: raw, row: reject.row)
            } else {
                letters.columns[0].appendNull()
            }
            letters.columns[1].append(context.sourceName(origin: origin))
            letters.columns[2].append(origin & 0xFFFF_FFFF)
            letters.columns[3].append(batch.order.offsets.int64s[reject.row])
            letters.columns[4].append(context.stepId)
            letters.columns[5].append(reject.column)
            letters.columns[6].append(reject.reason)
            letters.columns[7].append(Int64(1))
            letters.order.append(from: batch.order, row: reject.row)
        }
        letters.count = rejected.rejects.count
        return letters
    }

    /// Does with the rejected rows of `batch` what `policy` says.
    ///
    /// - Throws: under `.fail`, naming the first of them.
    public static func settle(
        _ rejected: RejectedRows, of batch: ColumnBatch, policy: FailurePolicy,
        context: OperatorContext, into output: any Output
    ) throws(JobFailure) {
        guard let first = rejected.rejects.first else { return }
        context.counters.add(.rejected, rejected.rejects.count)
        switch policy {
        case .drop: return
        case .deadLetter(let port):
            output.emit(rows(of: batch, rejected: rejected, context: context), port: port)
        case .fail:
            let origin = batch.order.origins.int64s[first.row]
            throw JobFailure(
                .step, "\(first.reason)" + (first.column.isEmpty ? "" : " in \(first.column)"),
                at: "step \(context.stepId), \(context.sourceName(origin: origin)) partition "
                    + "\(origin & 0xFFFF_FFFF) offset \(batch.order.offsets.int64s[first.row])",
                remedy: "correct the record, or declare on_error: drop or {dead_letter: TOPIC}")
        }
    }
}

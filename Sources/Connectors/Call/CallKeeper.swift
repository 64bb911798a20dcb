import StreamRuntime

/// Writes what calls were answered, and reads what was sealed; belongs to one thread.
///
/// Results and dead letters are written first, and are readable once the ledger knows of them.
final class CallKeeper {
    let ledger: CallLedger
    let results: (any CallTopic)?
    let deadLetters: (any CallTopic)?
    let reader: CallOutboxReader

    init(_ places: CallSender.Places) throws(JobFailure) {
        ledger = try CallLedger(places.outbox.ledger)
        try ledger.forget(from: try places.outbox.end())
        reader = try places.outbox.reader()
        results = try places.results?.open()
        deadLetters = try places.deadLetters?.open()
        let entry = ledger.entry
        try results?.recover(token: entry.results, sequence: entry.sequence)
        try deadLetters?.recover(token: entry.deadLetters, sequence: entry.sequence)
        try reader.seek(to: entry.low)
    }

    /// Makes the results of requests readable and the requests over, all or nothing.
    func write(_ duty: CallKeeperDuty) throws(JobFailure) {
        let finished = duty.finished
        if finished.isEmpty {
            try ledger.note([], tried: duty.tried, results: nil, deadLetters: nil)
            return
        }
        for (_, report) in finished {
            if let results {
                for record in report.resultRecords {
                    try results.append(
                        key: record.key, value: record.value, timestamp: report.endedAt)
                }
            }
            if let deadLetters, let letter = report.deadLetter {
                try deadLetters.append(
                    key: letter.key, value: letter.value, timestamp: report.endedAt)
            }
        }
        let sequence = ledger.entry.sequence + 1
        let told = try results?.prepare(sequence: sequence)
        let lost = try deadLetters?.prepare(sequence: sequence)
        try ledger.note(
            finished.map(\.offset), tried: duty.tried, results: told, deadLetters: lost)
        if let told { try results!.commit(token: told) }
        if let lost { try deadLetters!.commit(token: lost) }
    }

    func close() {
        results?.close()
        deadLetters?.close()
    }
}

import StreamRuntime

/// Tells the user once that single keys take more memory than all state may.
struct BudgetNotice {
    /// What the tables of one worker may hold.
    let tableBytes: Int
    private var isTold = false

    init(tableBytes: Int) { self.tableBytes = tableBytes }

    /// What is to be said now, if anything.
    mutating func line(_ job: Job) -> String? {
        guard !isTold else { return nil }
        return line(sparedBytes: job.workerCounters.map { $0.read(.sparedBytes) })
    }

    mutating func line(sparedBytes: [Int64]) -> String? {
        guard !isTold, let most = sparedBytes.max(), most > Int64(tableBytes) else { return nil }
        isTold = true
        return
            "warning: keys that every batch uses take \(Grouped.text(most)) bytes of a worker's memory, "
            + "more than the \(Grouped.text(Int64(tableBytes))) that all its state may take: they stay in memory; "
            + "give the job more `memory:`\n"
    }
}

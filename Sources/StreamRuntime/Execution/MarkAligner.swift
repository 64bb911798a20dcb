/// Puts the marks of a task's inputs together: a record has been passed when every way it could have
/// come by has passed it. A pure value.
struct MarkAligner: Equatable, Sendable {
    /// By how many inputs the marks of each source come, by its ordinal.
    private let ways: [Int: Int]
    private var partitions: [Int64: Partition] = [:]

    private struct Partition: Equatable {
        /// The last mark of each input that had one.
        var inputs: [Int: SourceMark] = [:]
        var told = Int64.min
    }

    init(ways: [Int: Int]) { self.ways = ways }

    /// Takes a mark of input `input`.
    ///
    /// - Returns: how far all inputs have got, if that is news.
    mutating func receive(_ mark: SourceMark, on input: Int) -> SourceMark? {
        partitions[mark.origin, default: Partition()].inputs[input] = mark
        let partition = partitions[mark.origin]!
        guard partition.inputs.count >= ways[mark.source] ?? 1,
            let slowest = partition.inputs.values.min(by: { $0.offset < $1.offset }),
            slowest.offset > partition.told
        else { return nil }
        partitions[mark.origin]!.told = slowest.offset
        return slowest
    }
}

/// Marks that wait in a task until the rows before them have left its sorter.
struct HeldMarks {
    private var marks: [SourceMark] = []

    var isEmpty: Bool { marks.isEmpty }

    mutating func hold(_ mark: SourceMark) {
        if let last = marks.last, last.origin == mark.origin, last.time == mark.time {
            marks.removeLast()
        }
        marks.append(mark)
    }

    /// Takes out the marks whose rows were all before `time`, in the order they came.
    mutating func release(before time: EventTime) -> [SourceMark] {
        guard !marks.isEmpty else { return [] }
        let due = marks.filter { $0.time < time.micros }
        if !due.isEmpty { marks.removeAll { $0.time < time.micros } }
        return due
    }
}

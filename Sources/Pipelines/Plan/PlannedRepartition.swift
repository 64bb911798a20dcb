import StreamRuntime

/// A topic by which the shares of a job pass rows on to the share that owns their key.
struct PlannedRepartition: Equatable, Sendable {
    /// The position in `JobPlan.repartitions`.
    let ordinal: Int
    /// The step behind it, an index into `JobPlan.steps`.
    let step: Int
    /// The id of that step, by which sources, sinks and topics are named.
    let id: String
    /// The Kafka connection it is on.
    let connection: String
    /// The topic: `millrace.JOB.STEP.repartition`, with a partition for every share.
    let topic: String
    /// Why the rows cannot stay where they are.
    let reason: String

    /// The part of a checkpoint's addresses that positions in the topic begin with.
    var name: String { "\(id).repartition" }
}

/// By what the rows are spread over the shares of a job.
enum PlannedSpread: Equatable, Sendable {
    /// As the producer of their topics did: by the record key, made of these columns.
    case topic([String])
    /// By a repartition topic: by the hash of the key made of these columns.
    case hash([String])

    var columns: [String] {
        switch self {
        case .topic(let columns), .hash(let columns): columns
        }
    }

    /// The same spread under other names; nil when one of the columns is gone.
    func renamed(_ names: [String: String]) -> PlannedSpread? {
        let kept = columns.compactMap { names[$0] }
        guard kept.count == columns.count else { return nil }
        switch self {
        case .topic: return .topic(kept)
        case .hash: return .hash(kept)
        }
    }

    /// Whether rows of one key, made of the columns `by`, are all in one share.
    func keepsTogether(_ by: [String]) -> Bool { columns.allSatisfy(by.contains) }
}

extension JobPlan {
    /// The name of the topic whose partitions are the job's shares: it has no records.
    var sharesTopic: String { "millrace.\(name).shares" }

    /// The consumer group of the job's processes, and of its committed offsets.
    var group: String { "millrace.\(name)" }

    /// The Kafka connection the job's shares meet on.
    var sharesConnection: PlannedConnection? {
        for source in sources {
            if case .topic(let name, _) = source.location { return connection(name) }
        }
        return nil
    }

    /// The topics that are read without a repartition topic behind them: the number of shares must
    /// divide the number of their partitions, so that equal keys of all of them meet in one share.
    var copartitionedSources: [PlannedSource] {
        var found: Set<Int> = []
        for step in steps where !step.isStateless && step.repartition == nil {
            var open = step.inputs
            while let edge = open.popLast() {
                switch edge.from {
                case .source(let index): found.insert(index)
                case .step(let index):
                    if steps[index].repartition == nil { open += steps[index].inputs }
                }
            }
        }
        return settings.shares == nil ? [] : sources.filter { found.contains($0.ordinal) }
    }

    /// What is wrong with topics of these numbers of partitions, or nothing.
    func partitionProblem(of source: PlannedSource, partitions: Int) -> JobFailure? {
        guard let shares = settings.shares, case .topic(_, let topic) = source.location,
            copartitionedSources.contains(source), partitions % shares != 0
        else { return nil }
        return JobFailure(
            .source,
            "topic \(topic) has \(partitions) partitions, which \(shares) shares do not divide",
            at: "stream \(source.name)",
            remedy: "choose a number of shares that divides \(partitions), or leave out the "
                + "stream's key, so that its rows go through a repartition topic")
    }
}

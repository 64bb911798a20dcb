import StreamRuntime
import Testing

/// One step of a harness script.
enum ScriptStep {
    case rows(ColumnBatch)
    case watermark(EventTime)

    /// The same script with batches of at most `limit` rows; nil joins neighbouring batches.
    static func rebatched(_ script: [ScriptStep], _ limit: Int?) -> [ScriptStep] {
        var result: [ScriptStep] = []
        for step in script {
            guard case .rows(let batch) = step else {
                result.append(step)
                continue
            }
            if let limit {
                for start in stride(from: 0, to: batch.count, by: limit) {
                    result.append(.rows(batch.slice(start..<min(start + limit, batch.count))))
                }
            } else if case .rows(let before)? = result.last {
                result[result.count - 1] = .rows(before.joined(batch))
            } else {
                result.append(step)
            }
        }
        return result
    }
}

/// A way to run a script that must not change what comes out.
struct ReplayWay: CustomStringConvertible {
    var batchRows: Int? = .max
    var restores = false
    var workers = 1

    static func all(keyed: Bool) -> [ReplayWay] {
        var ways = [
            ReplayWay(batchRows: 1), ReplayWay(batchRows: 2), ReplayWay(batchRows: 7),
            ReplayWay(batchRows: nil), ReplayWay(batchRows: 1, restores: true),
            ReplayWay(batchRows: 7, restores: true), ReplayWay(batchRows: nil, restores: true),
        ]
        if keyed {
            for workers in [2, 3] {
                ways.append(ReplayWay(workers: workers))
                ways.append(ReplayWay(batchRows: 1, restores: true, workers: workers))
                ways.append(ReplayWay(batchRows: nil, restores: true, workers: workers))
            }
        }
        return ways
    }

    var description: String {
        let batches = batchRows.map { $0 == .max ? "batches as sent" : "batches of \($0)" }
        return "\(batches ?? "one batch between watermarks"), \(workers) worker(s)"
            + (restores ? ", restored between any two steps" : "")
    }
}

/// One row that came out of an operator.
struct OutputRow {
    let batch: ColumnBatch
    let row: Int

    /// The text of the row's value in `column`, or of its place in the order.
    func cell(_ column: String) -> String {
        if let values = batch.column(column) { return TableText.text(values, row) }
        let order = batch.order
        switch column {
        case "time": return TableText.time(order.eventTimes.int64s[row])
        case "W": return TableText.time(order.watermarks.int64s[row])
        case "partition": return "\(order.origins.int64s[row])"
        case "offset": return "\(order.offsets.int64s[row])"
        case "change": return TableText.changes[Int(batch.changes?.bools[row] ?? 0)]
        default: return "no column \(column)"
        }
    }

    /// `cell` as `cell(_:)` would write it.
    func normal(_ cell: String, of column: String) -> String {
        let isTime = batch.column(column).map { $0.type == .timestamp }
        if isTime ?? ["time", "W"].contains(column), let micros = try? TableText.micros(cell) {
            return TableText.time(micros)
        }
        return cell
    }

    func precedes(_ other: OutputRow) -> Bool {
        let mine = batch.order
        let theirs = other.batch.order
        let times = (mine.time(row), theirs.time(other.row))
        if times.0 != times.1 { return times.0 < times.1 }
        let origins = (mine.origins.int64s[row], theirs.origins.int64s[other.row])
        if origins.0 != origins.1 { return origins.0 < origins.1 }
        let offsets = (mine.offsets.int64s[row], theirs.offsets.int64s[other.row])
        if offsets.0 != offsets.1 {
            return UInt64(bitPattern: offsets.0) < UInt64(bitPattern: offsets.1)
        }
        return (mine.elements?.int64s[row] ?? 0) < (theirs.elements?.int64s[other.row] ?? 0)
    }
}

/// An operator at work: one instance per worker, with a sorter in front where it needs one.
final class OperatorRun {
    private let schema: Schema
    private let way: ReplayWay
    private let counters: StepCounters
    private let makeOperator: (Schema) throws -> any StreamRuntime.Operator
    private let result = RunOutput()
    private var lanes: [Lane] = []
    private var splitter: KeySplitter

    init(
        schema: Schema, way: ReplayWay, counters: StepCounters,
        makeOperator: @escaping (Schema) throws -> any StreamRuntime.Operator
    ) throws {
        self.schema = schema
        self.way = way
        self.counters = counters
        self.makeOperator = makeOperator
        splitter = KeySplitter(workers: way.workers)
        try open(way.workers, [])
    }

    private func open(_ workers: Int, _ snapshots: [StateSnapshot]) throws {
        splitter = KeySplitter(workers: workers)
        lanes = try (0..<workers).map { worker in
            let context = OperatorContext(
                stepId: "step", ordinal: 5, worker: worker, workers: workers,
                state: StateStore(holding: snapshots, worker: worker, of: workers),
                counters: counters, sources: [0: "source"])
            return try Lane(schema, context, try makeOperator(schema), result)
        }
    }

    func perform(_ step: ScriptStep) throws {
        switch step {
        case .rows(let batch) where lanes.count > 1:
            for (lane, part) in zip(lanes, splitter.split(batch)) {
                if let part { try lane.process(part) }
            }
        case .rows(let batch): try lanes[0].process(batch)
        case .watermark(let watermark):
            for lane in lanes { try lane.advance(to: watermark) }
            result.endRound(watermark)
        }
        if way.restores { try restore() }
    }

    /// Goes through a snapshot: only what is in the state outlives it. With keys split over workers there
    /// is one worker more or less afterwards.
    private func restore() throws {
        let snapshots = try lanes.map { try $0.snapshot() }
        try open(way.workers == 1 ? 1 : lanes.count % 3 + 1, snapshots)
    }

    /// Every row that came out of `port`, between two watermarks in total order.
    func output(_ port: Int) -> [OutputRow] {
        result.rounds.flatMap { round in
            (round[port] ?? []).enumerated().sorted {
                $0.element.precedes($1.element)
                    || (!$1.element.precedes($0.element) && $0.offset < $1.offset)
            }.map(\.element)
        }
    }
}

/// One worker's instance.
private final class Lane {
    private let store: StateStore
    private let step: any StreamRuntime.Operator
    private let sorter: RowSorter?
    private let output: RunOutput

    init(
        _ schema: Schema, _ context: OperatorContext, _ step: any StreamRuntime.Operator,
        _ output: RunOutput
    ) throws {
        self.step = step
        self.output = output
        store = context.state
        try step.open(context)
        sorter = step.needsOrderedInput ? RowSorter(schema: schema) : nil
        try sorter?.open(context)
    }

    func process(_ batch: ColumnBatch) throws {
        if let sorter { sorter.push(batch) } else { try step.process(batch, into: output) }
    }

    func advance(to watermark: EventTime) throws {
        if let sorter {
            let feed =
                (step as? any PickingOperator).map { PickFeed($0, output) }
                ?? SorterFeed(step, output)
            while sorter.release(before: watermark, into: feed) == .more {}
            if let failure = feed.failure { throw failure }
        }
        var calls = 0
        while try step.advance(to: watermark, into: output) == .more {
            calls += 1
            try #require(calls < 100_000, "advance never says it is done")
        }
    }

    func snapshot() throws -> StateSnapshot {
        try step.flush()
        try sorter?.flush()
        return try store.snapshot(step: "step")
    }
}

/// Hands what a sorter releases to the operator behind it.
private class SorterFeed: Output {
    private let step: any StreamRuntime.Operator
    fileprivate let output: any Output
    fileprivate(set) var failure: JobFailure?

    init(_ step: any StreamRuntime.Operator, _ output: any Output) {
        self.step = step
        self.output = output
    }

    func emit(_ batch: ColumnBatch, port: Int) {
        guard batch.count > 0, failure == nil else { return }
        do throws(JobFailure) {
            try step.process(batch, into: output)
        } catch {
            failure = error
        }
    }
}

/// Hands what a sorter releases to an operator that takes rows where they lie.
private final class PickFeed: SorterFeed, PickOutput {
    private let picking: any PickingOperator

    init(_ step: any PickingOperator, _ output: any Output) {
        picking = step
        super.init(step, output)
    }

    func emit(_ rows: PickedRows) {
        guard failure == nil else { return }
        do throws(JobFailure) {
            try picking.process(rows, into: output)
        } catch {
            failure = error
        }
    }
}

/// Collects rows by round, a round being what came out up to a watermark, and by port.
private final class RunOutput: Output {
    private(set) var rounds: [[Int: [OutputRow]]] = [[:]]
    private var promised = Int64.min

    func emit(_ batch: ColumnBatch, port: Int) {
        for column in batch.columns where column.count != batch.count {
            Issue.record("a column of \(column.count) rows in a batch of \(batch.count)")
        }
        for row in 0..<batch.count {
            if batch.order.time(row) < promised {
                Issue.record(
                    """
                    a row at \(TableText.time(batch.order.time(row))) came out after the watermark \
                    \(TableText.time(promised)) was forwarded
                    """)
            }
            rounds[rounds.count - 1][port, default: []].append(OutputRow(batch: batch, row: row))
        }
    }

    func endRound(_ watermark: EventTime) {
        promised = watermark.micros
        rounds.append([:])
    }
}

extension ColumnBatch {
    /// The rows of `range` as a batch of their own.
    func slice(_ range: Range<Int>) -> ColumnBatch {
        gathered(range.map { Int32($0) }, count: range.count)
    }

    /// The rows of this batch and then those of `other`.
    func joined(_ other: ColumnBatch) -> ColumnBatch {
        let picks =
            (0..<count).map { RowPick(batch: 0, row: Int32($0)) }
            + (0..<other.count).map { RowPick(batch: 1, row: Int32($0)) }
        return BatchBuilder.gather(picks, count: picks.count, from: [self, other], schema: schema)
    }
}

import Foundation
import StreamRuntime

/// `millrace verify-replay`: runs pipelines over the same log several times, each time in another
/// shape and with kills, and compares what every run leaves.
public struct VerifyReplay {
    /// What to run, and how often.
    public struct Options: Sendable {
        /// Topics: only pipelines that read or write one of them are run; empty for all.
        public var topics: [String] = []
        /// Runs, the plain first one included.
        public var runs = 4
        /// What the shapes and moments are drawn from.
        public var seed: UInt64 = 1
        /// Kills in each run but the first.
        public var kills = 3
        /// Where scratch places are made; nil for the system's temporary directory.
        public var directory: String?
        /// Whether the scratch places stay for a look at them.
        public var keepsScratch = false
        /// The program to start; nil for the one that runs.
        public var program: String?

        /// Four runs from seed 1, with three kills each.
        public init() {}
    }

    /// One run's shape and what it left.
    struct Run {
        let number: Int
        var workers: Int
        var batchRows: Int
        var batchBytes: Int
        var kills = 0
        var seconds = 0.0
        var outputs: [OutputDigest] = []
    }

    private let path: String
    private let options: Options
    private var random: SeededNumbers

    /// A comparison of runs of the file at `path`.
    public init(path: String, options: Options) {
        self.path = path
        self.options = options
        random = SeededNumbers(seed: options.seed)
    }

    /// Runs and compares.
    ///
    /// - Parameter note: told a line after each run.
    /// - Returns: exit code 0 when all runs left the same, 1 when not.
    public mutating func run(
        isStopping: () -> Bool = { false }, note: (String) -> Void = { _ in }
    ) -> CommandOutput {
        do throws(JobFailure) {
            let only = try pipelines()
            switch PlanReader.read(path: path, only: only) {
            case .failure(let output): return output
            case .success(let plan):
                return try compare(plan, only: only, isStopping: isStopping, note: note)
            }
        } catch {
            return CommandOutput(text: "error: \(error)\n", exitCode: error.exitCode)
        }
    }

    /// The pipelines that have to do with the wanted topics.
    private func pipelines() throws(JobFailure) -> [String] {
        guard !options.topics.isEmpty else { return [] }
        let file = PlannedFile(path: path, environment: ProcessInfo.processInfo.environment)
        guard let whole = file.plan, let spec = file.spec else { return [] }
        var found: [String] = []
        var known: Set<String> = []
        for pipeline in whole.pipelines {
            var part = spec.restricted(to: [pipeline.name])
            // What is computed of views at lookup has no topic, and its views may not be here.
            part.onDemand = []
            guard let topics = Planner.planPart(part, file: path)?.topicNames else { continue }
            known.formUnion(topics)
            if !topics.isDisjoint(with: options.topics) { found.append(pipeline.name) }
        }
        if let strange = options.topics.first(where: { !known.contains($0) }) {
            throw JobFailure(
                .environment, "no pipeline reads or writes a topic \"\(strange)\"", at: path,
                remedy: "name one of: \(known.sorted().joined(separator: ", "))")
        }
        return found
    }

    private mutating func compare(
        _ plan: JobPlan, only: [String], isStopping: () -> Bool, note: (String) -> Void
    ) throws(JobFailure) -> CommandOutput {
        let ranges = try plan.currentRanges()
        let root =
            (options.directory ?? NSTemporaryDirectory()) + "/millrace-verify-\(getpid())-"
            + String(UInt32.random(in: 0 ... .max), radix: 16)
        defer { if !options.keepsScratch { try? ReplayFiles.remove(root) } }
        var runs: [Run] = []
        var total = ranges.offsets
        for number in 1...max(options.runs, 2) {
            let place = ScratchPlace(directory: "\(root)/run-\(number)")
            try Directories.make(place.directory)
            var run = shape(number, rows: total)
            var order = WorkerOrder(
                file: path, only: only, fingerprint: plan.fingerprint, directory: place.directory,
                ranges: ranges, workers: run.workers, batchRows: run.batchRows,
                batchBytes: run.batchBytes, checkpointMillis: number == 1 ? 1000 : 50,
                dieAfter: nil, dieDelayMicros: 0)
            order.earlier = (1..<number).map {
                ScratchPlace(directory: "\(root)/run-\($0)").state
            }
            let began = SystemClock().nanos
            try live(order, place, &run, rows: total, isStopping: isStopping)
            run.seconds = Double(SystemClock().nanos - began) / 1e9
            total = try ReplayFiles.read(Int64.self, from: place.directory + "/rows") ?? total
            if number == 1 { rows = total } else { total = rows }
            run.outputs = try OutputDigest.all(of: plan, in: place)
            runs.append(run)
            note(
                "run \(number): \(run.kills) kills, \(String(format: "%.1f", run.seconds)) s, "
                    + (run.outputs == runs[0].outputs ? "equal" : "different") + "\n")
        }
        return try report(plan, runs, root: root)
    }

    /// Records the first run read.
    private var rows: Int64 = 0

    /// The plain shape first, then any.
    private mutating func shape(_ number: Int, rows: Int64) -> Run {
        guard number > 1 else {
            return Run(number: 1, workers: 1, batchRows: 4096, batchBytes: 1 << 20)
        }
        let small = rows > 200_000 ? [64, 500, 4096] : [1, 7, 64, 500, 4096]
        return Run(
            number: number, workers: [1, 2, 3, 4][random.next(4)],
            batchRows: small[random.next(small.count)],
            batchBytes: [4 << 10, 64 << 10, 1 << 20][random.next(3)])
    }

    /// Starts processes until one lives to the end; each life but the last is cut off.
    private mutating func live(
        _ order: WorkerOrder, _ place: ScratchPlace, _ run: inout Run, rows: Int64,
        isStopping: () -> Bool
    ) throws(JobFailure) {
        let path = place.directory + "/order.json"
        var order = order
        while true {
            let isDoomed = run.number > 1 && run.kills < options.kills
            order.dieAfter = nil
            if isDoomed {
                // Lives together shorter than the log: else the last kills would never come.
                let share = max(Int(rows) / (options.kills + 1), 1)
                order.dieAfter = Int64(1 + random.next(share))
                order.dieDelayMicros = UInt32(random.next(3) == 0 ? 0 : random.next(40_000))
            }
            try ReplayFiles.write(order, to: path)
            let errors = place.directory + "/errors"
            let process = try WorkerProcess(
                program: options.program ?? WorkerProcess.thisProgram,
                arguments: ["replay-worker", path], errors: errors)
            let code = process.wait(isStopping: isStopping)
            if isStopping() {
                throw JobFailure(
                    .environment, "stopped before the comparison was over", at: self.path,
                    remedy: "run it again")
            }
            if code == 0 { return }
            guard code == -9, isDoomed else {
                let said = FileText.optional(errors) ?? ""
                throw JobFailure(
                    .environment,
                    "run \(run.number) failed (\(code)): \(said.isEmpty ? "no message" : said)",
                    at: place.directory, remedy: "see the message; --keep leaves its files there")
            }
            run.kills += 1
            // The next life has another shape: a job restores at any.
            order.workers = [1, 2, 3, 4][random.next(4)]
        }
    }

    // MARK: the outcome

    private func report(
        _ plan: JobPlan, _ runs: [Run], root: String
    ) throws(JobFailure) -> CommandOutput {
        var shapes = TextTable([
            "run", "workers", "batch rows", "poll bytes", "kills", "seconds", "outputs",
        ])
        for run in runs {
            shapes.append([
                "\(run.number)", "\(run.workers)", "\(run.batchRows)", "\(run.batchBytes)",
                "\(run.kills)", String(format: "%.1f", run.seconds),
                run.outputs == runs[0].outputs ? "as run 1" : "different",
            ])
        }
        var outputs = TextTable(["output", "records", "digest", "in all runs"])
        for (index, output) in runs[0].outputs.enumerated() {
            let isEqual = runs.allSatisfy { $0.outputs[index] == output }
            outputs.append([
                output.name, Grouped.text(output.records), output.digest,
                isEqual ? "equal" : "different",
            ])
        }
        var text = shapes.rendered() + "\n" + outputs.rendered() + "\n"
        if let odd = runs.first(where: { $0.outputs != runs[0].outputs }) {
            let difference = try FirstDifference.find(
                plan, ScratchPlace(directory: "\(root)/run-1"),
                ScratchPlace(directory: "\(root)/run-\(odd.number)"))
            text +=
                "different: run 1 and run \(odd.number), seed \(options.seed): "
                + (difference ?? "the digests only") + "\n"
            return CommandOutput(text: text, exitCode: 1)
        }
        text +=
            "equal: \(runs.count) runs over \(Grouped.text(rows)) records, "
            + "\(runs.reduce(0) { $0 + $1.kills }) kills, \(runs[0].outputs.count) outputs, "
            + "seed \(options.seed)\n"
        return CommandOutput(text: text, exitCode: 0)
    }
}

extension JobPlan {
    /// The topics the plan reads and writes.
    var topicNames: Set<String> {
        var names: Set<String> = []
        for source in sources {
            if case .topic(_, let topic) = source.location { names.insert(topic) }
        }
        for sink in sinks {
            if case .topic(_, let topic, _, _) = sink.target { names.insert(topic) }
        }
        return names
    }
}

/// Numbers that are the same everywhere for the same seed (SplitMix64).
struct SeededNumbers {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    /// A number from 0 up to and without `bound`.
    mutating func next(_ bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int((mixed ^ (mixed >> 31)) % UInt64(bound))
    }
}

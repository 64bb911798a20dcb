import Glibc
import StreamRuntime
import Synchronization

#if DEBUG
    @testable import Pipelines

    /// Pipelines files run whole: planned, on workers, with checkpoints, killed and restored.
    ///
    /// Questions: `Y line` adds a line of the file, `D stream partition record` a record, `W workers batch_rows` a way to
    /// run it, `W workers batch_rows kill …` one that is killed after so many rows of output and goes on with a worker
    /// more, and `G id` asks. Answers: `id P message` for each problem of the file; `id S ordinal stream` for each stream,
    /// `id C sink name type …` for the columns of each output and `id O sink change event_time value …` for each of its rows,
    /// as the first way gave them; `id M sink message` where another way gave others; `id ! message` when a run failed;
    /// `id .` at the end.
    struct PipelineCases {
        private struct Way {
            let workers: Int
            let batchRows: Int
            let kills: [Int]
            var text: String {
                "\(workers) workers, batches of \(batchRows)"
                    + (kills.isEmpty ? "" : ", killed after \(kills) rows")
            }
        }

        private var yaml = ""
        private var records: [String: [[String]]] = [:]
        private var ways: [Way] = []

        static func run() {
            var cases = PipelineCases()
            while let cells = Cells.read() {
                guard let kind = cells.first ?? nil else { continue }
                let texts = cells.dropFirst().map { $0 ?? "" }
                switch kind {
                case "Y": cases.yaml += texts[0] + "\n"
                case "D":
                    let partition = Int(texts[1])!
                    while cases.records[texts[0], default: []].count <= partition {
                        cases.records[texts[0], default: []].append([])
                    }
                    if texts.count > 2 { cases.records[texts[0]]![partition].append(texts[2]) }
                case "W":
                    let numbers = texts.map { Int($0)! }
                    cases.ways.append(
                        Way(workers: numbers[0], batchRows: numbers[1], kills: Array(numbers[2...]))
                    )
                case "G":
                    cases.answer(texts[0])
                    Cells.write([texts[0], "."])
                    Cells.flush()
                    cases = PipelineCases()
                default: continue
                }
            }
        }

        private func answer(_ id: String) {
            let file = PlannedFile(
                file: "fuzz.yaml", text: yaml,
                variables: Variables(environment: [:], readFile: FileText.optional))
            guard let plan = file.plan, file.problems.isEmpty else {
                for problem in file.problems {
                    Cells.write([
                        id, "P", "\(problem.position.line): \(problem.message)",
                        problem.fix,
                    ])
                }
                return
            }
            for source in plan.sources { Cells.write([id, "S", "\(source.ordinal)", source.name]) }
            for sink in plan.sinks {
                Cells.write(
                    [id, "C", sink.id] + sink.schema.fields.flatMap { [$0.name, "\($0.type)"] })
            }
            do throws(JobFailure) {
                var first: [[[String]]]?
                for way in ways {
                    let lines = try run(plan, way)
                    guard let wanted = first else {
                        for (sink, rows) in zip(plan.sinks, lines) {
                            for row in rows { Cells.write([id, "O", sink.id] + row) }
                        }
                        first = lines
                        continue
                    }
                    for (sink, (found, wanted)) in zip(plan.sinks, zip(lines, wanted))
                    where found != wanted {
                        Cells.write([id, "M", sink.id, way.text, difference(found, wanted)])
                    }
                }
            } catch {
                Cells.write([id, "!", "\(error)"])
            }
        }

        private func difference(_ found: [[String]], _ wanted: [[String]]) -> String {
            for (index, (one, other)) in zip(found, wanted).enumerated() where one != other {
                return "row \(index): \(one) is not \(other)"
            }
            return "\(found.count) rows, not \(wanted.count)"
        }

        private func run(_ plan: JobPlan, _ way: Way) throws(JobFailure) -> [[[String]]] {
            let kept = plan.sinks.map { _ in SinkLines() }
            var kills = way.kills
            var workers = way.workers
            let directory = "/dev/shm/millrace-fuzz-\(getpid())"
            defer { if !way.kills.isEmpty { PipelineCases.remove(directory) } }
            while true {
                let trouble = Trouble()
                if let next = kills.first { trouble.rows.store(next, ordering: .relaxed) }
                var storage: any JobStorage = MemoryStorage()
                if !way.kills.isEmpty {
                    try Directories.make(directory)
                    storage = try DurableStorage(
                        DurableStorage.Settings(
                            directory: directory, job: plan.name, memoryBytes: 64 << 20, retained: 1
                        ))
                }
                let job = try Job(
                    graph: graph(plan, kept, trouble, workers: workers),
                    settings: RunSettings(
                        workers: workers, batchRows: way.batchRows,
                        checkpointNanos: way.kills.isEmpty ? 0 : 2_000_000),
                    storage: storage)
                try job.start()
                switch job.wait() {
                case .failed(let failure):
                    guard failure.problem == "killed", !kills.isEmpty else { throw failure }
                    kills.removeFirst()
                    workers = workers % 3 + 1
                case .finished, .stopped:
                    return kept.map { $0.lines.withLock { $0 } }
                }
            }
        }

        private func graph(
            _ plan: JobPlan, _ kept: [SinkLines], _ trouble: Trouble, workers: Int
        ) -> JobGraph {
            var graph = GraphBuilder(
                plan: plan, isBounded: true, online: nil, keepsVersions: false, workers: workers
            ).graph()
            for (index, node) in graph.sources.enumerated() {
                let lines = records[node.name] ?? [[]]
                graph.sources[index] = JobGraph.SourceNode(
                    name: node.name, ordinal: node.ordinal, time: node.time, policy: node.policy,
                    open: { () throws(JobFailure) in MemoryRecords(node.name, lines) },
                    decoder: node.decoder)
            }
            graph.sinks = zip(graph.sinks, kept).map { node, kept in
                JobGraph.SinkNode(
                    id: node.id, ordinal: node.ordinal, isOrdered: node.isOrdered,
                    schema: node.schema,
                    make: { () throws(JobFailure) in LineSink(kept, trouble) })
            }
            return graph
        }

        private static func remove(_ directory: String) {
            let stack = opendir(directory)
            guard let stack else { return }
            while let entry = readdir(stack) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                if name == "." || name == ".." { continue }
                let path = directory + "/" + name
                if entry.pointee.d_type == UInt8(DT_DIR) { remove(path) } else { unlink(path) }
            }
            closedir(stack)
            rmdir(directory)
        }
    }
#else
    /// Running pipelines needs the parts that only a debug build shows.
    struct PipelineCases {
        static func run() {
            fputs("millrace-fuzz pipelines needs a debug build\n", stderr)
            exit(2)
        }
    }
#endif

import Foundation
import StreamRuntime

/// `millrace test`: the tests of a pipelines file, on the real job in a place of its own.
public enum TestCommand {
    /// What to run, and how.
    public struct Options: Sendable {
        /// Only tests whose name has one of these in it, whatever the case; empty for all.
        public var only: [String] = []
        /// Worker threads of the one run of each test; nil for two runs, one of them killed after each step.
        public var workers: Int?
        /// Whether each test is run once only, on one worker and without kills of its own.
        public var isOnce = false
        /// The runs of each test, where others than these are wanted.
        var shapes: [TestRun.Shape]?
        /// Whether the outcome is JSON.
        public var json = false
        /// The variables that `${NAME}` stands for; nil for this process's.
        public var environment: [String: String]?

        /// All tests, each in two shapes.
        public init() {}
    }

    /// Runs the tests of the file at `path`.
    ///
    /// - Parameter note: told a line after each test, unless the outcome is JSON.
    /// - Returns: exit code 0 when all passed, 1 when not, 2 for a file that is invalid or has no such test,
    ///   3 when the machine fails.
    public static func run(
        path: String, options: Options = Options(), note: (String) -> Void = { _ in }
    ) -> CommandOutput {
        let variables = options.environment ?? ProcessInfo.processInfo.environment
        let file = PlannedFile(path: path, environment: variables)
        guard file.plan != nil, let spec = file.spec else {
            return Validate.output(file, json: options.json)
        }
        let wanted = spec.tests.filter { test in
            options.only.isEmpty
                || options.only.contains {
                    test.name.value.lowercased().contains($0.lowercased())
                }
        }
        guard !wanted.isEmpty else {
            return CommandOutput(
                text: spec.tests.isEmpty
                    ? "\(path) has no tests; docs/TESTING.md tells how to write them\n"
                    : "no test of \(path) has \(options.only.map { "\"\($0)\"" }.joined(separator: " or ")) in its name\n",
                exitCode: options.only.isEmpty ? 0 : 2)
        }
        let suite = TestSuite(spec, file: path, options: options)
        do throws(JobFailure) {
            var outcomes: [TestSuite.Outcome] = []
            for test in wanted {
                let outcome = try suite.run(test)
                outcomes.append(outcome)
                if !options.json { note(outcome.text(in: file.source)) }
            }
            return summary(outcomes, file, options)
        } catch {
            return CommandOutput(text: "error: \(error)\n", exitCode: 3)
        }
    }

    private static func summary(
        _ outcomes: [TestSuite.Outcome], _ file: PlannedFile, _ options: Options
    ) -> CommandOutput {
        let failed = outcomes.count { !$0.failures.isEmpty }
        let millis = outcomes.reduce(0) { $0 + $1.millis }
        if options.json {
            let text = JSONText.object([
                ("file", .string(file.source.file)),
                ("passed", .integer(outcomes.count - failed)), ("failed", .integer(failed)),
                ("millis", .integer(millis)),
                ("tests", .array(outcomes.map { $0.json(in: file.source) })),
            ])
            return CommandOutput(text: text.text, exitCode: failed == 0 ? 0 : 1)
        }
        let time = String(format: "%.1f s", Double(millis) / 1000)
        return CommandOutput(
            text: failed == 0
                ? "\(outcomes.count) passed in \(time)\n"
                : "\(outcomes.count - failed) passed, \(failed) failed in \(time)\n",
            exitCode: failed == 0 ? 0 : 1)
    }
}

/// The tests of a file, run one after the other.
struct TestSuite {
    /// How one test went.
    struct Outcome {
        let test: TestSpec
        let failures: [(shape: String, failure: TestFailure)]
        let millis: Int
    }

    private let spec: PipelinesSpec
    private let file: String
    private let catalog: TestCatalog
    private let shapes: [TestRun.Shape]

    init(_ spec: PipelinesSpec, file: String, options: TestCommand.Options) {
        self.spec = spec
        self.file = file
        catalog = Planner.testCatalog(spec, file: file)
        if let wanted = options.shapes {
            shapes = wanted
        } else if let workers = options.workers {
            shapes = [TestRun.Shape(workers: workers, batchRows: 4096, kills: false)]
        } else {
            let plain = TestRun.Shape(workers: 1, batchRows: 4096, kills: false)
            shapes =
                options.isOnce
                ? [plain] : [plain, TestRun.Shape(workers: 2, batchRows: 2, kills: true)]
        }
    }

    /// Runs `test` in every shape until it fails in one.
    func run(_ test: TestSpec) throws(JobFailure) -> Outcome {
        let clock = SystemClock()
        let began = clock.nanos
        let place = ScratchPlace(directory: TestSuite.root + "/\(UUID().uuidString)")
        var failures: [(String, TestFailure)] = []
        if let planned = TestPlan(test, of: spec, file: file, catalog: catalog, place: place) {
            failures = try run(test, planned, in: place)
        } else {
            let failure = TestFailure(
                position: test.name.position,
                message: "the part of the file that this test needs cannot be planned alone",
                table: "")
            failures = [("plan", failure)]
        }
        return Outcome(
            test: test, failures: failures, millis: Int((clock.nanos - began) / 1_000_000))
    }

    private func run(
        _ test: TestSpec, _ planned: TestPlan, in place: ScratchPlace
    ) throws(JobFailure) -> [(String, TestFailure)] {
        var first: TestRun?
        for shape in shapes {
            defer {
                try? FileManager.default.removeItem(atPath: place.directory)
                rmdir(TestSuite.root)
            }
            let run = TestRun(test, planned, catalog: catalog, place: place, shape: shape)
            var failures: [TestFailure]
            do throws(JobFailure) {
                failures = try run.run()
                // Replay equals live: every row is the same, looked at or not.
                if failures.isEmpty, let first { failures = run.differences(from: first) }
            } catch {
                if error.kind == .environment { throw error }
                let failure = TestFailure(
                    position: test.name.position, message: "the job stopped: \(error)", table: "")
                failures = [failure]
            }
            if !failures.isEmpty { return failures.map { (shape.text, $0) } }
            if first == nil { first = run }
        }
        return []
    }

    /// Where the places of tests are: in memory if the machine has such a place, for nothing of them stays.
    private static let root: String = {
        let name = "millrace-tests-\(getpid())"
        let memory = "/dev/shm"
        return access(memory, W_OK) == 0 ? "\(memory)/\(name)" : NSTemporaryDirectory() + name
    }()
}

extension TestSuite.Outcome {
    /// The outcome as a terminal shows it.
    func text(in source: SourceText) -> String {
        if failures.isEmpty { return "ok    \(test.name.value) (\(millis) ms)\n" }
        let place = TestSuite.Outcome.place(test.name.position, source)
        var text = "FAIL  \(test.name.value) (\(place))\n"
        for (shape, failure) in failures {
            let place = TestSuite.Outcome.place(failure.position, source)
            text += "  \(place): \(failure.message) [\(shape)]\n"
            text += failure.table
        }
        return text
    }

    /// The outcome as one JSON object.
    func json(in source: SourceText) -> JSONText {
        let position = test.name.position
        return .object([
            ("name", .string(test.name.value)),
            ("file", .string(source.holder(of: position).file)), ("line", .integer(position.line)),
            ("passed", .boolean(failures.isEmpty)), ("millis", .integer(millis)),
            (
                "failures",
                .array(
                    failures.map { shape, failure in
                        .object([
                            ("file", .string(source.holder(of: failure.position).file)),
                            ("line", .integer(failure.position.line)),
                            ("column", .integer(failure.position.column)),
                            ("message", .string(failure.message)), ("run", .string(shape)),
                            ("rows", .string(failure.table)),
                        ])
                    })
            ),
        ])
    }

    private static func place(_ position: Position, _ source: SourceText) -> String {
        "\(source.holder(of: position).file):\(position.line):\(position.column)"
    }
}

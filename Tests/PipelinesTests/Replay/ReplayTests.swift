import Foundation
import StreamRuntime
import Testing

@testable import Pipelines

/// Replays ranges of a small shop's orders beside its live job.
@Suite(.serialized) struct ReplayTests {
    private func plan(_ place: ReplayPlace, only: [String] = []) throws -> JobPlan {
        switch PlanReader.read(path: place.file, only: only) {
        case .success(let plan): return plan
        case .failure(let output):
            throw JobFailure(.environment, output.text, at: place.file, remedy: "correct it")
        }
    }

    private func replay(
        _ place: ReplayPlace, _ change: (inout ReplayCommand.Options) -> Void = { _ in }
    ) throws -> ReplayLedger {
        var options = ReplayCommand.Options()
        options.isQuiet = true
        options.workers = 2
        change(&options)
        let command = ReplayCommand(path: place.file, options: options)
        return try #require(
            try command.replay(try plan(place, only: options.pipelines)) { false })
    }

    private func refusal(
        _ place: ReplayPlace, _ change: (inout ReplayCommand.Options) -> Void
    ) throws -> String {
        do {
            _ = try replay(place, change)
            return "no refusal"
        } catch let failure as JobFailure {
            return failure.problem
        }
    }

    private func live(_ place: ReplayPlace) throws {
        let options = RunOptions(untilEnd: true, workers: 1, serves: false, isQuiet: true)
        let summary = try JobRunner(plan: try plan(place), options: options).run { false }
        if case .failed(let failure) = summary.outcome { throw failure }
    }

    @Test func `a replay into a topic writes what the live job wrote, byte for byte`() throws {
        let place = try ReplayPlace(scale: nil)
        defer { place.remove() }
        try place.append(400, from: 0)
        try live(place)
        for (pipeline, topic) in [("sums", "out"), ("minutes", "minutes")] {
            let ledger = try replay(place) {
                $0.pipelines = [pipeline]
                $0.into = "topic:again.\(topic)"
                $0.batchRows = 7
            }
            let expected = try ReplayPlace.records(place.log, topic)
            #expect(expected.count > 20)
            #expect(try ReplayPlace.records(place.log, "again.\(topic)") == expected)
            #expect(ledger.complete)
            #expect(ledger.partitions.map { $0.records ?? 0 }.reduce(0, +) == 400)
            #expect(ledger.outputs.first?.name == "topic again.\(topic)")
            #expect(ledger.outputs.first?.records == Int64(expected.count))
        }
    }

    @Test func `replays are listed with their stages, and removed but for a running one`() throws {
        let place = try ReplayPlace(scale: nil)
        defer { place.remove() }
        try place.append(120, from: 0)
        #expect(
            ReplaysCommand.list(path: place.file, json: false).text.hasPrefix("no replays in "))
        _ = try replay(place) { $0.name = "one" }
        _ = try replay(place) {
            $0.name = "two"
            $0.pipelines = ["sums"]
            $0.to = "10"
            $0.into = "files:\(place.directory)/lines"
        }
        let told = ReplaysCommand.list(path: place.file, json: false)
        #expect(told.exitCode == 0)
        let lines = told.text.split(separator: "\n").dropFirst(2).map { line in
            line.split(separator: "  ").map { $0.filter { $0 != " " } }.filter { !$0.isEmpty }
        }
        #expect(
            lines.map { $0.filter { !$0.hasPrefix("files:") } } == [
                ["one", "done", "all", "earliest", "now", "shadow", "120"],
                ["two", "done", "sums", "earliest", "10", "30"],
            ])
        #expect(ReplaysCommand.list(path: place.file, json: true).text.contains("\"two\""))
        do {
            let held = try CheckpointStore(
                directory: place.directory + "/state/replays/one/state", job: "shop")
            #expect(ReplaysCommand.list(path: place.file, json: false).text.contains("running"))
            let refused = ReplaysCommand.remove(path: place.file, id: "one", force: false)
            #expect(refused.text.contains("replay \"one\" is running"))
            #expect(refused.exitCode != 0)
            withExtendedLifetime(held) {}
        }
        let removed = ReplaysCommand.remove(path: place.file, id: "one", force: false)
        #expect(removed.text == "replay one is removed\n")
        #expect(ReplayFiles.names(place.directory + "/state/replays") == ["two"])
        let unknown = ReplaysCommand.remove(path: place.file, id: "one", force: false)
        #expect(unknown.text.contains("use one of: two"))
    }

    @Test func `a replay runs while the live job holds its state and its topics`() throws {
        let place = try ReplayPlace(scale: nil)
        defer { place.remove() }
        try place.append(200, from: 0)
        try live(place)
        let before = try ReplayPlace.records(place.log, "out")
        let held = try DurableStorage(
            .init(directory: place.directory + "/state", job: "shop", memoryBytes: 64 << 20))
        let writer = try place.log.writer("out")
        let ledger = try replay(place)
        #expect(ledger.complete)
        #expect(try ReplayPlace.records(place.log, "out") == before)
        withExtendedLifetime((held, writer)) {}

        // Asked again for what is done, it only tells the ledger.
        let again = try replay(place)
        #expect(again.outputs == ledger.outputs && again.partitions == ledger.partitions)
    }

    @Test func `a range by offsets or times reads just that, and lines go to files`() throws {
        let place = try ReplayPlace(scale: nil)
        defer { place.remove() }
        try place.append(300, from: 0)
        let all = try ReplayPlace.records(place.log, "orders")
        let middle = 1_700_000_000 + 450
        let later = all.filter { Int64($0.split(separator: " ")[1])! >= middle * 1_000_000 }
        let ledger = try replay(place) {
            $0.pipelines = ["sums"]
            $0.from = "2023-11-14T22:20:50Z"
            $0.into = "files:\(place.directory)/lines"
        }
        // From the first record of that time on in each partition; a few later ones may be older.
        let read = ledger.partitions.reduce(0) { $0 + ($1.records ?? 0) }
        #expect(read >= later.count && read <= later.count + 30)
        let lines = Array(FileLines(directory: place.directory + "/lines", format: .json))
        #expect(lines.count > later.count / 2 && lines.count <= read)

        let part = try replay(place) {
            $0.from = "orders/0=10,orders/1=20"
            $0.to = "30"
            $0.name = "part"
        }
        #expect(part.partitions.map(\.from) == [10, 20, 0])
        #expect(part.partitions.map(\.to) == [30, 30, 30])
    }

    @Test func `what retention took is named, or refused when asked to`() throws {
        let place = try ReplayPlace(scale: nil)
        defer { place.remove() }
        try place.log.createTopic(
            "orders", TopicSettings(partitions: 1, segmentBytes: 2000, retentionBytes: 4000))
        try place.append(400, from: 0)
        let oldest = try place.log.extents("orders")[0].oldest
        #expect(oldest > 5)
        let ledger = try replay(place) { $0.from = "5" }
        #expect(
            ledger.partitions[0].gaps == [.init(from: 5, to: oldest, reason: .retention)])
        #expect(ledger.complete)
        #expect(ledger.text.contains("offsets 5 to \(oldest - 1): deleted by retention"))
        let refused = try refusal(place) {
            $0.from = "5"
            $0.isStrict = true
            $0.name = "strict"
        }
        #expect(refused.contains("are no longer there"))
    }

    @Test func `what cannot be replayed is refused with the reason`() throws {
        let place = try ReplayPlace(scale: nil)
        defer { place.remove() }
        try place.append(60, from: 0)
        let cases: [(String, (inout ReplayCommand.Options) -> Void)] = [
            ("is neither an offset nor a time", { $0.from = "yesterday" }),
            ("nothing between the two bounds", { $0.from = "now" }),
            ("the log ends at", { $0.to = "100000" }),
            ("there is no partition \"orders/9\"", { $0.from = "orders/9=1" }),
            ("is no place for results", { $0.into = "nowhere" }),
            ("only the results of one pipeline", { $0.into = "topic:again" }),
            (
                "topic out is one the live job writes",
                {
                    $0.into = "topic:out"
                    $0.pipelines = ["sums"]
                }
            ),
            (
                "topic orders is one the live job reads",
                {
                    $0.into = "topic:orders"
                    $0.pipelines = ["sums"]
                }
            ),
            ("there is no archived topic", { $0.archive = "/nowhere" }),
            ("cannot be a replay's name", { $0.name = "a/b" }),
        ]
        for (problem, change) in cases {
            let said = try refusal(place, change)
            #expect(said.contains(problem), "\(said)")
            #expect(ReplayFiles.names(place.directory + "/state/replays").isEmpty)
        }
        _ = try replay(place) { $0.name = "mine" }
        #expect(
            try refusal(place) {
                $0.name = "mine"
                $0.to = "10"
            }.contains("was started with the range earliest to now"))
        let text = ReplayPlace.orders.replacingOccurrences(of: "[10m]", with: "[20m]")
            .replacingOccurrences(of: "spend_10m", with: "spend_20m")
        try text.write(toFile: place.file, atomically: true, encoding: .utf8)
        #expect(
            try refusal(place) { $0.name = "mine" }.contains(
                "another version of the pipelines file")
        )
        let anew = try replay(place) {
            $0.name = "mine"
            $0.startsAgain = true
        }
        #expect(anew.complete)
    }

    /// How many records the newest checkpoint of a replay covers.
    private func progress(of name: String, _ place: ReplayPlace) -> Int64 {
        let state = place.directory + "/state/replays/\(name)/state"
        let newest = (try? CheckpointStore(reading: state))?.list().first
        guard case .success(let manifest)? = newest?.manifest else { return 0 }
        return manifest.positions.values.reduce(0) { $0 + (SourcePosition($1)?.offset ?? 0) }
    }

    @Test func `a replay that is killed again and again ends as one that was not`() throws {
        let place = try ReplayPlace(scale: nil)
        defer { place.remove() }
        try place.append(1500, from: 0)
        let expected = try replay(place) { $0.name = "undisturbed" }
        var kills = 0
        var random = SeededNumbers(seed: 11)
        for round in 1...60 {
            let process = try WorkerProcess(
                program: ReplayPlace.program,
                arguments: [
                    "replay", place.file, "--name", "killed", "--throttle",
                    kills == 0 ? "300" : kills < 4 ? "1000" : "1000000", "--workers",
                    "\(1 + random.next(2))",
                    "--batch-rows", ["1", "7", "4096"][random.next(3)],
                ], errors: place.directory + "/errors")
            // Each of the first lives ends once a checkpoint of its own has got further, and no sooner.
            let before = progress(of: "killed", place)
            let isDoomed = kills < 4
            let code = process.wait { isDoomed && progress(of: "killed", place) > before }
            if code == -9 {
                kills += 1
                continue
            }
            let said = FileText.optional(place.directory + "/errors") ?? ""
            try #require(code == 0, "round \(round): \(said)")
            break
        }
        #expect(kills == 4)
        let ledger = try replay(place) { $0.name = "killed" }
        #expect(ledger.complete)
        #expect(ledger.outputs == expected.outputs)
        #expect(
            ledger.partitions.map { [$0.from, $0.to, $0.records] }
                == expected.partitions.map { [$0.from, $0.to, $0.records] })
        #expect(ledger.partitions.contains { $0.applied.count > 1 })
    }
}

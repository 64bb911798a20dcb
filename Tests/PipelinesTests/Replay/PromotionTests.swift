import Foundation
import StreamRuntime
import Testing

@testable import Pipelines

/// Promotes replays of a changed pipelines file, and compares what the job writes from then on with a job
/// that always ran the changed file.
@Suite(.serialized) struct PromotionTests {
    private static let changed = ReplayPlace.orders
        .replacingOccurrences(of: "sum(amount)}}", with: "sum(amount) * 2}}")

    private struct Interrupted: Error {}

    private func plan(_ place: ReplayPlace) throws -> JobPlan {
        try ReplaySession.plan(place.file, only: [])
    }

    /// Runs the live job up to what its input holds; to the end, or so that it can go on.
    private func live(_ place: ReplayPlace, toEnd: Bool = false, workers: Int = 1) throws {
        let plan = try plan(place)
        let ends = try plan.currentRanges().mapValues { $0.to! }
        let options = RunOptions(untilEnd: toEnd, workers: workers, serves: false, isQuiet: true)
        let summary = try JobRunner(plan: plan, options: options).run {
            guard !toEnd, let newest = try? LiveJob.newest(plan) else { return false }
            return BoundedRun.offsets(newest.positions) == ends
        }
        if case .failed(let failure) = summary.outcome { throw failure }
    }

    private func replay(
        _ place: ReplayPlace, _ name: String, to: String = "now", pipeline: String? = nil
    ) throws -> ReplayLedger? {
        var options = ReplayCommand.Options()
        options.isQuiet = true
        options.workers = 2
        options.name = name
        options.to = to
        options.pipelines = pipeline.map { [$0] } ?? []
        let only = try ReplaySession.plan(place.file, only: options.pipelines)
        return try ReplayCommand(path: place.file, options: options).replay(only) { false }
    }

    private func promote(_ place: ReplayPlace, _ id: String, rollsBack: Bool = false)
        -> PromoteCommand
    {
        PromoteCommand(path: place.file, id: id, rollsBack: rollsBack, isQuiet: true)
    }

    private func write(_ text: String, _ place: ReplayPlace) throws {
        try text.write(toFile: place.file, atomically: true, encoding: .utf8)
    }

    /// What the outputs and features hold, by name.
    private func results(_ place: ReplayPlace) throws -> [String: [String]] {
        var results = [
            "out": try ReplayPlace.records(place.log, "out"),
            "minutes": try ReplayPlace.records(place.log, "minutes"),
        ]
        results["features"] = try LiveJob.features(
            try plan(place), copy: place.directory + "/copied")
        return results
    }

    /// What a job leaves that ran `text` over `counts` orders, one batch after another.
    private func undisturbed(_ text: String, _ count: Int) throws -> [String: [String]] {
        let place = try ReplayPlace(scale: nil)
        defer { place.remove() }
        try write(text, place)
        try place.append(count, from: 0)
        try live(place, toEnd: true)
        return try results(place)
    }

    /// A place whose live job, with the old file, has read 300 orders and stopped, and where replay "new"
    /// has read the first 200 of them with the changed file.
    private func prepared() throws -> ReplayPlace {
        let place = try ReplayPlace(scale: nil)
        try place.append(200, from: 0)
        try live(place)
        try write(PromotionTests.changed, place)
        #expect(try replay(place, "new")?.complete == true)
        try write(ReplayPlace.orders, place)
        try place.append(100, from: 200)
        try live(place, workers: 2)
        return place
    }

    /// The old rows before the first `count` of each partition's rows, the new ones behind them.
    private func spliced(
        _ before: [String: [String]], _ old: [String: [String]], _ new: [String: [String]]
    ) -> [String: [String]] {
        var result = new
        for topic in ["out", "minutes"] {
            let count = before[topic]!.count
            result[topic] = Array(old[topic]!.prefix(count)) + new[topic]!.dropFirst(count)
        }
        return result
    }

    @Test
    func `after a promotion the job writes what it would have if it had always run the new file`()
        throws
    {
        let place = try prepared()
        defer { place.remove() }
        let before = try results(place)
        try write(PromotionTests.changed, place)
        let positions = try promote(place, "new").promote()
        #expect(positions.values.reduce(0, +) == 300)
        #expect(try results(place)["out"] == before["out"])
        try place.append(150, from: 300)
        try live(place, toEnd: true)
        let expected = spliced(
            before, try undisturbed(ReplayPlace.orders, 450),
            try undisturbed(PromotionTests.changed, 450))
        #expect(try results(place) == expected)
        #expect(expected["out"]! != (try undisturbed(PromotionTests.changed, 450))["out"]!)
    }

    @Test
    func `killed at any step of the switch, the job goes on with the new or the old, never both`()
        throws
    {
        let base = try prepared()
        defer { base.remove() }
        let before = try results(base)
        let old = try undisturbed(ReplayPlace.orders, 350)
        let expected = spliced(before, old, try undisturbed(PromotionTests.changed, 350))
        for step in -1...6 {
            let place = try ReplayPlace(scale: nil)
            defer { place.remove() }
            try FileManager.default.removeItem(atPath: place.directory)
            try FileManager.default.copyItem(atPath: base.directory, toPath: place.directory)
            try write(PromotionTests.changed, place)
            do throws(JobFailure) {
                _ = try promote(place, "new").promote { (reached) throws(JobFailure) in
                    if reached == max(step, 0) {
                        throw JobFailure(.environment, "killed", at: "step", remedy: "none")
                    }
                }
                Issue.record("step \(step) was not reached")
            } catch {
                #expect(error.problem == "killed", "\(error)")
            }
            if step == -1 {
                // Before the journal was whole, nothing had been decided.
                try ReplayFiles.remove(place.directory + "/state/promotion/journal")
                try write(ReplayPlace.orders, place)
            }
            try place.append(50, from: 300)
            try live(place, toEnd: true)
            #expect(try results(place) == (step == -1 ? old : expected), "step \(step)")
            if step >= 0 {
                #expect(!ReplayFiles.exists(place.directory + "/state/promotion"))
                #expect(
                    try refusal { try self.promote(place, "new").promote() }.contains("already"))
            } else {
                try write(PromotionTests.changed, place)
                #expect(try promote(place, "new").promote().values.reduce(0, +) == 350)
            }
        }
    }

    @Test func `rolled back, the job goes on with its former state brought up to date`() throws {
        let place = try prepared()
        defer { place.remove() }
        try write(PromotionTests.changed, place)
        _ = try promote(place, "new").promote()
        try place.append(60, from: 300)
        try live(place)
        let between = try results(place)
        try write(ReplayPlace.orders, place)
        #expect(try promote(place, "new", rollsBack: true).promote().values.reduce(0, +) == 360)
        try place.append(90, from: 360)
        try live(place, toEnd: true)
        var expected = try undisturbed(ReplayPlace.orders, 450)
        for topic in ["out", "minutes"] {
            let lines = between[topic]!
            expected[topic] = replacing(expected[topic]!, with: lines)
        }
        #expect(try results(place) == expected)
        #expect(
            try refusal { try self.promote(place, "new", rollsBack: true).promote() }
                .contains("promoted already"))
    }

    /// `rows` with those whose place is in `former` as they are there.
    private func replacing(_ rows: [String], with former: [String]) -> [String] {
        func place(_ row: String) -> String { String(row.prefix { $0 != " " }) }
        let known = Dictionary(uniqueKeysWithValues: former.map { (place($0), $0) })
        return rows.map { known[place($0)] ?? $0 }
    }

    @Test func `a shadow of the same file is equal to the live job, one of another file is not`()
        throws
    {
        let place = try ReplayPlace(scale: nil)
        defer { place.remove() }
        try place.append(200, from: 0)
        try live(place)
        _ = try replay(place, "same")
        try place.append(100, from: 200)
        try live(place)
        let same = VerifyCommand(path: place.file, id: "same").run()
        #expect(same.exitCode == 0, "\(same.text)")
        #expect(same.text.contains("view spending"))
        #expect(same.text.contains("equal: the shadow has what the live job has"))

        _ = try replay(place, "earlier", to: "40")
        let earlier = VerifyCommand(path: place.file, id: "earlier").run()
        #expect(earlier.exitCode == 0, "\(earlier.text)")

        _ = try replay(place, "part", pipeline: "minutes")
        let part = VerifyCommand(path: place.file, id: "part").run()
        #expect(part.exitCode == 0, "\(part.text)")
        #expect(!part.text.contains("view spending"))

        // At the end of its input the live job gives out what was still open; so does a closed shadow.
        try live(place, toEnd: true)
        #expect(VerifyCommand(path: place.file, id: "same").run().exitCode == 1)
        let ended = VerifyCommand(path: place.file, id: "same", hasEnded: true).run()
        #expect(ended.exitCode == 0, "\(ended.text)")

        try write(PromotionTests.changed, place)
        #expect(
            VerifyCommand(path: place.file, id: "same").run().text.contains(
                "made with another version"))
        _ = try replay(place, "other")
        let other = VerifyCommand(path: place.file, id: "other").run()
        #expect(other.exitCode == 1)
        #expect(other.text.contains("changed: out, partition 0, offset 0, key u"), "\(other.text)")
        #expect(other.text.contains("changed: live user "), "\(other.text)")
    }

    private func refusal(_ body: () throws -> [String: Int64]) throws -> String {
        do {
            _ = try body()
            return "no refusal"
        } catch let failure as JobFailure {
            return failure.problem + " " + failure.remedy
        }
    }

    @Test func `what cannot be promoted is refused, and nothing has changed`() throws {
        let place = try ReplayPlace(scale: nil)
        defer { place.remove() }
        try place.append(200, from: 0)
        _ = try replay(place, "ahead")
        #expect(
            try refusal { try promote(place, "ahead").promote() }
                .contains("the live job has no checkpoint"))
        try live(place)
        try place.append(50, from: 200)
        _ = try replay(place, "further")
        _ = try replay(place, "part", pipeline: "sums")
        let before = try results(place)
        for (id, problem) in [
            ("nothing", "there is no replay \"nothing\""),
            ("further", "the replay has read orders/"),
            ("part", "covers only sums"),
        ] {
            let said = try refusal { try promote(place, id).promote() }
            #expect(said.contains(problem), "\(said)")
        }
        #expect(
            try refusal { try promote(place, "ahead", rollsBack: true).promote() }
                .contains("nothing is kept from before"))
        do {
            let held = try DurableStorage(
                .init(directory: place.directory + "/state", job: "shop", memoryBytes: 64 << 20))
            #expect(
                try refusal { try promote(place, "ahead").promote() }
                    .contains("the live job must be stopped"))
            withExtendedLifetime(held) {}
        }
        try write(PromotionTests.changed, place)
        #expect(
            try refusal { try promote(place, "ahead").promote() }
                .contains("another version of the pipelines file"))
        #expect(try results(place) == before)
    }
}

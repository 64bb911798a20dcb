import Foundation
import StreamRuntime
import Testing

@testable import Pipelines

@Suite struct TrainingSetTests {
    /// A place whose job has run, and so has versions of `spending`.
    private func place() throws -> ReplayPlace {
        let place = try ReplayPlace(scale: nil)
        try place.append(60, from: 0)
        let ran = RunCommand.run(
            path: place.file,
            options: RunOptions(untilEnd: true, workers: 1, serves: false, isQuiet: true))
        #expect(ran == 0)
        return place
    }

    private func options(_ place: ReplayPlace, _ labels: String, out: String) throws
        -> TrainingSetCommand.Options
    {
        var options = TrainingSetCommand.Options()
        options.file = place.file
        options.labels = place.directory + "/labels.csv"
        try labels.write(toFile: options.labels, atomically: true, encoding: .utf8)
        options.features = ["spending"]
        options.out = place.directory + "/" + out
        options.isQuiet = true
        return options
    }

    @Test func `labels keep their order and columns and get values, statuses and event times`()
        throws
    {
        let place = try place()
        defer { place.remove() }
        let labels = """
            user,event_timestamp,label,note
            u1,2023-11-14T22:16:00Z,1,"a, b"
            nobody,2023-11-14T22:14:00Z,0,
            u1,2023-11-14T22:13:00Z,0,before
            u2,2023-11-14T22:15:00Z,1,x
            """
        var options = try options(place, labels, out: "set.csv")
        options.ignoresVisible = true
        let output = TrainingSetCommand.run(options)
        #expect(output.exitCode == 0, "\(output.text)")
        let rows = try String(contentsOfFile: options.out, encoding: .utf8)
            .split(separator: "\n").map(String.init)
        #expect(
            rows[0]
                == "user,event_timestamp,label,note,spend_10m,spend_10m__status,spending__event_time"
        )
        #expect(rows[1].hasPrefix("u1,2023-11-14T22:16:00Z,1,\"a, b\","))
        #expect(rows[1].contains(",PRESENT,2023-11-14T22:1"))
        #expect(rows[2] == "nobody,2023-11-14T22:14:00Z,0,,,NOT_FOUND,")
        #expect(rows[3] == "u1,2023-11-14T22:13:00Z,0,before,,NOT_FOUND,")
        #expect(rows[4].contains(",PRESENT,"))
        #expect(rows.count == 5)
        // What became readable only now was not readable then.
        options.ignoresVisible = false
        #expect(TrainingSetCommand.run(options).exitCode == 0)
        let strict = try String(contentsOfFile: options.out, encoding: .utf8)
        #expect(!strict.contains("PRESENT"))
    }

    @Test func `runs of labels that do not fit into memory give the same set`() throws {
        let place = try place()
        defer { place.remove() }
        var labels = "event_timestamp,user\n"
        for number in 0..<10_000 {
            let second = number % 60
            labels +=
                "2023-11-14T22:1\(3 + number % 4):\(second < 10 ? "0" : "")\(second)Z,u\(number % 8)\n"
        }
        var sets: [Data] = []
        for (memory, out) in [(1 << 30, "a.jsonl"), (1, "b.jsonl")] {
            var options = try options(place, labels, out: out)
            options.ignoresVisible = true
            options.memoryBytes = memory
            options.json = true
            let output = TrainingSetCommand.run(options)
            #expect(output.text.contains("\"runs\": \(memory == 1 ? 3 : 1)"), "\(output.text)")
            sets.append(try Data(contentsOf: URL(fileURLWithPath: options.out)))
        }
        #expect(sets[0] == sets[1])
        #expect(String(decoding: sets[0], as: UTF8.self).split(separator: "\n").count == 10_000)
    }

    @Test func `on-demand features are computed from the labels' columns and what was stored`()
        throws
    {
        let place = try place()
        defer { place.remove() }
        let text = try String(contentsOfFile: place.file, encoding: .utf8)
        try
            (text + """

                on_demand:
                  risk:
                    request: {limit: int64}
                    select:
                      over: spending.spend_10m > "limit"
                      hour: date_part('hour', now())
                """).write(toFile: place.file, atomically: true, encoding: .utf8)
        let labels = """
            user,event_timestamp,limit
            u1,2023-11-14T22:16:00Z,0
            u1,2023-11-14T22:30:00Z,100000
            nobody,2023-11-14T22:14:00Z,5
            """
        var options = try options(place, labels, out: "set.csv")
        options.ignoresVisible = true
        options.features = ["risk"]
        let output = TrainingSetCommand.run(options)
        #expect(output.exitCode == 0, "\(output.text)")
        let rows = try String(contentsOfFile: options.out, encoding: .utf8)
            .split(separator: "\n").map(String.init)
        #expect(
            rows[0]
                == "user,event_timestamp,limit,over,over__status,hour,hour__status,spending__event_time"
        )
        #expect(rows[1].hasPrefix("u1,2023-11-14T22:16:00Z,0,true,PRESENT,22,PRESENT,2023"))
        #expect(rows[2].hasPrefix("u1,2023-11-14T22:30:00Z,100000,false,PRESENT,22,PRESENT,2023"))
        #expect(rows[3] == "nobody,2023-11-14T22:14:00Z,5,,NULL_VALUE,22,PRESENT,")
        options.labels = place.directory + "/bare.csv"
        try "user,event_timestamp\nu1,2023-11-14T22:14:00Z\n".write(
            toFile: options.labels, atomically: true, encoding: .utf8)
        #expect(TrainingSetCommand.run(options).text.contains("no column \"limit\""))
    }

    @Test func `an Avro set begins as Avro files do and names its columns`() throws {
        let place = try place()
        defer { place.remove() }
        let options = try options(
            place, "user,event_timestamp\nu1,2023-11-14T22:14:00Z\n", out: "set.avro")
        #expect(TrainingSetCommand.run(options).exitCode == 0)
        let bytes = try Data(contentsOf: URL(fileURLWithPath: options.out))
        #expect(Array(bytes.prefix(4)) == [0x4F, 0x62, 0x6A, 1])
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(text.contains("\"name\":\"spend_10m__status\""))
        #expect(!FileManager.default.fileExists(atPath: options.out + ".part"))
    }

    @Test func `every mistake is told with its place and remedy`() throws {
        let place = try place()
        defer { place.remove() }
        let good = "user,event_timestamp\nu1,2023-11-14T22:14:00Z\n"
        let table:
            [(
                labels: String, change: (inout TrainingSetCommand.Options) -> Void,
                message: String
            )] = [
                (
                    "user,event_timestamp\nu1,2023-11-14T22:14:00Z\nu2,soon\n", { _ in },
                    "labels.csv, line 3, column event_timestamp"
                ),
                ("user,event_timestamp\nu1,1700000000\n", { _ in }, "--time-unit"),
                (
                    "user,event_timestamp\n,2023-11-14T22:14:00Z\n", { _ in },
                    "line 2, column user"
                ),
                ("user,at\nu1,2023-11-14T22:14:00Z\n", { _ in }, "name the column of moments"),
                ("event_timestamp\n2023-11-14T22:14:00Z\n", { _ in }, "no column \"user\""),
                ("user,event_timestamp\n", { _ in }, "there are no labels"),
                (good, { $0.features = ["spendin"] }, "spending"),
                (good, { $0.features = ["spending:spend"] }, "spend_10m"),
                (good, { $0.features = [] }, "no features were asked for"),
                (good, { $0.features = ["spending", "spending"] }, "--full-feature-names"),
                (good, { $0.service = "fraud" }, "there is no service"),
                (good, { $0.out += ".parquet" }, ".csv, .jsonl or .avro"),
                (good, { $0.labels = place.directory + "/none.csv" }, "none.csv"),
                (
                    "user,event_timestamp,spend_10m\nu1,2023-11-14T22:14:00Z,1\n", { _ in },
                    "as a feature is called"
                ),
            ]
        for (number, row) in table.enumerated() {
            var options = try options(place, row.labels, out: "set.csv")
            row.change(&options)
            let output = TrainingSetCommand.run(options)
            #expect(output.exitCode != 0, "row \(number)")
            #expect(output.text.contains(row.message), "row \(number): \(output.text)")
        }
    }

    @Test func `a job that logs no versions says so`() throws {
        let place = try place()
        defer { place.remove() }
        let text = try String(contentsOfFile: place.file, encoding: .utf8)
        for (change, message) in [
            ("feature_log: none", "feature_log: none"),
            ("feature_log: {without: spending}", "feature_log: without"),
        ] {
            try text.replacingOccurrences(
                of: "job: {name: shop,", with: "job: {name: shop, \(change),"
            ).write(toFile: place.file, atomically: true, encoding: .utf8)
            let output = TrainingSetCommand.run(
                try options(place, "user,event_timestamp\nu1,2023-11-14T22:14:00Z\n", out: "s.csv"))
            #expect(output.exitCode == 1)
            #expect(output.text.contains(message), "\(output.text)")
        }
    }
}

import Connectors
import Foundation
import StreamRuntime
import Testing

@testable import Pipelines

/// Watched directories from YAML to rows.
@Suite struct WatchRunTests {
    @Test(.timeLimit(.minutes(1)))
    func `each run takes the files that are new, with their names, and replays read the same`()
        throws
    {
        let house = try ArrivalHouse(
            from: "{files: ./drop, watch: {quiet: 1s}}",
            format: "{csv: {delimiter: \";\", encoding: latin-1}}",
            fields:
                "      file: {type: string, from: file_name}\n      dated: {type: timestamp, from: file_time}"
        )
        // A byte order mark, line ends of Windows, Latin-1, a quoted line end.
        try house.drop(
            "b.csv",
            [0xEF, 0xBB, 0xBF] + Array("item;quantity\r\n\"caf".utf8) + [0xE9]
                + Array("\nau lait\";7\r\n".utf8), at: 1_000)
        try house.drop("a.csv", Array("quantity;item\n5;00042".utf8), at: 2_000)
        let first = try house.run()
        let rows = [
            #"{"item":"00042","quantity":5,"file":"a.csv","dated":"1970-01-01T00:33:20Z","seen":"1970-01-01T00:33:20Z"}"#,
            #"{"item":"café\nau lait","quantity":7,"file":"b.csv","dated":"1970-01-01T00:16:40Z","seen":"1970-01-01T00:16:40Z"}"#,
        ]
        #expect(first.sorted() == rows.sorted())
        // Sent again, and a new one.
        try house.drop("a again.csv", Array("quantity;item\n5;00042".utf8), at: 3_000)
        try house.drop("c.csv", Array("item;quantity\nx;1\ny;many\n".utf8), at: 4_000)
        let second = try house.run(workers: 2)
        #expect(second.count == 3 && second.contains { $0.contains(#""file":"c.csv""#) })
        #expect(try house.run().count == 3)
        let letters = try house.lines(
            "stock.rejected", of: EmbeddedLog(root: house.directory + "/topics"))
        #expect(letters.count == 1 && letters[0].contains("many"))
        // The directory is no longer needed to read the same again.
        try FileManager.default.removeItem(atPath: house.directory + "/drop")
        try FileManager.default.createDirectory(
            atPath: house.directory + "/drop", withIntermediateDirectories: true)
        for name in ["state/checkpoints", "topics"] {
            try? FileManager.default.removeItem(atPath: house.directory + "/" + name)
        }
        for name in try FileManager.default.contentsOfDirectory(atPath: house.directory + "/state")
        where name != "arrivals" {
            try FileManager.default.removeItem(atPath: house.directory + "/state/" + name)
        }
        #expect(try house.run().sorted() == second.sorted())
    }

    @Test func `a file is in the topic as a whole and once, wherever the process dies`() throws {
        let house = try ArrivalHouse(from: "{files: ./drop, watch: {quiet: 0s}}")
        let source = try #require(house.plan.sources.first)
        try house.drop("a", Array("{\"item\":\"a\"}\n{\"item\":\"b\"}\n".utf8), at: 1)
        // Dies with the records appended and neither ledger nor commit.
        do {
            let log = try LedgeredLog(source, plan: house.plan, partitions: 1)
            try log.append(ArrivalRecord(key: nil, value: [0x31], timestamp: 1))
            log.close()
        }
        #expect(try house.lines("stock", of: house.topics) == [])
        // Dies with the ledger written and the commit not done.
        do {
            let log = try LedgeredLog(source, plan: house.plan, partitions: 1)
            log.close()
            let writer = try house.topics.writer("stock")
            try writer.recover(token: nil)
            try writer.append(key: nil, value: [0x32], timestamp: 1)
            let token = try writer.prepare(checkpoint: 9)
            try ArrivalLedger(token: token, text: "").write(
                ArrivalPlace.ledger(house.plan.settings.stateDirectory, stream: "stock"))
            writer.close()
        }
        #expect(try house.lines("stock", of: house.topics) == [])
        let collector = try DirectoryCollector(source, plan: house.plan)
        #expect(try house.lines("stock", of: house.topics) == ["2"])
        #expect(try !collector.round(nowMicros: 10_000_000) { false })
        #expect(try !collector.round(nowMicros: 11_000_000) { false })
        collector.close()
        #expect(
            try house.lines("stock", of: house.topics)
                == ["2", #"{"item":"a"}"#, #"{"item":"b"}"#])
        #expect(collector.figures.files == 1)
    }

    @Test func `a damaged ledger is told of`() throws {
        let house = try ArrivalHouse(from: "{files: ./drop, watch: {}}")
        let path = house.directory + "/ledger"
        try ArrivalLedger(token: [1, 255], text: "a\nb\n").write(path)
        #expect(try ArrivalLedger.read(path) == ArrivalLedger(token: [1, 255], text: "a\nb\n"))
        #expect(try ArrivalLedger.read(path + ".none") == ArrivalLedger())
        var text = try String(contentsOfFile: path, encoding: .utf8)
        text = text.replacing("a\nb", with: "a\nc")
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        #expect(throws: JobFailure.self) { try ArrivalLedger.read(path) }
    }
}

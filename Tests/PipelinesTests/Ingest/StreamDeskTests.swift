import Codecs
import FeatureServe
import StreamRuntime
import Testing

@testable import Pipelines

/// What becomes of requests that bring records, without a server in front.
@Suite struct StreamDeskTests {
    @Test func `an answer is given when the log has the records, and tells where they are`() throws
    {
        let house = try IngestHouse("{split: $, key: item, partitions: 1}")
        let desk = try house.desk()
        let body = #"[{"item":"a","quantity":1}, {"item":"b","quantity":2}]"#
        #expect(
            desk.take(body)
                == #"200 {"accepted":2,"records":[{"index":0,"count":2,"partition":0,"offset":0}]}"#
        )
        #expect(
            try house.records() == [
                #"a={"item":"a","quantity":1} 0/0"#, #"b={"item":"b","quantity":2} 0/1"#,
            ])
        #expect(desk.take("[]") == #"200 {"accepted":0}"#)
        #expect(desk.take("{}").hasPrefix("400 "))
        #expect(desk.take("nonsense").hasPrefix("400 "))
    }

    @Test func `records of one request go where their keys say, each part of it in one piece`()
        throws
    {
        let house = try IngestHouse("{split: $, key: item, partitions: 3}")
        let desk = try house.desk()
        let items = ["a", "b", "c", "d", "e", "a"]
        let body = "[" + items.map { #"{"item":"\#($0)"}"# }.joined(separator: ",") + "]"
        let answer = desk.take(body)
        let records = try house.records()
        #expect(records.count == 6)
        for item in Set(items) {
            let key = Array(item.utf8)
            let partition = Murmur2.partition(key: key, key.count, of: 3)
            #expect(records.contains { $0.hasPrefix("\(item)=") && $0.contains(" \(partition)/") })
        }
        #expect(answer.hasPrefix(#"200 {"accepted":6,"records":["#))
    }

    @Test func `a request that is sent again is answered as the first was and logged once`() throws
    {
        let house = try IngestHouse(
            "{id: header:X-Event, split: lines, remember: 1h, partitions: 1}")
        var desk = try house.desk()
        let first = desk.take("1\n2\n\n3\n", [("X-Event", "e1")])
        #expect(
            first == #"200 {"id":"e1","accepted":3,"#
                + #""records":[{"index":0,"count":3,"partition":0,"offset":0}]}"#)
        #expect(desk.take("1\n2\n\n3\n", [("x-event", "e1")]) == first)
        // Twice in one group.
        let both = desk.take([
            IngestHouse.request("4", [("X-Event", "e2")]),
            IngestHouse.request("4", [("X-Event", "e2")]),
        ])
        #expect(both[0].text == both[1].text && both[0].status == 200)
        #expect(try house.records().count == 4)
        // Another process knows it from the log.
        desk.close()
        desk = try house.desk()
        #expect(desk.take("1\n2\n\n3\n", [("X-Event", "e1")]) == first)
        #expect(desk.take("4", [("X-Event", "e2")]) == both[0].text)
        #expect(try house.records().count == 4)
        // After an hour it is another one.
        house.clock.advance(seconds: 3601)
        #expect(desk.take("5", [("X-Event", "e3")]).hasPrefix("200 "))
        #expect(desk.take("4", [("X-Event", "e2")]).contains(#""offset":5"#))
        #expect(desk.take("6").hasPrefix("400 "))
    }

    @Test func `an id may stand in the body, or be its hash`() throws {
        let inBody = try IngestHouse("{id: data.event, partitions: 1}")
        let desk = try inBody.desk()
        #expect(desk.take(#"{"data":{"event":"x\u0041"}}"#).contains(#""id":"xA""#))
        #expect(desk.take(#"{"data":{"event":"xA"}}"#).contains(#""offset":0"#))
        #expect(desk.take(#"{"data":{}}"#).hasPrefix("400 "))
        let hashed = try IngestHouse("{id: body, partitions: 1}")
        let other = try hashed.desk()
        let answer = other.take("{}")
        #expect(answer.hasPrefix(#"200 {"id":"sha256:44136fa355b3678a"#))
        #expect(other.take("{}") == answer && other.take("{ }") != answer)
        #expect(try hashed.records().count == 2)
    }

    @Test func `the sender is told which records cannot be read and why, and the rest is taken`()
        throws
    {
        let house = try IngestHouse(
            "{id: header:X-Event, split: $, validate: true, partitions: 1}")
        var desk = try house.desk()
        let body = #"[{"item":"a","quantity":1},{"item":"b"},{"item":"c","quantity":"many"}]"#
        let answer = desk.take(body, [("X-Event", "e1")])
        #expect(answer.hasPrefix(#"200 {"id":"e1","accepted":1,"records":[{"index":0,"#))
        #expect(answer.contains(#"{"index":1,"column":"quantity","reason":""#))
        #expect(answer.contains(#"{"index":2,"column":"quantity","reason":""#))
        #expect(try house.records() == [#"{"item":"a","quantity":1} 0/0"#])
        desk.close()
        desk = try house.desk()
        #expect(desk.take(body, [("X-Event", "e1")]) == answer)
        #expect(desk.take(#"[{"item":"b"}]"#, [("X-Event", "e2")]).hasPrefix("422 "))
        #expect(try house.records().count == 1)
    }

    @Test func `unsigned requests are told nothing and logged nowhere`() throws {
        let house = try IngestHouse(
            #"{signature: {shopify: {secret: "${SECRET}"}}, partitions: 1}"#)
        let desk = try house.desk()
        let right = ("X-Shopify-Hmac-Sha256", "KMJZlZzJXWUZPlSPI1QghoszUe9dRTpH2aMDOeph9GQ=")
        #expect(desk.take(#"{"available":4}"#, [right]).hasPrefix("200 "))
        let refused = #"401 {"detail": "The request is not signed as it must be"}"#
        #expect(desk.take(#"{"available":4}"#) == refused)
        #expect(desk.take(#"{"available":5}"#, [right]) == refused)
        #expect(try house.records().count == 1)
        #expect(desk.rules(of: "stock")?.isSigned == true && desk.rules(of: "other") == nil)
        let registry = MetricsRegistry()
        desk.register(in: registry)
        let figures = registry.render()
        #expect(
            figures.contains(
                #"millrace_ingest_refused_total{stream="stock",reason="signature"} 2"#))
        #expect(figures.contains(#"millrace_ingest_records_total{stream="stock"} 1"#))
    }

    @Test func `gzip is unpacked up to the largest body, and forms are unwrapped`() throws {
        let house = try IngestHouse("{max_body: 100B, partitions: 1}")
        let desk = try house.desk()
        func gzip(_ text: String) -> [UInt8] {
            var packed: [UInt8] = []
            let deflater = Deflater()
            let bytes = Array(text.utf8)
            bytes.withUnsafeBufferPointer { deflater.deflate($0, into: &packed) }
            deflater.finish(into: &packed)
            return packed
        }
        let field = ("Content-Encoding", "gzip")
        #expect(desk.take("", [field], bytes: gzip("{\"a\":1}")).hasPrefix("200 "))
        #expect(
            desk.take("", [field], bytes: gzip(String(repeating: "x", count: 101)))
                .hasPrefix("413 "))
        #expect(desk.take("", [field], bytes: gzip("{}").dropLast(3)).hasPrefix("400 "))
        #expect(desk.take("", [field], bytes: [1, 2, 3]).hasPrefix("400 "))
        #expect(desk.take("{}", [("Content-Encoding", "br")]).hasPrefix("415 "))
        #expect(try house.records() == [#"{"a":1} 0/0"#])

        let form = try IngestHouse("{unwrap: form:payload, id: id, partitions: 1}")
        let other = try form.desk()
        let body = "domain=x&payload=%7B%22id%22%3A%22a+b%22%7D&more="
        #expect(other.take(body).contains(#""id":"a b""#))
        #expect(
            other.take("domain=x").hasPrefix("400 ") && other.take("payload=%7").hasPrefix("400 "))
        #expect(try form.records() == [#"{"id":"a b"} 0/0"#])
    }

    @Test func `a log that refuses is no answer: the sender comes again and nothing is doubled`()
        throws
    {
        let house = try IngestHouse("{id: header:X-Event, split: lines, partitions: 1}")
        try EmbeddedLog(root: house.directory + "/topics")
            .createTopic("stock", TopicSettings(partitions: 1))
        let log = RefusingLog()
        let desk = try house.desk(["stock": log])
        for refusal in [RefusingLog.Refusal.append, .commit] {
            log.refusal = refusal
            let reply = desk.take([IngestHouse.request("1\n2", [("X-Event", "e1")])])[0]
            #expect(reply.status == 503 && reply.retryAfter == 1, "\(refusal)")
        }
        log.refusal = nil
        #expect(desk.take("1\n2", [("X-Event", "e1")]).hasPrefix("200 "))
        #expect(desk.take("1\n2", [("X-Event", "e1")]).hasPrefix("200 "))
        #expect(log.committed == ["1", "2"])
    }

    @Test func `what does not fit together is told with its place`() {
        let table = [
            ("{key: item}", "{files: ./in}", "json", "reads files"),
            ("{}", "{topic: stock, key: [item, quantity]}", "json", "without a key"),
            ("{}", "{topic: stock}", "{csv: {header: [item, quantity]}}", "in each row"),
            ("{}", "{topic: counts}", "json", "and so is"),
            (
                "{signature: {square: {key: abc, url: \"https://x\"}}}", "{topic: stock}", "json",
                "written into"
            ),
            (
                "{signature: {token: {header: a, value: b}}}", "{topic: stock}", "json",
                "written into"
            ),
            (
                "{signature: {hmac: {header: a, of: [url], secret: \"${SECRET}\"}}}",
                "{topic: stock}", "json", "not given"
            ),
            (
                "{signature: {hmac: {header: a, of: [query], secret: \"${SECRET}\"}}}",
                "{topic: stock}", "json", "no part"
            ),
            ("{unwrap: payload}", "{topic: stock}", "json", "wrapped"),
            ("{max_body: 1GiB}", "{topic: stock}", "json", "cannot have"),
        ]
        for (ingest, from, format, message) in table {
            let file = PlannedFile(
                file: "pipelines.yaml",
                text: IngestHouse.text(ingest, format: format, from: from),
                variables: Variables(environment: ["SECRET": "hush"], readFile: { _ in nil }))
            #expect(
                file.problems.contains { $0.message.contains(message) },
                "\(ingest): \(file.problems.map(\.message))")
        }
    }
}

/// A log that may refuse.
private final class RefusingLog: ArrivalLog {
    enum Refusal { case append, commit }

    var refusal: Refusal?
    var committed: [String] = []
    private var staged: [String] = []
    let partitions = 1
    private let failure = JobFailure(.sink, "the disk is full", at: "here", remedy: "none")

    func append(_ record: ArrivalRecord, partition: Int) throws(JobFailure) -> Int64? {
        if refusal == .append, staged.count == 1 { throw failure }
        staged.append(String(decoding: record.value, as: UTF8.self))
        return Int64(committed.count + staged.count - 1)
    }

    func commit() throws(JobFailure) {
        if refusal == .commit { throw failure }
        committed += staged
        staged = []
    }

    func discard() { staged = [] }
    func close() {}
}

import Synchronization
import Testing

@testable import Pipelines

/// Lookups that ask Redis.
@Suite struct RedisLookupTests {
    private func run(
        _ redis: TestRedis, _ lookup: String, select: String, workers: Int = 1,
        place: LookupPlace? = nil
    ) throws -> [String] {
        try (place ?? LookupPlace()).run(
            LookupPlace.file(
                "{id: enrich, on: sku, as: p, type: left, lookup: {\(lookup), cache: {ttl: 10000d}}}",
                select: select
            ).replacing("redis://127.0.0.1:1", with: "redis://127.0.0.1:\(redis.port)"),
            workers: workers)
    }

    @Test(arguments: [1, 2, 3])
    func `the fields of a hash are read with their types`(workers: Int) throws {
        let redis = TestRedis { words in
            guard words[0] == "HMGET", words[2...] == ["cents", "title", "new"] else {
                return .error("ERR \(words)")
            }
            switch words[1] {
            case "product:p1": return .texts(["150", "Apple 1", "true"])
            case "product:p2": return .texts(["75", nil, nil])
            default: return .texts([nil, nil, nil])
            }
        }
        defer { redis.stop() }
        let rows = try run(
            redis,
            "redis: {connection: cache, key: \"product:{sku}\"}, answer: {price: {type: int64, path: cents}, title: string, new: bool}",
            select: "price: p.price, title: p.title, new: p.new", workers: workers)
        #expect(
            rows == [
                #"{"id":"o1","price":150,"title":"Apple 1","new":true}"#,
                #"{"id":"o2","price":75,"title":null,"new":null}"#,
                #"{"id":"o3","price":150,"title":"Apple 1","new":true}"#,
                #"{"id":"o4","price":null,"title":null,"new":null}"#,
                #"{"id":"o5","price":null,"title":null,"new":null}"#,
                #"{"id":"o6","price":150,"title":"Apple 1","new":true}"#,
            ])
        #expect(redis.commands.count == 3)
    }

    @Test func `a document is read by paths`() throws {
        let redis = TestRedis { words in
            guard words[0] == "GET" else { return .error("ERR \(words)") }
            return .text(words[1] == "p1" ? #"{"sizes": [1, 2], "of": {"x": 7}}"# : nil)
        }
        defer { redis.stop() }
        let rows = try run(
            redis,
            "redis: {connection: cache, key: \"{sku}\", read: json}, answer: {sizes: list<int64>, x: {type: int64, path: of.x}}",
            select: "sizes: p.sizes, x: p.x")
        #expect(rows[0] == #"{"id":"o1","sizes":[1,2],"x":7}"#)
        #expect(rows[1] == #"{"id":"o2","sizes":null,"x":null}"#)
    }

    @Test func `a server that loads is asked again, and what it says for good is a failure`()
        throws
    {
        let count = Mutex(0)
        let redis = TestRedis { words in
            let ask = count.withLock { count in
                count += 1
                return count
            }
            if ask <= 3 { return .error("LOADING Redis is loading the dataset in memory") }
            if words[1] == "p2" { return .error("WRONGTYPE Operation against a key") }
            return .texts(["1"])
        }
        defer { redis.stop() }
        let place = try LookupPlace()
        let rows = try run(
            redis,
            "redis: {connection: cache, key: \"{sku}\"}, answer: {price: int64}, on_error: {dead_letter: failed}",
            select: "price: p.price", place: place)
        #expect(rows.count == 5)
        let letters = try place.rows(of: "failed")
        #expect(letters.count == 1 && letters[0].contains("WRONGTYPE"), "\(letters)")
    }
}

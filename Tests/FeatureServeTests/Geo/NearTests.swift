import Codecs
import Glibc
import StreamRuntime
import Testing

@testable import FeatureServe

/// Entities found by where they are.
@Suite struct NearTests {
    private static let ttl = 600 * Shop.second
    private static let shopper = Entity(name: "shopper", keys: [Field("shopper_id", .int64)])
    private static let schema = Schema([
        Field("shopper_id", .int64), Field("name", .string), Field("longitude", .float64),
        Field("latitude", .float64),
    ])

    private static func view(entities: Int = 1_000_000) -> FeatureView {
        FeatureView(
            name: "shopper_state", entity: "shopper", features: Array(schema.fields.dropFirst()),
            ttlMicros: ttl,
            geo: GeoColumns(
                latitude: "latitude", longitude: "longitude", entitiesMax: entities))
    }

    private static func store(
        _ rows: any OnlineRows = MemoryRows(), entities: Int = 1_000_000, budget: Int = 64 << 20
    ) throws -> OnlineStore {
        try OnlineStore(
            catalog: try FeatureCatalog(entities: [shopper], views: [view(entities: entities)]),
            rows: rows, budgetBytes: budget)
    }

    struct Place {
        var latitude: Double?
        var longitude: Double?
        var at = Shop.noon
        var isDeleted = false
    }

    private static func write(
        _ places: [(shopper: Int64, place: Place)], to store: OnlineStore
    ) throws {
        let writer = try FeatureWriter(
            store: store, view: "shopper_state", schema: schema, now: { Shop.noon })
        let batch = ColumnBatch(schema: schema, capacity: places.count)
        let changes = RowChange.inserts(0)
        for (row, entry) in places.enumerated() {
            batch.columns[0].append(entry.shopper)
            batch.columns[1].append("s")
            if let degrees = entry.place.longitude {
                batch.columns[2].append(degrees)
            } else {
                batch.columns[2].appendNull()
            }
            if let degrees = entry.place.latitude {
                batch.columns[3].append(degrees)
            } else {
                batch.columns[3].appendNull()
            }
            batch.order.append(
                eventTime: entry.place.at, watermark: .min, origin: 0, offset: Int64(row))
            changes.append(entry.place.isDeleted)
            changes.bools[row] =
                (entry.place.isDeleted ? RowChange.delete : RowChange.insert).rawValue
        }
        batch.count = places.count
        batch.changes = changes
        _ = try writer.write(batch)
    }

    private static func request(
        _ latitude: Double, _ longitude: Double, _ miles: Double, limit: Int = 100
    ) throws -> NearRequest {
        let text =
            "{\"view\":\"shopper_state\",\"latitude\":\(latitude),\"longitude\":\(longitude),"
            + "\"miles\":\(miles),\"limit\":\(limit)}"
        return try Array(text.utf8).withUnsafeBufferPointer { bytes in
            var scanner = JSONScanner(bytes)
            return try NearRequest(&scanner)
        }
    }

    private static func ask(
        _ store: OnlineStore, _ request: NearRequest, now: Int64 = Shop.noon
    ) throws -> [(shopper: Int64, miles: Double)] {
        let rows = try store.near(request, now: now).rows
        let decoder = KeyDecoder([.int64])
        return rows.rows.map { row in
            let column = Column(.int64, capacity: 1)
            decoder.decode(rows.key(row), into: [column])
            return (column.int64s[0], row.miles)
        }
    }

    /// The distance by vectors: another way than the index goes.
    private static func miles(_ left: (Double, Double), _ right: (Double, Double)) -> Double {
        func vector(_ place: (Double, Double)) -> (Double, Double, Double) {
            let (latitude, longitude) = (place.0 * .pi / 180, place.1 * .pi / 180)
            return (
                cos(latitude) * cos(longitude), cos(latitude) * sin(longitude), sin(latitude)
            )
        }
        let (a, b) = (vector(left), vector(right))
        let cross = (
            a.1 * b.2 - a.2 * b.1, a.2 * b.0 - a.0 * b.2, a.0 * b.1 - a.1 * b.0
        )
        let length = (cross.0 * cross.0 + cross.1 * cross.1 + cross.2 * cross.2).squareRoot()
        let dot = a.0 * b.0 + a.1 * b.1 + a.2 * b.2
        return 6371.0088 / 1.609344 * atan2(length, dot)
    }

    @Test(arguments: [(1, 40), (2, 800), (3, 3000)])
    func `what is found is what looking at every entity finds`(seed: Int, shoppers: Int) throws {
        var random = SplitMix(state: UInt64(seed))
        // Two towns, both sides of the date line, and both poles.
        let centres = [
            (40.7, -74.0), (51.5, -0.1), (-17.7, 179.99), (-17.7, -179.99), (89.9, 10.0),
            (-90.0, 0.0), (0.0, 180.0),
        ]
        func place() -> (Double, Double) {
            let centre = centres.randomElement(using: &random)!
            let spread = [0.01, 0.2, 3].randomElement(using: &random)!
            var longitude = centre.1 + Double.random(in: -spread...spread, using: &random)
            if longitude > 180 { longitude -= 360 }
            if longitude < -180 { longitude += 360 }
            let latitude = centre.0 + Double.random(in: -spread...spread, using: &random)
            return (min(max(latitude, -90), 90), longitude)
        }
        let rows = MemoryRows()
        var store = try NearTests.store(rows)
        var known: [Int64: Place] = [:]
        for round in 0..<8 {
            var writes: [(shopper: Int64, place: Place)] = []
            for _ in 0..<shoppers {
                let shopper = Int64.random(in: 0..<Int64(shoppers), using: &random)
                let (latitude, longitude) = place()
                var new = Place(latitude: latitude, longitude: longitude)
                new.at = Shop.noon - Int64.random(in: 0..<2 * NearTests.ttl, using: &random)
                switch Int.random(in: 0..<20, using: &random) {
                case 0: new.isDeleted = true
                case 1: new.latitude = nil
                case 2: new.longitude = 200
                default: break
                }
                writes.append((shopper, new))
                if let old = known[shopper], old.at > new.at { continue }
                known[shopper] = new
            }
            try NearTests.write(writes, to: store)
            if round == 4 {
                // Opened again, with most of the rows at rest only.
                try store.sync()
                store = try NearTests.store(rows, budget: 64 * 4096)
            }
            for _ in 0..<12 {
                let from = place()
                let reach = [0.5, 5, 60, 900, 12_500].randomElement(using: &random)!
                let limit = [1, 7, 60_000].randomElement(using: &random)!
                let now = Shop.noon + Int64.random(in: 0..<NearTests.ttl, using: &random)
                let found = try NearTests.ask(
                    store, try NearTests.request(from.0, from.1, reach, limit: limit), now: now)
                let all = known.compactMap { shopper, place -> (Int64, Double)? in
                    guard !place.isDeleted, let latitude = place.latitude,
                        let longitude = place.longitude, abs(longitude) <= 180,
                        place.at >= now - NearTests.ttl
                    else { return nil }
                    let miles = NearTests.miles(from, (latitude, longitude))
                    return miles <= reach ? (shopper, miles) : nil
                }.sorted { $0.1 < $1.1 }
                let wanted = all.prefix(limit)
                try #require(found.count == wanted.count, "seed \(seed), round \(round)")
                for (found, wanted) in zip(found, wanted) {
                    // The haversine loses digits towards the other side of the Earth.
                    let error = abs(found.miles - wanted.1)
                    #expect(error < (wanted.1 < 6000 ? 1e-6 : 0.01), "seed \(seed)")
                }
                if limit > all.count {
                    #expect(Set(found.map(\.shopper)) == Set(all.map(\.0)), "seed \(seed)")
                }
            }
        }
        let index = store.geo[0].index
        #expect(index.entityCount <= known.count)
    }

    private static func row(_ latitude: Double, _ longitude: Double, at: Int64 = Shop.noon) -> Place
    {
        Place(latitude: latitude, longitude: longitude, at: at)
    }

    @Test func `a lookup by place answers the nearest entities with their distances`() throws {
        let store = try NearTests.store()
        try NearTests.write(
            [
                (1, NearTests.row(40.71, -74)), (2, NearTests.row(40.70, -74)),
                (3, NearTests.row(41.70, -74)),
                (4, NearTests.row(40.70, -74, at: Shop.noon - 601 * Shop.second)),
            ], to: store)
        func near(_ more: String) -> String {
            """
            {"features":["shopper_state:name"],"near":{"view":"shopper_state","latitude":40.7,\
            "longitude":-74,"miles":5\(more)}}
            """
        }
        let answer = Shop.ask(store, near(""))
        #expect(answer.status == 200)
        #expect(answer.body.contains("{\"values\":[2,1],\"statuses\""), "\(answer.body)")
        #expect(answer.body.contains("{\"values\":[\"s\",\"s\"]"))
        #expect(answer.body.contains("{\"values\":[0.0,0.69"), "\(answer.body)")
        #expect(answer.body.contains("[\"shopper_id\",\"name\",\"distance_miles\"]"))
        #expect(answer.body.contains("\"near\":{\"found\":2,\"complete\":true}"))
        #expect(Shop.ask(store, near(",\"limit\":1")).body.contains("{\"values\":[2],"))
        let nobody = Shop.ask(
            store, near("").replacing("40.7,", with: "-40.7,"))
        #expect(nobody.status == 200)
        #expect(
            nobody.body
                == "{\"results\":["
                + [String](
                    repeating: "{\"values\":[],\"statuses\":[],\"event_timestamps\":[]}", count: 3
                ).joined(separator: ",")
                + "],\"metadata\":{\"feature_names\":[\"shopper_id\",\"name\",\"distance_miles\"],"
                + "\"near\":{\"found\":0,\"complete\":true}}}")
    }

    @Test(arguments: [
        ("\"view\":\"none\",\"latitude\":1,\"longitude\":1,\"miles\":1", 404, "does not exist"),
        ("\"view\":\"shopper_state\",\"latitude\":91,\"longitude\":1,\"miles\":1", 422, "latitude"),
        ("\"view\":\"shopper_state\",\"latitude\":1,\"longitude\":1", 422, "miles"),
        (
            "\"view\":\"shopper_state\",\"latitude\":1,\"longitude\":1,\"miles\":1,\"limit\":0",
            422,
            "limit"
        ),
    ])
    func `a place that is none is refused`(near: String, status: Int, part: String) throws {
        let answer = Shop.ask(
            try NearTests.store(),
            "{\"features\":[\"shopper_state:name\"],\"near\":{\(near)}}")
        #expect(answer.status == status)
        #expect(answer.body.contains(part), "\(answer.body)")
    }

    @Test func `a request for very many is answered alike, by another thread`() throws {
        let store = try NearTests.store()
        try NearTests.write(
            (0..<300).map { (Int64($0), NearTests.row(40, Double($0) / 1000)) }, to: store)
        var options = FeatureServer.Options()
        options.port = 0
        options.threads = 1
        let server = FeatureServer(
            store: store, metrics: MetricsRegistry(), options: options, now: { Shop.noon })
        let port = try server.start()
        defer { server.stop(graceMillis: 200) }
        func ask(_ limit: Int) throws -> HTTPAsk.Answer {
            try HTTPAsk.send(
                port: port, path: "/get-online-features",
                body: """
                    {"features":["shopper_state:name"],"near":{"view":"shopper_state","latitude":40,\
                    "longitude":0.1,"miles":50,"limit":\(limit)}}
                    """)
        }
        let few = try ask(2000)
        #expect(few.body.contains("\"near\":{\"found\":300,"), "\(few.body.suffix(200))")
        #expect(try ask(60_000) == few)
    }

    @Test func `a past moment has no places`() throws {
        let answer = Shop.ask(
            try NearTests.store(),
            """
            {"features":["shopper_state:name"],"consistency":"snapshot",\
            "near":{"view":"shopper_state","latitude":1,"longitude":1,"miles":1}}
            """)
        #expect(answer.status == 422)
        #expect(answer.body.contains("near is about now"))
    }

    @Test func `beyond its bound the index takes no more entities, and the answer says so`() throws
    {
        let store = try NearTests.store(entities: 10)
        try NearTests.write(
            (0..<20).map { (Int64($0), NearTests.row(40, Double($0) / 1000)) }, to: store)
        #expect(store.geo[0].index.entityCount == 10)
        let found = try store.near(try NearTests.request(40, 0, 50), now: Shop.noon).rows
        #expect(found.rows.count == 10)
        #expect(!found.isComplete)
    }

    @Test func `what has outlived the ttl makes room`() throws {
        let store = try NearTests.store(entities: 200)
        // In the same shards, old by the time the others come.
        for round in 0..<40 {
            let at = Shop.noon + Int64(round) * 700 * Shop.second
            let writer = try FeatureWriter(
                store: store, view: "shopper_state", schema: NearTests.schema, now: { at })
            let batch = ColumnBatch(schema: NearTests.schema, capacity: 100)
            for row in 0..<100 {
                batch.columns[0].append(Int64(round * 100 + row))
                batch.columns[1].append("s")
                batch.columns[2].append(Double(row))
                batch.columns[3].append(0.0)
                batch.order.append(eventTime: at, watermark: .min, origin: 0, offset: 0)
            }
            batch.count = 100
            _ = try writer.write(batch)
            let found = try NearTests.ask(
                store, try NearTests.request(0, 50, 12_500, limit: 1000), now: at)
            #expect(found.count >= 75, "round \(round): \(found.count)")
        }
        #expect(store.geo[0].index.entityCount <= 200)
    }
}

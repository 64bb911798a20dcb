import Codecs
import StreamRuntime

/// Whose entities are wanted: those near a place.
struct NearRequest: Equatable {
    var view = ""
    var latitude = Double.nan
    var longitude = Double.nan
    var miles = Double.nan
    var limit = NearRequest.usualLimit

    static let usualLimit = 100
    /// Requests for more rows take longer than an event loop should.
    static let promptLimit = 2000
    /// Half way round the Earth, and a little.
    static let milesMax = 12_500.0
    /// The name under which the distance is answered, and given to on-demand features that ask for it.
    static let distance = "distance_miles"
    static let field = Field(distance, .float64)

    /// Reads the object.
    init(_ scanner: inout JSONScanner) throws(JSONFault) {
        guard scanner.peek() == 0x7B else { throw scanner.fault("near is not an object") }
        try scanner.object { (name, scanner) throws(JSONFault) in
            let member = scanner.text(name)
            let token = try scanner.value()
            switch member {
            case "view": view = scanner.text(token)
            case "latitude": latitude = Double(scanner.text(token)) ?? .nan
            case "longitude": longitude = Double(scanner.text(token)) ?? .nan
            case "miles": miles = Double(scanner.text(token)) ?? .nan
            case "limit":
                guard let rows = Int(scanner.text(token)), (1...LookupEngine.rowsMax).contains(rows)
                else { throw scanner.fault("limit is not between 1 and \(LookupEngine.rowsMax)") }
                limit = rows
            default: break
            }
        }
        guard !view.isEmpty, abs(latitude) <= 90, abs(longitude) <= 180, miles > 0,
            miles <= NearRequest.milesMax
        else {
            throw scanner.fault(
                "near needs a view, a latitude, a longitude, and miles of at most 12500")
        }
    }
}

extension OnlineStore {
    /// Takes in where the entities at rest are, when the store is opened.
    func findPlaces(_ table: OnlineTable) throws(JobFailure) {
        guard table.geo.contains(where: { $0 != nil }) else { return }
        try forEachRow(of: table) { key, row in
            let bytes = key.assumingMemoryBound(to: UInt8.self)
            let hash = Hash.xxh3(bytes.baseAddress!, bytes.count)
            table.shard(hash).notePlaces(
                row, hash: hash, key: bytes.baseAddress!, keyLength: bytes.count,
                now: .min)
        }
    }

    /// The indices of places, with their views.
    var geo: [(view: String, index: GeoIndex)] {
        tables.flatMap { table in
            zip(table.views, table.geo).compactMap { view, index in
                index.map { (view.name, $0) }
            }
        }
    }

    /// The entities of the request's view that are near its place, current at `now`.
    ///
    /// - Throws: when there is no such view, or it does not say where its entities are.
    func near(
        _ request: NearRequest, now: Int64
    ) throws(LookupProblem) -> (table: Int, rows: NearRows) {
        guard let place = catalog.place(of: request.view) else { throw .noView(request.view) }
        let table = tables[place.table]
        guard let index = table.geo[place.slot] else {
            throw .invalid(
                "Feature view \(request.view) does not say where its entities are; declare "
                    + "geo: {latitude: FEATURE, longitude: FEATURE}")
        }
        let found = NearRows(limit: request.limit)
        found.isComplete = index.leftOutCount == 0
        var cover = GeoCover(
            latitude: request.latitude, longitude: request.longitude, miles: request.miles)
        table.forEachGeo(place.slot) { $0.collect(&cover, now: now, into: found) }
        found.finish()
        return (place.table, found)
    }
}

extension OnlineTable {
    /// Lends the part of every shard, behind its lock.
    func forEachGeo(_ slot: Int, _ body: (GeoPart) -> Void) {
        for hash in 0..<Int64(OnlineTable.shardCount) {
            shard(hash &<< 32).withGeo(slot, body)
        }
    }
}

extension OnlineShard {
    func withGeo(_ slot: Int, _ body: (GeoPart) -> Void) {
        lock.lock()
        defer { lock.unlock() }
        if let part = geo[slot] { body(part) }
    }

    /// Takes in where the entity of a row at rest is, however old the row.
    func notePlaces(
        _ row: OnlineRow, hash: Int64, key: UnsafePointer<UInt8>, keyLength: Int, now: Int64
    ) {
        lock.lock()
        defer { lock.unlock() }
        for slot in 0..<views {
            notePlace(row, slot: slot, hash: hash, key, keyLength, now: now)
        }
    }

    /// Takes in where the entity of the row is, behind the lock.
    func notePlace(
        _ row: OnlineRow, slot: Int, hash: Int64, _ key: UnsafePointer<UInt8>, _ keyLength: Int,
        now: Int64
    ) {
        guard !geo.isEmpty, let part = geo[slot], row.slots[slot].state != .absent else { return }
        part.write(
            hash: hash, key: key, keyLength: keyLength,
            payload: row.slots[slot].state == .value
                ? row.slots[slot].payload.map { UnsafePointer($0) } : nil,
            eventTime: row.slots[slot].eventTime, now: now)
    }
}

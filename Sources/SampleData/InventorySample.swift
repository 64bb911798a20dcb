/// Stock counts of three point-of-sale systems over one set of stores and products.
///
/// All three are made along one timeline, so that which count is stale is known: a count's own time
/// is its event time, except for those made stale on purpose.
struct InventorySample {
    private static let second: Int64 = 1_000_000
    private static let minute = 60 * second

    private var random: SampleRandom
    private let squareEvents: Int
    private let exportRows: Int
    private let shelfChanges: Int

    let square = Arrivals()
    let shelf = Arrivals()
    private(set) var exports: [ExportFiles.File] = []
    private(set) var squareCounts = SampleReport.Counts()
    private(set) var exportCounts = SampleReport.Counts()
    private(set) var shelfCounts = SampleReport.Counts()

    /// Pairs counted lately, with the time of the count.
    private var recent: [(store: String, product: String, at: Int64)] = []
    private var spoiler = Spoiler()
    private var shelfSpoiler = Spoiler()
    /// What is on the shelf system's table, and the newest change of each row.
    private var rows: [String: (quantity: Int, at: Int64)] = [:]
    private var rowOrder: [(store: String, product: String)] = []
    private var sequence = 0

    init(random: SampleRandom, squareEvents: Int, exportRows: Int, shelfChanges: Int) {
        self.random = random
        self.squareEvents = squareEvents
        self.exportRows = exportRows
        self.shelfChanges = shelfChanges
    }

    private enum Turn { case square, shelf, export(Int) }

    mutating func make() {
        // Six exports along the day; everything else is spread evenly.
        let files = 6
        var turns: [(at: Int64, turn: Turn)] = []
        let snapshot = shelfChanges / 10
        for index in 0..<squareEvents { turns.append((spread(index, squareEvents), .square)) }
        for index in 0..<(shelfChanges - snapshot) {
            turns.append((spread(index, shelfChanges - snapshot), .shelf))
        }
        for file in 0..<files {
            let opening = SampleData.start + Int64(file + 1) * SampleData.span / Int64(files + 1)
            let rows = exportRows / (files + 1)
            exports.append(ExportFiles.File(number: file, at: opening))
            for row in 0..<rows {
                let step = 2 * Self.minute / Int64(rows)
                turns.append((opening + Int64(row) * max(step, 1), .export(file)))
            }
        }
        makeSnapshot(snapshot)
        turns.sort { $0.at < $1.at }
        for (at, turn) in turns {
            switch turn {
            case .square: makeSquare(at)
            case .shelf: makeShelf(at)
            case .export(let file): makeExport(at, file)
            }
        }
        resendExport()
        squareCounts.records = square.count
        shelfCounts.records = shelf.count
        exportCounts.records = exports.reduce(0) { $0 + $1.rows.count }
    }

    /// Even steps with some play, in steps of ten microseconds so that five fraction digits say it all.
    private mutating func spread(_ index: Int, _ count: Int) -> Int64 {
        let step = (SampleData.span - Self.minute) / Int64(count)
        let at = Int64(index) * step + random.below(max(step, 10))
        return SampleData.start + Self.second + at / 10 * 10
    }

    private mutating func quantity() -> String {
        switch random.below(4) {
        case 0: "\(random.below(60))"
        case 1: "\(random.below(60)).5"
        case 2: "\(random.below(20)).\(SampleText.padded(random.below(1000), 3))"
        default: "\(random.below(9)).\(SampleText.padded(1 + random.below(99_998), 5))"
        }
    }

    private mutating func remember(_ store: String, _ product: String, _ at: Int64) {
        recent.append((store, product, at))
        if recent.count > 200 { recent.removeFirst(100) }
    }

    // MARK: Square

    private mutating func makeSquare(_ at: Int64) {
        let store = random.store()
        let merchant = "MLR" + SampleText.padded(1 + random.below(12), 2)
        let id = random.uuid()
        let created = SampleText.time(at, digits: 5)
        let arrival = at + random.below(29 * Self.second)
        func envelope(_ type: String, _ data: String) -> String {
            "{\"merchant_id\":\"\(merchant)\",\"type\":\"\(type)\",\"event_id\":\"\(id)\","
                + "\"created_at\":\"\(created)\",\"data\":\(data)}"
        }
        if random.chance(100) {
            let type = ["catalog.version.updated", "payment.updated", "order.created"][
                random.below(3)]
            let data =
                "{\"type\":\"other\",\"id\":\"\(random.uuid())\",\"object\":{\"version\":"
                + "\(random.below(1000))}}"
            square.append(
                arrival: arrival, eventTime: at, key: merchant, value: envelope(type, data))
            squareCounts.otherTypes += 1
            return
        }
        let isSpoiled = random.chance(6)
        let counts = makeCounts(store, at, isSpoiled: isSpoiled)
        let record = envelope(
            "inventory.count.updated",
            "{\"type\":\"inventory_counts\",\"id\":\"\(random.uuid())\",\"object\":{"
                + "\"inventory_counts\":[\(counts.text)]}}")
        guard !isSpoiled else {
            let value = spoiler.spoil(
                record,
                [
                    ("\"created_at\":\"\(created)\",", ""), ("\"\(created)\"", "\"yesterday\""),
                    ("\"quantity\":\"", "\"quantity\":\"abc"),
                    (id, String(id.dropLast()) + "\u{1}"),
                ])
            square.append(arrival: arrival, eventTime: at, key: merchant, value: value)
            squareCounts.malformed += 1
            return
        }
        square.append(arrival: arrival, eventTime: at, key: merchant, value: record)
        if random.chance(33) {
            let again = arrival + Self.minute + random.below(39 * Self.minute)
            square.append(arrival: again, eventTime: at, key: merchant, value: record)
            squareCounts.duplicates += 1
            squareCounts.duplicateCounts += counts.inStock
        }
    }

    private mutating func makeCounts(
        _ store: String, _ at: Int64, isSpoiled: Bool
    ) -> (text: String, inStock: Int) {
        var products: [String] = []
        var text = ""
        var inStock = 0
        // A stale count stands alone: its store is that of the pair it is about.
        let old = recent.filter { at - $0.at < 25 * Self.minute && $0.at < at }
        let stale = !isSpoiled && random.chance(38) ? old.last : nil
        for _ in 0..<(stale == nil ? 1 + random.skewed(below: 5) : 1) {
            let product = stale?.product ?? random.product()
            guard !products.contains(product) else { continue }
            products.append(product)
            let isInStock = stale != nil || !random.chance(150)
            let counted =
                stale == nil ? at : at - 30 * Self.minute - random.below(30 * Self.minute) / 10 * 10
            let state = isInStock ? "IN_STOCK" : ["WASTE", "IN_TRANSIT", "SOLD"][random.below(3)]
            if !text.isEmpty { text += "," }
            text +=
                "{\"calculated_at\":\"\(SampleText.time(counted, digits: 9, extra: random.below(1000)))\","
                + "\"catalog_object_id\":\"\(product)\",\"catalog_object_type\":\"ITEM_VARIATION\","
                + "\"location_id\":\"\(stale?.store ?? store)\",\"quantity\":\"\(quantity())\","
                + "\"state\":\"\(state)\"}"
            guard !isSpoiled else { continue }
            squareCounts.stockCounts += 1
            if !isInStock { squareCounts.notInStock += 1 }
            if isInStock { inStock += 1 }
            if stale != nil {
                squareCounts.stale += 1
            } else if isInStock {
                remember(store, product, at)
            }
        }
        return (text, inStock)
    }

    // MARK: exports

    private mutating func makeExport(_ at: Int64, _ file: Int) {
        let product = random.product()
        let store = exports[file].store
        let description = ExportFiles.descriptions[random.below(ExportFiles.descriptions.count)]
        let isSpoiled = random.chance(6)
        let time = SampleText.time(at, digits: 6)
        var fields = [store, product, description, "\(random.below(90)).\(random.below(10))", time]
        if isSpoiled {
            switch exportCounts.malformed % 3 {
            case 0: fields.removeLast(2)
            case 1: fields[3] = "n/a"
            default: fields[4] = "noon"
            }
            exportCounts.malformed += 1
        } else {
            exportCounts.stockCounts += 1
            remember(store, product, at)
        }
        exports[file].rows.append(fields)
    }

    /// The last whole file once more, under another name.
    private mutating func resendExport() {
        guard var again = exports.last else { return }
        again.isResent = true
        for row in again.rows {
            let isWhole = row.count == 5 && row[3] != "n/a" && row[4] != "noon"
            exportCounts.duplicates += 1
            if isWhole {
                exportCounts.duplicateCounts += 1
            } else {
                exportCounts.malformed += 1
            }
        }
        exports.append(again)
    }

    // MARK: the shelf system's change stream

    private mutating func makeSnapshot(_ count: Int) {
        var made = 0
        while made < count {
            let (store, product) = (random.store(), random.product())
            guard rows[store + product] == nil else {
                // A small table may be full of the usual products: then it has no more rows.
                made += 1
                continue
            }
            change(store, product, at: SampleData.start + Int64(made), op: "r")
            made += 1
        }
    }

    private mutating func makeShelf(_ at: Int64) {
        let choice = random.below(100)
        if choice < 15 || rowOrder.isEmpty {
            let (store, product) = (random.store(), random.product())
            change(store, product, at: at, op: rows[store + product] == nil ? "c" : "u")
            return
        }
        let row = rowOrder[random.below(rowOrder.count)]
        guard rows[row.store + row.product] != nil else {
            return change(row.store, row.product, at: at, op: "c")
        }
        change(row.store, row.product, at: at, op: choice < 20 ? "d" : "u")
    }

    private mutating func change(_ store: String, _ product: String, at: Int64, op: String) {
        let millis = at / 1000
        let micros = millis * 1000
        sequence += 1
        func row(_ quantity: Int, _ at: Int64) -> String {
            "{\"store_id\":\"\(store)\",\"sku\":\"\(product)\",\"on_hand\":\"\(SampleText.unscaled(quantity * 100_000))\","
                + "\"updated_at\":\(at)}"
        }
        let before = rows[store + product].map { row($0.quantity, $0.at) } ?? "null"
        var after = "null"
        let key = "{\"store_id\":\"\(store)\",\"sku\":\"\(product)\"}"
        let isSpoiled = op == "u" && random.chance(4)
        if op == "d" {
            rows[store + product] = nil
        } else {
            let quantity = random.below(80)
            after = row(quantity, micros)
            if !isSpoiled {
                if rows[store + product] == nil { rowOrder.append((store, product)) }
                rows[store + product] = (quantity, micros)
            }
        }
        let record =
            "{\"before\":\(before),\"after\":\(after),\"source\":{\"connector\":\"postgresql\","
            + "\"name\":\"shelf\",\"ts_ms\":\(millis),\"snapshot\":\"\(op == "r")\",\"db\":\"shelf\","
            + "\"schema\":\"public\",\"table\":\"stock\",\"txId\":\(500 + sequence),"
            + "\"lsn\":\(24_023_000 + sequence * 128)},\"op\":\"\(op)\",\"ts_ms\":\(millis + 400)}"
        guard !isSpoiled else {
            let value = shelfSpoiler.spoil(
                record,
                [
                    (
                        "\"after\":\(after)",
                        "\"after\":" + after.replacing("\"on_hand\":\"", with: "\"on_hand\":\"*")
                    )
                ])
            shelf.append(arrival: micros, eventTime: micros, key: key, value: value)
            shelfCounts.malformed += 1
            return
        }
        shelf.append(arrival: micros, eventTime: micros, key: key, value: record)
        shelfCounts.stockCounts += 1
        remember(store, product, micros)
        if op == "d" {
            shelf.append(arrival: micros, eventTime: micros, key: key, value: nil as [UInt8]?)
            shelfCounts.tombstones += 1
        }
    }
}

extension String {
    fileprivate func replacing(_ part: String, with other: String) -> String {
        SampleText.replacing(part, in: self, with: other)
    }
}

import Glibc
import StreamRuntime

/// Geohashes: cells of the globe named by texts, where a longer text is a cell inside a shorter one's.
///
/// - Source: G. Niemeyer, 2008: bits of longitude and latitude by turns, five to a digit.
enum GeohashFunctions {
    private static let digits = Array("0123456789bcdefghjkmnpqrstuvwxyz".utf8)
    /// 60 bits: a few centimetres.
    private static let precisionMax: Int64 = 12
    /// Cells that one circle may be covered with.
    private static let cellsMax = 1024

    /// A cell as its column and row in the grid of its precision.
    struct Cell {
        let precision: Int
        var column: Int64
        var row: Int64

        var columnBits: Int { (precision * 5 + 1) / 2 }
        var rowBits: Int { precision * 5 / 2 }
        /// Degrees.
        var width: Double { 360 / Double(1 << columnBits) }
        var height: Double { 180 / Double(1 << rowBits) }
        var west: Double { Double(column) * width - 180 }
        var south: Double { Double(row) * height - 90 }

        init(_ latitude: Double, _ longitude: Double, _ precision: Int) {
            self.init(precision: precision, column: 0, row: 0)
            column = Int64(((longitude + 180) / width).rounded(.down))
            row = Int64(((latitude + 90) / height).rounded(.down))
            column = wrapped(column)
            row = min(max(row, 0), 1 << rowBits - 1)
        }

        init(precision: Int, column: Int64, row: Int64) {
            self.precision = precision
            self.column = column
            self.row = row
        }

        func wrapped(_ column: Int64) -> Int64 { column & (1 << columnBits - 1) }

        /// The cell so far away; nil beyond a pole.
        func moved(_ columns: Int64, _ rows: Int64) -> Cell? {
            guard row + rows >= 0, row + rows < 1 << rowBits else { return nil }
            return Cell(
                precision: precision, column: wrapped(column + columns), row: row + rows)
        }

        func append(to arena: ByteArena) {
            var isColumn = true
            var columnBit = columnBits
            var rowBit = rowBits
            for _ in 0..<precision {
                var digit = 0
                for _ in 0..<5 {
                    if isColumn {
                        columnBit -= 1
                        digit = digit << 1 | Int(column >> Int64(columnBit) & 1)
                    } else {
                        rowBit -= 1
                        digit = digit << 1 | Int(row >> Int64(rowBit) & 1)
                    }
                    isColumn.toggle()
                }
                arena.add(digits[digit])
            }
        }

        /// The cell that `text` names.
        init?(_ text: UnsafeBufferPointer<UInt8>) {
            guard (1...Int(precisionMax)).contains(text.count) else { return nil }
            self.init(precision: text.count, column: 0, row: 0)
            var isColumn = true
            for character in text {
                let small = character >= 65 && character <= 90 ? character | 32 : character
                guard let digit = digits.firstIndex(of: small) else { return nil }
                for bit in (0..<5).reversed() {
                    let value = Int64(digit >> bit & 1)
                    if isColumn {
                        column = column << 1 | value
                    } else {
                        row = row << 1 | value
                    }
                    isColumn.toggle()
                }
            }
        }
    }

    private static func isPlace(_ latitude: Double, _ longitude: Double) -> Bool {
        Swift.abs(latitude) <= 90 && Swift.abs(longitude) <= 180
    }

    private static let badPlace =
        "a latitude is not between -90 and 90, or a longitude -180 and 180"
    private static let badPrecision = "a geohash has 1 to 12 characters"

    private static func middle(_ call: KernelCall, _ body: (Cell) -> Double) -> Column {
        let (result, live) = call.result(.float64)
        for row in 0..<call.count where live[row] != 0 {
            guard let cell = Cell(call.arguments[0].bytes(row)) else {
                call.fail(row, live, "the text is no geohash")
                continue
            }
            result.float64s[row] = body(cell)
        }
        return result
    }

    static let all: [ScalarFunction] = [
        ScalarFunction(
            "geohash", "geohash(lat, lon, precision)",
            "The geohash of so many characters of the cell that a place lies in.",
            "geohash(37.7749, -122.4194, 6)", "9q8yyk",
            [
                Overload([.float64, .float64, .int64], canFail: true, .string) { call in
                    let latitudes = call.arguments[0].float64s
                    let longitudes = call.arguments[1].float64s
                    let precisions = call.arguments[2].int64s
                    return call.buildText { row, arena in
                        guard isPlace(latitudes[row], longitudes[row]) else { return badPlace }
                        guard (1...precisionMax).contains(precisions[row]) else {
                            return badPrecision
                        }
                        Cell(latitudes[row], longitudes[row], Int(precisions[row]))
                            .append(to: arena)
                        return nil
                    }
                }
            ]),
        ScalarFunction(
            "geohash_lat", "geohash_lat(cell)", "The latitude of the middle of a geohash's cell.",
            "round(geohash_lat('9q8yyk'), 3)", "37.774",
            [
                Overload([.string], canFail: true, .float64) { call in
                    middle(call) { $0.south + $0.height / 2 }
                }
            ]),
        ScalarFunction(
            "geohash_lon", "geohash_lon(cell)", "The longitude of the middle of a geohash's cell.",
            "round(geohash_lon('9q8yyk'), 3)", "-122.415",
            [
                Overload([.string], canFail: true, .float64) { call in
                    middle(call) { $0.west + $0.width / 2 }
                }
            ]),
        ScalarFunction(
            "geohash_neighbors geohash_neighbours", "geohash_neighbors(cell)",
            "The cells around a geohash's, from the north clockwise; there are none beyond a pole.",
            "geohash_neighbors('9q8yy')",
            "[9q8zn, 9q8zp, 9q8yz, 9q8yx, 9q8yw, 9q8yt, 9q8yv, 9q8zj]",
            [
                Overload([.string], canFail: true, .list(.string)) { call in
                    let cells = Column(.string, capacity: call.count * 8)
                    let arena = ByteArena()
                    return call.buildLists(cells) { row in
                        guard let cell = Cell(call.arguments[0].bytes(row)) else {
                            return "the text is no geohash"
                        }
                        for (columns, rows): (Int64, Int64) in [
                            (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1),
                        ] {
                            guard let next = cell.moved(columns, rows) else { continue }
                            append(next, to: cells, arena)
                        }
                        return nil
                    }
                }
            ]),
        ScalarFunction(
            "geohash_cover", "geohash_cover(lat, lon, radius_km, precision)",
            "The cells of so many characters that places within a radius lie in, from south to north and west to east; at most 1,024.",
            "geohash_cover(37.7749, -122.4194, 2, 5)", "[9q8yv, 9q8yy]",
            [
                Overload(
                    [.float64, .float64, .float64, .int64], canFail: true, .list(.string)
                ) { cover($0) }
            ]),
    ]

    private static func append(_ cell: Cell, to cells: Column, _ arena: ByteArena) {
        arena.count = 0
        cell.append(to: arena)
        cells.append(UnsafeBufferPointer(start: arena.base, count: arena.count))
    }

    private static func cover(_ call: KernelCall) -> Column {
        let cells = Column(.string, capacity: call.count * 8)
        let arena = ByteArena()
        return call.buildLists(cells) { row in
            let latitude = call.arguments[0].float64s[row]
            let longitude = call.arguments[1].float64s[row]
            let radius = call.arguments[2].float64s[row]
            let precision = call.arguments[3].int64s[row]
            guard isPlace(latitude, longitude) else { return badPlace }
            guard (1...precisionMax).contains(precision) else { return badPrecision }
            guard radius >= 0, radius.isFinite else { return "a radius is not below 0" }
            let angle = radius / GeoFunctions.earthRadiusKilometres
            let high = angle * 180 / Double.pi
            let middle = Cell(latitude, longitude, Int(precision))
            // The widest part of a circle lies between its middle and the nearer pole.
            let sine = Glibc.sin(angle) / Glibc.cos(latitude * Double.pi / 180)
            let reachesPole = Swift.abs(latitude) + high >= 90
            let wide = reachesPole ? 180 : Glibc.asin(min(1, sine)) * 180 / Double.pi
            let south = Cell(max(-90, latitude - high), longitude, Int(precision)).row
            let north = Cell(min(90, latitude + high), longitude, Int(precision)).row
            let first = Int64(((longitude - wide + 180) / middle.width).rounded(.down))
            let last = Int64(((longitude + wide + 180) / middle.width).rounded(.down))
            let columns = min(last - first + 1, 1 << Int64(middle.columnBits))
            guard columns * (north - south + 1) <= Int64(cellsMax) else {
                return "the circle takes more than \(cellsMax) cells: ask for shorter geohashes"
            }
            for row in south...north {
                for step in 0..<columns {
                    let cell = Cell(
                        precision: Int(precision), column: middle.wrapped(first + step), row: row)
                    append(cell, to: cells, arena)
                }
            }
            return nil
        }
    }
}

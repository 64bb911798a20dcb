import Foundation
import Glibc
import StreamRuntime

@testable import Connectors

/// A directory that goes away with the test, and what is in it.
final class SinkScratch {
    let path: String

    init() {
        var template = Array("/tmp/millrace-sinks-XXXXXX".utf8CString)
        path = String(cString: mkdtemp(&template)!)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Every visible file below `directory`, by its path, with its text.
    func files(_ directory: String = "") -> [String: String] {
        var found: [String: String] = [:]
        let root = path + "/" + directory
        guard let all = FileManager.default.enumerator(atPath: root) else { return [:] }
        for case let name as String in all {
            if name.split(separator: "/").contains(where: { $0.hasPrefix(".") }) { continue }
            var isDirectory: ObjCBool = false
            _ = FileManager.default.fileExists(atPath: root + "/" + name, isDirectory: &isDirectory)
            if isDirectory.boolValue { continue }
            found[name] = FileManager.default.contents(atPath: root + "/" + name).map {
                String(decoding: $0, as: UTF8.self)
            }
        }
        return found
    }

    /// The text of all files of each directory, in the order of their names.
    func texts(_ directory: String = "") -> [String: String] {
        var texts: [String: String] = [:]
        for (name, text) in files(directory).sorted(by: { $0.key < $1.key }) {
            texts[name.split(separator: "/").dropLast().joined(separator: "/"), default: ""] += text
        }
        return texts
    }
}

/// A row of the tests' tables: what it is, its key, its value and its second.
struct TableRow {
    let change: RowChange
    let key: String
    let value: Int64
    let second: Int64

    init(_ change: RowChange, _ key: String, _ value: Int64, _ second: Int64 = 0) {
        self.change = change
        self.key = key
        self.value = value
        self.second = second
    }

    static let schema = Schema([Field("key", .string), Field("value", .int64)])

    /// The rows as a batch; `isPlain` for inserts without kinds.
    static func batch(_ rows: some Collection<TableRow>) -> ColumnBatch {
        let batch = ColumnBatch(schema: schema, capacity: 8)
        let changes = RowChange.inserts(rows.count)
        for (place, row) in rows.enumerated() {
            batch.columns[0].append(row.key)
            batch.columns[1].append(row.value)
            batch.order.append(
                eventTime: row.second * 1_000_000, watermark: .min, origin: 0,
                offset: Int64(place))
            changes.bools[place] = row.change.rawValue
        }
        batch.count = rows.count
        if rows.contains(where: { $0.change != .insert }) { batch.changes = changes }
        return batch
    }

    /// The rows cut into batches of `size`.
    static func batches(_ rows: [TableRow], of size: Int) -> [ColumnBatch] {
        stride(from: 0, to: rows.count, by: size).map {
            batch(rows[$0..<min($0 + size, rows.count)])
        }
    }

    /// A life of a table in which rows come, change and go, with the row before each update.
    static func life(seed: UInt64, count: Int) -> (rows: [TableRow], table: [String: Int64]) {
        var state = seed
        func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((state >> 33) % UInt64(bound))
        }
        var table: [String: Int64] = [:]
        var rows: [TableRow] = []
        for second in 0..<Int64(count) {
            let key = "k\(next(7))"
            let value = Int64(next(100))
            if let old = table[key] {
                if next(3) == 0 {
                    rows.append(TableRow(.delete, key, old, second))
                    table[key] = nil
                } else {
                    rows.append(TableRow(.updateBefore, key, old, second))
                    rows.append(TableRow(.updateAfter, key, value, second))
                    table[key] = value
                }
            } else {
                rows.append(TableRow(.insert, key, value, second))
                table[key] = value
            }
        }
        return (rows, table)
    }
}

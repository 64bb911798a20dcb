import Foundation
import StreamRuntime

/// A record that a test puts into a stream.
struct TestRecord: Equatable, Sendable {
    var key: [UInt8]?
    var value: [UInt8]?
    var timestamp: Int64
    var headers: [RecordHeaders.Header] = []
    var partition = 0
}

/// Makes the records of a stream out of a test's rows.
struct TestRecords {
    private let stream: TestCatalog.Stream
    private let name: String

    init(_ stream: TestCatalog.Stream, name: String) {
        self.stream = stream
        self.name = name
    }

    /// The record of `row`: a mapping of the stream's fields, or text that is the record itself, alone or
    /// under `raw`, where key, headers, timestamp and partition may stand beside it.
    func record(_ row: SpecNode, at: Int64, day: Int64) throws(TestValue.Mismatch) -> TestRecord {
        switch row.content {
        case .scalar(let scalar):
            return TestRecord(
                value: row.isNull && !scalar.isQuoted ? nil : Array(scalar.text.utf8),
                timestamp: at)
        case .mapping(let entries):
            if let raw = row.entry("raw"), stream.field("raw") == nil {
                return try self.raw(raw.value, entries, at: at, day: day)
            }
            return try fields(entries, of: row, at: at, day: day)
        case .list:
            throw TestValue.Mismatch(
                message: "a row of \"\(name)\" is a list", position: row.position,
                fix: "write {FIELD: VALUE, …}, or the record's text")
        }
    }

    private func raw(
        _ raw: SpecNode, _ entries: [SpecNode.Entry], at: Int64, day: Int64
    ) throws(TestValue.Mismatch) -> TestRecord {
        var record = TestRecord(timestamp: at)
        if case .scalar(let scalar) = raw.content {
            if !raw.isNull || scalar.isQuoted { record.value = Array(scalar.text.utf8) }
        } else {
            record.value = Array(raw.plainJSON.text.utf8)
        }
        for entry in entries where entry.key != "raw" {
            switch entry.key {
            case "key": record.key = entry.value.text.map { Array($0.utf8) }
            case "partition":
                guard let number = entry.value.integer, (0..<64).contains(number) else {
                    throw TestValue.Mismatch(
                        message: "\"partition\" is no number", position: entry.value.position,
                        fix: "write a number from 0 to 63")
                }
                record.partition = number
            case "timestamp":
                guard let time = entry.value.text.flatMap({ TestTime.parse($0, day: day) }) else {
                    throw TestValue.Mismatch(
                        message: "\"timestamp\" is no time", position: entry.value.position,
                        fix: "write it as \"12:00:00\" or \"2026-01-15 12:00:00\"")
                }
                record.timestamp = time
            case "headers":
                record.headers = entry.value.entries.map {
                    RecordHeaders.Header($0.key, $0.value.text.map { Array($0.utf8) })
                }
            default:
                throw TestValue.Mismatch(
                    message: "\"\(entry.key)\" beside \"raw\"", position: entry.keyPosition,
                    fix: "beside raw there can be: key, headers, timestamp, partition",
                    isName: true)
            }
        }
        return record
    }

    private func fields(
        _ entries: [SpecNode.Entry], of row: SpecNode, at: Int64, day: Int64
    ) throws(TestValue.Mismatch) -> TestRecord {
        var record = TestRecord(timestamp: at)
        var document = JSONTree.object([])
        var values: [String: JSONTree] = [:]
        for entry in entries {
            if entry.key == "partition", stream.field("partition") == nil,
                let number = entry.value.integer, (0..<64).contains(number)
            {
                record.partition = number
                continue
            }
            guard let field = stream.field(entry.key) else {
                throw TestValue.Mismatch(
                    message: "the stream \"\(name)\" has no field \"\(entry.key)\"",
                    position: entry.keyPosition,
                    fix: NearestWord.advice(
                        entry.key, among: stream.fields.map(\.name), what: "fields"), isName: true)
            }
            let value = try TestValue.json(entry.value, field.type, unit: field.unit, day: day)
            switch field.from {
            case .value:
                document.put(value, at: field.path[...])
                values[field.name] = value
            case .key: record.key = entry.value.text.map { Array($0.utf8) }
            case .timestamp:
                record.timestamp =
                    entry.value.text.flatMap { TestTime.parse($0, day: day) } ?? at
            case .header(let header):
                record.headers.append(
                    RecordHeaders.Header(header, entry.value.text.map { Array($0.utf8) }))
            case .offset, .partition:
                throw TestValue.Mismatch(
                    message:
                        "\"\(entry.key)\" is the record's \(field.from == .offset ? "offset" : "partition")",
                    position: entry.keyPosition, fix: "leave it out: it comes by itself")
            }
        }
        let time = stream.field(stream.timeField)
        if let time, time.from == .value, !entries.contains(where: { $0.key == time.name }) {
            let value = JSONTree.leaf(TestValue.moment(at, unit: time.unit))
            document.put(value, at: time.path[...])
            values[time.name] = value
        }
        record.value = Array(try text(document, values, of: row).utf8)
        return record
    }

    private func text(
        _ document: JSONTree, _ values: [String: JSONTree], of row: SpecNode
    ) throws(TestValue.Mismatch) -> String {
        switch stream.format.kind {
        case .json: return document.text
        case .csv: return line(values)
        case .debezium where !stream.format.isAvro: return change(values)
        default:
            throw TestValue.Mismatch(
                message:
                    "the \(stream.format.kind.rawValue) records of \"\(name)\" cannot be made of fields",
                position: row.position, fix: "give the record's own text: {raw: \"…\"}")
        }
    }

    /// The columns of a CSV stream, in the order that its records have in a test.
    static func header(_ stream: TestCatalog.Stream) -> [String] {
        if let header = stream.format.option("header"), header != "true" {
            return header.split(separator: ",").map(String.init)
        }
        return stream.fields.filter { $0.from == .value }.map { $0.path.joined(separator: ".") }
    }

    private func line(_ values: [String: JSONTree]) -> String {
        let delimiter = stream.format.option("delimiter") ?? ","
        return TestRecords.header(stream).map { column in
            guard
                let field = stream.fields.first(where: {
                    $0.from == .value && $0.path.joined(separator: ".") == column
                }), case .leaf(let text)? = values[field.name], text != "null"
            else { return "" }
            if !text.hasPrefix("\"") { return text }
            // JSON's quotes become CSV's.
            let bare = TestRecords.unquoted(text)
            let needsQuotes =
                bare.contains(delimiter) || bare.contains("\"") || bare.contains("\n")
                || bare.isEmpty
            return needsQuotes ? "\"" + bare.replacing("\"", with: "\"\"") + "\"" : bare
        }.joined(separator: delimiter)
    }

    /// A change event: the row's columns in its image, the rest in the envelope.
    private func change(_ values: [String: JSONTree]) -> String {
        let outer: Set<String> = ["op", "ts_ms", "source", "before", "after", "transaction"]
        var event = JSONTree.object([])
        var image = JSONTree.object([])
        var operation = "c"
        for field in stream.fields {
            guard let given = values[field.name], let first = field.path.first else { continue }
            let value = connected(given, field.type)
            if first == "op", case .leaf(let text) = value {
                operation = TestRecords.unquoted(text)
            } else if outer.contains(first) {
                event.put(value, at: field.path[...])
            } else {
                image.put(value, at: first == "row" ? field.path.dropFirst() : field.path[...])
            }
        }
        event.put(.leaf(JSONText.quoted(operation)), at: ["op"])
        event.put(image, at: [operation == "d" ? "before" : "after"])
        return event.text
    }

    /// A decimal as the stream's connector writes it.
    private func connected(_ value: JSONTree, _ type: ColumnType) -> JSONTree {
        guard case .decimal(_, let scale) = type, case .leaf(let text) = value, text != "null"
        else { return value }
        switch stream.format.option("decimals") {
        case "double": return value
        case "string": return .leaf(JSONText.quoted(text))
        default:
            return .leaf(JSONText.quoted(TestRecords.base64(unscaled: text, scale: scale)))
        }
    }

    /// The unscaled value in as few bytes as it takes, the highest first, as Kafka Connect's Decimal.
    private static func base64(unscaled text: String, scale: Int) -> String {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        let fraction = parts.count > 1 ? String(parts[1].prefix(scale)) : ""
        let digits =
            String(parts[0]) + fraction + String(repeating: "0", count: scale - fraction.count)
        let value = Int128(digits) ?? 0
        var bytes = withUnsafeBytes(of: value.bigEndian) { Array($0) }
        while bytes.count > 1,
            (bytes[0] == 0 && bytes[1] < 0x80) || (bytes[0] == 0xFF && bytes[1] >= 0x80)
        {
            bytes.removeFirst()
        }
        return Data(bytes).base64EncodedString()
    }

    private static func unquoted(_ json: String) -> String {
        var result = ""
        var rest = json.dropFirst().dropLast()
        while let scalar = rest.popFirst() {
            guard scalar == "\\", let escaped = rest.popFirst() else {
                result.append(scalar)
                continue
            }
            switch escaped {
            case "n": result.append("\n")
            case "t": result.append("\t")
            case "r": result.append("\r")
            case "u":
                let digits = rest.prefix(4)
                rest = rest.dropFirst(4)
                if let code = UInt32(digits, radix: 16), let made = Unicode.Scalar(code) {
                    result.unicodeScalars.append(made)
                }
            default: result.append(escaped)
            }
        }
        return result
    }
}

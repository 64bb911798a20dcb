import StreamRuntime

/// What the online store answers for one entity in one view, for people to read.
public struct Lookup: Equatable, Sendable {
    /// One feature's answer.
    public struct Value: Equatable, Sendable {
        /// The feature's name.
        public let feature: String
        /// The value as JSON.
        public let value: String
        /// The status by its name on the wire.
        public let status: String
        /// The event time, or nil when nothing was found.
        public let eventTime: String?
        /// The age at the time of the lookup in seconds, or nil when nothing was found.
        public let ageSeconds: Double?
    }

    /// The view asked.
    public let view: String
    /// The keys asked for, as `name=value`.
    public let keys: [String]
    /// The answers in the view's order.
    public let values: [Value]

    /// Asks `store` itself.
    ///
    /// - Parameters:
    ///   - keys: the entity's keys in declared order, or as `name=value` in any order.
    ///   - nowMicros: the time ages are judged by.
    public static func inStore(
        _ store: OnlineStore, view: String, keys: [String],
        nowMicros: Int64 = WallClock.micros()
    ) throws(JobFailure) -> Lookup {
        let (named, body) = try request(store.catalog, view: view, keys: keys)
        let engine = LookupEngine(store: store, metrics: MetricsRegistry(), now: { nowMicros })
        let answer = ByteArena()
        var text = body
        let status = text.withUTF8 { engine.answer($0, into: answer) }
        let bytes = [UInt8](UnsafeBufferPointer(start: answer.base, count: answer.count))
        return try Lookup(
            view: view, keys: named, status: status, body: bytes, place: "online store",
            nowMicros: nowMicros)
    }

    /// Asks the server at `host` and `port`, presenting `secret` where it asks for a key.
    public static func onServer(
        host: String = "127.0.0.1", port: Int, catalog: FeatureCatalog, view: String,
        keys: [String], secret: String? = nil, nowMicros: Int64 = WallClock.micros()
    ) throws(JobFailure) -> Lookup {
        let (named, body) = try request(catalog, view: view, keys: keys)
        let answer = try HTTPAsk.send(
            host: host, port: port, path: "/get-online-features", body: body, secret: secret)
        return try Lookup(
            view: view, keys: named, status: answer.status, body: Array(answer.body.utf8),
            place: "\(host):\(port)", nowMicros: nowMicros)
    }

    private static func request(
        _ catalog: FeatureCatalog, view name: String, keys: [String]
    ) throws(JobFailure) -> (named: [String], body: String) {
        guard let view = catalog.view(name), let entity = catalog.entity(view.entity) else {
            throw JobFailure(
                .request, "there is no feature view \"\(name)\"", at: "lookup",
                remedy: "use one of: " + catalog.views.map(\.name).joined(separator: ", "))
        }
        let wanted =
            "its keys are: "
            + entity.keys.map { "\($0.name) (\($0.type))" }
            .joined(separator: ", ")
        guard keys.count == entity.keys.count else {
            throw JobFailure(
                .request, "\(keys.count) keys for entity \"\(entity.name)\"",
                at: "lookup \(name)",
                remedy: wanted)
        }
        let arena = ByteArena()
        JSONText.append("{\"features\":[", to: arena)
        for (index, feature) in view.features.enumerated() {
            if index > 0 { JSONText.append(",", to: arena) }
            JSONText.append(string: "\(name):\(feature.name)", to: arena)
        }
        JSONText.append("],\"entities\":{", to: arena)
        var named: [String] = []
        for (index, key) in entity.keys.enumerated() {
            let prefix = key.name + "="
            let text =
                keys.first { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
                ?? keys[index]
            named.append(prefix + text)
            if index > 0 { JSONText.append(",", to: arena) }
            JSONText.append(string: key.name, to: arena)
            JSONText.append(":[", to: arena)
            if key.type == .bool || key.type == .float64 {
                for byte in text.utf8 { JSONText.append(byte: byte, to: arena) }
            } else {
                JSONText.append(string: text, to: arena)
            }
            JSONText.append("]", to: arena)
        }
        JSONText.append("}}", to: arena)
        let bytes = UnsafeBufferPointer(start: arena.base, count: arena.count)
        return (named, String(decoding: bytes, as: UTF8.self))
    }

    private init(
        view: String, keys: [String], status: Int, body: [UInt8], place: String, nowMicros: Int64
    ) throws(JobFailure) {
        self.view = view
        self.keys = keys
        let parsed = body.withUnsafeBufferPointer { bytes in
            Result { () throws(JSONFault) -> [Value] in
                try Lookup.values(bytes, nowMicros: nowMicros, skipping: keys.count)
            }
        }
        guard status == 200, case .success(let values) = parsed else {
            throw JobFailure(
                .request,
                "the lookup was answered \(status): " + String(decoding: body, as: UTF8.self),
                at: place, remedy: "correct the view and the keys")
        }
        self.values = values
    }

    static func values(
        _ body: UnsafeBufferPointer<UInt8>, nowMicros: Int64, skipping keys: Int
    ) throws(JSONFault) -> [Value] {
        var scanner = JSONScanner(body)
        var columns: [[JSONToken]] = []
        var names: [String] = []
        try scanner.object { (member, scanner) throws(JSONFault) in
            if scanner.text(member) == "results" {
                try scanner.array { (scanner) throws(JSONFault) in
                    var column: [JSONToken] = []
                    try scanner.object { (_, scanner) throws(JSONFault) in
                        try scanner.array { (scanner) throws(JSONFault) in
                            column.append(try scanner.value())
                        }
                    }
                    columns.append(column)
                }
            } else {
                try scanner.object { (_, scanner) throws(JSONFault) in
                    try scanner.array { (scanner) throws(JSONFault) in
                        names.append(scanner.text(try scanner.value()))
                    }
                }
            }
        }
        var values: [Value] = []
        for (name, column) in zip(names, columns).dropFirst(keys) where column.count == 3 {
            var value = String(decoding: scanner.bytes(column[0]), as: UTF8.self)
            if column[0].kind == .string || column[0].kind == .escapedString {
                value = "\"\(value)\""
            }
            let status = scanner.text(column[1])
            let isFound = status != FeatureStatus.notFound.wireName
            let event = CivilTime.micros(scanner.bytes(column[2]))
            values.append(
                Value(
                    feature: name, value: value, status: status,
                    eventTime: isFound ? scanner.text(column[2]) : nil,
                    ageSeconds: isFound ? event.map { Double(nowMicros - $0) / 1e6 } : nil))
        }
        return values
    }

    /// The answer as a table for the terminal.
    public var table: String {
        let head = ["feature", "value", "status", "event time", "age"]
        let lines =
            [head]
            + values.map { value in
                [
                    value.feature, value.value, value.status, value.eventTime ?? "",
                    value.ageSeconds.map(Lookup.age) ?? "",
                ]
            }
        let widths = head.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
        var text = "\(view)  \(keys.joined(separator: " "))\n"
        for line in lines {
            var row = ""
            for (cell, width) in zip(line, widths) {
                row += cell + String(repeating: " ", count: width - cell.count + 2)
            }
            while row.last == " " { row.removeLast() }
            text += row + "\n"
        }
        return text
    }

    /// The answer as one JSON object.
    public var json: String {
        let arena = ByteArena()
        JSONText.append("{\"view\":", to: arena)
        JSONText.append(string: view, to: arena)
        JSONText.append(",\"keys\":[", to: arena)
        for (index, key) in keys.enumerated() {
            if index > 0 { JSONText.append(",", to: arena) }
            JSONText.append(string: key, to: arena)
        }
        JSONText.append("],\"features\":[", to: arena)
        for (index, value) in values.enumerated() {
            if index > 0 { JSONText.append(",", to: arena) }
            JSONText.append("{\"name\":", to: arena)
            JSONText.append(string: value.feature, to: arena)
            JSONText.append(",\"value\":", to: arena)
            for byte in value.value.utf8 { JSONText.append(byte: byte, to: arena) }
            JSONText.append(",\"status\":", to: arena)
            JSONText.append(string: value.status, to: arena)
            if let time = value.eventTime, let age = value.ageSeconds {
                JSONText.append(",\"event_time\":", to: arena)
                JSONText.append(string: time, to: arena)
                JSONText.append(",\"age_seconds\":", to: arena)
                JSONText.append(number: age, to: arena)
            }
            JSONText.append("}", to: arena)
        }
        JSONText.append("]}", to: arena)
        return String(
            decoding: UnsafeBufferPointer(start: arena.base, count: arena.count), as: UTF8.self)
    }

    /// An age in the unit a person would say it in.
    private static func age(_ seconds: Double) -> String {
        switch abs(seconds) {
        case ..<120: "\((seconds * 10).rounded() / 10) s"
        case ..<7200: "\(Int(seconds / 60)) min"
        case ..<172_800: "\(Int(seconds / 3600)) h"
        default: "\(Int(seconds / 86_400)) d"
        }
    }
}

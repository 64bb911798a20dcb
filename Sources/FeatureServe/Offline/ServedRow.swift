import StreamRuntime

/// A row of the log of served features, as it was given.
public struct ServedRow: Sendable {
    /// What was given of one view.
    struct View: Sendable {
        let name: String
        let definition: String
        /// The times of the value; nil when there was none.
        var eventTime: Int64?
        var visibleTime: Int64?
        /// Each feature asked for, with its value's text.
        var features: [(name: String, value: [UInt8])]
    }

    /// The entity's encoded key.
    let key: [UInt8]
    let asOf: Int64
    let entity: String
    /// The keys as they were written.
    let keyText: String
    let views: [View]
    /// Where in the log it stands.
    let place: String

    /// Reads a record's key and value; nil when they are no such row.
    public init?(
        key: UnsafeBufferPointer<UInt8>, value: UnsafeBufferPointer<UInt8>, place: String
    ) {
        self.key = Array(key)
        self.place = place
        // The scanner reads words past the end.
        let arena = ByteArena(capacity: value.count + 16)
        guard let base = value.baseAddress else { return nil }
        arena.append(base, value.count)
        var scanner = JSONScanner(
            UnsafeBufferPointer(start: UnsafePointer(arena.base), count: value.count))
        var asOf: Int64?
        var entity: String?
        var keyText = ""
        var views: [View] = []
        do throws(JSONFault) {
            try scanner.object { (name, scanner) throws(JSONFault) in
                switch scanner.text(name) {
                case "as_of": asOf = Int64(scanner.text(try scanner.value()))
                case "entity": entity = scanner.text(try scanner.value())
                case "keys": keyText = scanner.text(try scanner.value())
                case "views":
                    try scanner.array { (scanner) throws(JSONFault) in
                        if let view = try ServedRow.view(&scanner) { views.append(view) }
                    }
                default: _ = try scanner.value()
                }
            }
        } catch { return nil }
        guard let asOf, let entity else { return nil }
        self.asOf = asOf
        self.entity = entity
        self.keyText = keyText
        self.views = views
        withExtendedLifetime(arena) {}
    }

    private static func view(_ scanner: inout JSONScanner) throws(JSONFault) -> View? {
        var view: String?
        var definition = ""
        var times: [String: Int64] = [:]
        var features: [(name: String, value: [UInt8])] = []
        try scanner.object { (name, scanner) throws(JSONFault) in
            let member = scanner.text(name)
            switch member {
            case "view": view = scanner.text(try scanner.value())
            case "definition": definition = scanner.text(try scanner.value())
            case "event_time", "visible_time":
                times[member] = Int64(scanner.text(try scanner.value()))
            case "features":
                try scanner.object { (name, scanner) throws(JSONFault) in
                    let feature = scanner.text(name)
                    try scanner.object { (name, scanner) throws(JSONFault) in
                        let token = try scanner.value()
                        guard scanner.text(name) == "value" else { return }
                        var value = Array(scanner.bytes(token))
                        if token.kind == .string || token.kind == .escapedString {
                            value = [0x22] + value + [0x22]
                        }
                        features.append((feature, value))
                    }
                }
            default: _ = try scanner.value()
            }
        }
        return view.map {
            View(
                name: $0, definition: definition, eventTime: times["event_time"],
                visibleTime: times["visible_time"], features: features)
        }
    }
}

/// A request for features, as tokens of its body; kept by an event loop and filled anew each time.
struct LookupRequest {
    struct KeyList {
        let name: JSONToken
        let first: Int
        let count: Int
        /// Whether it is request data in a map of its own, as the Go and Java servers have it.
        let isContext: Bool
    }

    private(set) var features: [JSONToken] = []
    /// The bytes between which the features, or the service's name, were written: what names the plan.
    private(set) var planBytes = 0..<0
    private(set) var service: JSONToken?
    private(set) var keys: [KeyList] = []
    private(set) var values: [JSONToken] = []
    private(set) var hasEntities = false
    private(set) var fullNames = false
    /// The text of a list of features scanned before: where it stands again, it is not scanned again and
    /// `features` stays empty.
    var known: [UInt8] = []
    private(set) var wantsViewNames = false
    /// What is asked for beyond Feast's contract; nil, as a rule, for nothing.
    private(set) var options: LookupOptions?

    /// Reads `scanner`'s document; unknown members are checked and ignored, of two alike the last counts.
    mutating func scan(_ scanner: inout JSONScanner) throws(JSONFault) {
        features.removeAll(keepingCapacity: true)
        keys.removeAll(keepingCapacity: true)
        values.removeAll(keepingCapacity: true)
        service = nil
        hasEntities = false
        fullNames = false
        wantsViewNames = false
        options = nil
        var featureBytes = 0..<0
        try scanner.object { (name, scanner) throws(JSONFault) in
            let bytes = scanner.bytes(name)
            scanner.skipSpace()
            let start = scanner.at
            if matches(bytes, "features"), scanner.peek() == 0x5B {
                try scanFeatures(&scanner)
                featureBytes = start..<scanner.at
            } else if matches(bytes, "entities") {
                try scanEntities(&scanner)
            } else if matches(bytes, "request_context"), scanner.peek() == 0x7B {
                try scanLists(&scanner, isContext: true)
            } else if matches(bytes, "feature_service") {
                let token = try scanner.value()
                service = token.kind == .null ? nil : token
                guard token.kind != .number, token.kind != .composite else {
                    throw scanner.fault("feature_service is not a string")
                }
            } else if matches(bytes, "full_feature_names") {
                fullNames = try flag(&scanner)
            } else if matches(bytes, "include_feature_view_version_metadata") {
                wantsViewNames = try flag(&scanner)
            } else if try scanOption(bytes, &scanner) {
                // It is one of our own.
            } else {
                let token = try scanner.value()
                if matches(bytes, "features"), token.kind != .null {
                    throw scanner.fault("features is not a list")
                }
            }
        }
        if scanner.peek() != 0 || scanner.at < scanner.count {
            throw scanner.fault("something after the document")
        }
        planBytes = service.map { Int($0.start)..<Int($0.end) } ?? featureBytes
    }

    private mutating func scanOption(
        _ name: UnsafeBufferPointer<UInt8>, _ scanner: inout JSONScanner
    ) throws(JSONFault) -> Bool {
        var found = options ?? LookupOptions()
        guard try found.scan(name, &scanner) else { return false }
        options = found
        return true
    }

    /// Reads the features that stand in `planBytes` of `scanner`'s document, known or not.
    mutating func scanKnownFeatures(of scanner: JSONScanner) throws(JSONFault) {
        var again = scanner
        again.move(to: planBytes.lowerBound)
        known = []
        try scanFeatures(&again)
    }

    private mutating func scanFeatures(_ scanner: inout JSONScanner) throws(JSONFault) {
        features.removeAll(keepingCapacity: true)
        if !known.isEmpty, scanner.startsHere(known) {
            scanner.move(to: scanner.at + known.count)
            return
        }
        try scanner.array { (scanner) throws(JSONFault) in
            guard scanner.peek() == 0x22 else { throw scanner.fault("a feature is not a string") }
            features.append(try scanner.value())
        }
    }

    private mutating func scanEntities(_ scanner: inout JSONScanner) throws(JSONFault) {
        if hasEntities {
            keys.removeAll(keepingCapacity: true)
            values.removeAll(keepingCapacity: true)
        }
        hasEntities = true
        try scanLists(&scanner, isContext: false)
    }

    /// Lists by name: of keys, and of what on-demand features are computed from.
    private mutating func scanLists(
        _ scanner: inout JSONScanner, isContext: Bool
    ) throws(JSONFault) {
        try scanner.object { (name, scanner) throws(JSONFault) in
            let first = values.count
            if scanner.peek() == 0x7B {
                // The other shape of the protocol's repeated values: {"val": [...]}.
                try scanner.object { (inner, scanner) throws(JSONFault) in
                    guard matches(scanner.bytes(inner), "val") else {
                        throw scanner.fault("expected a list of keys")
                    }
                    try scanValues(&scanner)
                }
            } else {
                try scanValues(&scanner)
            }
            keys.append(
                KeyList(
                    name: name, first: first, count: values.count - first, isContext: isContext))
        }
    }

    private mutating func scanValues(_ scanner: inout JSONScanner) throws(JSONFault) {
        guard scanner.peek() == 0x5B else { throw scanner.fault("expected a list of keys") }
        try scanner.array { (scanner) throws(JSONFault) in values.append(try scanner.value()) }
    }

    private func flag(_ scanner: inout JSONScanner) throws(JSONFault) -> Bool {
        let token = try scanner.value()
        guard token.kind == .yes || token.kind == .no else {
            throw scanner.fault("expected a bool")
        }
        return token.kind == .yes
    }

    private func matches(_ bytes: UnsafeBufferPointer<UInt8>, _ text: StaticString) -> Bool {
        guard bytes.count == text.utf8CodeUnitCount else { return false }
        var index = 0
        while index < bytes.count {
            if bytes[index] != text.utf8Start[index] { return false }
            index &+= 1
        }
        return true
    }
}

import StreamRuntime

/// What a request asks for beyond Feast's contract: nothing, as a rule.
///
/// - Shape: members of the request beside Feast's: `include` (a list of details), `as_of` (a time),
///   `consistency` (`latest` or `snapshot`), `wait_for` (`topic`, `partition`, `offset`,
///   `deadline_ms`), `deadline_ms`, `near` (`view`, `latitude`, `longitude`, `miles`, `limit`). Documented in `docs/FEAST.md`.
struct LookupOptions: Equatable {
    /// Further columns of the answer.
    struct Details: OptionSet, Equatable {
        let rawValue: UInt8
        static let visibleTime = Details(rawValue: 1)
        static let age = Details(rawValue: 2)
        static let interval = Details(rawValue: 4)
        static let definition = Details(rawValue: 8)
        static let offsets = Details(rawValue: 16)
        static let degraded = Details(rawValue: 32)

        static let names: [(name: StaticString, details: Details)] = [
            // Every answer has it.
            ("event_time", []), ("visible_time", .visibleTime), ("age", .age),
            ("interval", .interval), ("definition_hash", .definition), ("offsets", .offsets),
            ("degraded", .degraded),
        ]
    }

    /// A record that must have been applied.
    struct Wait: Equatable {
        var topic = ""
        var partition: Int32 = 0
        var offset: Int64 = -1
        var deadlineMillis = LookupOptions.waitMillis
    }

    static let waitMillis: Int64 = 1000
    /// No request waits longer than this.
    static let millisMax: Int64 = 60_000

    var details: Details = []
    /// The moment the answer is given for, in microseconds; nil for now.
    var asOf: Int64?
    var wantsSnapshot = false
    var wait: Wait?
    /// Whose features are asked for, when that is those near a place.
    var near: NearRequest?
    /// Milliseconds after which an answer must be there, whatever it lacks.
    var deadlineMillis: Int64?

    /// Whether this is the value of one of its members, which is taken then.
    mutating func scan(
        _ name: UnsafeBufferPointer<UInt8>, _ scanner: inout JSONScanner
    ) throws(JSONFault) -> Bool {
        if Self.matches(name, "include") {
            try scanDetails(&scanner)
        } else if Self.matches(name, "as_of") {
            try scanTime(&scanner)
        } else if Self.matches(name, "consistency") {
            let token = try scanner.value()
            let word = scanner.bytes(token)
            wantsSnapshot = Self.matches(word, "snapshot")
            guard token.kind == .null || wantsSnapshot || Self.matches(word, "latest") else {
                throw scanner.fault("consistency is neither \"latest\" nor \"snapshot\"")
            }
        } else if Self.matches(name, "wait_for") {
            try scanWait(&scanner)
        } else if Self.matches(name, "near") {
            if scanner.peek() == 0x7B {
                near = try NearRequest(&scanner)
            } else if try scanner.value().kind != .null {
                throw scanner.fault("near is not an object")
            }
        } else if Self.matches(name, "deadline_ms") {
            deadlineMillis = try Self.millis(&scanner)
        } else {
            return false
        }
        return true
    }

    private mutating func scanDetails(_ scanner: inout JSONScanner) throws(JSONFault) {
        guard scanner.peek() == 0x5B else { throw scanner.fault("include is not a list") }
        var found: Details = []
        try scanner.array { (scanner) throws(JSONFault) in
            let word = scanner.bytes(try scanner.value())
            guard let known = Details.names.first(where: { Self.matches(word, $0.name) }) else {
                let names = Details.names.map { "\($0.name)" }.joined(separator: ", ")
                throw scanner.fault("include knows only \(names)")
            }
            found.formUnion(known.details)
        }
        details = found
    }

    private mutating func scanTime(_ scanner: inout JSONScanner) throws(JSONFault) {
        let token = try scanner.value()
        switch token.kind {
        case .null: asOf = nil
        case .number:
            guard let seconds = Double(scanner.text(token)), abs(seconds) < 1e12 else {
                throw scanner.fault("as_of is not a time")
            }
            asOf = Int64((seconds * 1e6).rounded())
        default:
            asOf = CivilTime.micros(scanner.bytes(token))
            guard asOf != nil else {
                throw scanner.fault(
                    "as_of is not a time: write 2026-11-21T09:30:00Z, or seconds since 1970")
            }
        }
    }

    private mutating func scanWait(_ scanner: inout JSONScanner) throws(JSONFault) {
        guard scanner.peek() == 0x7B else {
            _ = try scanner.value()
            wait = nil
            return
        }
        var found = Wait()
        try scanner.object { (name, scanner) throws(JSONFault) in
            let name = scanner.bytes(name)
            if Self.matches(name, "topic") {
                found.topic = scanner.text(try scanner.value())
            } else if Self.matches(name, "partition") {
                found.partition = Int32(truncatingIfNeeded: try Self.number(&scanner))
            } else if Self.matches(name, "offset") {
                found.offset = try Self.number(&scanner)
            } else if Self.matches(name, "deadline_ms") {
                found.deadlineMillis = try Self.millis(&scanner)
            } else {
                _ = try scanner.value()
            }
        }
        guard !found.topic.isEmpty, found.offset >= 0, found.partition >= 0 else {
            throw scanner.fault("wait_for needs a topic, a partition and an offset")
        }
        wait = found
    }

    static func millis(_ scanner: inout JSONScanner) throws(JSONFault) -> Int64 {
        let millis = try number(&scanner)
        guard (1...millisMax).contains(millis) else {
            throw scanner.fault("deadline_ms is not between 1 and \(millisMax)")
        }
        return millis
    }

    private static func number(_ scanner: inout JSONScanner) throws(JSONFault) -> Int64 {
        let token = try scanner.value()
        guard token.kind == .number, let value = Int64(scanner.text(token)) else {
            throw scanner.fault("expected a whole number")
        }
        return value
    }

    static func matches(_ bytes: UnsafeBufferPointer<UInt8>, _ text: StaticString) -> Bool {
        guard bytes.count == text.utf8CodeUnitCount else { return false }
        var index = 0
        while index < bytes.count {
            if bytes[index] != text.utf8Start[index] { return false }
            index &+= 1
        }
        return true
    }
}

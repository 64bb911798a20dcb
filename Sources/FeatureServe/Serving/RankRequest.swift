import StreamRuntime

/// A request to rank candidates.
struct RankRequest {
    /// What each candidate says, by name: a token for each candidate, nil where it is missing.
    private(set) var columns: [String: [JSONToken?]] = [:]
    /// What holds for all candidates, by name.
    private(set) var common: [String: JSONToken] = [:]
    private(set) var count = 0
    /// The feature to rank by, as VIEW:FEATURE.
    private(set) var score: String?
    private(set) var top: Int?
    private(set) var wantsParts = false
    /// Whose candidates are those near a place.
    private(set) var near: NearRequest?
    /// Milliseconds after which an answer must be there, whatever it lacks.
    private(set) var deadlineMillis: Int64?
    private var hasCandidates = false

    /// Reads the whole document; unknown members are checked and ignored.
    init(_ scanner: inout JSONScanner) throws(JSONFault) {
        var columnar: [String: [JSONToken?]] = [:]
        var lengths: [Int] = []
        try scanner.object { (member, scanner) throws(JSONFault) in
            switch scanner.text(member) {
            case "candidates":
                hasCandidates = true
                try readCandidates(&scanner)
            case "entities":
                try scanner.object { (name, scanner) throws(JSONFault) in
                    var tokens: [JSONToken?] = []
                    try scanner.array { (scanner) throws(JSONFault) in
                        tokens.append(try scanner.value())
                    }
                    columnar[scanner.text(name)] = tokens
                    lengths.append(tokens.count)
                }
            case "request":
                try scanner.object { (name, scanner) throws(JSONFault) in
                    common[scanner.text(name)] = try scanner.value()
                }
            case "by":
                let token = try scanner.value()
                if token.kind != .null { score = scanner.text(token) }
            case "top":
                let token = try scanner.value()
                if token.kind == .null { return }
                guard token.kind == .number, let value = Int(scanner.text(token)), value > 0 else {
                    throw scanner.fault("top is not a whole number above zero")
                }
                top = value
            case "deadline_ms": deadlineMillis = try LookupOptions.millis(&scanner)
            case "near":
                if scanner.peek() == 0x7B {
                    near = try NearRequest(&scanner)
                } else if try scanner.value().kind != .null {
                    throw scanner.fault("near is not an object")
                }
            case "parts":
                let token = try scanner.value()
                guard token.kind == .yes || token.kind == .no else {
                    throw scanner.fault("parts is neither true nor false")
                }
                wantsParts = token.kind == .yes
            default: _ = try scanner.value()
            }
        }
        if scanner.peek() != 0 || scanner.at < scanner.count {
            throw scanner.fault("something after the document")
        }
        if !columnar.isEmpty {
            guard !hasCandidates, Set(lengths).count == 1 else {
                throw scanner.fault(
                    hasCandidates
                        ? "both candidates and entities: send one of them"
                        : "the lists of entities are of different lengths")
            }
            columns = columnar
            count = lengths[0]
        }
        if near != nil, hasCandidates || !columnar.isEmpty {
            throw scanner.fault("near finds the candidates: leave candidates and entities out")
        }
    }

    private mutating func readCandidates(_ scanner: inout JSONScanner) throws(JSONFault) {
        try scanner.array { (scanner) throws(JSONFault) in
            try scanner.object { (name, scanner) throws(JSONFault) in
                let name = scanner.text(name)
                let token = try scanner.value()
                var column = columns[name] ?? []
                while column.count < count { column.append(nil) }
                if column.count == count {
                    column.append(token)
                } else {
                    column[count] = token
                }
                columns[name] = column
            }
            count += 1
        }
        for (name, column) in columns where column.count < count {
            columns[name] = column + Array(repeating: nil, count: count - column.count)
        }
    }

    /// Takes as many candidates as were found.
    mutating func take(found: Int) { count = found }

    /// The tokens of `name`, one for each candidate; nil when neither they nor the request say it.
    func tokens(_ name: String) -> [JSONToken?]? {
        if let column = columns[name] {
            guard let common = common[name] else { return column }
            return column.map { $0 ?? common }
        }
        return common[name].map { Array(repeating: $0, count: count) }
    }
}

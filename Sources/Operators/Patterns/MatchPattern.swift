/// A pattern of row names, as instructions for `MatchMachine`.
struct MatchPattern {
    /// One step of a search.
    enum Instruction {
        /// A row that may be called so.
        case row(Int)
        /// Both ways, the first one before the other.
        case either(Int, Int)
        case jump(Int)
        case done
    }

    private indirect enum Form {
        case name(Int)
        case sequence([Form])
        case choice([Form])
        case repetition(Form, min: Int, max: Int?, isReluctant: Bool)

        /// Whether no row at all is enough.
        var canBeEmpty: Bool {
            switch self {
            case .name: false
            case .sequence(let parts): parts.allSatisfy(\.canBeEmpty)
            case .choice(let parts): parts.contains(where: \.canBeEmpty)
            case .repetition(let part, let min, _, _): min == 0 || part.canBeEmpty
            }
        }
    }

    static let instructionsMax = 2000

    /// The names, by their first appearance.
    private(set) var names: [String] = []
    private(set) var instructions: [Instruction] = []
    private let bytes: [UInt8]
    private var at = 0

    /// - Throws: the first thing wrong with the text.
    init(_ text: String) throws(ExpressionError) {
        bytes = Array(text.utf8)
        let form = try choice()
        guard at == bytes.count else { throw unexpected("a name or the end") }
        if form.canBeEmpty {
            throw ExpressionError(
                "no row at all would be a match", at: 0..<bytes.count,
                fix: "ask for at least one row, with NAME or NAME+")
        }
        try emit(form)
        instructions.append(.done)
    }

    // MARK: reading

    private mutating func skipSpace() {
        while at < bytes.count, [9, 10, 13, 32].contains(bytes[at]) { at += 1 }
    }

    private mutating func accept(_ symbol: Character) -> Bool {
        skipSpace()
        guard at < bytes.count, bytes[at] == symbol.asciiValue else { return false }
        at += 1
        return true
    }

    private func unexpected(_ wanted: String) -> ExpressionError {
        guard at < bytes.count else {
            return ExpressionError("the pattern ends, expected \(wanted)", at: at..<at)
        }
        let found = String(decoding: bytes[at...].prefix { $0 > 32 }, as: UTF8.self)
        return ExpressionError(
            "unexpected \"\(found)\", expected \(wanted)", at: at..<(at + found.utf8.count))
    }

    private mutating func choice() throws(ExpressionError) -> Form {
        var parts = [try sequence()]
        while accept("|") { parts.append(try sequence()) }
        return parts.count == 1 ? parts[0] : .choice(parts)
    }

    private mutating func sequence() throws(ExpressionError) -> Form {
        var parts: [Form] = []
        while true {
            skipSpace()
            guard at < bytes.count, bytes[at] != UInt8(ascii: "|"), bytes[at] != UInt8(ascii: ")")
            else { break }
            parts.append(try item())
        }
        guard !parts.isEmpty else { throw unexpected("a name") }
        return parts.count == 1 ? parts[0] : .sequence(parts)
    }

    private mutating func item() throws(ExpressionError) -> Form {
        let start = at
        var form: Form
        if accept("(") {
            form = try choice()
            guard accept(")") else { throw unexpected("\")\"") }
        } else {
            form = .name(try name())
        }
        while true {
            let min: Int
            let max: Int?
            if accept("?") {
                (min, max) = (0, 1)
            } else if accept("*") {
                (min, max) = (0, nil)
            } else if accept("+") {
                (min, max) = (1, nil)
            } else if accept("{") {
                (min, max) = try bounds()
            } else {
                return form
            }
            // "a+?" takes few rows rather than many; "a +?" means the same.
            let isReluctant = accept("?")
            if form.canBeEmpty {
                throw ExpressionError(
                    "what may be no row at all cannot be repeated", at: start..<at,
                    fix: "leave out the ? or * inside")
            }
            form = .repetition(form, min: min, max: max, isReluctant: isReluctant)
        }
    }

    private mutating func bounds() throws(ExpressionError) -> (Int, Int?) {
        let start = at
        let low = number()
        var high = low
        if accept(",") { high = number() } else if low == nil { throw unexpected("a number") }
        guard accept("}") else { throw unexpected("\"}\"") }
        if let high, high < max(low ?? 0, 1) {
            throw ExpressionError(
                "there are no such numbers of rows", at: start..<(at - 1),
                fix: "write {least,most}, such as {2,5}")
        }
        return (low ?? 0, high)
    }

    private mutating func number() -> Int? {
        skipSpace()
        let digits = bytes[at...].prefix { $0 >= 48 && $0 <= 57 }.prefix(6)
        at += digits.count
        return Int(String(decoding: digits, as: UTF8.self))
    }

    private mutating func name() throws(ExpressionError) -> Int {
        skipSpace()
        let word = bytes[at...].prefix { byte in
            byte == 95 || (byte >= 48 && byte <= 57) || (byte | 32 >= 97 && byte | 32 <= 122)
        }
        guard let first = word.first, first > 57 else { throw unexpected("a name") }
        let text = String(decoding: word, as: UTF8.self)
        let range = at..<(at + word.count)
        at += word.count
        if let known = names.firstIndex(of: text) { return known }
        guard names.count < 62 else {
            throw ExpressionError("a pattern has at most 62 names", at: range)
        }
        names.append(text)
        return names.count - 1
    }

    // MARK: instructions

    private mutating func add(_ instruction: Instruction) throws(ExpressionError) -> Int {
        guard instructions.count < MatchPattern.instructionsMax else {
            throw ExpressionError(
                "the pattern is too large: its counts make more than 2,000 steps",
                at: 0..<bytes.count, fix: "count with fewer rows, or with process")
        }
        instructions.append(instruction)
        return instructions.count - 1
    }

    private mutating func emit(_ form: Form) throws(ExpressionError) {
        switch form {
        case .name(let name): _ = try add(.row(name))
        case .sequence(let parts): for part in parts { try emit(part) }
        case .choice(let parts):
            var ends: [Int] = []
            for (index, part) in parts.enumerated() {
                guard index < parts.count - 1 else {
                    try emit(part)
                    break
                }
                let fork = try add(.done)
                try emit(part)
                ends.append(try add(.done))
                instructions[fork] = .either(fork + 1, instructions.count)
            }
            for end in ends { instructions[end] = .jump(instructions.count) }
        case .repetition(let part, let min, let max, let isReluctant):
            for _ in 0..<min { try emit(part) }
            guard let max else {
                let fork = try add(.done)
                try emit(part)
                _ = try add(.jump(fork))
                instructions[fork] = MatchPattern.fork(fork + 1, instructions.count, isReluctant)
                return
            }
            var forks: [Int] = []
            for _ in min..<max {
                forks.append(try add(.done))
                try emit(part)
            }
            for fork in forks {
                instructions[fork] = MatchPattern.fork(fork + 1, instructions.count, isReluctant)
            }
        }
    }

    private static func fork(_ body: Int, _ end: Int, _ isReluctant: Bool) -> Instruction {
        isReluctant ? .either(end, body) : .either(body, end)
    }
}

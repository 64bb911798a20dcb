import HTTP

/// Text with places for values: `{{ name | filter }}` in texts, `{name}` in paths.
///
/// Filters, as Liquid has them: `default: "text"` when there is no value or an empty one, `escape` for HTML,
/// `url_encode`, `upcase`, `downcase`. A value is put in as it is, never read as a template itself.
public struct CallTemplate: Equatable, Sendable {
    /// What is wrong with a template.
    public struct Problem: Error, Equatable, Sendable {
        /// What is wrong, in a sentence.
        public let problem: String
        /// What can be done about it.
        public let remedy: String
    }

    enum Filter: Equatable, Sendable {
        case fallback(String)
        case escape, urlEncode, upcase, downcase
    }

    private enum Piece: Equatable, Sendable {
        case text(String)
        case value(String, [Filter])
    }

    private var pieces: [Piece] = []

    /// The text template `text`.
    public init(text: String) throws(Problem) {
        var rest = text[...]
        while let open = rest.firstRange(of: "{{") {
            add(rest[..<open.lowerBound])
            rest = rest[open.upperBound...]
            guard let close = rest.firstRange(of: "}}") else {
                throw Problem(
                    problem: "\"{{\" is not closed", remedy: "write {{ NAME }}")
            }
            try addValue(String(rest[..<close.lowerBound]))
            rest = rest[close.upperBound...]
        }
        add(rest)
    }

    /// The path template `path`: each value is percent-encoded.
    public init(path: String) throws(Problem) {
        var rest = path[...]
        while let open = rest.firstIndex(of: "{") {
            add(rest[..<open])
            rest = rest[rest.index(after: open)...]
            guard let close = rest.firstIndex(of: "}"), close > rest.startIndex else {
                throw Problem(problem: "\"{\" is not closed", remedy: "write {COLUMN}")
            }
            pieces.append(.value(String(rest[..<close]), [.urlEncode]))
            rest = rest[rest.index(after: close)...]
        }
        add(rest)
    }

    private mutating func add(_ text: Substring) {
        if !text.isEmpty { pieces.append(.text(String(text))) }
    }

    private mutating func addValue(_ inside: String) throws(Problem) {
        var parts = CallTemplate.split(inside)
        let name = CallTemplate.trimmed(parts.removeFirst())
        guard !name.isEmpty,
            name.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" || $0 == "." })
        else {
            throw Problem(
                problem: "\"\(name)\" is no name of a variable",
                remedy: "write {{ NAME }} with letters, digits and _")
        }
        var filters: [Filter] = []
        for part in parts { filters.append(try CallTemplate.filter(CallTemplate.trimmed(part))) }
        pieces.append(.value(name, filters))
    }

    private static func filter(_ text: String) throws(Problem) -> Filter {
        switch text {
        case "escape": return .escape
        case "url_encode": return .urlEncode
        case "upcase": return .upcase
        case "downcase": return .downcase
        default: break
        }
        if text.hasPrefix("default:") {
            let value = trimmed(String(text.dropFirst(8)))
            guard value.count >= 2, let quote = value.first, quote == value.last,
                quote == "\"" || quote == "'"
            else {
                throw Problem(
                    problem: "the default \(value) is not in quotes",
                    remedy: "write default: \"text\"")
            }
            return .fallback(String(value.dropFirst().dropLast()))
        }
        throw Problem(
            problem: "there is no filter \"\(text)\"",
            remedy: "use default: \"text\", escape, url_encode, upcase or downcase")
    }

    /// The parts between `|`, but for those in quotes.
    private static func split(_ text: String) -> [String] {
        var parts = [""]
        var quote: Character?
        for character in text {
            if let open = quote {
                if character == open { quote = nil }
            } else if character == "\"" || character == "'" {
                quote = character
            } else if character == "|" {
                parts.append("")
                continue
            }
            parts[parts.count - 1].append(character)
        }
        return parts
    }

    private static func trimmed(_ text: String) -> String {
        var text = text[...]
        while let first = text.first, first.isWhitespace { text.removeFirst() }
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return String(text)
    }

    /// The names whose values it needs, those with a default left out.
    public var neededNames: [String] {
        pieces.compactMap { piece in
            guard case .value(let name, let filters) = piece else { return nil }
            let hasDefault = filters.contains { if case .fallback = $0 { true } else { false } }
            return hasDefault ? nil : name
        }
    }

    /// The text with the values that `value` gives.
    ///
    /// - Throws: the name that has no value and no default.
    public func rendered(_ value: (String) -> String?) throws(CallTemplate.Missing) -> String {
        var text = ""
        for piece in pieces {
            switch piece {
            case .text(let fixed): text += fixed
            case .value(let name, let filters):
                var found = value(name)
                for filter in filters { found = filter.apply(to: found) }
                guard let found else { throw Missing(name: name) }
                text += found
            }
        }
        return text
    }

    /// A name without a value.
    public struct Missing: Error, Equatable, Sendable {
        /// The name.
        public let name: String
    }
}

extension CallTemplate.Filter {
    fileprivate func apply(to text: String?) -> String? {
        switch self {
        case .fallback(let other): return text.flatMap { $0.isEmpty ? nil : $0 } ?? other
        case .upcase: return text?.uppercased()
        case .downcase: return text?.lowercased()
        case .urlEncode: return text.map { HTTPText.encode($0) }
        case .escape:
            guard let text else { return nil }
            var safe = ""
            for character in text {
                switch character {
                case "&": safe += "&amp;"
                case "<": safe += "&lt;"
                case ">": safe += "&gt;"
                case "\"": safe += "&quot;"
                case "'": safe += "&#39;"
                default: safe.append(character)
                }
            }
            return safe
        }
    }
}

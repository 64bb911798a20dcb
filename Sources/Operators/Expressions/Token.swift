/// One word of an expression's text.
struct Token: Equatable {
    enum Kind: Equatable {
        /// A name or keyword as written.
        case word(String)
        /// A name in double quotes.
        case quotedName(String)
        case text(String)
        case number(String)
        /// An operator or a bracket.
        case symbol(String)
        case end
    }
    let kind: Kind
    /// UTF-8 offsets.
    let range: Range<Int>
}

/// Cuts an expression's text into tokens.
struct Lexer {
    private let bytes: [UInt8]
    private var at = 0

    init(_ text: String) { bytes = Array(text.utf8) }

    static func tokens(of text: String) throws(ExpressionError) -> [Token] {
        var lexer = Lexer(text)
        var tokens: [Token] = []
        while true {
            let token = try lexer.next()
            tokens.append(token)
            if token.kind == .end { return tokens }
        }
    }

    private func peek(_ ahead: Int = 0) -> UInt8 {
        at + ahead < bytes.count ? bytes[at + ahead] : 0
    }

    private mutating func skipBlanks() throws(ExpressionError) {
        while at < bytes.count {
            if Lexer.isBlank(bytes[at]) {
                at += 1
            } else if peek() == UInt8(ascii: "-"), peek(1) == UInt8(ascii: "-") {
                while at < bytes.count, bytes[at] != 10 { at += 1 }
            } else if peek() == UInt8(ascii: "/"), peek(1) == UInt8(ascii: "*") {
                let start = at
                at += 2
                while at < bytes.count,
                    !(peek() == UInt8(ascii: "*") && peek(1) == UInt8(ascii: "/"))
                { at += 1 }
                guard at < bytes.count else {
                    throw ExpressionError(
                        "a comment is not closed", at: start..<bytes.count, fix: "end it with */")
                }
                at += 2
            } else {
                return
            }
        }
    }

    static func isBlank(_ byte: UInt8) -> Bool {
        byte == 32 || (byte >= 9 && byte <= 13)
    }
    static func isDigit(_ byte: UInt8) -> Bool { byte >= 48 && byte <= 57 }
    static func isNameStart(_ byte: UInt8) -> Bool {
        (byte | 32) >= 97 && (byte | 32) <= 122 || byte == 95 || byte >= 128
    }
    static func isNamePart(_ byte: UInt8) -> Bool {
        isNameStart(byte) || isDigit(byte) || byte == UInt8(ascii: "$")
    }

    private func text(_ range: Range<Int>) -> String {
        String(decoding: bytes[range], as: UTF8.self)
    }

    private mutating func next() throws(ExpressionError) -> Token {
        try skipBlanks()
        let start = at
        guard at < bytes.count else { return Token(kind: .end, range: start..<start) }
        let byte = bytes[at]
        if Lexer.isNameStart(byte) || byte == UInt8(ascii: "$") {
            at += 1
            while Lexer.isNamePart(peek()) { at += 1 }
            return Token(kind: .word(text(start..<at)), range: start..<at)
        }
        let startsNumber =
            Lexer.isDigit(byte) || (byte == UInt8(ascii: ".") && Lexer.isDigit(peek(1)))
        if startsNumber { return try number() }
        if byte == UInt8(ascii: "'") {
            let value = try quoted(byte, "text", "'")
            return Token(kind: .text(value), range: start..<at)
        }
        if byte == UInt8(ascii: "\"") {
            let value = try quoted(byte, "name", "\"")
            return Token(kind: .quotedName(value), range: start..<at)
        }
        for symbol in Lexer.symbols where matches(symbol) {
            at += symbol.utf8.count
            return Token(kind: .symbol(symbol), range: start..<at)
        }
        at += 1
        while at < bytes.count, bytes[at] & 0xC0 == 0x80 { at += 1 }
        throw ExpressionError("unexpected \"\(text(start..<at))\"", at: start..<at)
    }

    /// Longest first.
    private static let symbols = [
        "!~~*", "!~~", "~~*", "~~", "!~", "^@", "->>", "->", "::", "||", "//", "**", "<=", ">=",
        "<>", "!=", "==", "<<", ">>", "(", ")",
        "[", "]", "{",
        "}", ",", ".", ":", "+", "-", "*", "/", "%", "<", ">", "=", "^", "&", "|", "~",
    ]

    private func matches(_ symbol: String) -> Bool {
        var index = at
        for byte in symbol.utf8 {
            guard index < bytes.count, bytes[index] == byte else { return false }
            index += 1
        }
        return true
    }

    private mutating func number() throws(ExpressionError) -> Token {
        let start = at
        func digits(_ lexer: inout Lexer) {
            while Lexer.isDigit(lexer.peek())
                || (lexer.peek() == UInt8(ascii: "_") && Lexer.isDigit(lexer.peek(1)))
            { lexer.at += 1 }
        }
        digits(&self)
        if peek() == UInt8(ascii: "."), peek(1) != UInt8(ascii: ".") {
            at += 1
            digits(&self)
        }
        if peek() | 32 == UInt8(ascii: "e") {
            let signed = peek(1) == UInt8(ascii: "+") || peek(1) == UInt8(ascii: "-")
            if Lexer.isDigit(peek(signed ? 2 : 1)) {
                at += signed ? 2 : 1
                digits(&self)
            }
        }
        if Lexer.isNamePart(peek()) {
            while Lexer.isNamePart(peek()) { at += 1 }
            throw ExpressionError(
                "\"\(text(start..<at))\" is neither a number nor a name", at: start..<at,
                fix: "quote a name that starts with a digit: \"\(text(start..<at))\"")
        }
        let value = text(start..<at).filter { $0 != "_" }
        return Token(kind: .number(value), range: start..<at)
    }

    private mutating func quoted(
        _ quote: UInt8, _ what: String, _ mark: String
    ) throws(ExpressionError) -> String {
        let start = at
        var value: [UInt8] = []
        at += 1
        while at < bytes.count {
            if bytes[at] == quote {
                at += 1
                guard peek() == quote, at < bytes.count else {
                    return String(decoding: value, as: UTF8.self)
                }
            }
            value.append(bytes[at])
            at += 1
        }
        throw ExpressionError(
            "a \(what) is not closed", at: start..<bytes.count, fix: "end it with \(mark)")
    }
}

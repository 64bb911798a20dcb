import CRE2
import StreamRuntime

/// A compiled RE2 pattern, freed with its owner.
///
/// - Note: RE2 patterns may be matched from several threads at once.
final class RegularExpression {
    typealias Bytes = UnsafeBufferPointer<UInt8>

    private let pattern: OpaquePointer
    /// The same pattern in a form that is searched faster, if it has one.
    private let plain: PlainPattern?
    /// How many groups the pattern has, the whole match not counted.
    let groups: Int

    /// A pattern that cannot be compiled, and why.
    struct Invalid: Error {
        let reason: String
    }

    /// The letters DuckDB's functions take: i, c, s, m, n, p, l, g.
    struct Options: Equatable {
        var ignoringCase = false
        var dotMatchesNewline = false
        var multiline = false
        var literal = false
        var global = false

        init() {}

        /// Nil for a letter there is none of.
        init?(_ letters: String) {
            for letter in letters {
                switch letter {
                case "i": ignoringCase = true
                case "c": ignoringCase = false
                case "s": dotMatchesNewline = true
                case "m", "n", "p": dotMatchesNewline = false
                case "l": literal = true
                case "g": global = true
                case " ", "\t": break
                default: return nil
                }
            }
        }
    }

    /// - Parameter isPlain: false leaves every search to RE2, which tests compare with.
    init(_ text: Bytes, _ options: Options, isPlain: Bool = true) throws(Invalid) {
        var reason = [CChar](repeating: 0, count: 256)
        let made = millrace_pattern_compile(
            text.baseAddress ?? UnsafePointer(RegularExpression.nothing), text.count,
            options.ignoringCase, options.dotMatchesNewline, options.multiline, options.literal,
            &reason, reason.count)
        guard let made else {
            let bytes = reason.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            throw Invalid(reason: String(decoding: bytes, as: UTF8.self))
        }
        pattern = made
        groups = Int(millrace_pattern_groups(made))
        var usual = Options()
        usual.global = options.global
        plain = isPlain && options == usual ? PlainPattern(text) : nil
    }

    deinit { millrace_pattern_free(pattern) }

    /// A place to point to for empty text.
    nonisolated(unsafe) private static let nothing = UnsafeMutablePointer<UInt8>.allocate(
        capacity: 1)

    /// Most groups a match tells of, the whole match included.
    static let groupsMax = 16

    /// Looks for the pattern from `from` on and fills `spans` with start and end of the match and
    /// its groups.
    func find(in text: Bytes, from: Int = 0, spans: inout [Int64]) -> Bool {
        if let found = plain?.find(in: text, from: from, spans: &spans, count: spans.count / 2) {
            return found
        }
        return millrace_pattern_find(
            pattern, text.baseAddress ?? UnsafePointer(RegularExpression.nothing), text.count,
            from, &spans, Int32(spans.count / 2))
    }

    func matches(_ text: Bytes) -> Bool {
        if let found = plain?.find(in: text, from: 0, spans: nil, count: 0) { return found }
        return millrace_pattern_find(
            pattern, text.baseAddress ?? UnsafePointer(RegularExpression.nothing), text.count, 0,
            nil, 0)
    }

    func matchesAll(of text: Bytes) -> Bool {
        millrace_pattern_matches_all(
            pattern, text.baseAddress ?? UnsafePointer(RegularExpression.nothing), text.count)
    }

    func accepts(replacement: Bytes) -> Bool {
        millrace_pattern_accepts(
            pattern, replacement.baseAddress ?? UnsafePointer(RegularExpression.nothing),
            replacement.count)
    }

    /// Appends `text` with the first match, or every one, replaced; \1 to \9 stand for groups.
    func replace(in text: Bytes, with replacement: Bytes, global: Bool, to arena: ByteArena) {
        var spans = [Int64](repeating: -1, count: 2 * RegularExpression.groupsMax)
        var at = 0
        var copied = 0
        var last = -1
        while at <= text.count, find(in: text, from: at, spans: &spans) {
            let start = Int(spans[0])
            let end = Int(spans[1])
            arena.add(Bytes(rebasing: text[copied..<start]))
            copied = end
            at = end
            if start == end, end == last {
                // An empty match where one ended: go on after the next character, which is kept.
                guard end < text.count else { break }
                let length = Characters.scalar(text, end).length
                arena.add(Bytes(rebasing: text[end..<(end + length)]))
                copied = end + length
                at = copied
                continue
            }
            appendReplacement(replacement, text, spans, to: arena)
            last = end
            guard global else { break }
        }
        if copied < text.count { arena.add(Bytes(rebasing: text[copied...])) }
    }

    private func appendReplacement(
        _ replacement: Bytes, _ text: Bytes, _ spans: [Int64], to arena: ByteArena
    ) {
        var at = 0
        while at < replacement.count {
            let byte = replacement[at]
            at += 1
            guard byte == UInt8(ascii: "\\"), at < replacement.count else {
                arena.add(byte)
                continue
            }
            let next = replacement[at]
            at += 1
            guard Lexer.isDigit(next) else {
                arena.add(next)
                continue
            }
            let group = Int(next - 48)
            if spans[group * 2] >= 0 {
                arena.add(
                    Bytes(rebasing: text[Int(spans[group * 2])..<Int(spans[group * 2 + 1])]))
            }
        }
    }
}

/// Patterns that come with the rows: the last one is kept, as it is usually the next one too.
struct PatternCache {
    private var text: [UInt8]?
    private var compiled: RegularExpression?
    private let options: RegularExpression.Options
    /// Whether every row has the one pattern there is.
    private let isConstant: Bool

    /// A cache that has `constant`, the pattern of every row, if there is one.
    init(_ options: RegularExpression.Options, constant: RegularExpression? = nil) {
        self.options = options
        compiled = constant
        isConstant = constant != nil
    }

    mutating func pattern(
        _ bytes: RegularExpression.Bytes
    ) throws(RegularExpression.Invalid) -> RegularExpression {
        if isConstant, let compiled { return compiled }
        if let text, let compiled, text.elementsEqual(bytes) { return compiled }
        let made = try RegularExpression(bytes, options)
        text = Array(bytes)
        compiled = made
        return made
    }
}

/// Reads the patterns that `PlainPattern` can look for; gives up on all others.
struct PlainPatternParser {
    indirect enum Item {
        case text([UInt8])
        case run(index: Int, min: Int)
        case begin
        case end
        /// Its number if it is captured, and what it chooses from, each without groups.
        case group(Int?, [[Item]])

        /// The most bytes it takes; nil when there is no bound.
        var lengthMax: Int? {
            switch self {
            case .text(let bytes): bytes.count
            case .run, .group: nil
            case .begin, .end: 0
            }
        }
    }

    /// The members of the classes of runs.
    private(set) var classes: [[Bool]] = []
    private let pattern: [UInt8]
    private var at = 0
    private var groups = 0
    private var choices = 0

    /// Every choice may double what a search tries.
    private static let choicesMax = 8

    init(_ text: UnsafeBufferPointer<UInt8>) { pattern = Array(text) }

    mutating func parse() -> [Item]? {
        guard pattern.count <= 200, let items = sequence(inGroup: false), at == pattern.count else {
            return nil
        }
        return items
    }

    private var next: UInt8? { at < pattern.count ? pattern[at] : nil }

    /// Items up to the end, or to the bar or parenthesis that ends a choice of a group.
    private mutating func sequence(inGroup: Bool) -> [Item]? {
        var items: [Item] = []
        var text: [UInt8] = []
        func flushed() -> [Item] { text.isEmpty ? items : items + [.text(text)] }
        while let byte = next {
            switch byte {
            case UInt8(ascii: "|"), UInt8(ascii: ")"):
                return inGroup ? flushed() : nil
            case UInt8(ascii: "("):
                guard !inGroup else { return nil }
                items = flushed()
                text = []
                guard let group = group() else { return nil }
                items.append(group)
            case UInt8(ascii: "^"), UInt8(ascii: "$"):
                at += 1
                items = flushed() + [byte == UInt8(ascii: "^") ? .begin : .end]
                text = []
            case UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "?"), UInt8(ascii: "{"):
                return nil
            default:
                guard let members = member() else { return nil }
                if let quantifier = next, isQuantifier(quantifier) {
                    guard let run = run(members) else { return nil }
                    items = flushed() + [run]
                    text = []
                } else {
                    guard case .byte(let byte) = members else { return nil }
                    text.append(byte)
                }
            }
        }
        return inGroup ? nil : flushed()
    }

    private func isQuantifier(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "*") || byte == UInt8(ascii: "+") || byte == UInt8(ascii: "?")
            || byte == UInt8(ascii: "{")
    }

    /// A run of `members`: greedy, of any length from 0 or 1 on.
    private mutating func run(_ members: Members) -> Item? {
        guard let quantifier = next,
            quantifier == UInt8(ascii: "*") || quantifier == UInt8(ascii: "+")
        else { return nil }
        at += 1
        if let after = next, isQuantifier(after) { return nil }
        var flags = [Bool](repeating: false, count: 256)
        switch members {
        case .byte(let byte):
            guard byte < 0x80 else { return nil }
            flags[Int(byte)] = true
        case .set(let set): flags = set
        }
        classes.append(flags)
        return .run(index: classes.count - 1, min: quantifier == UInt8(ascii: "+") ? 1 : 0)
    }

    private mutating func group() -> Item? {
        at += 1
        var number: Int?
        if next == UInt8(ascii: "?") {
            guard at + 1 < pattern.count, pattern[at + 1] == UInt8(ascii: ":") else { return nil }
            at += 2
        } else {
            groups += 1
            number = groups
        }
        var all: [[Item]] = []
        while true {
            guard let choice = sequence(inGroup: true) else { return nil }
            all.append(choice)
            guard let byte = next else { return nil }
            at += 1
            if byte == UInt8(ascii: ")") { break }
            choices += 1
        }
        guard choices <= PlainPatternParser.choicesMax else { return nil }
        if let after = next, isQuantifier(after) { return nil }
        return .group(number, all)
    }

    // MARK: characters

    private enum Members {
        case byte(UInt8)
        case set([Bool])
    }

    /// One character or class of characters.
    private mutating func member() -> Members? {
        guard let byte = next else { return nil }
        at += 1
        switch byte {
        case UInt8(ascii: "."): return .set((0..<256).map { $0 != 0x0A })
        case UInt8(ascii: "["): return set().map { Members.set($0) }
        case UInt8(ascii: "\\"): return escape()
        default: return .byte(byte)
        }
    }

    /// A class of ASCII by a letter, or a mark that stands for itself.
    private mutating func escape() -> Members? {
        guard let byte = next, byte < 0x80 else { return nil }
        at += 1
        if byte == UInt8(ascii: "d") { return .set((0..<256).map { (48...57).contains($0) }) }
        if byte == UInt8(ascii: "w") { return .set((0..<256).map(PlainPatternParser.isWord)) }
        return PlainPatternParser.isWord(Int(byte)) ? nil : .byte(byte)
    }

    private static func isWord(_ byte: Int) -> Bool {
        (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
            || byte == 95
    }

    /// What is between brackets, of single characters and ranges of ASCII.
    private mutating func set() -> [Bool]? {
        var flags = [Bool](repeating: false, count: 256)
        var isNegated = false
        if next == UInt8(ascii: "^") {
            isNegated = true
            at += 1
        }
        var isFirst = true
        while let byte = next {
            if byte == UInt8(ascii: "]"), !isFirst {
                at += 1
                if isNegated { flags = flags.map { !$0 } }
                return flags
            }
            isFirst = false
            guard let low = single() else { return nil }
            var high = low
            if next == UInt8(ascii: "-"), at + 1 < pattern.count,
                pattern[at + 1] != UInt8(ascii: "]")
            {
                at += 1
                guard let end = single(), end >= low else { return nil }
                high = end
            }
            for member in low...high { flags[Int(member)] = true }
        }
        return nil
    }

    /// One character of a class.
    private mutating func single() -> UInt8? {
        guard let byte = next, byte < 0x80, byte != UInt8(ascii: "[") else { return nil }
        at += 1
        guard byte == UInt8(ascii: "\\") else { return byte }
        guard case .byte(let escaped) = escape() else { return nil }
        return escaped
    }
}

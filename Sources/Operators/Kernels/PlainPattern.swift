import Glibc

/// Looks for the regular expressions most people write without an automaton: texts, choices between texts, and
/// runs of a class of characters whose end the next character tells.
///
/// Such a pattern never has to give back what a run has taken, so a search is one walk, and a text that every match
/// has leads it to the places worth looking at. Everything else is left to RE2, whose answers these are.
///
/// - Source: leftmost-first matching as in RE2's syntax page; the leading text is "literal prefiltering".
final class PlainPattern {
    typealias Bytes = UnsafeBufferPointer<UInt8>

    private enum Step {
        /// The bytes `from..<to` of `texts`.
        case text(from: Int, to: Int)
        /// At least `min` bytes of class `index`, as many as there are.
        case run(index: Int, min: Int)
        /// The first choice, and where the next one is.
        case split(Int, Int)
        case jump(Int)
        case save(Int)
        case begin
        case end
        case match
    }

    private let steps: [Step]
    private let texts: UnsafeMutablePointer<UInt8>
    /// 256 bytes a class, 1 for its members.
    private let classes: UnsafeMutablePointer<UInt8>
    private let classCount: Int
    /// The text that every match has, in `texts`.
    private let lead: Range<Int>
    /// The most bytes of a match before that text; nil when there is no bound.
    private let leadDistance: Int?
    /// Which of the text's bytes is the least usual one.
    private let rare: Int

    /// The pattern, or nil when RE2 is needed.
    ///
    /// - Parameter text: a pattern that RE2 takes, in its default options.
    init?(_ text: Bytes) {
        var parser = PlainPatternParser(text)
        guard let parsed = parser.parse() else { return nil }
        var steps: [Step] = []
        var texts: [UInt8] = []
        var leads: [(range: Range<Int>, distance: Int?)] = []
        var distance: Int? = 0
        func add(_ item: PlainPatternParser.Item) {
            switch item {
            case .text(let bytes):
                steps.append(.text(from: texts.count, to: texts.count + bytes.count))
                texts += bytes
            case .run(let index, let min): steps.append(.run(index: index, min: min))
            case .begin: steps.append(.begin)
            case .end: steps.append(.end)
            case .group: break
            }
        }
        for item in parsed {
            guard case .group(let group, let choices) = item else {
                let start = texts.count
                add(item)
                if texts.count > start { leads.append((start..<texts.count, distance)) }
                distance = distance.flatMap { known in item.lengthMax.map { known + $0 } }
                continue
            }
            if let group { steps.append(.save(group * 2)) }
            var jumps: [Int] = []
            var longest: Int? = 0
            for (index, choice) in choices.enumerated() {
                let split = steps.count
                if index < choices.count - 1 { steps.append(.split(0, 0)) }
                var length: Int? = 0
                for part in choice {
                    let start = texts.count
                    add(part)
                    if choices.count == 1, texts.count > start {
                        leads.append(
                            (start..<texts.count, distance.flatMap { d in length.map { d + $0 } }))
                    }
                    length = length.flatMap { known in part.lengthMax.map { known + $0 } }
                }
                longest = longest.flatMap { known in length.map { max(known, $0) } }
                if index < choices.count - 1 {
                    jumps.append(steps.count)
                    steps.append(.jump(0))
                    steps[split] = .split(split + 1, steps.count)
                }
            }
            for jump in jumps { steps[jump] = .jump(steps.count) }
            if let group { steps.append(.save(group * 2 + 1)) }
            distance = distance.flatMap { known in longest.map { known + $0 } }
        }
        steps.append(.match)
        self.steps = steps
        let best = leads.max {
            ($0.distance == nil ? 0 : 1, $0.range.count) < (
                $1.distance == nil ? 0 : 1, $1.range.count
            )
        }
        lead = best?.range ?? 0..<0
        leadDistance = best?.distance
        let leading = lead
        rare =
            leading.isEmpty
            ? 0
            : leading.indices.min {
                PlainPattern.frequency(texts[$0]) < PlainPattern.frequency(texts[$1])
            }! - leading.lowerBound
        self.texts = .allocate(capacity: max(texts.count, 1))
        self.texts.initialize(from: texts, count: texts.count)
        classCount = parser.classes.count
        classes = .allocate(capacity: max(classCount, 1) * 256)
        for (index, members) in parser.classes.enumerated() {
            for byte in 0..<256 { classes[index * 256 + byte] = members[byte] ? 1 : 0 }
        }
        guard isDecided else { return nil }
    }

    deinit {
        texts.deallocate()
        classes.deallocate()
    }

    // MARK: whether no run has to be given back

    /// What may come next: bytes, the end of the text, or the end of the match.
    private struct Next {
        var bytes = [Bool](repeating: false, count: 256)
        var hasBegin = false
    }

    private var isDecided: Bool {
        for (place, step) in steps.enumerated() {
            guard case .run(let index, _) = step else { continue }
            var next = Next()
            collect(place + 1, &next)
            if next.hasBegin { return false }
            for byte in 0..<256 where next.bytes[byte] && classes[index * 256 + byte] != 0 {
                return false
            }
        }
        return true
    }

    private func collect(_ place: Int, _ next: inout Next) {
        switch steps[place] {
        case .text(let from, _): next.bytes[Int(texts[from])] = true
        case .run(let index, let min):
            for byte in 0..<256 where classes[index * 256 + byte] != 0 { next.bytes[byte] = true }
            if min == 0 { collect(place + 1, &next) }
        case .split(let first, let second):
            collect(first, &next)
            collect(second, &next)
        case .jump(let target): collect(target, &next)
        case .save, .end: collect(place + 1, &next)
        case .begin: next.hasBegin = true
        case .match: break
        }
    }

    // MARK: searching

    /// Looks for the first match at `from` or later.
    ///
    /// - Parameter spans: gets start and end of the match and of its groups, -1 for one that took no part; nil when
    ///   only whether there is one matters.
    /// - Returns: whether there is one; nil when runs were walked over so often that RE2, whose time does not
    ///   grow so, had better look.
    func find(in text: Bytes, from: Int, spans: UnsafeMutablePointer<Int64>?, count: Int) -> Bool? {
        let base = text.baseAddress ?? UnsafePointer(texts)
        let end = text.count
        var start = from
        var work = end &* 4 &+ 4096
        var found = -1
        while start <= end {
            if !lead.isEmpty, found < start {
                found = leading(base, start, end)
                guard found >= 0 else { return false }
                if let leadDistance { start = max(start, found &- leadDistance) }
            }
            if let spans {
                var slot = 0
                while slot < count &* 2 {
                    spans[slot] = -1
                    slot &+= 1
                }
            }
            let stop = match(0, base, start, end, spans, count &* 2, &work)
            if stop >= 0 {
                if let spans, count > 0 {
                    spans[0] = Int64(start)
                    spans[1] = Int64(stop)
                }
                return true
            }
            guard work > 0 else { return nil }
            start &+= 1
        }
        return false
    }

    /// Where the leading text is next, or -1: its least usual byte is looked for.
    private func leading(_ text: UnsafePointer<UInt8>, _ from: Int, _ end: Int) -> Int {
        let wanted = texts + lead.lowerBound
        let byte = Int32(wanted[rare])
        var at = from &+ rare
        while at < end {
            guard let there = memchr(text + at, byte, end &- at) else { return -1 }
            let place = UnsafeRawPointer(text).distance(to: UnsafeRawPointer(there)) &- rare
            guard end &- place >= lead.count else { return -1 }
            if memcmp(text + place, wanted, lead.count) == 0 { return place }
            at = place &+ rare &+ 1
        }
        return -1
    }

    /// How usual a byte is in texts, about.
    private static func frequency(_ byte: UInt8) -> Int {
        switch byte {
        case 97...122: 4
        case 48...57: 3
        case 65...90: 2
        case 32, 44, 45, 46, 47, 95: 2
        default: byte < 0x80 ? 1 : 3
        }
    }

    /// Where the match from step `place` at `position` ends, or -1.
    private func match(
        _ place: Int, _ text: UnsafePointer<UInt8>, _ position: Int, _ end: Int,
        _ spans: UnsafeMutablePointer<Int64>?, _ slots: Int, _ work: inout Int
    ) -> Int {
        var place = place
        var at = position
        while true {
            switch steps[place] {
            case .text(let from, let to):
                let length = to &- from
                guard end &- at >= length, memcmp(text + at, texts + from, length) == 0 else {
                    return -1
                }
                at &+= length
                place &+= 1
            case .run(let index, let min):
                let members = classes + index &* 256
                let start = at
                while at < end, members[Int(text[at])] != 0 { at &+= 1 }
                work &-= at &- start
                guard at &- start >= min else { return -1 }
                place &+= 1
            case .split(let first, let second):
                let stop = match(first, text, at, end, spans, slots, &work)
                if stop >= 0 { return stop }
                place = second
            case .jump(let target): place = target
            case .save(let slot):
                guard let spans, slot < slots else {
                    place &+= 1
                    continue
                }
                let before = spans[slot]
                spans[slot] = Int64(at)
                let stop = match(place &+ 1, text, at, end, spans, slots, &work)
                if stop < 0 { spans[slot] = before }
                return stop
            case .begin:
                guard at == 0 else { return -1 }
                place &+= 1
            case .end:
                guard at == end else { return -1 }
                place &+= 1
            case .match: return at
            }
        }
    }
}

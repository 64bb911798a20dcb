import StreamRuntime

/// Finds the parts of a change event of Canal, Maxwell or GoldenGate.
final class ChangeEnvelope {
    /// One event, taken apart.
    struct Event {
        let operation: DebeziumEnvelope.Operation
        /// The rows that changed, and of each what was there before where the event says so.
        var images: [(image: JSONSpan, old: JSONSpan)]
        /// When, as text or a number of milliseconds.
        let time: JSONSpan
    }

    private let style: ChangeStyle
    private let reader: JSONDocumentReader
    private let positions: Int
    private let others: Int
    private let flag: Int

    /// Looks for these members of the envelope besides the parts every event has.
    init(_ style: ChangeStyle, _ paths: [[String]]) {
        self.style = style
        var all = [[style.type], [style.image], [style.old]] + style.times.map { [$0] }
        positions = all.count
        all += style.positions.joined().map { [$0] }
        flag = all.count
        all.append(["isDdl"])
        others = all.count
        reader = JSONDocumentReader(paths: all + paths)
    }

    /// The value of the `index`th path asked for.
    func other(_ index: Int) -> JSONSpan { reader.spans[others + index] }

    /// Takes the event at `start` of `text` apart.
    ///
    /// - Returns: nil for an event that is about no row.
    /// - Throws: when it is not JSON, or no event of the style.
    func read(_ text: RecordText, start: Int, length: Int) throws(ValueProblem) -> Event? {
        try reader.locate(text, start: start, length: length)
        let arena = text.arena
        if ChangeEnvelope.isWord(reader.spans[flag], "true", arena) { return nil }
        let type = reader.spans[0]
        guard type.length > 2, arena.base[type.start] == 0x22 else {
            throw ValueProblem("not a change event: it has no \(style.type)", field: style.type)
        }
        let word = String(
            decoding: UnsafeBufferPointer(
                start: arena.base + type.start + 1, count: min(type.length - 2, 40)), as: UTF8.self)
        guard let operation = style.operation(word) else {
            if style.isAboutNoRow(word) { return nil }
            throw ValueProblem(
                "\(style.type) \"\(word)\" is nothing that happens to a row", field: style.type)
        }
        var event = Event(operation: operation, images: [], time: time(text))
        if operation != .truncate { event.images = try images(text, operation) }
        return event
    }

    /// The place in the log, with the number of the row where an event has several.
    func position(_ text: RecordText, row: Int?) -> JSONSpan {
        var at = positions
        for names in style.positions {
            let spans = names.indices.map { reader.spans[at + $0] }
            at += names.count
            guard spans.allSatisfy({ $0.length > 0 && text.arena.base[$0.start] != 0x6E }) else {
                continue
            }
            if spans.count == 1, row == nil { return spans[0] }
            return text.written { out in
                for (index, span) in spans.enumerated() {
                    if index > 0 { out.append(0x3A) }
                    for byte in span.start..<(span.start + span.length)
                    where text.arena.base[byte] != 0x22 { out.append(text.arena.base[byte]) }
                }
                if let row { out += Array(":\(row)".utf8) }
            }
        }
        return .missing
    }

    private func time(_ text: RecordText) -> JSONSpan {
        let first = positions - style.times.count
        for index in first..<positions {
            let span = reader.spans[index]
            guard span.length > 0, !ChangeEnvelope.isWord(span, "0", text.arena),
                text.arena.base[span.start] != 0x6E
            else { continue }
            // Maxwell counts seconds; the others milliseconds, or write the time out.
            guard style == .maxwell, text.arena.base[span.start] &- 0x30 <= 9 else { return span }
            let digits = UnsafeBufferPointer(
                start: text.arena.base + span.start, count: span.length)
            guard digits.allSatisfy({ $0 &- 0x30 <= 9 }) else { return span }
            let made = text.written(quoted: false) { $0 += Array(digits) + [0x30, 0x30, 0x30] }
            return made
        }
        return .missing
    }

    private func images(
        _ text: RecordText, _ operation: DebeziumEnvelope.Operation
    ) throws(ValueProblem) -> [(image: JSONSpan, old: JSONSpan)] {
        let arena = text.arena
        let old = reader.spans[2]
        var image = reader.spans[1]
        if style == .ogg, operation == .delete { image = old }
        let name = style == .ogg && operation == .delete ? style.old : style.image
        guard image.length > 0, arena.base[image.start] != 0x6E else {
            throw ValueProblem("the change has no row in \(name)", field: name)
        }
        if arena.base[image.start] == 0x7B {
            return [(image, ChangeEnvelope.object(old, arena) ?? .missing)]
        }
        guard style == .canal, arena.base[image.start] == 0x5B else {
            throw ValueProblem("the change has no row in \(name)", field: name)
        }
        let rows = ChangeEnvelope.elements(image, arena)
        let olds =
            old.length > 0 && arena.base[old.start] == 0x5B
            ? ChangeEnvelope.elements(old, arena) : []
        var images: [(JSONSpan, JSONSpan)] = []
        for (index, row) in rows.enumerated() {
            guard arena.base[row.start] == 0x7B else {
                throw ValueProblem("row \(index) is not an object", field: name)
            }
            let before = index < olds.count ? ChangeEnvelope.object(olds[index], arena) : nil
            images.append((row, before ?? .missing))
        }
        return images
    }

    private static func object(_ span: JSONSpan, _ arena: ByteArena) -> JSONSpan? {
        span.length > 0 && arena.base[span.start] == 0x7B ? span : nil
    }

    /// The elements of a list that was checked.
    private static func elements(_ list: JSONSpan, _ arena: ByteArena) -> [JSONSpan] {
        var found: [JSONSpan] = []
        var scanner = JSONScanner(
            UnsafePointer(arena.base), from: list.start + 1, to: list.start + list.length)
        var isFirst = true
        while scanner.enterElement(isFirst: isFirst) == true {
            isFirst = false
            let start = scanner.position
            guard scanner.skipValue(depth: 2) else { break }
            found.append(
                JSONSpan(
                    start: start, length: scanner.position - start, hasEscape: false,
                    isBlocked: false))
        }
        return found
    }

    private static func isWord(_ span: JSONSpan, _ word: String, _ arena: ByteArena) -> Bool {
        UnsafeBufferPointer(start: arena.base + span.start, count: span.length)
            .elementsEqual(word.utf8)
    }
}

extension RecordText {
    /// A JSON value written behind the records.
    func written(quoted: Bool = true, _ write: (inout [UInt8]) -> Void) -> JSONSpan {
        var bytes: [UInt8] = quoted ? [0x22] : []
        write(&bytes)
        if quoted { bytes.append(0x22) }
        let view = copy(bytes, bytes.count)
        return JSONSpan(
            start: ByteView.start(view), length: bytes.count, hasEscape: false, isBlocked: false)
    }
}

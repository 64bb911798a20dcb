import StreamRuntime

/// A wanted value of a document and the column it goes to.
struct JSONLeaf {
    let name: String
    let shape: JSONShape
    let isRequired: Bool
    /// Position of the column among the decoded ones.
    let column: Int

    init(_ field: RecordField, column: Int, decimals: DebeziumDecimals) {
        name = field.name
        shape = JSONShape(
            field.type, unit: field.unit, zone: field.zone, takesAnyText: field.takesAnyText,
            decimals: decimals)
        isRequired = field.isRequired
        self.column = column
    }
}

/// Reads whole documents strictly, one row at a time: everything is checked, everything JSON allows is
/// understood.
///
/// First the document is walked once, noting where the last value of each wanted member lies; then the
/// values found are converted. So a member that a later one of the same name replaces is never
/// converted.
final class JSONDocumentReader {
    let leaves: [JSONLeaf]
    private let members = JSONMembers()
    /// A stack of spans: those of the document, then those of each struct being read.
    private(set) var spans: [JSONSpan] = []
    private var text: RecordText?
    private var arena: ByteArena { text!.arena }
    private let pathCount: Int

    init(_ fields: [RecordField], columns: [Int], decimals: DebeziumDecimals = .text) {
        leaves = zip(fields, columns).map { JSONLeaf($0, column: $1, decimals: decimals) }
        pathCount = fields.count
        for (leaf, field) in fields.enumerated() { members.add(field.path[...], leaf: leaf) }
    }

    /// A reader that only locates the values at these paths.
    init(paths: [[String]]) {
        leaves = []
        pathCount = paths.count
        for (leaf, path) in paths.enumerated() { members.add(path[...], leaf: leaf) }
    }

    /// Appends the row of the document at `start` of `text` to `columns`.
    ///
    /// - Throws: what is wrong with the document or a value. Columns may then be longer than they were.
    func read(
        _ text: RecordText, start: Int, length: Int, into columns: [Column]
    ) throws(ValueProblem) {
        try locate(text, start: start, length: length)
        for (index, leaf) in leaves.enumerated() {
            try append(leaf, spans[index], of: text, to: columns[leaf.column])
        }
    }

    /// Checks the document at `start` of `text` and notes in `spans` where the wanted values lie.
    func locate(_ text: RecordText, start: Int, length: Int) throws(ValueProblem) {
        self.text = text
        var scanner = JSONScanner(UnsafePointer(arena.base), from: start, to: start + length)
        spans.removeAll(keepingCapacity: true)
        for _ in 0..<pathCount { spans.append(.missing) }
        scanner.skipSpace()
        let isObject = scanner.next == 0x7B
        guard isObject ? walk(&scanner, members, base: 0, depth: 0) : scanner.skipValue() else {
            throw malformed(scanner, start)
        }
        scanner.skipSpace()
        guard scanner.position == scanner.end else {
            scanner.problem = "something follows the document"
            throw malformed(scanner, start)
        }
        guard isObject else { throw ValueProblem("the document is not an object") }
    }

    /// Appends the value of `leaf` that lies at `span`.
    func append(
        _ leaf: JSONLeaf, _ span: JSONSpan, of text: RecordText, to column: Column
    ) throws(ValueProblem) {
        self.text = text
        if leaf.isRequired, !span.isBlocked {
            guard span.length > 0 else { throw ValueProblem("is missing", field: leaf.name) }
            guard arena.base[span.start] != 0x6E else {
                throw ValueProblem("is null", field: leaf.name)
            }
        }
        do {
            try append(span, leaf.shape, to: column, depth: 0)
        } catch {
            throw error.inside(leaf.name)
        }
    }

    private func malformed(_ scanner: JSONScanner, _ start: Int) -> ValueProblem {
        ValueProblem("malformed JSON at byte \(scanner.position - start): \(scanner.problem)")
    }

    /// Walks an object, whose brace is at the scanner's position, and notes the wanted members.
    private func walk(
        _ scanner: inout JSONScanner, _ wanted: JSONMembers, base: Int, depth: Int
    ) -> Bool {
        guard depth < JSONScanner.depthMax else { return scanner.fail("values nest too deep") }
        scanner.position += 1
        var isFirst = true
        while true {
            guard let more = scanner.enterMember(isFirst: isFirst) else { return false }
            guard more else { return true }
            isFirst = false
            let nameStart = scanner.position + 1
            guard scanner.skipString() else { return false }
            let index = find(scanner, nameStart, wanted)
            guard scanner.skipColon() else { return false }
            guard index >= 0 else {
                guard scanner.skipValue(depth: depth + 1) else { return false }
                continue
            }
            let member = wanted.members[index]
            for leaf in member.below { spans[base + leaf] = .missing }
            let start = scanner.position
            let first = scanner.next
            scanner.sawEscape = false
            if first == 0x7B, let inner = member.inner {
                guard walk(&scanner, inner, base: base, depth: depth + 1) else { return false }
            } else {
                guard scanner.skipValue(depth: depth + 1) else { return false }
                if member.inner != nil, first != 0x6E {
                    for leaf in member.below { spans[base + leaf].isBlocked = true }
                }
            }
            for leaf in member.leaves {
                spans[base + leaf] = JSONSpan(
                    start: start, length: scanner.position - start,
                    hasEscape: first == 0x22 && scanner.sawEscape, isBlocked: false)
            }
        }
    }

    /// The wanted member named by the string that the scanner has just passed, or -1.
    private func find(_ scanner: JSONScanner, _ start: Int, _ wanted: JSONMembers) -> Int {
        let length = scanner.position - 1 - start
        guard scanner.sawEscape else { return wanted.find(scanner.text + start, length) }
        var name = [UInt8](repeating: 0, count: length)
        let count = JSONScanner.unescape(scanner.text, start, start + length, into: &name)
        return wanted.find(name, count)
    }

    /// Appends one value that was walked over before.
    private func append(
        _ span: JSONSpan, _ shape: JSONShape, to column: Column, depth: Int
    ) throws(ValueProblem) {
        if span.isBlocked { throw ValueProblem("its path leads through a value that is no object") }
        guard span.length > 0 else { return column.appendNull() }
        let first = arena.base[span.start]
        if first == 0x6E { return column.appendNull() }
        switch shape.type {
        case .string where first != 0x22:
            guard shape.takesAnyText else { throw mismatch(span, "a string") }
            column.append(view: ByteView.pack(start: span.start, length: span.length))
        case .string: column.append(view: textView(span))
        case .bool:
            guard first == 0x74 || first == 0x66 else { throw mismatch(span, "a bool") }
            column.append(first == 0x74)
        case .list where first == 0x7B && shape.isMap:
            try appendMap(span, shape, to: column, depth: depth)
        case .list:
            guard first == 0x5B else { throw mismatch(span, "a list") }
            try appendList(span, shape, to: column, depth: depth)
        case .structure:
            guard first == 0x7B else { throw mismatch(span, "an object") }
            try appendStructure(span, shape, to: column, depth: depth)
        case .bytes where first != 0x22: throw mismatch(span, "base64 text")
        case .interval: throw ValueProblem("an interval cannot be read from JSON")
        case .decimal(let precision, let scale) where first == 0x7B && shape.decimals == .bytes:
            column.append(try variableScale(span, precision, scale, depth: depth))
        default:
            let isText = first == 0x22
            guard isText || first == 0x2D || first &- 0x30 <= 9 else {
                throw mismatch(span, shape.type == .int64 ? "an int64" : "a \(shape.type)")
            }
            if isText, shape.decimals == .bytes, case .decimal(let precision, _) = shape.type {
                return column.append(try unscaled(span, precision))
            }
            if shape.type == .bytes { text!.makeRoom(span.length) }
            let view =
                isText ? textView(span) : ByteView.pack(start: span.start, length: span.length)
            try TextValue.append(
                UnsafePointer(arena.base) + ByteView.start(view), ByteView.length(view),
                unit: shape.unit, zone: shape.zone, named: isText, to: column)
        }
    }

    private func mismatch(_ span: JSONSpan, _ wanted: String) -> ValueProblem {
        ValueProblem("\(excerpt(arena.base + span.start, span.length)) is not \(wanted)")
    }

    /// The text of a string: where it lies in the record or, with escapes, a resolved copy behind it.
    private func textView(_ span: JSONSpan) -> UInt64 {
        let start = span.start + 1
        let length = span.length - 2
        guard span.hasEscape else { return ByteView.pack(start: start, length: length) }
        text!.makeRoom(length)
        let made = JSONScanner.unescape(
            arena.base, start, start + length, into: arena.base + arena.count)
        let view = ByteView.pack(start: arena.count, length: made)
        arena.count += made
        return view
    }

    /// A decimal from the base64 of its unscaled bytes, big-endian two's complement.
    private func unscaled(_ span: JSONSpan, _ precision: Int) throws(ValueProblem) -> Int128 {
        let text = textView(span)
        let length = ByteView.length(text)
        var bytes = [UInt8](repeating: 0, count: length / 4 * 3 + 3)
        let count = Base64Text.decode(
            arena.base + ByteView.start(text), length, into: &bytes)
        guard count > 0, count <= 16 else {
            throw ValueProblem(
                "\(excerpt(arena.base + span.start, span.length)) is not the base64 of a decimal; "
                    + "if the connector writes text, say decimals: string")
        }
        var value: Int128 = bytes[0] >= 0x80 ? -1 : 0
        for at in 0..<count { value = value << 8 | Int128(bytes[at]) }
        guard value.magnitude < powersOfTen[precision].magnitude else {
            throw ValueProblem("\(value) has more than \(precision) digits")
        }
        return value
    }

    /// A decimal from an object of its own scale and its unscaled bytes.
    ///
    /// - Source: Debezium's `io.debezium.data.VariableScaleDecimal`.
    private func variableScale(
        _ span: JSONSpan, _ precision: Int, _ scale: Int, depth: Int
    ) throws(ValueProblem) -> Int128 {
        let base = spans.count
        spans += [.missing, .missing]
        defer { spans.removeLast(2) }
        var scanner = JSONScanner(
            UnsafePointer(arena.base), from: span.start, to: span.start + span.length)
        _ = walk(&scanner, scaleAndValue, base: base, depth: depth)
        let (scaleSpan, value) = (spans[base], spans[base + 1])
        var own: Int64 = 0
        guard value.length > 1, arena.base[value.start] == 0x22, scaleSpan.length > 0,
            readInt64(arena.base + scaleSpan.start, scaleSpan.length, into: &own) == .fine
        else { throw mismatch(span, "a decimal: it has no scale and value") }
        var number = try unscaled(value, 38)
        var digits = own
        while digits < scale, number != 0 {
            let (grown, isOver) = number.multipliedReportingOverflow(by: 10)
            if isOver {
                throw ValueProblem("\(number)e\(-digits) has more than \(precision) digits")
            }
            number = grown
            digits += 1
        }
        while digits > scale, number != 0 {
            guard number % 10 == 0 else {
                throw ValueProblem(
                    "\(number)e\(-digits) would have to be rounded to \(scale) decimal places")
            }
            number /= 10
            digits -= 1
        }
        guard number.magnitude < powersOfTen[precision].magnitude else {
            throw ValueProblem("\(number)e-\(scale) has more than \(precision) digits")
        }
        return number
    }

    private let scaleAndValue: JSONMembers = {
        let members = JSONMembers()
        members.add(["scale"], leaf: 0)
        members.add(["value"], leaf: 1)
        return members
    }()

    private func appendList(
        _ span: JSONSpan, _ shape: JSONShape, to column: Column, depth: Int
    ) throws(ValueProblem) {
        let elements = column.children[0]
        let from = elements.count
        var scanner = JSONScanner(
            UnsafePointer(arena.base), from: span.start + 1, to: span.start + span.length)
        var isFirst = true
        while scanner.enterElement(isFirst: isFirst) == true {
            isFirst = false
            let start = scanner.position
            scanner.sawEscape = false
            _ = scanner.skipValue(depth: depth)
            let element = JSONSpan(
                start: start, length: scanner.position - start, hasEscape: scanner.sawEscape,
                isBlocked: false)
            do {
                try append(element, shape.inner[0], to: elements, depth: depth + 1)
            } catch {
                throw error.inside("[\(elements.count - from)]")
            }
            scanner.text = UnsafePointer(arena.base)
        }
        column.appendList(from: from)
    }

    /// A list of the members of an object whose names are data: `{key, value}` each, in their order.
    private func appendMap(
        _ span: JSONSpan, _ shape: JSONShape, to column: Column, depth: Int
    ) throws(ValueProblem) {
        let elements = column.children[0]
        let from = elements.count
        let key = shape.inner[0].inner[0]
        let value = shape.inner[0].inner[1]
        var scanner = JSONScanner(
            UnsafePointer(arena.base), from: span.start, to: span.start + span.length)
        scanner.position += 1
        var isFirst = true
        while scanner.enterMember(isFirst: isFirst) == true {
            isFirst = false
            let nameStart = scanner.position
            scanner.sawEscape = false
            _ = scanner.skipString()
            let name = JSONSpan(
                start: nameStart, length: scanner.position - nameStart,
                hasEscape: scanner.sawEscape, isBlocked: false)
            _ = scanner.skipColon()
            let start = scanner.position
            scanner.sawEscape = false
            _ = scanner.skipValue(depth: depth + 1)
            let member = JSONSpan(
                start: start, length: scanner.position - start, hasEscape: scanner.sawEscape,
                isBlocked: false)
            do throws(ValueProblem) {
                try append(name, key, to: elements.children[0], depth: depth + 1)
                try append(member, value, to: elements.children[1], depth: depth + 1)
            } catch { throw error.inside("[\(elements.count - from)]") }
            elements.appendStructure()
            scanner.text = UnsafePointer(arena.base)
        }
        column.appendList(from: from)
    }

    private func appendStructure(
        _ span: JSONSpan, _ shape: JSONShape, to column: Column, depth: Int
    ) throws(ValueProblem) {
        let base = spans.count
        for _ in shape.inner { spans.append(.missing) }
        var scanner = JSONScanner(
            UnsafePointer(arena.base), from: span.start, to: span.start + span.length)
        _ = walk(&scanner, shape.members!, base: base, depth: depth)
        for (index, inner) in shape.inner.enumerated() {
            do {
                try append(spans[base + index], inner, to: column.children[index], depth: depth + 1)
            } catch {
                throw error.inside(shape.innerNames[index])
            }
        }
        spans.removeLast(shape.inner.count)
        column.appendStructure()
    }
}

import StreamRuntime

/// Decodes X12 and EDIFACT interchanges into the columns of the declared fields, a row for each segment of
/// one kind (`LIN`), with what stands around it.
///
/// A field is looked for in the row's own loop (from its segment to the next of its kind, of the group's
/// kind, or the end of the items), then in the group's, then in what stands before the first item of the
/// message, then in the envelope. An interchange that is cut off, or whose control numbers and counts do
/// not agree, gives no row at all and one reason; a value that cannot be read takes only its row away.
///
/// - Source: X12.5, X12.6; ISO 9735.
public final class SegmentRecordDecoder: RecordDecoder {
    /// What is one row, and of which messages.
    public struct Layout: Equatable, Sendable {
        /// Which standard's segments.
        public let standard: SegmentStandard
        /// The segment that begins a row: "LIN", or "LOC[14]" for those so qualified; empty for one
        /// row a message.
        public let record: String
        /// The segment that begins a group of rows, if there are groups within messages.
        public let group: String?
        /// The kind of message that rows are made of: "846", "INVRPT"; nil for all.
        public let message: String?

        /// A layout.
        public init(
            _ standard: SegmentStandard, record: String = "", group: String? = nil,
            message: String? = nil
        ) {
            self.standard = standard
            self.record = record
            self.group = group
            self.message = message
        }
    }

    private struct Leaf {
        let column: Int
        let field: RecordField
        let paths: [SegmentPath]
        /// The members of each struct of a list of them: an element and a component.
        let members: [(name: String, element: Int, component: Int)]
    }

    /// The declared fields.
    public let schema: Schema
    private let layout: Layout
    private let standard: SegmentStandard
    private let record: SegmentPath
    private let group: SegmentPath?
    private let leaves: [Leaf]
    private let metadata: MetadataReader
    private var interchange: SegmentText

    /// A decoder of these fields.
    ///
    /// - Throws: what is wrong with a path, with the field it is of, empty for the layout's.
    public init(fields: [RecordField], layout: Layout) throws(FormatProblem) {
        schema = Schema(fields)
        self.layout = layout
        standard = layout.standard
        record = try SegmentRecordDecoder.segment(
            layout.record.isEmpty ? standard.message : layout.record, "record")
        group = try layout.group.map { (text) throws(FormatProblem) in
            try SegmentRecordDecoder.segment(text, "group")
        }
        var leaves: [Leaf] = []
        for (column, field) in fields.enumerated() where field.from == .value {
            leaves.append(try SegmentRecordDecoder.leaf(field, column))
        }
        self.leaves = leaves
        interchange = SegmentText(layout.standard)
        metadata = MetadataReader(fields)
    }

    private static func segment(
        _ text: String, _ option: String
    ) throws(FormatProblem) -> SegmentPath {
        do throws(SegmentPath.Problem) {
            let path = try SegmentPath(text)
            if path.element == nil { return path }
        } catch { throw FormatProblem(field: "", reason: error.reason) }
        throw FormatProblem(
            field: "",
            reason: "\"\(option)\" names a segment, such as LIN; \"\(text)\" is an element")
    }

    private static func leaf(
        _ field: RecordField, _ column: Int
    ) throws(FormatProblem) -> Leaf {
        let text = field.path.joined(separator: ".")
        let paths: [SegmentPath]
        do throws(SegmentPath.Problem) {
            paths = try SegmentPath.parts(text)
        } catch { throw FormatProblem(field: field.name, reason: error.reason) }
        var members: [(String, Int, Int)] = []
        switch field.type {
        case .list(.structure(let inner)):
            for member in inner {
                // e02 is element 02, e02_1 its first component.
                let numbers = member.name.dropFirst().split(separator: "_").map { Int($0) }
                guard member.name.first == "e", (1...2).contains(numbers.count),
                    let element = numbers[0], element > 0
                else {
                    throw FormatProblem(
                        field: field.name,
                        reason:
                            "the member \"\(member.name)\" names no element; write e02, or e02_1 "
                            + "for its first component")
                }
                switch member.type {
                case .list, .structure:
                    throw FormatProblem(
                        field: field.name, reason: "a segment holds no \(member.type)")
                default:
                    members.append((member.name, element, numbers.count > 1 ? numbers[1] ?? 1 : 1))
                }
            }
        case .structure, .list(.list):
            throw FormatProblem(field: field.name, reason: "a segment holds no \(field.type)")
        default: break
        }
        if case .list = field.type, paths.count > 1 {
            throw FormatProblem(
                field: field.name, reason: "texts are put together for single values only")
        }
        if members.isEmpty,
            let bad = paths.first(where: { $0.element == nil && $0.qualifiers.isEmpty }
            )
        {
            throw FormatProblem(
                field: field.name,
                reason:
                    "\"\(bad.tag)\" is a whole segment; write \(bad.tag).01 for an element of it")
        }
        return Leaf(column: column, field: field, paths: paths, members: members)
    }

    /// Appends the rows of each record that holds whole interchanges.
    public func decode(
        _ records: RecordBatch, into rows: DecodedRows, rejects: inout RejectedRows
    ) {
        rows.fill(from: records, metadata: metadata) { rows, text in
            let columns = rows.columns
            for index in 0..<records.count {
                let first = rows.count
                var problems = RowProblems()
                do throws(ValueProblem) {
                    guard records.values.isValid(index) else {
                        throw ValueProblem("the record has no value (a tombstone)")
                    }
                    let view = records.values.views[index]
                    let made = try self.read(
                        text, ByteView.start(view), ByteView.length(view), into: columns,
                        first: first, problems: &problems)
                    for _ in 0..<made { try self.metadata.append(records, index, to: columns) }
                    for _ in 0..<made { rows.records.append(Int64(index)) }
                    if made == 0, problems.isEmpty { rows.skipped += 1 }
                    if let problem = problems.combined { rejects.append(row: index, problem) }
                } catch {
                    for column in columns { column.cut(to: first) }
                    rejects.append(row: index, error)
                }
            }
        }
    }

    private func read(
        _ text: RecordText, _ start: Int, _ length: Int, into columns: [Column], first: Int,
        problems: inout RowProblems
    ) throws(ValueProblem) -> Int {
        let end = start + length
        var at = SegmentText.skipSpace(UnsafePointer(text.arena.base), start, end)
        guard at < end else { throw ValueProblem("the record is empty") }
        var count = 0
        while at < end {
            at = try interchange.read(UnsafePointer(text.arena.base), from: at, to: end)
            try walk(text, into: columns, first: first, count: &count, problems: &problems)
            at = SegmentText.skipSpace(UnsafePointer(text.arena.base), at, end)
        }
        return count
    }

    /// Goes through the segments of one interchange and makes a row at the end of each item.
    private func walk(
        _ text: RecordText, into columns: [Column], first: Int, count: inout Int,
        problems: inout RowProblems
    ) throws(ValueProblem) {
        var scopes = Scopes()
        var isWanted = false
        var messages = 0
        var isInMessage = false
        func close(_ end: Int) {
            guard let item = scopes.item else { return }
            scopes.item = nil
            let row = first + count
            do throws(ValueProblem) {
                let ranges = scopes.ranges(item..<end)
                for leaf in leaves {
                    try append(leaf, ranges, text, to: columns[leaf.column])
                }
                count += 1
            } catch {
                for leaf in leaves { columns[leaf.column].cut(to: row) }
                problems.append(
                    ValueProblem(
                        "\(error.reason) (segment \(item + 1))", field: error.field))
            }
        }
        let segments = interchange.segments
        for index in segments.indices {
            let tag = segments[index].tag
            if tag == standard.interchange {
                scopes.envelope = [index]
            } else if tag == standard.group {
                scopes.envelope = [0, index]
            } else if tag == standard.message {
                guard !isInMessage else { throw cutOff(index) }
                isInMessage = true
                messages += 1
                isWanted = isMessage(index, text)
                scopes.begin(index)
                if isWanted, isRecord(record, index, text) { scopes.item = index }
            } else if tag == standard.messageEnd {
                guard isInMessage else { throw cutOff(index) }
                isInMessage = false
                close(index)
                try check(scopes.message, index, text)
            } else if tag == standard.interchangeEnd {
                guard !isInMessage else { throw cutOff(index) }
                try checkEnd(index, messages, scopes.envelope.count > 1, text)
            } else if isWanted, isInMessage {
                if let group, isRecord(group, index, text) {
                    close(index)
                    scopes.beginGroup(index)
                } else if isRecord(record, index, text) {
                    close(index)
                    scopes.beginItem(index)
                } else if standard.isSummary(tag) {
                    close(index)
                    scopes.endItems(index)
                }
            }
        }
    }

    private func cutOff(_ index: Int) -> ValueProblem {
        ValueProblem(
            "segment \(index + 1) is a \(interchange.segments[index].tag) where none can be: a "
                + "\(standard.message) and its \(standard.messageEnd) do not go together")
    }

    private func isRecord(_ path: SegmentPath, _ index: Int, _ text: RecordText) -> Bool {
        guard interchange.segments[index].tag == path.tag else { return false }
        guard !path.qualifiers.isEmpty else { return true }
        guard let component = interchange.component(index, 1, 1) else { return false }
        return path.qualifiers.contains { interchange.isEqual(component, $0, in: text) }
    }

    private func isMessage(_ index: Int, _ text: RecordText) -> Bool {
        guard let wanted = layout.message else { return true }
        let place = standard == .x12 ? (1, 1) : (2, 1)
        guard let component = interchange.component(index, place.0, place.1) else { return false }
        return interchange.isEqual(component, Array(wanted.utf8), in: text)
    }

    /// Holds a message's end against its beginning.
    private func check(
        _ start: Int, _ end: Int, _ text: RecordText
    ) throws(ValueProblem) {
        let number = standard == .x12 ? 2 : 1
        let name = interchange.segments[end].tag
        if let own = interchange.component(start, number, 1),
            let other = interchange.component(end, 2, 1),
            !interchange.isEqual(other, bytes(own, text), in: text)
        {
            throw ValueProblem("the control number of \(name) is not that of its message")
        }
        guard let written = interchange.component(end, 1, 1),
            Int(String(decoding: bytes(written, text), as: UTF8.self)) == end - start + 1
        else {
            throw ValueProblem(
                "the message has \(end - start + 1) segments, which its \(name) does not say")
        }
    }

    /// Holds the end of an interchange against its beginning.
    private func checkEnd(
        _ end: Int, _ messages: Int, _ isGrouped: Bool, _ text: RecordText
    ) throws(ValueProblem) {
        let number = standard == .x12 ? 13 : 5
        if let own = interchange.component(0, number, 1),
            let other = interchange.component(end, 2, 1),
            !interchange.isEqual(other, bytes(own, text), in: text)
        {
            throw ValueProblem(
                "the control number of \(interchange.segments[end].tag) is not that of the interchange"
            )
        }
        // UNZ counts messages, unless they are in groups; IEA always counts groups.
        guard standard == .edifact, !isGrouped else { return }
        guard let written = interchange.component(end, 1, 1),
            Int(String(decoding: bytes(written, text), as: UTF8.self)) == messages
        else {
            throw ValueProblem(
                "the interchange has \(messages) messages, which its UNZ does not say")
        }
    }

    private func bytes(_ component: Int, _ text: RecordText) -> [UInt8] {
        let view = text.trimmed(interchange.components[component])
        return Array(
            UnsafeBufferPointer(
                start: text.arena.base + ByteView.start(view), count: ByteView.length(view)))
    }

    // MARK: values

    private func append(
        _ leaf: Leaf, _ ranges: [Range<Int>], _ text: RecordText, to column: Column
    ) throws(ValueProblem) {
        if case .list(let element) = leaf.field.type {
            do throws(ValueProblem) {
                return try append(list: leaf, element, ranges, text, to: column)
            } catch { throw error.inside(leaf.field.name) }
        }
        if leaf.paths.count == 1 {
            let found = find(leaf.paths[0], ranges, text)
            let view = found.map { interchange.text($0, in: text) }
            return try text.append(
                cell: view ?? ByteView.pack(start: 0, length: 0), of: leaf.field,
                comma: interchange.syntax.hasComma, to: column)
        }
        var views: [UInt64] = []
        for path in leaf.paths {
            guard let component = find(path, ranges, text) else { break }
            let view = text.trimmed(interchange.text(component, in: text))
            guard ByteView.length(view) > 0 else { break }
            views.append(view)
        }
        let view = views.isEmpty ? ByteView.pack(start: 0, length: 0) : text.joined(views)
        try text.append(
            cell: view, of: leaf.field, comma: interchange.syntax.hasComma, to: column)
    }

    /// A list of what the path leads to in every segment of the nearest scope that has any.
    private func append(
        list leaf: Leaf, _ element: ColumnType, _ ranges: [Range<Int>], _ text: RecordText,
        to column: Column
    ) throws(ValueProblem) {
        let path = leaf.paths[0]
        let inner = column.children[0]
        let from = inner.count
        for range in ranges {
            for index in range where interchange.segments[index].tag == path.tag {
                let isWhole = path.element != nil || !leaf.members.isEmpty
                if isWhole, !isRecord(path, index, text) { continue }
                if !leaf.members.isEmpty {
                    for (position, member) in leaf.members.enumerated() {
                        let found = interchange.component(index, member.element, member.component)
                        do throws(ValueProblem) {
                            try append(found, leaf.field, text, to: inner.children[position])
                        } catch { throw error.inside(member.name) }
                    }
                    inner.appendStructure()
                } else if let found = value(path, index, text) {
                    try append(found, leaf.field, text, to: inner)
                }
            }
            if inner.count > from { break }
        }
        column.appendList(from: from)
    }

    private func append(
        _ component: Int?, _ field: RecordField, _ text: RecordText, to column: Column
    ) throws(ValueProblem) {
        guard let component else { return column.appendNull() }
        let view = text.trimmed(interchange.text(component, in: text))
        guard ByteView.length(view) > 0 else { return column.appendNull() }
        try text.append(text: view, of: field, comma: interchange.syntax.hasComma, to: column)
    }

    private func find(_ path: SegmentPath, _ ranges: [Range<Int>], _ text: RecordText) -> Int? {
        let qualifiers = path.qualifiers.isEmpty ? [[]] : path.qualifiers
        for range in ranges {
            for qualifier in qualifiers {
                for index in range where interchange.segments[index].tag == path.tag {
                    if let found = value(path, qualifier, index, text) { return found }
                }
            }
        }
        return nil
    }

    private func value(_ path: SegmentPath, _ index: Int, _ text: RecordText) -> Int? {
        for qualifier in path.qualifiers.isEmpty ? [[]] : path.qualifiers {
            if let found = value(path, qualifier, index, text) { return found }
        }
        return nil
    }

    /// The component of segment `index` that a path means with this qualifier; nil when it has none.
    private func value(
        _ path: SegmentPath, _ qualifier: [UInt8], _ index: Int, _ text: RecordText
    ) -> Int? {
        if let element = path.element {
            if !qualifier.isEmpty {
                guard let first = interchange.component(index, 1, 1),
                    interchange.isEqual(first, qualifier, in: text)
                else { return nil }
            }
            return interchange.component(index, element, path.component ?? 1)
        }
        let count = interchange.segments[index].elementCount
        if standard.isQualifiedBehind(path.tag) {
            var element = 1
            while element <= count {
                if let own = interchange.component(index, element, 2),
                    interchange.isEqual(own, qualifier, in: text)
                {
                    return interchange.component(index, element, 1)
                }
                element += 1
            }
            return nil
        }
        let first = standard.firstQualifier(of: path.tag)
        var element = first
        while element <= (first == 1 ? 1 : count) {
            if let own = interchange.component(index, element, 1),
                interchange.isEqual(own, qualifier, in: text)
            {
                return interchange.componentCount(index, element) > 1
                    ? interchange.component(index, element, 2)
                    : interchange.component(index, element + 1, 1)
            }
            element += 2
        }
        return nil
    }
}

/// Where in an interchange the fields of a row are looked for, from the inside out.
private struct Scopes {
    /// The segments around messages.
    var envelope: [Int] = []
    /// The first segment of the message.
    private(set) var message = 0
    /// The first segment of the item being read.
    var item: Int?
    private var header = 0..<0
    private var group: Range<Int>?
    private var isHeaderOpen = false
    private var groupStart: Int?

    mutating func begin(_ index: Int) {
        message = index
        item = nil
        group = nil
        groupStart = nil
        header = index..<index
        isHeaderOpen = true
    }

    mutating func beginGroup(_ index: Int) {
        closeHeader(index)
        groupStart = index
        group = nil
    }

    mutating func beginItem(_ index: Int) {
        closeHeader(index)
        if group == nil, let groupStart { group = groupStart..<index }
        item = index
    }

    mutating func endItems(_ index: Int) { closeHeader(index) }

    private mutating func closeHeader(_ index: Int) {
        if isHeaderOpen { header = message..<index }
        isHeaderOpen = false
    }

    func ranges(_ item: Range<Int>) -> [Range<Int>] {
        var all = [item]
        if let group { all.append(group) }
        all.append(header)
        for index in envelope.reversed() { all.append(index..<(index + 1)) }
        return all
    }
}

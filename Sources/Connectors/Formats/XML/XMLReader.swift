import Glibc
import StreamRuntime

/// Makes the rows of one document at a time while a parser walks through it.
///
/// Each field belongs to a level: the record's element, or one of those around it. Its value is known
/// when that element ends, and is then appended for every row made inside; so the columns of the outer
/// levels are behind those of the inner ones until the document ends.
final class XMLReader {
    /// What is read for a field: the routes whose texts make it, each from the element of a level that is
    /// its own or further out.
    private struct Leaf {
        let column: Int
        let field: RecordField
        let routes: [(level: Int, route: XMLRoute)]
        let shape: XMLShape
    }

    /// An element on the way from the root to a record that is open.
    private struct Level {
        let node: Int32
        let firstRow: Int
        let nodeCount: Int
        let pieceCount: Int
    }

    private var names = XMLNames()
    private let way: [XMLKey]
    private let rootName: String
    private let recordName: String
    /// The fields by level: 0 is the root's element.
    private var leaves: [[Leaf]]
    private let nilKey: XMLKey
    private var parser: XMLParser?

    private var tree = XMLTree()
    private var levels: [Level] = []
    /// The nodes of the elements that are open inside the innermost level.
    private var open: [Int32] = []
    private var nodeDepth: Int { levels.count + open.count }
    /// Elements open inside one that leads nowhere.
    private var passed = 0
    private var columns: [Column] = []
    private var text: RecordText?
    private var rows = 0
    private var elements = 0
    private var problems = RowProblems()
    private var hasRoot = false

    init(_ fields: [RecordField], record: String?) throws(FormatProblem) {
        var names = XMLNames()
        var steps: [XMLPath.Step] = []
        if let record {
            let path = try XMLReader.path(record, of: "").first!
            guard path.ups == 0, !path.steps.isEmpty,
                path.steps.allSatisfy({ $0.condition == nil && !$0.name.isAttribute })
            else {
                throw FormatProblem(
                    field: "",
                    reason: "the record \"\(record)\" is not the path of an element from the root")
            }
            steps = path.steps
        }
        way = steps.map { XMLKey($0.name, &names) }
        rootName = steps.first?.name.local ?? ""
        recordName = steps.last?.name.local ?? "document"
        leaves = Array(repeating: [], count: max(steps.count, 1))
        nilKey = XMLKey(
            XMLPath.Name(
                uri: "http://www.w3.org/2001/XMLSchema-instance", local: "nil", isAttribute: true),
            &names)
        for (column, field) in fields.enumerated() where field.from == .value {
            let text = field.path.joined(separator: ".")
            let paths = try XMLReader.path(text, of: field.name)
            var level = 0
            var routes: [(level: Int, route: XMLRoute)] = []
            for path in paths {
                let (own, rest) = try XMLReader.place(path, text, steps, field.name)
                level = max(level, own)
                routes.append((own, XMLRoute(rest, &names)))
            }
            let isNested = XMLShape.isNested(field.type)
            guard !isNested || routes.count == 1 else {
                throw FormatProblem(
                    field: field.name, reason: "texts are put together for single values only")
            }
            leaves[level].append(
                Leaf(
                    column: column, field: field, routes: routes,
                    shape: XMLShape(field.type, &names)))
        }
        self.names = names
        parser = XMLParser(self)
    }

    private static func path(
        _ text: String, of field: String
    ) throws(FormatProblem) -> [XMLPath] {
        do throws(XMLPath.Problem) {
            return try XMLPath.parts(text)
        } catch { throw FormatProblem(field: field, reason: error.reason) }
    }

    /// The level a path begins at, and its steps from there.
    private static func place(
        _ path: XMLPath, _ text: String, _ way: [XMLPath.Step], _ field: String
    ) throws(FormatProblem) -> (Int, ArraySlice<XMLPath.Step>) {
        let innermost = max(way.count, 1) - 1
        guard path.isAbsolute else {
            guard path.ups <= innermost else {
                throw FormatProblem(
                    field: field,
                    reason: "\"\(text)\" leads out of the document: the record is \(innermost) "
                        + "elements inside the root")
            }
            return (innermost - path.ups, path.steps[...])
        }
        guard !way.isEmpty else { return (0, path.steps.dropFirst()) }
        var shared = 0
        while shared < way.count, shared < path.steps.count,
            path.steps[shared].name == way[shared].name, path.steps[shared].condition == nil
        {
            shared += 1
        }
        guard shared > 0 else {
            throw FormatProblem(
                field: field,
                reason:
                    "\"\(text)\" does not begin with the root of the record, /\(way[0].name.local)")
        }
        return (shared - 1, path.steps.dropFirst(shared))
    }

    /// Appends the rows of a document to `columns`, the first of them as row `first`.
    ///
    /// - Returns: how many there are, and what was wrong with those that are missing.
    /// - Throws: why there are none; columns may then be longer than they were.
    func read(
        _ document: UnsafeBufferPointer<UInt8>, _ text: RecordText, into columns: [Column],
        first: Int
    ) throws(ValueProblem) -> (Int, RowProblems) {
        self.text = text
        self.columns = columns
        rows = first
        elements = 0
        problems = RowProblems()
        levels = []
        open = []
        passed = 0
        hasRoot = false
        tree.cut(nodes: 0, pieces: 0)
        defer {
            self.text = nil
            self.columns = []
        }
        try parser!.parse(document)
        return (rows - first, problems)
    }

    // MARK: what the parser tells

    /// An element begins; `attributes` are names and values by turns, then nil.
    ///
    /// - Returns: why the document is refused, or nil.
    func start(
        _ name: UnsafePointer<CChar>, _ attributes: UnsafeMutablePointer<UnsafePointer<CChar>?>
    ) -> String? {
        guard nodeDepth + passed < XMLParser.depthMax else {
            return "elements nest more than \(XMLParser.depthMax) deep"
        }
        guard passed == 0 else {
            passed += 1
            return nil
        }
        let (local, uri) = key(name)
        let isOnWay =
            open.isEmpty && levels.count < way.count && way[levels.count].local == local
            && (way[levels.count].uri < 0 || way[levels.count].uri == uri)
        if !hasRoot {
            hasRoot = true
            if !way.isEmpty, !isOnWay {
                return "the document is a <\(shown(name))>, not a <\(rootName)>"
            }
        }
        let isRoot = way.isEmpty && levels.isEmpty
        guard isOnWay || isRoot || local >= 0, !(levels.isEmpty && !isOnWay && !isRoot) else {
            passed = 1
            return nil
        }
        let node: Int32
        if isOnWay || isRoot {
            let counts = (tree.nodes.count, tree.pieces.count)
            node = tree.add(
                XMLTree.Node(local: local, uri: uri, isAttribute: false), to: -1)
            levels.append(
                Level(node: node, firstRow: rows, nodeCount: counts.0, pieceCount: counts.1))
        } else {
            node = tree.add(
                XMLTree.Node(local: local, uri: uri, isAttribute: false),
                to: open.last ?? levels[levels.count - 1].node)
            open.append(node)
        }
        read(attributes, of: node)
        return nil
    }

    private func read(
        _ attributes: UnsafeMutablePointer<UnsafePointer<CChar>?>, of node: Int32
    ) {
        var at = 0
        while let name = attributes[at], let value = attributes[at + 1] {
            at += 2
            let (local, uri) = key(name)
            guard local >= 0 else { continue }
            let length = strlen(value)
            if local == nilKey.local, uri == nilKey.uri {
                let word = String(cString: value)
                tree.nodes[Int(node)].isNil = word == "true" || word == "1"
                continue
            }
            let made = tree.add(
                XMLTree.Node(local: local, uri: uri, isAttribute: true), to: node)
            value.withMemoryRebound(to: UInt8.self, capacity: length) {
                tree.add(text!.copy($0, length), to: made)
            }
        }
    }

    /// Text of the element that is open.
    func text(_ bytes: UnsafePointer<UInt8>, _ length: Int) {
        guard passed == 0, let node = open.last ?? levels.last?.node else { return }
        if tree.nodes[Int(node)].firstPiece < 0 {
            var at = 0
            while at < length, bytes[at] <= 0x20 { at += 1 }
            guard at < length else { return }
        }
        tree.add(text!.copy(bytes, length), to: node)
    }

    /// The innermost element ends.
    func end(line: Int) {
        if passed > 0 {
            passed -= 1
        } else if !open.isEmpty {
            open.removeLast()
        } else {
            let level = levels.removeLast()
            close(level, number: levels.count, line: line)
            tree.cut(nodes: level.nodeCount, pieces: level.pieceCount)
        }
    }

    // MARK: rows

    private func close(_ level: Level, number: Int, line: Int) {
        let isRecord = number == leaves.count - 1
        if isRecord {
            elements += 1
            rows += 1
        }
        guard rows > level.firstRow else { return }
        do throws(ValueProblem) {
            for leaf in leaves[number] {
                for _ in level.firstRow..<rows {
                    try append(leaf, from: level.node)
                }
            }
        } catch {
            for inner in number..<leaves.count {
                for leaf in leaves[inner] { columns[leaf.column].cut(to: level.firstRow) }
            }
            let lost = rows - level.firstRow
            rows = level.firstRow
            // A document that is one record needs no number.
            let place =
                way.count < 2
                ? ""
                : isRecord
                    ? " (\(recordName) \(elements), line \(line))"
                    : " (\(lost) × \(recordName), line \(line))"
            problems.append(ValueProblem(error.reason + place, field: error.field))
        }
    }

    private func append(_ leaf: Leaf, from node: Int32) throws(ValueProblem) {
        let column = columns[leaf.column]
        do throws(ValueProblem) {
            if leaf.shape.isList {
                var found: [Int32] = []
                tree.all(leaf.routes[0].route, from: node, in: text!, into: &found)
                return try append(list: found, leaf.shape, leaf.field, to: column)
            }
            if leaf.shape.isStructure {
                let found = tree.first(leaf.routes[0].route, from: node, in: text!)
                guard found >= 0 || !leaf.field.isRequired else {
                    throw ValueProblem("is missing")
                }
                return try append(found, leaf.shape, leaf.field, to: column)
            }
        } catch { throw error.inside(leaf.field.name) }
        if leaf.routes.count == 1, leaf.routes[0].level == levels.count {
            let found = tree.first(leaf.routes[0].route, from: node, in: text!)
            let view = found < 0 ? ByteView.pack(start: 0, length: 0) : tree.text(found, in: text!)
            return try text!.append(cell: view, of: leaf.field, to: column)
        }
        var views: [UInt64] = []
        for (level, route) in leaf.routes {
            // A part from further out is what came before this element ends.
            let outer = level < levels.count ? levels[level].node : node
            let found = tree.first(route, from: outer, in: text!)
            guard found >= 0 else { break }
            let view = tree.text(found, in: text!)
            guard ByteView.length(view) > 0 else { break }
            views.append(view)
        }
        let view = views.isEmpty ? ByteView.pack(start: 0, length: 0) : text!.joined(views)
        try text!.append(cell: view, of: leaf.field, to: column)
    }

    /// Appends the value of an element, or a null for -1.
    private func append(
        _ node: Int32, _ shape: XMLShape, _ field: RecordField, to column: Column
    ) throws(ValueProblem) {
        guard node >= 0 else { return column.appendNull() }
        if shape.isStructure {
            guard !tree.nodes[Int(node)].isNil else { return column.appendNull() }
            for (index, member) in shape.members.enumerated() {
                let child = column.children[index]
                do throws(ValueProblem) {
                    if member.isText {
                        try append(text: node, field, to: child)
                    } else if member.shape.isList {
                        try append(
                            list: tree.members(member.key, of: node), member.shape, field,
                            to: child)
                    } else {
                        try append(
                            tree.member(member.key, of: node), member.shape, field, to: child)
                    }
                } catch { throw error.inside(member.name) }
            }
            return column.appendStructure()
        }
        if shape.isList { return try append(list: [node], shape, field, to: column) }
        try append(text: node, field, to: column)
    }

    private func append(
        text node: Int32, _ field: RecordField, to column: Column
    ) throws(ValueProblem) {
        let view = tree.text(node, in: text!)
        guard ByteView.length(view) > 0 else { return column.appendNull() }
        try text!.append(text: view, of: field, to: column)
    }

    private func append(
        list nodes: [Int32], _ shape: XMLShape, _ field: RecordField, to column: Column
    ) throws(ValueProblem) {
        let elements = column.children[0]
        let from = elements.count
        for (index, node) in nodes.enumerated() {
            do throws(ValueProblem) {
                try append(node, shape.element!, field, to: elements)
            } catch { throw error.inside("[\(index)]") }
        }
        column.appendList(from: from)
    }

    // MARK: names

    /// The numbers of the local name and the namespace of a name as the parser writes it.
    private func key(_ name: UnsafePointer<CChar>) -> (local: Int32, uri: Int32) {
        let length = strlen(name)
        return name.withMemoryRebound(to: UInt8.self, capacity: length) { bytes in
            guard let separator = memchr(bytes, Int32(XMLParser.separator), length) else {
                return (names.findLocal(bytes, length), -1)
            }
            let split = UnsafePointer(separator.assumingMemoryBound(to: UInt8.self)) - bytes
            return (
                names.findLocal(bytes + split + 1, length - split - 1),
                names.findURI(bytes, split)
            )
        }
    }

    private func shown(_ name: UnsafePointer<CChar>) -> String {
        let text = String(cString: name)
        return text.split(separator: "\u{1}").last.map { String($0.prefix(60)) } ?? text
    }
}

/// A way through a document: `E1MARCM/WERKS`, `../MATNR`, `/MATMAS05/IDOC/EDI_DC40/DOCNUM`, `@id`,
/// `item[@type='GTIN']/code`, `{urn:gs1}line/quantity`, and `.` for the element itself.
struct XMLPath: Sendable {
    /// The name of an element or attribute.
    struct Name: Hashable, Sendable {
        /// The namespace; nil for any.
        let uri: String?
        let local: String
        let isAttribute: Bool
    }

    /// One element on the way, or an attribute at its end.
    struct Step: Sendable {
        let name: Name
        /// A child or attribute that must have this text; nil for none.
        let condition: (name: Name, text: String)?
    }

    /// Why a text is no path.
    struct Problem: Error {
        let reason: String
    }

    /// Whether it begins at the document's root.
    let isAbsolute: Bool
    /// How many elements further out it begins.
    let ups: Int
    let steps: [Step]

    init(_ text: String) throws(Problem) {
        var reader = Reader(text: Array(text.trimmingSpaces.utf8))
        isAbsolute = reader.take(0x2F)
        var ups = 0
        while !isAbsolute, reader.take("../") || reader.isRest("..") {
            ups += 1
            if reader.isRest("..") { reader.at = reader.text.count }
        }
        self.ups = ups
        var steps: [Step] = []
        if reader.isRest(".") { reader.at = reader.text.count }
        if !reader.isDone || (ups == 0 && text.trimmingSpaces != ".") {
            repeat { steps.append(try reader.step()) } while reader.take(0x2F)
        }
        guard reader.isDone else {
            throw Problem(reason: "\(reader.rest) is not expected in the path \"\(text)\"")
        }
        if let index = steps.firstIndex(where: { $0.name.isAttribute }), index < steps.count - 1 {
            throw Problem(reason: "nothing is inside an attribute in the path \"\(text)\"")
        }
        self.steps = steps
    }

    /// The paths of a text in which they stand with `+` between them: their texts make one.
    static func parts(_ text: String) throws(Problem) -> [XMLPath] {
        var parts: [XMLPath] = []
        for part in text.split(separator: "+", omittingEmptySubsequences: false) {
            parts.append(try XMLPath(String(part)))
        }
        return parts
    }

    /// Every name on the way.
    var names: [Name] {
        steps.flatMap { step in [step.name] + (step.condition.map { [$0.name] } ?? []) }
    }

    private struct Reader {
        let text: [UInt8]
        var at = 0

        var isDone: Bool { at == text.count }
        var rest: String { "\"" + String(decoding: text[at...], as: UTF8.self) + "\"" }

        func isRest(_ wanted: String) -> Bool { text[at...].elementsEqual(wanted.utf8) }

        mutating func take(_ byte: UInt8) -> Bool {
            guard at < text.count, text[at] == byte else { return false }
            at += 1
            return true
        }

        mutating func take(_ wanted: String) -> Bool {
            guard text[at...].starts(with: wanted.utf8) else { return false }
            at += wanted.utf8.count
            return true
        }

        mutating func until(_ stops: [UInt8]) -> String {
            let start = at
            while at < text.count, !stops.contains(text[at]) { at += 1 }
            return String(decoding: text[start..<at], as: UTF8.self)
        }

        mutating func name() throws(Problem) -> Name {
            let isAttribute = take(0x40)
            var uri: String?
            if take(0x7B) {
                uri = until([0x7D])
                guard take(0x7D) else { throw Problem(reason: "a { is not closed in the path") }
            }
            let local = until(Array("/[]=@{}'\"".utf8)).trimmingSpaces
            guard !local.isEmpty else {
                throw Problem(
                    reason: isDone
                        ? "the path ends where a name is expected"
                        : "\(rest) stands where a name is expected in the path")
            }
            guard local != "*", !local.contains("*"), local != ".." else {
                throw Problem(reason: "\"\(local)\" is not a name; a path names every element")
            }
            let colon = local.lastIndex(of: ":")
            // Prefixes are the document's own affair: a{b} is found by its local name or its namespace.
            return Name(
                uri: uri, local: colon.map { String(local[local.index(after: $0)...]) } ?? local,
                isAttribute: isAttribute)
        }

        mutating func step() throws(Problem) -> Step {
            let name = try name()
            guard take(0x5B) else { return Step(name: name, condition: nil) }
            let tested = try self.name()
            guard take(0x3D), at < text.count, text[at] == 0x27 || text[at] == 0x22 else {
                throw Problem(reason: "a condition in a path is written [name='text']")
            }
            let quote = text[at]
            at += 1
            let wanted = until([quote])
            guard take(quote), take(0x5D) else {
                throw Problem(reason: "a condition in a path is written [name='text']")
            }
            return Step(name: name, condition: (tested, wanted))
        }
    }
}

extension String {
    /// Without spaces at either end.
    var trimmingSpaces: String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}

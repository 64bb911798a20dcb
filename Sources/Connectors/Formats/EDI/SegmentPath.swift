/// A place in an interchange: `BIA.04`, `N1[WH].04`, `LIN[UP|EN]`, `DTM[137]`, `UNB.02.01`.
struct SegmentPath: Sendable {
    /// Why a text is no path.
    struct Problem: Error {
        let reason: String
    }

    /// The segment's tag.
    let tag: String
    /// Any of these must qualify it, the first that is found counts; empty for none.
    let qualifiers: [[UInt8]]
    /// The element, from 1; nil for the one that the qualifier is about.
    let element: Int?
    /// The component of it, from 1; nil for the first.
    let component: Int?

    init(_ text: String) throws(Problem) {
        let text = text.trimmingSpaces
        var rest = Substring(text)
        tag = String(rest.prefix { $0.isASCII && ($0.isLetter || $0.isNumber) })
        rest = rest.dropFirst(tag.count)
        guard tag.utf8.count >= 2, tag.utf8.count <= 3, tag == tag.uppercased() else {
            throw Problem(
                reason: "\"\(text)\" does not begin with the tag of a segment, such as LIN")
        }
        if rest.first == "[" {
            guard let end = rest.firstIndex(of: "]") else {
                throw Problem(reason: "the [ of \"\(text)\" is not closed")
            }
            qualifiers = rest[rest.index(after: rest.startIndex)..<end].split(separator: "|")
                .map { Array(String($0).trimmingSpaces.utf8) }
            guard !qualifiers.isEmpty else {
                throw Problem(reason: "the [] of \"\(text)\" are empty; write LIN[UP]")
            }
            rest = rest[rest.index(after: end)...]
        } else {
            qualifiers = []
        }
        guard !rest.isEmpty else {
            element = nil
            component = nil
            return
        }
        guard rest.first == "." else {
            throw Problem(reason: "\"\(rest)\" is not expected in \"\(text)\"; write N1[WH].04")
        }
        let numbers = rest.dropFirst().split(separator: ".", omittingEmptySubsequences: false)
            .map { Int($0) }
        guard numbers.count <= 2, let first = numbers[0], first >= 1,
            numbers.allSatisfy({ $0.map { $0 >= 1 && $0 <= 999 } ?? false })
        else {
            throw Problem(
                reason: "\"\(rest)\" of \"\(text)\" is not the number of an element; write BIA.04")
        }
        element = first
        component = numbers.count == 2 ? numbers[1] : nil
    }

    /// The paths of a text in which they stand with `+` between them: their texts make one.
    static func parts(_ text: String) throws(Problem) -> [SegmentPath] {
        var parts: [SegmentPath] = []
        for part in text.split(separator: "+", omittingEmptySubsequences: false) {
            parts.append(try SegmentPath(String(part)))
        }
        return parts
    }
}

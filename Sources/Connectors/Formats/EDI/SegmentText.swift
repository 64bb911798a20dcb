import StreamRuntime

/// An interchange taken apart: its segments, their elements, and the components of those.
///
/// - Shape: three arrays, each range of one into the next; texts are views into the record, escapes and
///   all.
struct SegmentText {
    /// A segment: its tag, and where its elements are.
    struct Segment {
        let tag: String
        let tagView: UInt64
        let firstElement: Int
        var elementCount = 0
    }

    /// An element: where its components are.
    struct Element {
        let firstComponent: Int
        var componentCount = 0
    }

    private(set) var segments: [Segment] = []
    private(set) var elements: [Element] = []
    /// The texts of the components.
    private(set) var components: [UInt64] = []
    /// Whether a component has a release character in it.
    private(set) var hasRelease: [Bool] = []
    private(set) var syntax = SegmentSyntax.edifact

    private let standard: SegmentStandard
    /// The tags met so far, so that a segment's is no new text.
    private var tags: [String] = []

    init(_ standard: SegmentStandard) { self.standard = standard }

    /// Takes the interchange that begins at `start` apart.
    ///
    /// - Returns: where it ends.
    /// - Throws: when it is cut off or not written as its standard says.
    mutating func read(
        _ text: UnsafePointer<UInt8>, from start: Int, to end: Int
    ) throws(ValueProblem) -> Int {
        segments.removeAll(keepingCapacity: true)
        elements.removeAll(keepingCapacity: true)
        components.removeAll(keepingCapacity: true)
        hasRelease.removeAll(keepingCapacity: true)
        var at = start
        switch standard {
        case .x12: syntax = try SegmentSyntax.x12(text + at, end - at)
        case .edifact:
            let (found, length) = try SegmentSyntax.edifact(text + at, end - at)
            syntax = found
            at = SegmentText.skipSpace(text, at + length, end)
            guard end - at > 3, text[at] == 0x55, text[at + 1] == 0x4E, text[at + 2] == 0x42 else {
                throw ValueProblem("the interchange does not begin with a UNB segment")
            }
        }
        while true {
            at = SegmentText.skipSpace(text, at, end)
            guard at < end else {
                throw ValueProblem(
                    "the interchange is cut off: it has no \(standard.interchangeEnd)")
            }
            at = try segment(text, at, end)
            if segments[segments.count - 1].tag == standard.interchangeEnd { return at }
        }
    }

    /// The first byte from `at` on that is no white space.
    static func skipSpace(_ text: UnsafePointer<UInt8>, _ at: Int, _ end: Int) -> Int {
        var at = at
        while at < end, text[at] == 0x20 || (text[at] >= 0x09 && text[at] <= 0x0D) { at += 1 }
        return at
    }

    /// Takes one segment apart; returns where the next begins.
    private mutating func segment(
        _ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int
    ) throws(ValueProblem) -> Int {
        let (element, component, terminator) = (
            syntax.element, syntax.component, syntax.terminator
        )
        let release = syntax.release
        var from = start
        var at = start
        var isReleased = false
        var isTag = true
        // Where line ends terminate segments, the last one's may have been taken for the file's.
        let isLine = terminator == 0x0A || terminator == 0x0D
        while at < end || (isLine && at == end) {
            let byte = at == end ? terminator : text[at]
            if let release, byte == release {
                isReleased = true
                at += 2
                continue
            }
            guard byte == element || byte == terminator || (byte == component && !isTag) else {
                at += 1
                continue
            }
            // The component separator is an element of ISA itself.
            let isWithinISA =
                standard == .x12 && segments.count == 1 && byte == component
                && segments[0].tag == "ISA"
            if isWithinISA {
                at += 1
                continue
            }
            let view = ByteView.pack(start: from, length: at - from)
            if isTag {
                guard at - from >= 2, at - from <= 3 else {
                    throw ValueProblem(
                        "\(excerpt(text + from, at - from)) is not the tag of a segment (segment "
                            + "\(segments.count + 1))")
                }
                segments.append(
                    Segment(
                        tag: tag(text + from, at - from), tagView: view,
                        firstElement: elements.count))
                isTag = false
                if byte == element { elements.append(Element(firstComponent: components.count)) }
            } else {
                components.append(view)
                hasRelease.append(isReleased)
                elements[elements.count - 1].componentCount += 1
                if byte == element { elements.append(Element(firstComponent: components.count)) }
            }
            isReleased = false
            at += 1
            from = at
            if byte == terminator {
                let last = segments.count - 1
                segments[last].elementCount = elements.count - segments[last].firstElement
                return min(at, end)
            }
        }
        throw ValueProblem(
            "the interchange is cut off in its segment \(segments.count + (isTag ? 1 : 0))")
    }

    private mutating func tag(_ text: UnsafePointer<UInt8>, _ length: Int) -> String {
        let bytes = UnsafeBufferPointer(start: text, count: length)
        if let known = tags.first(where: { $0.utf8.elementsEqual(bytes) }) { return known }
        let made = String(decoding: bytes, as: UTF8.self)
        if tags.count < 256 { tags.append(made) }
        return made
    }

    /// The view of a component, elements and components counted from 1; nil when there is none.
    func component(_ segment: Int, _ element: Int, _ component: Int) -> Int? {
        let found = segments[segment]
        guard element >= 1, element <= found.elementCount else { return nil }
        let parts = elements[found.firstElement + element - 1]
        guard component >= 1, component <= parts.componentCount else { return nil }
        return parts.firstComponent + component - 1
    }

    /// The number of components of an element.
    func componentCount(_ segment: Int, _ element: Int) -> Int {
        elements[segments[segment].firstElement + element - 1].componentCount
    }

    /// Whether a component is exactly this text.
    func isEqual(_ component: Int, _ wanted: [UInt8], in text: RecordText) -> Bool {
        let view = text.trimmed(components[component])
        return UnsafeBufferPointer(
            start: text.arena.base + ByteView.start(view), count: ByteView.length(view)
        ).elementsEqual(wanted)
    }

    /// The text of a component without its release characters.
    func text(_ component: Int, in text: RecordText) -> UInt64 {
        let view = components[component]
        guard hasRelease[component], let release = syntax.release else { return view }
        var plain: [UInt8] = []
        let bytes = UnsafeBufferPointer(
            start: text.arena.base + ByteView.start(view), count: ByteView.length(view))
        var at = 0
        while at < bytes.count {
            if bytes[at] == release, at + 1 < bytes.count { at += 1 }
            plain.append(bytes[at])
            at += 1
        }
        return text.copy(plain, plain.count)
    }
}

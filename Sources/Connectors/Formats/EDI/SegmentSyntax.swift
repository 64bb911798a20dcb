/// Which of the two great families an interchange is written in.
public enum SegmentStandard: String, Sendable {
    /// ANSI ASC X12: `ISA … IEA`.
    case x12
    /// UN/EDIFACT, ISO 9735: `UNB … UNZ`.
    case edifact

    /// The segment that begins an interchange.
    var interchange: String { self == .x12 ? "ISA" : "UNB" }
    /// The segment that ends it.
    var interchangeEnd: String { self == .x12 ? "IEA" : "UNZ" }
    /// The segment that begins a group of messages.
    var group: String { self == .x12 ? "GS" : "UNG" }
    /// The segment that begins a message.
    var message: String { self == .x12 ? "ST" : "UNH" }
    /// The segment that ends it.
    var messageEnd: String { self == .x12 ? "SE" : "UNT" }

    /// Whether a segment of a message belongs to no item of it any more.
    func isSummary(_ tag: String) -> Bool {
        self == .x12 ? tag == "CTT" : tag == "UNS" || tag == "CNT"
    }

    /// The element of a segment at which its qualifiers begin, where they stand before values by turns.
    ///
    /// - Source: X12 004010: LIN (02, 03), PO1 and IT1 (06, 07), SLN (09, 10).
    func firstQualifier(of tag: String) -> Int {
        guard self == .x12 else { return 1 }
        switch tag {
        case "LIN": return 2
        case "PO1", "IT1": return 6
        case "SLN": return 9
        default: return 1
        }
    }

    /// Whether a segment's qualifiers stand behind their values, in the same composite.
    ///
    /// - Source: UN/EDIFACT D.96A: C212 of LIN and PIA (7140 item number, 7143 its type).
    func isQualifiedBehind(_ tag: String) -> Bool {
        self == .edifact && (tag == "LIN" || tag == "PIA")
    }
}

/// The characters that part an interchange.
struct SegmentSyntax: Equatable {
    var element: UInt8
    var component: UInt8
    /// Takes away the meaning of the character behind it; nil where there is no such thing.
    var release: UInt8?
    var terminator: UInt8
    /// A comma stands for the decimal point.
    var hasComma = false

    /// What EDIFACT means where no UNA says otherwise.
    static let edifact = SegmentSyntax(
        element: 0x2B, component: 0x3A, release: 0x3F, terminator: 0x27, hasComma: true)

    /// Reads the characters of an X12 interchange off the fixed places of its ISA segment.
    ///
    /// - Source: X12.5: ISA has 106 characters; the element separator is the 4th, the component
    ///   separator the 105th, the terminator the 106th.
    static func x12(_ text: UnsafePointer<UInt8>, _ length: Int) throws(ValueProblem)
        -> SegmentSyntax
    {
        guard length >= 106, text[0] == 0x49, text[1] == 0x53, text[2] == 0x41 else {
            throw ValueProblem("the interchange does not begin with an ISA segment")
        }
        let element = text[3]
        let places = [6, 17, 20, 31, 34, 50, 53, 69, 76, 81, 83, 89, 99, 101, 103]
        guard places.allSatisfy({ text[$0] == element }) else {
            throw ValueProblem("the ISA segment does not have its elements at their fixed places")
        }
        let (component, terminator) = (text[104], text[105])
        let isWord = { (byte: UInt8) in
            byte &- 0x30 <= 9 || (byte | 0x20) &- 0x61 < 26 || byte == 0x20
        }
        guard !isWord(element), !isWord(component), !isWord(terminator), element != component,
            element != terminator, component != terminator
        else { throw ValueProblem("the ISA segment does not say which characters part elements") }
        return SegmentSyntax(
            element: element, component: component, release: nil, terminator: terminator)
    }

    /// Reads the characters that a UNA segment says, or those without one.
    ///
    /// - Returns: them, and the length of the UNA segment.
    /// - Source: ISO 9735, service string advice: component, element, decimal mark, release, reserved,
    ///   terminator.
    static func edifact(
        _ text: UnsafePointer<UInt8>, _ length: Int
    ) throws(ValueProblem) -> (SegmentSyntax, Int) {
        guard length >= 9, text[0] == 0x55, text[1] == 0x4E, text[2] == 0x41 else {
            return (.edifact, 0)
        }
        let marks = [text[3], text[4], text[8]]
        guard Set(marks).count == 3, !marks.contains(0x20) else {
            throw ValueProblem("the UNA segment gives one character two meanings")
        }
        return (
            SegmentSyntax(
                element: text[4], component: text[3], release: text[6] == 0x20 ? nil : text[6],
                terminator: text[8], hasComma: true), 9
        )
    }
}

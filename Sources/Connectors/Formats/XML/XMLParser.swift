import CExpat

/// Hands the elements, attributes and text of a document on to a reader, and refuses what a record has no
/// business with: document types, and with them entities of its own.
///
/// - Note: owned by one reader, which lives longer; used by one thread at a time.
final class XMLParser {
    /// Between a namespace and a local name; no name has it.
    static let separator: UInt8 = 0x01
    /// Elements inside elements; documents people exchange have a tenth of it.
    static let depthMax = 256

    private let handle: OpaquePointer
    private unowned let reader: XMLReader
    private var problem: String?

    init(_ reader: XMLReader) {
        guard let made = XML_ParserCreateNS(nil, XML_Char(XMLParser.separator)) else {
            preconditionFailure("no memory for a parser")
        }
        handle = made
        self.reader = reader
    }

    deinit { XML_ParserFree(handle) }

    /// The line the parser is in, from 1.
    var line: Int { Int(XML_GetCurrentLineNumber(handle)) }

    /// Parses a whole document.
    ///
    /// - Throws: why it is not well formed or refused, with its line.
    func parse(_ document: UnsafeBufferPointer<UInt8>) throws(ValueProblem) {
        XML_ParserReset(handle, nil)
        problem = nil
        XML_SetUserData(handle, Unmanaged.passUnretained(self).toOpaque())
        XML_SetElementHandler(
            handle,
            { user, name, attributes in
                let parser = XMLParser.from(user)
                guard let name, let attributes, parser.problem == nil else { return }
                if let problem = parser.reader.start(name, attributes) { parser.stop(problem) }
            },
            { user, _ in
                let parser = XMLParser.from(user)
                if parser.problem == nil { parser.reader.end(line: parser.line) }
            })
        XML_SetCharacterDataHandler(handle) { user, text, length in
            let parser = XMLParser.from(user)
            guard let text, parser.problem == nil else { return }
            text.withMemoryRebound(to: UInt8.self, capacity: Int(length)) {
                parser.reader.text($0, Int(length))
            }
        }
        XML_SetStartDoctypeDeclHandler(handle) { user, _, _, _, _ in
            XMLParser.from(user).stop(
                "the document declares a document type (DOCTYPE), which is refused")
        }
        // Some exports begin with an empty line, which XML does not allow before its declaration.
        var start = 0
        while start < document.count, document[start] <= 0x20, document[start] != 0 { start += 1 }
        guard start < document.count else { throw ValueProblem("the document is empty") }
        let status = document.baseAddress!.withMemoryRebound(
            to: CChar.self, capacity: document.count
        ) { XML_Parse(handle, $0 + start, Int32(document.count - start), 1) }
        if let problem { throw ValueProblem("\(problem) (line \(line))") }
        guard status == XML_STATUS_OK else {
            let reason = XML_ErrorString(XML_GetErrorCode(handle)).map { String(cString: $0) }
            throw ValueProblem("malformed XML in line \(line): \(reason ?? "unknown error")")
        }
    }

    private func stop(_ problem: String) {
        guard self.problem == nil else { return }
        self.problem = problem
        XML_StopParser(handle, XML_Bool(0))
    }

    private static func from(_ user: UnsafeMutableRawPointer?) -> XMLParser {
        Unmanaged<XMLParser>.fromOpaque(user!).takeUnretainedValue()
    }
}

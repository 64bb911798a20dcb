import HTTP
import StreamRuntime

/// How a lookup step asks.
public struct LookupSettings: Equatable, Sendable {
    /// The step's id.
    public var name: String
    /// How long answers hold.
    public var terms = LookupTerms(foundMicros: 1, missingMicros: 1)
    /// Requests under way at once.
    public var inFlight = 16
    /// Tries of a request and the waits between them.
    public var retry = RetryPolicy(tries: 4, firstMillis: 100, longestMillis: 5000)
    /// How long a request is repeated while the service cannot be reached at all.
    ///
    /// - Units: microseconds.
    public var giveUpMicros: Int64 = 60_000_000
    /// Whether failures are written down: not where they stop the job, so that a restart asks again.
    public var keepsFailures = true
    /// The hash of what is asked: answers to another question are not taken.
    public var definition: Int64 = 0

    /// Settings of step `name`.
    public init(name: String) { self.name = name }
}

/// What a table elsewhere says to a question.
public enum LookupReply: Equatable, Sendable {
    /// The fields, as a JSON object.
    case found([UInt8])
    /// Nothing is known of the key.
    case missing
    /// It failed, and may succeed when it is tried again.
    case failed(String)
    /// The service cannot be reached, or does not work for anybody: it is tried again for a while.
    case outage(String)
    /// It will not succeed.
    case refused(String)
}

/// A table elsewhere.
public protocol LookupTarget: AnyObject, Sendable {
    /// Questions that one request may have.
    var batchMax: Int { get }
    /// Asks, blocking the caller; a reply for each question, in their order. Called by many threads at once.
    func ask(_ questions: [LookupQuestion]) -> [LookupReply]
}

/// Brings what a service says into the declared fields.
public final class LookupFields: Sendable {
    /// The fields as they are in the service's documents.
    public let declared: [RecordField]
    private let schema: Schema

    /// These fields.
    public init(_ declared: [RecordField]) {
        self.declared = declared
        schema = Schema(declared)
    }

    /// The columns of an answer.
    public var fields: [Field] { schema.fields }

    /// A decoder of what `read` gives.
    public func decoder() -> any RecordDecoder {
        JSONRecordDecoder(fields: fields.map { RecordField($0.name, $0.type) })
    }

    /// The declared fields of each document, as a JSON object with one member each.
    public func read(_ documents: [[UInt8]]) -> [LookupReply] {
        let records = RecordBatch(partition: 0, capacity: documents.count)
        for (index, document) in documents.enumerated() {
            records.keys.appendNull()
            document.withUnsafeBufferPointer { records.values.append($0) }
            records.timestamps.append(Int64(0))
            records.offsets.append(Int64(index))
        }
        let rows = DecodedRows(schema: schema, capacity: documents.count)
        var rejects = RejectedRows()
        JSONRecordDecoder(fields: declared).decode(records, into: rows, rejects: &rejects)
        var replies = [LookupReply](repeating: .missing, count: documents.count)
        for reject in rejects.rejects {
            let column = reject.column.isEmpty ? "" : "\(reject.column): "
            replies[reject.row] = .refused("the answer cannot be read: \(column)\(reject.reason)")
        }
        if rows.count == 0 { return replies }
        var order = RowOrder(capacity: rows.count)
        for _ in 0..<rows.count { order.append(eventTime: 0, watermark: 0, origin: 0, offset: 0) }
        order.elements = nil
        let batch = ColumnBatch(
            schema: schema, columns: rows.columns, order: order, count: rows.count)
        let texts = Column(.bytes, capacity: rows.count)
        JSONRecordEncoder(schema: schema).encode(batch, into: texts)
        for row in 0..<rows.count {
            replies[Int(rows.records.int64s[row])] = .found(Array(texts.bytes(row)))
        }
        return replies
    }
}

/// Text in which `{name}` stands for a part of the key.
public struct LookupTemplate: Equatable, Sendable {
    private enum Piece: Equatable, Sendable {
        case text(String)
        case part(Int)
    }

    private var pieces: [Piece] = []
    /// Names in it that are no part of the key.
    public private(set) var unknown: [String] = []

    /// The template `text` over the parts of the key called `names`; nil when a brace is not closed.
    public init?(_ text: String, names: [String]) {
        var rest = text[...]
        while let open = rest.firstIndex(of: "{") {
            if open > rest.startIndex { pieces.append(.text(String(rest[..<open]))) }
            rest = rest[rest.index(after: open)...]
            guard let close = rest.firstIndex(of: "}") else { return nil }
            let name = String(rest[..<close])
            if let index = names.firstIndex(of: name) {
                pieces.append(.part(index))
            } else {
                unknown.append(name)
            }
            rest = rest[rest.index(after: close)...]
        }
        if !rest.isEmpty { pieces.append(.text(String(rest))) }
    }

    /// The part that alone is the whole template; nil for other text.
    public var onlyPart: Int? {
        if pieces.count == 1, case .part(let index) = pieces[0] { index } else { nil }
    }

    /// The text for a key; with `encode` its parts are percent-encoded.
    public func rendered(_ parts: [LookupKey], encode: Bool = false) -> String {
        var text = ""
        for piece in pieces {
            switch piece {
            case .text(let fixed): text += fixed
            case .part(let index):
                text += encode ? HTTPText.encode(parts[index].text) : parts[index].text
            }
        }
        return text
    }
}

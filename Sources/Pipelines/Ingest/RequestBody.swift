import Codecs
import Connectors
import FeatureServe
import StreamRuntime

/// Why a request is not taken.
struct IngestProblem: Error, Equatable {
    let status: Int
    /// The word it is counted under.
    let reason: String
    /// What the sender is told.
    let message: String
}

/// What a request's body holds: the plain bytes, and the records in them.
struct RequestBody {
    /// The body as the records are cut from it.
    let bytes: [UInt8]
    private let isJSON: Bool
    private let parts: JSONParts?

    /// The body of `request`: decompressed, and taken out of its form.
    init(_ request: IngestRequest, _ ingest: PlannedIngest) throws(IngestProblem) {
        var bytes = try RequestBody.plain(request, bytesMax: ingest.bodyBytesMax)
        if let field = ingest.formField {
            guard let inner = RequestBody.formField(field, of: bytes) else {
                throw IngestProblem(
                    status: 400, reason: "malformed",
                    message: "The body is no form with a field \(field)")
            }
            bytes = inner
        }
        self.bytes = bytes
        var wantsJSON = false
        if case .path = ingest.id { wantsJSON = true }
        if case .elements = ingest.split { wantsJSON = true }
        if case (.none, .path) = (ingest.split, ingest.key) { wantsJSON = true }
        isJSON = wantsJSON
        parts = wantsJSON ? JSONParts(bytes) : nil
        guard !wantsJSON || parts != nil else { throw RequestBody.notJSON }
    }

    private static let notJSON = IngestProblem(
        status: 400, reason: "malformed", message: "The body is not JSON")

    /// The id that a request carries.
    func id(_ part: PlannedIngest.Part, _ head: IngestHead) throws(IngestProblem) -> String {
        let found: String?
        switch part {
        case .header(let name): found = head.field(name)
        case .body:
            let hash = bytes.withUnsafeBufferPointer { AccessKey.digest(of: $0) }
            found = AccessKey.text(of: hash)
        case .path(let path):
            found = parts!.value(at: path).flatMap { parts!.text($0) }
                .map { String(decoding: $0, as: UTF8.self) }
        }
        guard let found, !found.isEmpty, found.utf8.count <= 1024 else {
            throw IngestProblem(
                status: 400, reason: "malformed",
                message: "The request has no id of at most 1024 bytes where one is expected")
        }
        return found
    }

    /// The records, in order.
    func records(
        _ split: PlannedIngest.Split, layout: FileLayout
    ) throws(IngestProblem) -> [[UInt8]] {
        switch split {
        case .none: return [bytes]
        case .lines: return layout.records(of: bytes).map { Array(bytes[$0]) }
        case .elements(let path):
            guard let place = parts!.value(at: path), let all = parts!.elements(of: place) else {
                throw IngestProblem(
                    status: 400, reason: "malformed",
                    message: "The body has no array at "
                        + (path.isEmpty ? "its top" : path.joined(separator: ".")))
            }
            return all.map { parts!.raw($0) }
        }
    }

    /// The key of `record`; nil for none.
    func key(
        _ part: PlannedIngest.Part?, of record: [UInt8], isWhole: Bool, _ head: IngestHead
    ) -> [UInt8]? {
        switch part {
        case nil, .body: return nil
        case .header(let name): return head.field(name).map { Array($0.utf8) }
        case .path(let path):
            guard let found = isWhole ? parts : JSONParts(record) else { return nil }
            return found.value(at: path).flatMap { found.text($0) }
        }
    }

    // MARK: wrappings

    private static func plain(
        _ request: IngestRequest, bytesMax: Int
    ) throws(IngestProblem) -> [UInt8] {
        switch request.head.field("content-encoding")?.lowercased() {
        case nil, "", "identity": return request.body
        case "gzip", "x-gzip": return try inflate(request.body, bytesMax: bytesMax)
        case let coding?:
            throw IngestProblem(
                status: 415, reason: "malformed",
                message: "The content encoding \(coding) is not read here; send gzip or none")
        }
    }

    private static func inflate(
        _ packed: [UInt8], bytesMax: Int
    ) throws(IngestProblem) -> [UInt8] {
        let inflater = Inflater()
        var plain: [UInt8] = []
        var room = [UInt8](repeating: 0, count: 1 << 16)
        var at = 0
        do throws(CodecFailure) {
            while true {
                let produced = try packed.withUnsafeBufferPointer {
                    (input) throws(CodecFailure) -> Int in
                    try room.withUnsafeMutableBufferPointer {
                        (output) throws(CodecFailure) -> Int in
                        guard at < input.count else { return try inflater.drain(into: output) }
                        let progress = try inflater.inflate(
                            UnsafeBufferPointer(rebasing: input[at...]), into: output)
                        at += progress.consumed
                        return progress.produced
                    }
                }
                if produced == 0, at == packed.count { break }
                guard plain.count + produced <= bytesMax else {
                    throw CodecFailure.corrupt(tooLarge)
                }
                plain += room[..<produced]
            }
            try inflater.finish()
        } catch {
            if case .corrupt(tooLarge) = error {
                throw IngestProblem(
                    status: 413, reason: "size",
                    message: "The body has more than \(bytesMax) bytes unpacked")
            }
            throw IngestProblem(
                status: 400, reason: "malformed", message: "The body is not whole gzip")
        }
        return plain
    }

    private static let tooLarge = "the body is too large"

    /// The value of a field of `application/x-www-form-urlencoded`; nil when it is not there.
    static func formField(_ name: String, of form: [UInt8]) -> [UInt8]? {
        let wanted = Array(name.utf8)
        for pair in form.split(separator: 0x26) {
            let halves = pair.split(separator: 0x3D, maxSplits: 1, omittingEmptySubsequences: false)
            guard halves.count == 2, decoded(halves[0]) == wanted else { continue }
            return decoded(halves[1])
        }
        return nil
    }

    /// Text with `+` for a space and `%XX` for a byte; nil when an escape is broken.
    private static func decoded(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count)
        var at = text.startIndex
        while at < text.endIndex {
            let byte = text[at]
            at += 1
            guard byte == 0x25 else {
                bytes.append(byte == 0x2B ? 0x20 : byte)
                continue
            }
            guard at + 2 <= text.endIndex, let high = digit(text[at]), let low = digit(text[at + 1])
            else { return nil }
            bytes.append(high << 4 | low)
            at += 2
        }
        return bytes
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }
}

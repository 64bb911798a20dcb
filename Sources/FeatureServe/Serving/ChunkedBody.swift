/// Puts a chunked body together as its bytes arrive.
///
/// - Source: RFC 9112 section 7.1; chunk extensions and trailers are read over.
struct ChunkedBody {
    private enum Stage { case size, data, dataEnd, trailer }

    private(set) var bytes: [UInt8] = []
    private var stage = Stage.size
    private var line: [UInt8] = []
    private var left = 0
    private var trailerBytes = 0
    private let bytesMax: Int

    static let lineMax = 1024

    init(bytesMax: Int) { self.bytesMax = bytesMax }

    /// Takes what it can of `input`.
    ///
    /// - Returns: how many bytes it took, and whether the body is whole now.
    mutating func take(
        _ input: UnsafeBufferPointer<UInt8>
    ) throws(HTTPRequestHead.Problem) -> (taken: Int, isWhole: Bool) {
        var at = 0
        while at < input.count {
            if stage == .data {
                let part = min(left, input.count - at)
                bytes.append(contentsOf: input[at..<(at + part)])
                at += part
                left -= part
                if left == 0 { stage = .dataEnd }
                continue
            }
            let byte = input[at]
            at += 1
            guard byte == 0x0A else {
                line.append(byte)
                guard line.count <= ChunkedBody.lineMax else {
                    throw .init(status: 400, reason: "a chunk's line is too long")
                }
                continue
            }
            guard line.last == 0x0D else {
                throw .init(status: 400, reason: "a chunk's line without CRLF")
            }
            line.removeLast()
            if try endLine() { return (at, true) }
            line.removeAll(keepingCapacity: true)
        }
        return (at, false)
    }

    /// Acts on a whole line; true when it was the last one.
    private mutating func endLine() throws(HTTPRequestHead.Problem) -> Bool {
        switch stage {
        case .dataEnd:
            guard line.isEmpty else {
                throw .init(status: 400, reason: "a chunk of another length")
            }
            stage = .size
        case .trailer:
            if line.isEmpty { return true }
            trailerBytes += line.count
            guard trailerBytes <= HTTPRequestHead.lengthMax else {
                throw .init(status: 431, reason: "trailers too long")
            }
        case .size, .data:
            let digits = line.prefix { $0 != 0x3B && $0 != 0x20 && $0 != 0x09 }
            guard !digits.isEmpty, digits.count <= 8,
                let size = Int(String(decoding: digits, as: UTF8.self), radix: 16),
                digits.first != 0x2B, digits.first != 0x2D
            else { throw .init(status: 400, reason: "a chunk size that is no number") }
            guard bytes.count + size <= bytesMax else {
                throw .init(status: 413, reason: "the body is too large")
            }
            left = size
            stage = size == 0 ? .trailer : .data
        }
        return false
    }
}

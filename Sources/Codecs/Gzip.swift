import CZlib

/// How much of its input and output one call of a stream codec has used.
public struct CodecProgress: Equatable, Sendable {
    /// Input bytes taken.
    public let consumed: Int
    /// Output bytes written.
    public let produced: Int
}

/// Decompresses a gzip or zlib stream piece by piece.
///
/// - Shape: several gzip members one after the other are one stream, and zeros after the last are
///   padding, as the gzip command has it.
/// - Note: used by one thread at a time.
public final class Inflater {
    private let stream: UnsafeMutablePointer<z_stream>
    private var inMember = false
    private var members = 0

    /// A decoder at the start of a stream; it recognises gzip and zlib by their first bytes.
    ///
    /// - Parameter isRaw: whether the stream is deflate's alone, without either's head (RFC 1951).
    public init(isRaw: Bool = false) {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        let status = inflateInit2_(
            stream, isRaw ? -15 : 15 + 32, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        precondition(status == Z_OK, "zlib starts unless memory is exhausted")
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// Decompresses from `input` into `output` until one of them is used up.
    ///
    /// - Throws: `corrupt` when the bytes are not a gzip or zlib stream or its checksum fails.
    public func inflate(
        _ input: UnsafeBufferPointer<UInt8>, into output: UnsafeMutableBufferPointer<UInt8>
    ) throws(CodecFailure) -> CodecProgress {
        var consumed = 0
        var produced = 0
        while consumed < input.count {
            if !inMember {
                if members > 0 && input[consumed] == 0 {
                    consumed += 1
                    continue
                }
                inflateReset(stream)
                inMember = true
            }
            let takeMax = min(input.count - consumed, 1 << 30)
            let makeMax = min(output.count - produced, 1 << 30)
            guard makeMax > 0 else { break }
            stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress! + consumed)
            stream.pointee.avail_in = UInt32(takeMax)
            stream.pointee.next_out = output.baseAddress! + produced
            stream.pointee.avail_out = UInt32(makeMax)
            let status = CZlib.inflate(stream, Z_NO_FLUSH)
            consumed += takeMax - Int(stream.pointee.avail_in)
            produced += makeMax - Int(stream.pointee.avail_out)
            switch status {
            case Z_STREAM_END:
                inMember = false
                members += 1
            case Z_OK: continue
            case Z_BUF_ERROR: return CodecProgress(consumed: consumed, produced: produced)
            default:
                let reason = stream.pointee.msg.map { String(cString: $0) }
                throw .corrupt(reason ?? "zlib status \(status)")
            }
        }
        return CodecProgress(consumed: consumed, produced: produced)
    }

    /// Hands out what is decompressed but not yet written, with no new input.
    ///
    /// - Returns: the bytes written; 0 when nothing is left.
    public func drain(
        into output: UnsafeMutableBufferPointer<UInt8>
    ) throws(CodecFailure) -> Int {
        guard inMember, output.count > 0 else { return 0 }
        let makeMax = min(output.count, 1 << 30)
        stream.pointee.next_in = nil
        stream.pointee.avail_in = 0
        stream.pointee.next_out = output.baseAddress!
        stream.pointee.avail_out = UInt32(makeMax)
        let status = CZlib.inflate(stream, Z_NO_FLUSH)
        switch status {
        case Z_STREAM_END:
            inMember = false
            members += 1
        case Z_OK, Z_BUF_ERROR: break
        default:
            let reason = stream.pointee.msg.map { String(cString: $0) }
            throw .corrupt(reason ?? "zlib status \(status)")
        }
        return makeMax - Int(stream.pointee.avail_out)
    }

    /// Says that no more input follows.
    ///
    /// - Throws: `truncated` when the stream is not whole.
    public func finish() throws(CodecFailure) {
        if inMember || members == 0 { throw .truncated }
    }
}

/// Compresses bytes into a gzip stream piece by piece.
///
/// - Note: the header carries no name and no time, so equal input gives equal output. Used by one
///   thread at a time.
public final class Deflater {
    private let stream: UnsafeMutablePointer<z_stream>

    /// A compressor at the start of a stream; `level` is 1 (fast) to 9 (small).
    public init(level: Int = 6) {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        let status = deflateInit2_(
            stream, Int32(level), Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size))
        precondition(status == Z_OK, "zlib starts unless memory is exhausted")
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
    }

    /// Compresses all of `input` and appends what comes out to `output`.
    public func deflate(_ input: UnsafeBufferPointer<UInt8>, into output: inout [UInt8]) {
        guard input.count > 0 else { return }
        run(input, flush: Z_NO_FLUSH, into: &output)
    }

    /// Ends the stream; the next `deflate` starts another member.
    public func finish(into output: inout [UInt8]) {
        run(UnsafeBufferPointer(start: nil, count: 0), flush: Z_FINISH, into: &output)
        deflateReset(stream)
    }

    private func run(
        _ input: UnsafeBufferPointer<UInt8>, flush: Int32, into output: inout [UInt8]
    ) {
        var consumed = 0
        var finished = false
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 32_768) { room in
            repeat {
                let takeMax = min(input.count - consumed, 1 << 30)
                stream.pointee.next_in = input.baseAddress.map {
                    UnsafeMutablePointer(mutating: $0 + consumed)
                }
                stream.pointee.avail_in = UInt32(takeMax)
                stream.pointee.next_out = room.baseAddress!
                stream.pointee.avail_out = UInt32(room.count)
                let status = CZlib.deflate(stream, flush)
                consumed += takeMax - Int(stream.pointee.avail_in)
                let produced = room.count - Int(stream.pointee.avail_out)
                output.append(contentsOf: room[0..<produced])
                finished =
                    flush == Z_FINISH
                    ? status == Z_STREAM_END
                    : consumed == input.count && stream.pointee.avail_out > 0
            } while !finished
        }
    }
}

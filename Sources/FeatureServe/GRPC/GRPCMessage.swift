import Codecs
import NIOCore

/// Takes the one message of a unary call out of the bytes of its stream.
///
/// - Source: "gRPC over HTTP2", Length-Prefixed-Message: a byte that says whether the message is compressed, its
///   length as u32 big-endian, the message.
enum GRPCMessage {
    static let prefixBytes = 5

    /// The length a message under way has announced; nil before that is known.
    static func announced(_ bytes: ByteBuffer) -> Int? {
        bytes.getInteger(at: bytes.readerIndex + 1, as: UInt32.self).map { Int($0) }
    }

    static func tooLarge(max: Int) -> GRPCProblem {
        GRPCProblem(.resourceExhausted, "the message is larger than \(max) bytes")
    }

    /// The message in `bytes`, all that its stream carried.
    ///
    /// - Throws: when it is not one whole message, is too large, or is compressed without saying how.
    static func take(
        _ bytes: consuming ByteBuffer, isGzip: Bool, bytesMax: Int
    ) throws(GRPCProblem) -> ByteBuffer {
        guard let flag = bytes.readInteger(as: UInt8.self),
            let length = bytes.readInteger(as: UInt32.self), Int(length) == bytes.readableBytes
        else { throw GRPCProblem(.invalidArgument, "the call does not carry one whole message") }
        guard Int(length) <= bytesMax else { throw tooLarge(max: bytesMax) }
        switch flag {
        case 0: return bytes
        case 1:
            guard isGzip else {
                throw GRPCProblem(
                    .internal, "the message is compressed, but grpc-encoding does not say how")
            }
            return try inflated(bytes, bytesMax: bytesMax)
        default:
            throw GRPCProblem(.internal, "the message's first byte is neither 0 nor 1")
        }
    }

    private static func inflated(
        _ bytes: ByteBuffer, bytesMax: Int
    ) throws(GRPCProblem) -> ByteBuffer {
        let inflater = Inflater()
        var result = ByteBuffer()
        var room = [UInt8](repeating: 0, count: 1 << 16)
        var taken = 0
        while true {
            let step = bytes.withUnsafeReadableBytes { input in
                room.withUnsafeMutableBufferPointer { output in
                    Result { () throws(CodecFailure) -> (consumed: Int, produced: Int) in
                        if taken == input.count { return (0, try inflater.drain(into: output)) }
                        let progress = try inflater.inflate(
                            UnsafeBufferPointer(
                                rebasing: input.assumingMemoryBound(to: UInt8.self)[taken...]),
                            into: output)
                        return (progress.consumed, progress.produced)
                    }
                }
            }
            guard case .success(let progress) = step else {
                throw GRPCProblem(.internal, "the message is not a gzip stream")
            }
            if progress.consumed + progress.produced == 0 {
                guard (try? inflater.finish()) != nil else {
                    throw GRPCProblem(.internal, "the gzip stream is cut short")
                }
                return result
            }
            taken += progress.consumed
            guard result.readableBytes + progress.produced <= bytesMax else {
                throw tooLarge(max: bytesMax)
            }
            result.writeBytes(room[..<progress.produced])
        }
    }
}

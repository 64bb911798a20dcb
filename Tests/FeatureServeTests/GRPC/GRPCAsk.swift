import NIOCore
import NIOHPACK
import NIOHTTP2
import NIOPosix

/// A gRPC client for tests: one connection, calls by their bytes, what came back as it came.
final class GRPCAsk {
    struct Answer {
        var httpStatus = ""
        var status = ""
        var message = ""
        var accepted = ""
        var bodies: [UInt8] = []
        var wasReset = false
        /// What else was said beside the messages, by our own names.
        var notes: [String: String] = [:]

        /// The first message.
        var body: [UInt8] { Array(bodies.dropFirst(5)) }
    }

    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let channel: any Channel
    private let collector: Collector
    private var next: Int32 = 1

    init(port: Int) throws {
        let collector = Collector()
        channel = try ClientBootstrap(group: group)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers([
                        NIOHTTP2Handler(mode: .client), collector,
                    ])
                }
            }
            .connect(host: "127.0.0.1", port: port).wait()
        self.collector = collector
    }

    func close() {
        try? channel.close().wait()
        try? group.syncShutdownGracefully()
    }

    /// Waits until the server closes the connection.
    func waitForClose() throws { try channel.closeFuture.wait() }

    /// The message with its prefix, as it goes into a call.
    static func framed(_ message: [UInt8], flag: UInt8 = 0) -> [UInt8] {
        let count = UInt32(message.count)
        return [flag] + (0..<4).map { UInt8(truncatingIfNeeded: count >> (24 - 8 * $0)) } + message
    }

    func call(_ path: String, _ message: [UInt8], _ fields: [(String, String)] = []) throws
        -> Answer
    {
        try send(path, [GRPCAsk.framed(message)], fields)
    }

    /// Sends the body's parts as frames of their own, and waits for the end of the answer.
    func send(
        _ path: String, _ parts: [[UInt8]], _ fields: [(String, String)] = [],
        type: String = "application/grpc", ends: Bool = true
    ) throws -> Answer {
        try begin(path, parts, fields, type: type, ends: ends).wait()
    }

    /// Sends the body's parts; the future is the whole answer.
    func begin(
        _ path: String, _ parts: [[UInt8]], _ fields: [(String, String)] = [],
        type: String = "application/grpc", ends: Bool = true
    ) throws -> EventLoopFuture<Answer> {
        let stream = HTTP2StreamID(next)
        next += 2
        let loop = channel.eventLoop
        let promise = loop.makePromise(of: Answer.self)
        let collector = collector
        let channel = channel
        try loop.submit {
            collector.promises[stream] = promise
            var headers: HPACKHeaders = [
                ":method": "POST", ":scheme": "http", ":path": path, ":authority": "test",
                "content-type": type, "te": "trailers",
            ]
            for (name, value) in fields { headers.add(name: name, value: value) }
            collector.write(channel, stream, .headers(.init(headers: headers)))
            for (index, part) in parts.enumerated() {
                let isLast = ends && index == parts.count - 1
                collector.write(
                    channel, stream,
                    .data(.init(data: .byteBuffer(ByteBuffer(bytes: part)), endStream: isLast)))
            }
            channel.flush()
        }.wait()
        return promise.futureResult
    }

    private final class Collector: ChannelInboundHandler, @unchecked Sendable {
        typealias InboundIn = HTTP2Frame
        typealias OutboundOut = HTTP2Frame
        var promises: [HTTP2StreamID: EventLoopPromise<Answer>] = [:]
        private var answers: [HTTP2StreamID: Answer] = [:]

        func write(
            _ channel: any Channel, _ stream: HTTP2StreamID, _ payload: HTTP2Frame.FramePayload
        ) {
            channel.write(HTTP2Frame(streamID: stream, payload: payload), promise: nil)
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let frame = unwrapInboundIn(data)
            let stream = frame.streamID
            switch frame.payload {
            case .headers(let headers):
                for (name, value, _) in headers.headers {
                    switch name {
                    case ":status": answers[stream, default: Answer()].httpStatus = value
                    case "grpc-status": answers[stream, default: Answer()].status = value
                    case "grpc-message": answers[stream, default: Answer()].message = value
                    case "grpc-accept-encoding":
                        answers[stream, default: Answer()].accepted = value
                    case _ where name.hasPrefix("millrace-"):
                        answers[stream, default: Answer()].notes[name] = value
                    default: break
                    }
                }
                if headers.endStream { finish(stream) }
            case .data(let data):
                if case .byteBuffer(let bytes) = data.data {
                    answers[stream, default: Answer()].bodies += Array(bytes.readableBytesView)
                    let length = bytes.readableBytes
                    if length > 0 {
                        write(
                            context.channel, .rootStream,
                            .windowUpdate(windowSizeIncrement: length))
                        if !data.endStream {
                            write(
                                context.channel, stream, .windowUpdate(windowSizeIncrement: length))
                        }
                        context.channel.flush()
                    }
                }
                if data.endStream { finish(stream) }
            case .rstStream:
                answers[stream, default: Answer()].wasReset = true
                finish(stream)
            default: break
            }
        }

        func channelInactive(context: ChannelHandlerContext) {
            for promise in promises.values { promise.fail(ChannelError.alreadyClosed) }
            promises = [:]
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {}

        private func finish(_ stream: HTTP2StreamID) {
            promises.removeValue(forKey: stream)?.succeed(answers[stream] ?? Answer())
        }
    }
}

/// The bytes that hexadecimal digits write.
func unhex(_ text: String) -> [UInt8] {
    let digits = Array(text.utf8)
    return stride(from: 0, to: digits.count, by: 2).map {
        UInt8(String(decoding: digits[$0...($0 + 1)], as: UTF8.self), radix: 16)!
    }
}

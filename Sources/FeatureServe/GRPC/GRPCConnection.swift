import NIOCore
import NIOHPACK
import NIOHTTP2
import StreamRuntime

/// One client's connection: gRPC calls out of HTTP/2 frames.
///
/// All streams of a connection are kept in one table here, without a channel of its own for each: a lookup is
/// answered on the spot, between two frames. Flow control towards the client is the HTTP/2 handler's; windows
/// towards us are opened here.
final class GRPCConnection: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame
    typealias OutboundOut = HTTP2Frame

    private enum State { case receiving, working, watching, answered }

    private struct Call {
        var head: GRPCHead
        var caller = AccessCaller.anyone
        var since: NIODeadline
        var deadline: NIODeadline?
        var body: ByteBuffer?
        var unacknowledged = 0
        var isWhole = false
        var state = State.receiving
    }

    private let responder: GRPCResponder
    private let limits: ServerLimits
    private var calls: [HTTP2StreamID: Call] = [:]
    private var context: ChannelHandlerContext?
    private var newest = HTTP2StreamID.rootStream
    private var unacknowledged = 0
    private var lastFrame = NIODeadline.now()
    private var hasWritten = false
    private var isReading = false
    private var isDraining = false
    private var isHalfClosed = false

    /// What the client may send before we have read it: of one stream, and of the connection.
    static let streamWindow = 1 << 20
    static let connectionWindow = 4 << 20

    static let settings: HTTP2Settings = [
        HTTP2Setting(parameter: .maxConcurrentStreams, value: 100),
        HTTP2Setting(parameter: .maxHeaderListSize, value: HTTPRequestHead.lengthMax),
        HTTP2Setting(parameter: .initialWindowSize, value: streamWindow),
    ]

    private static let ok: HPACKHeaders = [
        ":status": "200", "content-type": "application/grpc",
        "grpc-accept-encoding": "identity,gzip",
    ]
    private static let end: HPACKHeaders = ["grpc-status": "0"]

    init(responder: GRPCResponder, limits: ServerLimits) {
        self.responder = responder
        self.limits = limits
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelActive(context: ChannelHandlerContext) {
        lastFrame = .now()
        write(
            .rootStream,
            .windowUpdate(windowSizeIncrement: GRPCConnection.connectionWindow - 65_535))
        flush()
        sweep(context)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        calls.removeAll()
        self.context = nil
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = unwrapInboundIn(data)
        isReading = true
        lastFrame = .now()
        switch frame.payload {
        case .headers(let headers): receive(headers, on: frame.streamID)
        case .data(let data): receive(data, on: frame.streamID)
        case .rstStream: calls[frame.streamID] = nil
        default: break
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        flush()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case let closed as StreamClosedEvent:
            calls[closed.streamID] = nil
            closeIfDrained()
        case is HTTPConnection.Drain:
            isDraining = true
            write(
                .rootStream,
                .goAway(lastStreamID: newest, errorCode: .noError, opaqueData: nil))
            for (stream, call) in calls where call.state == .watching {
                responder.output.count = 0
                responder.appendHealth(to: responder.output)
                send(responder.output, on: stream)
                fail(stream, GRPCProblem(.unavailable, "the server is stopping"))
            }
            flush()
            closeIfDrained()
        case let event as ChannelEvent where event == .inputClosed: context.close(promise: nil)
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A stream's error has been answered by a reset; the others concern the connection.
        if let error = error as? NIOHTTP2Errors.StreamError {
            calls[error.streamID] = nil
        } else {
            context.close(promise: nil)
        }
    }

    private func closeIfDrained() {
        guard isDraining, !isHalfClosed, calls.isEmpty, let context else { return }
        isHalfClosed = true
        // The stream's last frame is told of while it is being written: what is on its way goes first. Only
        // our half is closed then: with bytes of the client unread a whole close would be a reset, which
        // can take the last frames from it. The client's close, or the end of the grace, does the rest.
        let loop = context.eventLoop.assumeIsolated()
        loop.execute {
            let closed = context.eventLoop.makePromise(of: Void.self)
            closed.futureResult.assumeIsolated().whenFailure { _ in context.close(promise: nil) }
            context.close(mode: .output, promise: closed)
        }
    }

    // MARK: requests

    private func receive(_ headers: HTTP2Frame.FramePayload.Headers, on stream: HTTP2StreamID) {
        if calls[stream] != nil {
            // Trailers end the request; what they say is of no interest.
            if headers.endStream { finish(stream) }
            return
        }
        newest = stream
        let head = GRPCHead(headers.headers)
        let now = NIODeadline.now()
        var call = Call(head: head, since: now, isWhole: headers.endStream)
        if let nanos = head.timeoutNanos { call.deadline = now + .nanoseconds(nanos) }
        calls[stream] = call
        guard head.isPost, head.isCall else { return refuse(stream, status: "415") }
        if let problem = head.problem { return fail(stream, problem) }
        do throws(GRPCProblem) {
            calls[stream]?.caller = try responder.admit(head)
        } catch {
            return fail(stream, error)
        }
        if headers.endStream { finish(stream) }
    }

    private func receive(_ data: HTTP2Frame.FramePayload.Data, on stream: HTTP2StreamID) {
        guard case .byteBuffer(var bytes) = data.data else { return }
        let size = bytes.readableBytes + (data.paddingBytes.map { $0 + 1 } ?? 0)
        unacknowledged += size
        if unacknowledged > GRPCConnection.connectionWindow / 4 {
            write(.rootStream, .windowUpdate(windowSizeIncrement: unacknowledged))
            unacknowledged = 0
        }
        guard var call = calls.removeValue(forKey: stream) else { return }
        if data.endStream { call.isWhole = true }
        guard call.state == .receiving else {
            calls[stream] = call
            return
        }
        if call.body == nil { call.body = bytes } else { call.body!.writeBuffer(&bytes) }
        call.unacknowledged += size
        let isLarge = (GRPCMessage.announced(call.body!) ?? 0) > responder.messageBytesMax
        let isExcess =
            call.body!.readableBytes > responder.messageBytesMax + GRPCMessage.prefixBytes
        if !data.endStream, call.unacknowledged > GRPCConnection.streamWindow / 4,
            !isLarge, !isExcess
        {
            write(stream, .windowUpdate(windowSizeIncrement: call.unacknowledged))
            call.unacknowledged = 0
        }
        calls[stream] = call
        if isLarge || isExcess {
            fail(stream, GRPCMessage.tooLarge(max: responder.messageBytesMax))
        } else if data.endStream {
            finish(stream)
        }
    }

    /// Answers a request that is there whole.
    private func finish(_ stream: HTTP2StreamID) {
        guard var call = calls[stream], call.state == .receiving else { return }
        call.isWhole = true
        call.state = .working
        let body = call.body ?? ByteBuffer()
        call.body = nil
        calls[stream] = call
        do throws(GRPCProblem) {
            try checkTime(call)
            let message = try GRPCMessage.take(
                body, isGzip: call.head.isGzip, bytesMax: responder.messageBytesMax)
            try answer(stream, call, message)
        } catch {
            fail(stream, error)
        }
    }

    private func checkTime(_ call: Call) throws(GRPCProblem) {
        guard let deadline = call.deadline, deadline <= .now() else { return }
        throw GRPCProblem(.deadlineExceeded, "the call's time was over before its answer")
    }

    private func answer(
        _ stream: HTTP2StreamID, _ call: Call, _ message: ByteBuffer
    ) throws(GRPCProblem) {
        let method = call.head.method!
        let output = responder.output
        output.count = 0
        switch method {
        case .healthWatch:
            try message.lend { bytes throws(GRPCProblem) in
                try responder.watch(bytes, into: output)
            }
            calls[stream]?.state = .watching
            write(stream, .headers(.init(headers: GRPCConnection.ok)))
            send(output, on: stream)
            flushUnlessReading()
        case .push, .write:
            guard let loop = context?.eventLoop else { return }
            var reply: EventLoopFuture<WriteQueue.Reply>?
            try message.lend { bytes throws(GRPCProblem) in
                reply = try responder.write(method, bytes, for: call.caller, on: loop)
            }
            reply?.assumeIsolated().whenComplete { [weak self] result in
                self?.written(stream, result)
            }
            if let deadline = call.deadline {
                expire(stream, at: deadline, "the write was not durable in time")
            }
        case .lookup, .onlineRead:
            guard let loop = context?.eventLoop else { return }
            var notes: [LookupNote] = []
            var later: EventLoopFuture<WriteQueue.Reply>?
            try message.lend { bytes throws(GRPCProblem) in
                (notes, later) = try responder.look(
                    call.head, bytes, for: call.caller, millis: GRPCConnection.millisLeft(call),
                    on: loop, into: output)
            }
            guard let later else { return reply(stream, output, notes) }
            later.assumeIsolated().whenComplete { [weak self] result in
                self?.looked(stream, result)
            }
            if let deadline = call.deadline {
                expire(stream, at: deadline, "the call's time was over before its answer")
            }
        default:
            try message.lend { bytes throws(GRPCProblem) in
                try responder.answer(method, bytes, into: output)
            }
            reply(stream, output)
        }
    }

    /// What is left of the call's time, less what the answer needs on its way; nil without a bound.
    private static func millisLeft(_ call: Call) -> Int64? {
        guard let deadline = call.deadline else { return nil }
        let left = (deadline - .now()).nanoseconds / 1_000_000
        return max(1, left - min(left / 8, 20))
    }

    /// Gives the answer of a lookup that was waited for.
    private func looked(
        _ stream: HTTP2StreamID, _ result: Result<WriteQueue.Reply, any Error>
    ) {
        guard calls[stream]?.state == .working else { return }
        guard case .success(let found) = result else { return fail(stream, GRPCProblem(.busy)) }
        let output = responder.output
        output.count = 0
        found.body.withUnsafeBufferPointer {
            if let base = $0.baseAddress { output.append(base, $0.count) }
        }
        guard found.status == 0 else {
            return fail(stream, GRPCResponder.problem(found.status, output))
        }
        reply(stream, output, found.notes)
    }

    private func written(
        _ stream: HTTP2StreamID, _ result: Result<WriteQueue.Reply, any Error>
    ) {
        guard calls[stream]?.state == .working else { return }
        switch result {
        case .success(let written):
            if let problem = written.problem { return fail(stream, GRPCProblem(problem)) }
            let output = responder.output
            output.count = 0
            ProtoWriter.tag(1, .varint, to: output)
            ProtoWriter.varint(1, to: output)
            reply(stream, output)
        case .failure: fail(stream, GRPCProblem(.busy))
        }
    }

    /// Ends a call that still works at its deadline; what it has begun to write may still come to pass.
    private func expire(
        _ stream: HTTP2StreamID, at deadline: NIODeadline, _ problem: String
    ) {
        context?.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { [weak self] in
            guard let self, self.calls[stream]?.state == .working else { return }
            self.fail(stream, GRPCProblem(.deadlineExceeded, problem))
        }
    }

    // MARK: answers

    private func reply(
        _ stream: HTTP2StreamID, _ output: ByteArena, _ notes: [LookupNote] = []
    ) {
        write(stream, .headers(.init(headers: GRPCConnection.ok)))
        send(output, on: stream)
        var end = GRPCConnection.end
        for note in notes { end.add(name: note.name, value: note.value) }
        write(stream, .headers(.init(headers: end, endStream: true)))
        ended(stream)
        responder.count(0)
    }

    private func send(_ output: ByteArena, on stream: HTTP2StreamID) {
        var buffer = ByteBufferAllocator().buffer(
            capacity: output.count + GRPCMessage.prefixBytes)
        buffer.writeInteger(UInt8(0))
        buffer.writeInteger(UInt32(output.count))
        buffer.writeBytes(UnsafeRawBufferPointer(start: output.base, count: output.count))
        write(stream, .data(.init(data: .byteBuffer(buffer))))
    }

    /// Ends a call with a problem; one that is still sending is told to stop.
    private func fail(_ stream: HTTP2StreamID, _ problem: GRPCProblem) {
        guard let call = calls[stream] else { return }
        var headers = call.state == .watching ? HPACKHeaders() : GRPCConnection.ok
        headers.add(name: "grpc-status", value: "\(problem.code.rawValue)")
        headers.add(
            name: "grpc-message", value: problem.encodedMessage, indexing: .nonIndexable)
        write(stream, .headers(.init(headers: headers, endStream: true)))
        ended(stream)
        responder.count(problem.code.rawValue)
    }

    private func refuse(_ stream: HTTP2StreamID, status: String) {
        write(stream, .headers(.init(headers: [":status": status], endStream: true)))
        ended(stream)
    }

    private func ended(_ stream: HTTP2StreamID) {
        if let call = calls[stream] {
            if !call.isWhole { write(stream, .rstStream(.noError)) }
            calls[stream]?.state = .answered
            calls[stream]?.since = .now()
        }
        flushUnlessReading()
    }

    private func write(_ stream: HTTP2StreamID, _ payload: HTTP2Frame.FramePayload) {
        hasWritten = true
        context?.write(
            wrapOutboundOut(HTTP2Frame(streamID: stream, payload: payload)), promise: nil)
    }

    private func flushUnlessReading() {
        if !isReading { flush() }
    }

    private func flush() {
        guard hasWritten else { return }
        hasWritten = false
        context?.flush()
    }

    // MARK: time

    /// Looks now and then for calls that do not arrive or are not taken, and for clients gone quiet.
    private func sweep(_ context: ChannelHandlerContext) {
        context.eventLoop.assumeIsolated().scheduleTask(
            in: .nanoseconds(limits.requestTime.nanoseconds / 2)
        ) { [weak self] in
            guard let self, let context = self.context, context.channel.isActive else { return }
            let now = NIODeadline.now()
            for (stream, call) in self.calls where now - call.since > self.limits.requestTime {
                switch call.state {
                case .receiving:
                    self.fail(
                        stream,
                        GRPCProblem(.deadlineExceeded, "the message did not arrive in time"))
                case .answered: self.write(stream, .rstStream(.cancel))
                case .working, .watching: break
                }
            }
            if self.calls.isEmpty, now - self.lastFrame > self.limits.idleTime {
                self.write(
                    .rootStream,
                    .goAway(lastStreamID: self.newest, errorCode: .noError, opaqueData: nil))
                self.flush()
                return context.close(promise: nil)
            }
            self.flush()
            self.sweep(context)
        }
    }
}

extension ByteBuffer {
    /// Calls `body` with the readable bytes.
    fileprivate func lend(
        _ body: (UnsafeBufferPointer<UInt8>) throws(GRPCProblem) -> Void
    ) throws(GRPCProblem) {
        let result = withUnsafeReadableBytes { bytes in
            Result { () throws(GRPCProblem) in
                try body(bytes.assumingMemoryBound(to: UInt8.self))
            }
        }
        try result.get()
    }
}

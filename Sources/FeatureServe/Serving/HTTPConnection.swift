import NIOCore
import StreamRuntime

/// One client's connection: HTTP/1.1 out of bytes, requests answered in the order they came.
///
/// Lookups are answered on the spot. While a write is on its way to the disk the requests behind it wait, as
/// their answers must come in order. When the client does not take its answers, no more is answered until
/// it does.
final class HTTPConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Tells a connection to finish what has begun to arrive and then close.
    struct Drain: Sendable {}

    private let responder: Responder
    private let limits: ServerLimits
    private var input = ByteBuffer()
    private var output = ByteBuffer()
    private var searched = 0
    private var head: HTTPRequestHead?
    /// The fields of a request that brings records.
    private var fields: IngestHead?
    private var caller = AccessCaller.anyone
    private var refusal: AccessProblem?
    private var chunks: ChunkedBody?
    private var isClosing = false
    private var hasClosed = false
    private var isInputClosed = false
    private var isDraining = false
    private var isStalled = false
    private var isWaiting = false
    private var isReading = true
    private var lastByte = NIODeadline.now()

    init(responder: Responder, limits: ServerLimits) {
        self.responder = responder
        self.limits = limits
    }

    func channelActive(context: ChannelHandlerContext) {
        lastByte = .now()
        watch(context)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isClosing else { return }
        var bytes = unwrapInboundIn(data)
        lastByte = .now()
        if input.readableBytes == 0 {
            input = bytes
        } else {
            if input.readerIndex > 1 << 16 { input.discardReadBytes() }
            input.writeBuffer(&bytes)
        }
        process(context)
        if isWaiting || isStalled, isReading, input.readableBytes > limits.flushBytes {
            setReading(false, context)
        }
    }

    private func setReading(_ reads: Bool, _ context: ChannelHandlerContext) {
        isReading = reads
        try? context.channel.syncOptions?.setOption(.autoRead, value: reads)
    }

    func channelReadComplete(context: ChannelHandlerContext) { send(context) }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable, isStalled {
            isStalled = false
            process(context)
            send(context)
            if !isStalled, !isWaiting, !isReading { setReading(true, context) }
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed {
            // Nothing more comes: what has been asked is answered by now.
            if hasClosed { return context.close(promise: nil) }
            isInputClosed = true
            if isWaiting { return }
            isClosing = true
            return send(context)
        }
        guard event is Drain else { return context.fireUserInboundEventTriggered(event) }
        isDraining = true
        if head == nil, input.readableBytes == 0, !isStalled, !isWaiting {
            isClosing = true
            close(context)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    /// Answers every request that is there whole.
    private func process(_ context: ChannelHandlerContext) {
        while !isClosing, !isStalled, !isWaiting, input.readableBytes > 0 || head != nil {
            do throws(HTTPRequestHead.Problem) {
                guard try step(context) else { return }
            } catch {
                responder.refuse(error.status, error.reason, into: &output)
                isClosing = true
            }
            if output.readableBytes >= limits.flushBytes {
                send(context)
                isStalled = !context.channel.isWritable
            }
        }
    }

    /// Does the next thing there are bytes for; false when more must come first.
    private func step(
        _ context: ChannelHandlerContext
    ) throws(HTTPRequestHead.Problem) -> Bool {
        guard let head else { return try readHead(context) }
        if head.isChunked {
            var body = chunks ?? ChunkedBody(bytesMax: responder.bodyBytesMax(head, limits))
            chunks = nil
            let result = lend { bytes in
                Result { () throws(HTTPRequestHead.Problem) in try body.take(bytes) }
            }
            let (taken, isWhole) = try result.get()
            input.moveReaderIndex(forwardBy: taken)
            guard isWhole else {
                chunks = body
                return false
            }
            body.bytes.withUnsafeBufferPointer { respond(head, $0, context) }
            return true
        }
        guard input.readableBytes >= head.contentLength else { return false }
        lend { bytes in
            respond(head, UnsafeBufferPointer(rebasing: bytes[..<head.contentLength]), context)
        }
        input.moveReaderIndex(forwardBy: head.contentLength)
        return true
    }

    private func readHead(
        _ context: ChannelHandlerContext
    ) throws(HTTPRequestHead.Problem) -> Bool {
        let from = max(0, searched - 3)
        let result = lend { bytes in
            Result { () throws(HTTPRequestHead.Problem) -> HTTPRequestHead? in
                guard
                    let end = HTTPRequestHead.end(bytes.baseAddress!, bytes.count, from: from)
                else { return nil }
                guard end <= HTTPRequestHead.lengthMax else {
                    throw HTTPRequestHead.Problem(status: 431, reason: "the head is too long")
                }
                let head = try HTTPRequestHead(bytes.baseAddress!, length: end)
                admit(head, bytes)
                fields =
                    head.route == .ingest
                    ? IngestHead(UnsafeBufferPointer(rebasing: bytes[..<end])) : nil
                return head
            }
        }
        guard let found = try result.get() else {
            searched = input.readableBytes
            guard searched <= HTTPRequestHead.lengthMax else {
                throw .init(status: 431, reason: "the head is too long")
            }
            return false
        }
        searched = 0
        guard found.contentLength <= responder.bodyBytesMax(found, limits) else {
            throw .init(status: 413, reason: "the body is too large")
        }
        head = found
        input.moveReaderIndex(forwardBy: found.length)
        if found.expectsContinue, input.readableBytes < max(found.contentLength, 1) {
            output.writeStaticString("HTTP/1.1 100 Continue\r\n\r\n")
        }
        return true
    }

    /// Finds out who asks; one who is not let in is told so when the request is there whole.
    private func admit(_ head: HTTPRequestHead, _ bytes: UnsafeBufferPointer<UInt8>) {
        refusal = nil
        do throws(AccessProblem) {
            caller = try responder.admit(head, bytes)
        } catch {
            refusal = error
        }
    }

    private func lend<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        input.withUnsafeReadableBytes { body($0.assumingMemoryBound(to: UInt8.self)) }
    }

    private func respond(
        _ head: HTTPRequestHead, _ body: UnsafeBufferPointer<UInt8>,
        _ context: ChannelHandlerContext
    ) {
        self.head = nil
        let keepsAlive = head.keepsAlive && !isDraining
        if let refusal {
            responder.refuse(refusal, keepsAlive: keepsAlive, into: &output)
            if !keepsAlive { isClosing = true }
            return
        }
        let later: EventLoopFuture<WriteQueue.Reply>?
        if let fields {
            later = responder.ingest(
                head, fields, body, for: caller, keepsAlive: keepsAlive, on: context.eventLoop,
                into: &output)
        } else {
            later = responder.respond(
                head, body, for: caller, keepsAlive: keepsAlive, on: context.eventLoop,
                into: &output)
        }
        guard let later else {
            if !keepsAlive { isClosing = true }
            return
        }
        isWaiting = true
        later.assumeIsolated().whenComplete { result in
            self.finish(try? result.get(), keepsAlive: head.keepsAlive, context)
        }
    }

    /// Gives the answer that was waited for, and goes on with what came in meanwhile.
    private func finish(
        _ reply: WriteQueue.Reply?, keepsAlive: Bool, _ context: ChannelHandlerContext
    ) {
        isWaiting = false
        lastByte = .now()
        guard context.channel.isActive, !hasClosed else { return }
        let keepsAlive = keepsAlive && !isDraining
        responder.write(reply, keepsAlive: keepsAlive, into: &output)
        if keepsAlive { process(context) } else { isClosing = true }
        if isInputClosed, !isWaiting { isClosing = true }
        send(context)
        if !isWaiting, !isStalled, !isReading { setReading(true, context) }
    }

    /// Hands the answers over, and closes after the last one.
    private func send(_ context: ChannelHandlerContext) {
        if output.readableBytes > 0 {
            context.writeAndFlush(wrapOutboundOut(output), promise: nil)
            output.clear(minimumCapacity: 4096)
        }
        if isClosing { close(context) }
    }

    private func close(_ context: ChannelHandlerContext) {
        guard !hasClosed else { return }
        hasClosed = true
        let loop = context.eventLoop
        let flushed = loop.makePromise(of: Void.self)
        if isInputClosed {
            flushed.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
        }
        // The half-close lets a client that is still sending read why it was refused.
        context.close(mode: .output, promise: flushed)
        loop.assumeIsolated().scheduleTask(in: limits.lingering) {
            context.close(promise: nil)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        isClosing = true
        context.fireChannelInactive()
    }

    /// Looks now and then whether the client has gone quiet.
    private func watch(_ context: ChannelHandlerContext) {
        context.eventLoop.assumeIsolated().scheduleTask(in: limits.requestTime / 2) {
            guard context.channel.isActive else { return }
            if self.isWaiting { return self.watch(context) }
            let quiet = NIODeadline.now() - self.lastByte
            let isIdle = self.head == nil && self.input.readableBytes == 0 && !self.isStalled
            if quiet > (isIdle ? self.limits.idleTime : self.limits.requestTime) {
                if !isIdle, !self.isStalled, !self.isClosing {
                    self.responder.refuse(
                        408, "the request did not arrive in time", into: &self.output)
                }
                self.isClosing = true
                self.send(context)
                if isIdle || self.isStalled { context.close(promise: nil) }
                return
            }
            self.watch(context)
        }
    }
}

extension TimeAmount {
    fileprivate static func / (amount: TimeAmount, divisor: Int64) -> TimeAmount {
        .nanoseconds(amount.nanoseconds / divisor)
    }
}

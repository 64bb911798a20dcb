import NIOCore
import StreamRuntime

/// One client's connection: commands out of bytes, answered on the spot in the order they came.
///
/// When the client does not take its answers, reading stops until it does.
final class RESPConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let engine: RESPEngine
    private let waiting: RESPWaiting
    private let limits: ServerLimits
    private let session: RESPSession
    private var input = ByteBuffer()
    private var output = ByteBuffer()
    private var isStalled = false
    /// Whether commands are being answered on another thread, whose the session is meanwhile.
    private var isWaiting = false
    private var isOver = false
    private var isReading = true
    private var hasClosed = false
    private var lastByte = NIODeadline.now()

    init(
        engine: RESPEngine, waiting: RESPWaiting, limits: ServerLimits, session: RESPSession
    ) {
        self.engine = engine
        self.waiting = waiting
        self.limits = limits
        self.session = session
    }

    func channelActive(context: ChannelHandlerContext) {
        watch(context)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isOver, isWaiting || !session.isEnding else { return }
        var bytes = unwrapInboundIn(data)
        lastByte = .now()
        if input.readableBytes == 0 {
            input = bytes
        } else {
            if input.readerIndex > 1 << 16 { input.discardReadBytes() }
            input.writeBuffer(&bytes)
        }
        guard isWaiting else { return process(context) }
        if isReading, input.readableBytes > limits.flushBytes { setReading(false, context) }
    }

    private func setReading(_ reads: Bool, _ context: ChannelHandlerContext) {
        isReading = reads
        try? context.channel.syncOptions?.setOption(.autoRead, value: reads)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        guard context.channel.isWritable, isStalled else { return }
        isStalled = false
        guard !isWaiting else { return }
        process(context)
        if !isStalled { context.read() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard event is HTTPConnection.Drain else {
            return context.fireUserInboundEventTriggered(event)
        }
        // A client's commands are whole or not yet begun; one that has begun is not waited for.
        isOver = true
        guard !isWaiting else { return }
        session.isEnding = true
        close(context)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        isOver = true
        if !isWaiting { session.isEnding = true }
        context.fireChannelInactive()
    }

    /// Answers every command that is there whole.
    private func process(_ context: ChannelHandlerContext) {
        let engine = engine
        var isDone = false
        var mustWait = false
        while !isDone, !isStalled, !session.isEnding {
            engine.out.count = 0
            let taken = input.withUnsafeReadableBytes { bytes -> Int in
                let base = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
                var at = 0
                while at < bytes.count, !session.isEnding, engine.out.count < limits.flushBytes {
                    let used = engine.step(base! + at, bytes.count - at, session)
                    guard used > 0 else {
                        isDone = true
                        mustWait = used < 0
                        break
                    }
                    at += used
                }
                return at
            }
            input.moveReaderIndex(forwardBy: taken)
            if input.readableBytes == 0 { isDone = true }
            if engine.out.count > 0 {
                output.clear(minimumCapacity: engine.out.count)
                output.writeBytes(
                    UnsafeRawBufferPointer(start: engine.out.base, count: engine.out.count))
                context.writeAndFlush(wrapOutboundOut(output), promise: nil)
                isStalled = !context.channel.isWritable
            }
        }
        if mustWait { return wait(context) }
        if session.isEnding { close(context) }
    }

    /// Has the commands that are there answered on another thread: the first needs what is not in memory.
    private func wait(_ context: ChannelHandlerContext) {
        isWaiting = true
        waiting.answer(input, session, bytesMax: limits.flushBytes, on: context.eventLoop)
            .assumeIsolated().whenComplete { result in
                self.finish(try? result.get(), context)
            }
    }

    /// Gives the answers that were waited for, and goes on with what came in meanwhile.
    private func finish(_ answer: RESPWaiting.Answer?, _ context: ChannelHandlerContext) {
        isWaiting = false
        lastByte = .now()
        guard context.channel.isActive, !hasClosed else { return session.isEnding = true }
        guard let answer, answer.taken > 0 else {
            session.isEnding = true
            return close(context)
        }
        input.moveReaderIndex(forwardBy: answer.taken)
        if !answer.bytes.isEmpty {
            context.writeAndFlush(
                wrapOutboundOut(ByteBuffer(bytes: answer.bytes)), promise: nil)
            isStalled = !context.channel.isWritable
        }
        if isOver { session.isEnding = true }
        if session.isEnding { return close(context) }
        if !isStalled { process(context) }
        if !isWaiting, !isReading { setReading(true, context) }
    }

    private func close(_ context: ChannelHandlerContext) {
        guard !hasClosed else { return }
        hasClosed = true
        let flushed = context.eventLoop.makePromise(of: Void.self)
        flushed.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
        context.close(mode: .output, promise: flushed)
    }

    /// Closes a connection whose client began a command and never ended it, or does not take its answers.
    private func watch(_ context: ChannelHandlerContext) {
        context.eventLoop.assumeIsolated().scheduleTask(in: limits.requestTime) {
            guard context.channel.isActive else { return }
            if self.isWaiting { return self.watch(context) }
            let quiet = NIODeadline.now() - self.lastByte
            if quiet > self.limits.requestTime, self.isStalled || self.input.readableBytes > 0 {
                return context.close(promise: nil)
            }
            self.watch(context)
        }
    }
}

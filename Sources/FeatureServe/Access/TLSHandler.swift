import CTLS
import NIOCore

/// Ends TLS in front of a lane: encrypted bytes outside, plain bytes inside.
///
/// OpenSSL reads and writes memory only; this moves what it makes to and from the socket. What the lane writes
/// before the handshake is over waits for it.
final class TLSHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let tls: OpaquePointer
    private var waiting: [(ByteBuffer, EventLoopPromise<Void>?)] = []
    private var isBroken = false
    private var isClosed = false

    /// A handshake that takes longer is given up.
    static let handshakeTime = TimeAmount.seconds(10)
    private static let chunkBytes = 1 << 14

    init(_ server: TLSServer) { tls = server.connection() }

    deinit { millrace_tls_free(tls) }

    func channelActive(context: ChannelHandlerContext) {
        context.eventLoop.assumeIsolated().scheduleTask(in: TLSHandler.handshakeTime) {
            [weak self] in
            guard let self, millrace_tls_is_open(self.tls) == 0 else { return }
            context.close(promise: nil)
        }
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        guard !isBroken else { return }
        _ = bytes.withUnsafeReadableBytes {
            millrace_tls_feed(tls, $0.baseAddress, Int32($0.count))
        }
        let wasOpen = millrace_tls_is_open(tls) != 0
        var status: Int32 = 0
        repeat {
            var plain = context.channel.allocator.buffer(capacity: TLSHandler.chunkBytes)
            plain.writeWithUnsafeMutableBytes(minimumWritableBytes: TLSHandler.chunkBytes) {
                status = millrace_tls_read(tls, $0.baseAddress, Int32(TLSHandler.chunkBytes))
                return max(0, Int(status))
            }
            if status > 0 {
                context.fireChannelRead(wrapInboundOut(plain))
            }
        } while status > 0
        if status == -2 { isBroken = true }
        if !wasOpen, millrace_tls_is_open(tls) != 0 { writeWaiting(context) }
        send(context, nil)
        context.flush()
        if status == -1 { context.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }
        if status == -2 { context.close(promise: nil) }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let bytes = unwrapOutboundIn(data)
        guard millrace_tls_is_open(tls) != 0 else { return waiting.append((bytes, promise)) }
        encrypt(context, bytes, promise)
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if mode != .input, !isClosed {
            isClosed = true
            if !isBroken, millrace_tls_is_open(tls) != 0 {
                millrace_tls_close(tls)
                send(context, nil)
                context.flush()
            }
        }
        context.close(mode: mode, promise: promise)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        for (_, promise) in waiting { promise?.fail(ChannelError.ioOnClosedChannel) }
        waiting.removeAll()
    }

    private func writeWaiting(_ context: ChannelHandlerContext) {
        let writes = waiting
        waiting.removeAll()
        for (bytes, promise) in writes { encrypt(context, bytes, promise) }
    }

    private func encrypt(
        _ context: ChannelHandlerContext, _ bytes: ByteBuffer, _ promise: EventLoopPromise<Void>?
    ) {
        guard !isClosed, !isBroken else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        if bytes.readableBytes > 0 {
            let taken = bytes.withUnsafeReadableBytes {
                millrace_tls_write(tls, $0.baseAddress, Int32($0.count))
            }
            if taken < 0 {
                isBroken = true
                promise?.fail(ChannelError.ioOnClosedChannel)
                return
            }
        }
        send(context, promise)
    }

    /// Hands what OpenSSL has made to the socket.
    private func send(_ context: ChannelHandlerContext, _ promise: EventLoopPromise<Void>?) {
        var output = context.channel.allocator.buffer(capacity: TLSHandler.chunkBytes)
        var taken = 0
        repeat {
            output.writeWithUnsafeMutableBytes(minimumWritableBytes: TLSHandler.chunkBytes) {
                taken = Int(
                    millrace_tls_take(tls, $0.baseAddress, Int32(TLSHandler.chunkBytes)))
                return taken
            }
        } while taken > 0
        guard output.readableBytes > 0 else {
            promise?.succeed(())
            return
        }
        context.write(wrapOutboundOut(output), promise: promise)
    }
}

import CEpoll
import Glibc

/// A connection to the control port: one command a line, one line of answer.
final class ControlSession {
    private let descriptor: Int32
    private unowned let loop: EventLoop
    private unowned let broker: Broker
    private let onClose: () -> Void
    private var line: [UInt8] = []

    init(
        _ descriptor: Int32, _ loop: EventLoop, _ broker: Broker, onClose: @escaping () -> Void
    ) {
        self.descriptor = descriptor
        self.loop = loop
        self.broker = broker
        self.onClose = onClose
        loop.watch(descriptor, EPOLLIN.rawValue) { [unowned self] _ in receive() }
    }

    deinit { close(descriptor) }

    private func receive() {
        var block = [UInt8](repeating: 0, count: 4096)
        let count = recv(descriptor, &block, block.count, 0)
        if count < 0, errno == EAGAIN || errno == EINTR { return }
        guard count > 0, line.count + count < 1 << 16 else {
            loop.forget(descriptor)
            return onClose()
        }
        for byte in block[..<count] {
            if byte != UInt8(ascii: "\n") {
                line.append(byte)
                continue
            }
            let answer = BrokerCommand.run(String(decoding: line, as: UTF8.self), on: broker)
            line = []
            // Short answers to one who waits for them: they always fit the socket's buffer.
            let bytes = Array((answer + "\n").utf8)
            _ = send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        }
    }
}

import CEpoll
import Glibc

/// A port of the loopback address that accepts connections.
final class Listener {
    let descriptor: Int32
    let port: Int32
    private var isClosed = false

    /// Listens on `port`; 0 is one that the system chooses.
    init(port: Int32) throws(BrokerFailure) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Listener.flags, 0)
        guard descriptor >= 0 else { throw BrokerFailure("make", "a socket", errno) }
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, 4)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address -> Int32 in
                guard bind(descriptor, address, size) == 0, listen(descriptor, 128) == 0,
                    getsockname(descriptor, address, &size) == 0
                else { return errno }
                return 0
            }
        }
        guard code == 0 else {
            Glibc.close(descriptor)
            throw BrokerFailure("listen on", "127.0.0.1:\(port)", code)
        }
        self.descriptor = descriptor
        self.port = Int32(UInt16(bigEndian: address.sin_port))
    }

    deinit { close() }

    /// Frees the port; a second time does nothing.
    func close() {
        if !isClosed { Glibc.close(descriptor) }
        isClosed = true
    }

    private static var flags: Int32 {
        Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    }

    /// The next connection that waits; nil when none does.
    func accept() -> Int32? {
        let connection = Glibc.accept(descriptor, nil, nil)
        guard connection >= 0 else { return nil }
        _ = fcntl(connection, F_SETFL, O_NONBLOCK)
        _ = fcntl(connection, F_SETFD, FD_CLOEXEC)
        var yes: Int32 = 1
        setsockopt(connection, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, 4)
        return connection
    }
}

import NIOCore

/// The bounds of the server: what one client may take of it.
public struct ServerLimits: Sendable {
    /// The largest body: 65,536 composite keys of a hundred bytes.
    public var bodyBytes = 8 << 20
    /// Connections at a time; more are closed at once.
    public var connections = 4096
    /// How long a request may take to arrive, and answers to be taken.
    public var requestTime = TimeAmount.seconds(10)
    /// How long a connection may rest between requests.
    public var idleTime = TimeAmount.seconds(75)
    /// How long a closing connection waits for the client to close too.
    var lingering = TimeAmount.seconds(2)
    /// Answers gathered before they are handed to the socket.
    var flushBytes = 1 << 18

    /// The usual bounds.
    public init() {}
}

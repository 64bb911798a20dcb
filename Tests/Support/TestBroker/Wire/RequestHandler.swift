/// Who sent a request, and to which node.
struct RequestOrigin {
    /// A number that no other connection of this broker has had.
    var connection: Int
    /// The node whose port the client connected to.
    var node: Int32
    /// The client's address as Kafka shows it: "/127.0.0.1".
    var host: String
}

/// Answers the requests of some APIs.
///
/// Everything runs on the broker's one thread: a handler needs no lock and must not block.
protocol RequestHandler: AnyObject {
    /// The requests that come here.
    var apis: [API] { get }

    /// Answers a request, at once or later.
    ///
    /// - Shape: `reply` is called exactly once, on the broker's thread; `nil` means that the protocol has
    ///   no answer (acks=0). The connection's next request is not read before that, as Apache Kafka does.
    ///   The bytes that `request` lends are gone when this returns.
    /// - Throws: when the body is not what the protocol says; the connection is then closed.
    func handle(
        _ request: inout RequestReader, header: RequestHeader, origin: RequestOrigin,
        reply: @escaping (ResponseWriter?) -> Void
    ) throws(WireFailure)
}

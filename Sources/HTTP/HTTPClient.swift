import Glibc
import Synchronization

/// How a client connects.
public struct HTTPSettings: Equatable, Sendable {
    /// The longest wait for a connection, in milliseconds.
    public var connectMillis = 5000
    /// The longest time in which nothing may arrive or leave, in seconds.
    public var stallSeconds = 15
    /// The longest a whole request may take, in milliseconds.
    public var totalMillis = 300_000
    /// The most bytes of an answer that are kept in memory.
    public var bodyBytesMax = 64 << 20
    /// How many connections are kept for later requests.
    public var connectionsKept = 8
    /// A file of certificates (PEM) to trust instead of the system's.
    public var authorityFile: String?
    /// The file of this client's certificate (PEM), where the server asks for one.
    public var certificateFile: String?
    /// The file of that certificate's private key (PEM).
    public var keyFile: String?
    /// User and password for basic authentication.
    public var user: String?
    /// The password of `user`.
    public var password: String?

    /// The defaults.
    public init() {}
}

/// Sends requests and keeps connections for the next ones.
///
/// - Note: any thread may call it, many at once: each request has a connection of its own while it is
///   under way. It blocks its caller and has no threads.
public final class HTTPClient: Sendable {
    private let settings: HTTPSettings
    private let pause: @Sendable (_ millis: Int) -> Void
    private let idle = Mutex<[HTTPConnection]>([])

    /// A client; `pause` waits between tries.
    public init(
        _ settings: HTTPSettings = HTTPSettings(),
        pause: @escaping @Sendable (_ millis: Int) -> Void = { usleep(UInt32($0) * 1000) }
    ) {
        self.settings = settings
        self.pause = pause
    }

    /// Sends a request once.
    ///
    /// - Parameter path: a file that the body of a successful answer is written to, replacing what it
    ///   held; nil for memory.
    /// - Returns: the answer, whatever its status.
    /// - Throws: when there is no whole answer; whether the server has done what was asked is then not
    ///   known.
    public func send(
        _ request: HTTPRequest, into path: String? = nil
    ) throws(HTTPFailure) -> HTTPResponse {
        let kept = idle.withLock { $0.popLast() }
        let connection: HTTPConnection
        if let kept {
            connection = kept
        } else {
            connection = try HTTPConnection(host: request.host)
        }
        let response = try connection.send(request, settings, into: path)
        idle.withLock { if $0.count < settings.connectionsKept { $0.append(connection) } }
        return response
    }

    /// Sends what `make` gives until there is an answer that is worth keeping.
    ///
    /// A failure that passes and an answer such as 503 are tried again as `policy` says. The server may
    /// then have done the same thing twice: for requests that bear it.
    ///
    /// - Parameters:
    ///   - statuses: further statuses that are tried again.
    ///   - make: asked before each try, so that a signature has the time of its try.
    /// - Returns: the last answer, whatever its status.
    public func send(
        retrying policy: RetryPolicy, also statuses: Set<Int> = [], into path: String? = nil,
        _ make: () -> HTTPRequest
    ) throws(HTTPFailure) -> HTTPResponse {
        var done = 0
        while true {
            done += 1
            let chance = Double.random(in: 0..<1)
            do throws(HTTPFailure) {
                let response = try send(make(), into: path)
                let isPassing =
                    HTTPFailure.isPassing(status: response.status)
                    || statuses.contains(response.status)
                guard isPassing,
                    let wait = policy.wait(
                        after: done, chance: chance,
                        wishSeconds: response.header("retry-after").flatMap { Int($0) })
                else { return response }
                pause(wait)
            } catch {
                guard error.isPassing, let wait = policy.wait(after: done, chance: chance) else {
                    throw error
                }
                pause(wait)
            }
        }
    }
}

import CTLS
import Glibc
import StreamRuntime
import Synchronization

/// A server's certificate and key, and whose clients it takes; one for each protocol.
///
/// The files are looked at again when a client connects, at most every thirty seconds: once they have changed,
/// further connections get the new certificate. Files that do not fit together leave the old one in use.
///
/// - Note: `@unchecked Sendable` because OpenSSL's contexts count their own uses and are not changed after they are
///   made; which one is in use is behind a lock.
public final class TLSServer: @unchecked Sendable {
    /// The files, in PEM.
    public struct Files: Equatable, Sendable {
        /// The server's certificate, followed by those that vouch for it.
        public var certificate: String
        /// Its private key.
        public var key: String
        /// Who signs the clients' certificates; nil when clients need none.
        public var clientAuthority: String?

        /// The files of a server.
        public init(certificate: String, key: String, clientAuthority: String? = nil) {
            self.certificate = certificate
            self.key = key
            self.clientAuthority = clientAuthority
        }
    }

    /// What tells a file from the one that was there before.
    private struct Stamp: Equatable {
        var seconds = 0
        var nanos = 0
        var bytes = 0
        var node: UInt = 0

        init(_ path: String) {
            var found = stat()
            guard stat(path, &found) == 0 else { return }
            seconds = found.st_mtim.tv_sec
            nanos = found.st_mtim.tv_nsec
            bytes = Int(found.st_size)
            node = UInt(found.st_ino)
        }
    }

    private struct State {
        var handle: OpaquePointer
        /// Those of certificates before, which connections may still use.
        var retired: [OpaquePointer] = []
        var stamps: [Stamp]
        var lookedNanos: Int64
    }

    private let files: Files
    private let name: String
    private let intervalNanos: Int64
    private let state: Mutex<State>
    private let renewed: Counter?
    private let failed: Counter?

    /// How often the files are looked at.
    static let usualIntervalNanos: Int64 = 30_000_000_000

    /// A server that speaks `protocol` (a name of ALPN) inside TLS 1.2 or 1.3.
    ///
    /// - Throws: naming the file that cannot be used.
    init(
        _ files: Files, protocol name: String, metrics: MetricsRegistry? = nil,
        intervalNanos: Int64 = usualIntervalNanos
    ) throws(JobFailure) {
        self.files = files
        self.name = name
        self.intervalNanos = intervalNanos
        renewed = metrics?.counter(
            "millrace_tls_renewals_total", help: "Changed certificates that were taken into use.",
            labels: [("protocol", name)])
        failed = metrics?.counter(
            "millrace_tls_renewal_failures_total",
            help: "Looks at changed certificates that could not be used.",
            labels: [("protocol", name)])
        let stamps = TLSServer.stamps(files)
        let made = try TLSServer.make(files, name)
        state = Mutex(
            State(handle: made, stamps: stamps, lookedNanos: WallClock.monotonicNanos()))
    }

    deinit {
        state.withLock { state in
            for handle in state.retired + [state.handle] { millrace_tls_server_free(handle) }
        }
    }

    /// A connection of a client, with the certificate of now.
    func connection() -> OpaquePointer {
        let now = WallClock.monotonicNanos()
        return state.withLock { state in
            if now - state.lookedNanos >= intervalNanos {
                state.lookedNanos = now
                renew(&state)
            }
            return millrace_tls_new(state.handle)
        }
    }

    private func renew(_ state: inout State) {
        let stamps = TLSServer.stamps(files)
        guard stamps != state.stamps else { return }
        do throws(JobFailure) {
            let made = try TLSServer.make(files, name)
            state.retired.append(state.handle)
            state.handle = made
            state.stamps = stamps
            renewed?.add()
        } catch {
            // Perhaps only one of them has been replaced so far: they are looked at again.
            failed?.add()
        }
    }

    private static func stamps(_ files: Files) -> [Stamp] {
        [files.certificate, files.key, files.clientAuthority].compactMap { $0 }.map { Stamp($0) }
    }

    private static func make(
        _ files: Files, _ name: String
    ) throws(JobFailure) -> OpaquePointer {
        var message = [CChar](repeating: 0, count: 512)
        guard
            let made = millrace_tls_server_new(
                files.certificate, files.key, files.clientAuthority, name, &message,
                message.count)
        else {
            let text = String(
                decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            throw JobFailure(
                .environment, text, at: "job.serve.tls",
                remedy: "give PEM files that this process may read, and the key of the certificate")
        }
        return made
    }
}

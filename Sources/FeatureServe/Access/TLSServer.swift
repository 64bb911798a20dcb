import CTLS
import StreamRuntime

/// A server's certificate and key, and whose clients it takes; made once for each protocol.
///
/// - Note: `@unchecked Sendable` because OpenSSL's context counts its own uses and is not changed after it is made.
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

    let handle: OpaquePointer

    /// A server that speaks `protocol` (a name of ALPN) inside TLS 1.2 or 1.3.
    ///
    /// - Throws: naming the file that cannot be used.
    init(_ files: Files, protocol name: String) throws(JobFailure) {
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
        handle = made
    }

    deinit { millrace_tls_server_free(handle) }
}

import CCurl
import Glibc

/// One handle of libcurl, with the connections it keeps open.
///
/// - Note: used by one thread at a time, which is why it may be handed on.
final class HTTPConnection: @unchecked Sendable {
    private let handle: UnsafeMutableRawPointer
    private static let isReady: Bool = curl_global_init(Int(CURL_GLOBAL_ALL)) == CURLE_OK

    init(host: String) throws(HTTPFailure) {
        guard HTTPConnection.isReady, let made = curl_easy_init() else {
            throw HTTPFailure(
                .unreachable, "the HTTP library does not start", host: host,
                remedy: "check the installation of libcurl")
        }
        handle = made
    }

    deinit { curl_easy_cleanup(handle) }

    /// Sends one request and waits for its answer.
    func send(
        _ request: HTTPRequest, _ settings: HTTPSettings, into path: String?
    ) throws(HTTPFailure) -> HTTPResponse {
        curl_easy_reset(handle)
        let transfer = try HTTPTransfer(
            handle: handle, body: request.body, into: path, host: request.host,
            bodyBytesMax: settings.bodyBytesMax)
        defer { transfer.close() }
        apply(settings)
        set(CURLOPT_URL, request.url)
        set(CURLOPT_PROTOCOLS_STR, "http,https")
        var lines: UnsafeMutablePointer<curl_slist>?
        defer { curl_slist_free_all(lines) }
        // A server need not be asked first whether it would take a body.
        for line in ["Expect:"] + request.headers.map({ "\($0.name): \($0.value)" }) {
            guard !line.utf8.contains(where: { $0 < 32 }) else {
                throw HTTPFailure(
                    .malformed, "a header holds a line break", host: request.host,
                    remedy: "remove it from the value")
            }
            lines = curl_slist_append(lines, line)
        }
        millrace_curl_set_pointer(handle, CURLOPT_HTTPHEADER, lines)
        switch request.method {
        case .get: set(CURLOPT_HTTPGET, 1)
        case .head: set(CURLOPT_NOBODY, 1)
        case .delete where request.body == .none: set(CURLOPT_CUSTOMREQUEST, "DELETE")
        case .put, .post, .delete:
            set(CURLOPT_UPLOAD, 1)
            set(CURLOPT_CUSTOMREQUEST, request.method.rawValue)
            millrace_curl_set_size(handle, CURLOPT_INFILESIZE_LARGE, curl_off_t(request.body.count))
        }
        var text = [CChar](repeating: 0, count: Int(CURL_ERROR_SIZE) + 1)
        let code = text.withUnsafeMutableBytes { text in
            millrace_curl_set_pointer(handle, CURLOPT_ERRORBUFFER, text.baseAddress)
            transfer.attach()
            let code = curl_easy_perform(handle)
            millrace_curl_set_pointer(handle, CURLOPT_ERRORBUFFER, nil)
            return code
        }
        guard code == CURLE_OK else {
            if let failure = transfer.failure { throw failure }
            let said = String(
                decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            throw HTTPConnection.failure(
                code, said.isEmpty ? String(cString: curl_easy_strerror(code)) : said, request.host)
        }
        return HTTPResponse(
            status: Int(millrace_curl_status(handle)), headers: transfer.headers,
            body: transfer.received)
    }

    private func apply(_ settings: HTTPSettings) {
        // Signals are the process's own; without them a lookup of a name may outlast its limit.
        set(CURLOPT_NOSIGNAL, 1)
        set(CURLOPT_CONNECTTIMEOUT_MS, settings.connectMillis)
        set(CURLOPT_TIMEOUT_MS, settings.totalMillis)
        set(CURLOPT_LOW_SPEED_LIMIT, 1)
        set(CURLOPT_LOW_SPEED_TIME, settings.stallSeconds)
        set(CURLOPT_TCP_NODELAY, 1)
        set(CURLOPT_USERAGENT, "millrace")
        if let file = settings.authorityFile { set(CURLOPT_CAINFO, file) }
        if let file = settings.certificateFile { set(CURLOPT_SSLCERT, file) }
        if let file = settings.keyFile { set(CURLOPT_SSLKEY, file) }
        if let user = settings.user {
            set(CURLOPT_HTTPAUTH, 1)
            set(CURLOPT_USERNAME, user)
            set(CURLOPT_PASSWORD, settings.password ?? "")
        }
    }

    private func set(_ option: CURLoption, _ value: Int) {
        millrace_curl_set_number(handle, option, value)
    }

    private func set(_ option: CURLoption, _ value: String) {
        millrace_curl_set_text(handle, option, value)
    }

    private static func failure(_ code: CURLcode, _ said: String, _ host: String) -> HTTPFailure {
        let (kind, remedy): (HTTPFailure.Kind, String) =
            switch code {
            case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_CONNECT:
                (.unreachable, "check the host and port, and that the server runs")
            case CURLE_OPERATION_TIMEDOUT:
                (.timeout, "check the server and the network between")
            case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CONNECT_ERROR, CURLE_SSL_CERTPROBLEM,
                CURLE_SSL_CIPHER, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR:
                (
                    .tls,
                    "give the file of the authority's certificate, and of the client's where asked"
                )
            case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL, CURLE_BAD_FUNCTION_ARGUMENT:
                (.malformed, "write an address such as https://host:port/path")
            default: (.torn, "check the server and the network between")
            }
        return HTTPFailure(kind, "the request failed: \(said)", host: host, remedy: remedy)
    }
}

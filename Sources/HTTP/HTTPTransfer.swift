import CCurl
import Glibc

/// The bytes of one request on their way: what libcurl's callbacks read from and write to.
final class HTTPTransfer {
    private(set) var received: [UInt8] = []
    private(set) var headers: [HTTPHeader] = []
    /// What went wrong on this side.
    private(set) var failure: HTTPFailure?

    private let handle: UnsafeMutableRawPointer
    private let body: HTTPBody
    private let host: String
    private let bodyBytesMax: Int
    private let path: String?
    private var sent: Int64 = 0
    private var source: Int32 = -1
    private var target: Int32 = -1

    init(
        handle: UnsafeMutableRawPointer, body: HTTPBody, into path: String?, host: String,
        bodyBytesMax: Int
    ) throws(HTTPFailure) {
        self.handle = handle
        self.body = body
        self.path = path
        self.host = host
        self.bodyBytesMax = bodyBytesMax
        if case .file(let path, _, _) = body {
            source = open(path, O_RDONLY | O_CLOEXEC)
            guard source >= 0 else { throw HTTPTransfer.failure("read", path, host) }
        }
        if let path {
            target = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
            guard target >= 0 else {
                let failure = HTTPTransfer.failure("written", path, host)
                close()
                throw failure
            }
        }
    }

    /// Closes its files; nothing else may follow.
    func close() {
        if source >= 0 { Glibc.close(source) }
        if target >= 0 { Glibc.close(target) }
        source = -1
        target = -1
    }

    /// Makes itself the handle's source and target.
    func attach() {
        let owner = Unmanaged.passUnretained(self).toOpaque()
        millrace_curl_set_transfer(handle, CURLOPT_READFUNCTION) { bytes, size, count, owner in
            HTTPTransfer.of(owner).give(bytes!, size * count)
        }
        millrace_curl_set_pointer(handle, CURLOPT_READDATA, owner)
        millrace_curl_set_seek(handle) { owner, offset, origin in
            guard origin == SEEK_SET else { return Int32(CURL_SEEKFUNC_CANTSEEK) }
            HTTPTransfer.of(owner).sent = Int64(offset)
            return Int32(CURL_SEEKFUNC_OK)
        }
        millrace_curl_set_pointer(handle, CURLOPT_SEEKDATA, owner)
        millrace_curl_set_transfer(handle, CURLOPT_WRITEFUNCTION) { bytes, size, count, owner in
            HTTPTransfer.of(owner).take(UnsafeRawBufferPointer(start: bytes, count: size * count))
        }
        millrace_curl_set_pointer(handle, CURLOPT_WRITEDATA, owner)
        millrace_curl_set_transfer(handle, CURLOPT_HEADERFUNCTION) { bytes, size, count, owner in
            let line = UnsafeRawBufferPointer(start: bytes, count: size * count)
            HTTPTransfer.of(owner).takeHeader(line)
            return line.count
        }
        millrace_curl_set_pointer(handle, CURLOPT_HEADERDATA, owner)
    }

    private static func of(_ owner: UnsafeMutableRawPointer?) -> HTTPTransfer {
        Unmanaged<HTTPTransfer>.fromOpaque(owner!).takeUnretainedValue()
    }

    private static func failure(_ what: String, _ path: String, _ host: String) -> HTTPFailure {
        let reason = String(cString: strerror(errno))
        return HTTPFailure(
            .file, "\(path) cannot be \(what): \(reason)", host: host,
            remedy: "check the disk that holds \(path) and its permissions")
    }

    private func give(_ bytes: UnsafeMutablePointer<CChar>, _ room: Int) -> Int {
        let count = min(Int64(room), body.count - sent)
        guard count > 0 else { return 0 }
        switch body {
        case .none: return 0
        case .bytes(let all):
            all.withUnsafeBytes {
                UnsafeMutableRawPointer(bytes)
                    .copyMemory(from: $0.baseAddress! + Int(sent), byteCount: Int(count))
            }
            sent += count
            return Int(count)
        case .file(let path, let offset, _):
            let got = pread(source, bytes, Int(count), off_t(offset + sent))
            guard got > 0 else {
                failure =
                    got < 0
                    ? HTTPTransfer.failure("read", path, host)
                    : HTTPFailure(
                        .file, "\(path) is shorter than it was", host: host,
                        remedy: "do not change the file while it is sent")
                return Int(CURL_READFUNC_ABORT)
            }
            sent += Int64(got)
            return got
        }
    }

    private func take(_ bytes: UnsafeRawBufferPointer) -> Int {
        let status = millrace_curl_status(handle)
        if target >= 0, status >= 200, status < 300 {
            var written = 0
            while written < bytes.count {
                let count = write(target, bytes.baseAddress! + written, bytes.count - written)
                guard count > 0 else {
                    failure = HTTPTransfer.failure("written", path ?? "", host)
                    return 0
                }
                written += count
            }
            return bytes.count
        }
        guard received.count + bytes.count <= bodyBytesMax else {
            failure = HTTPFailure(
                .tooLarge, "the answer is larger than \(bodyBytesMax) bytes", host: host,
                remedy: "check that the address is the right one")
            return 0
        }
        received.append(contentsOf: bytes)
        return bytes.count
    }

    private func takeHeader(_ bytes: UnsafeRawBufferPointer) {
        let line = String(decoding: bytes, as: UTF8.self)
        // An answer that another one follows (100 Continue) counts for nothing.
        if line.hasPrefix("HTTP/") { headers = [] }
        guard let colon = line.firstIndex(of: ":") else { return }
        headers.append(
            HTTPHeader(
                String(line[..<colon]), HTTPTransfer.trim(line[line.index(after: colon)...])))
    }

    private static func trim(_ text: Substring) -> String {
        String(
            text.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
}

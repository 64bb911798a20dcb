import Glibc
import HTTP
import StreamRuntime

/// A bucket of S3 or of a server that speaks its API, as an archive of checkpoints.
///
/// - Note: any thread may call it. Names are those under the prefix of its settings.
public final class S3Bucket: CheckpointArchive {
    private let settings: S3Settings
    private let client: HTTPClient
    private let root: String
    private let rootPath: String
    private let nowMillis: @Sendable () -> Int64

    /// A bucket; nothing is asked of it yet.
    public convenience init(_ settings: S3Settings) {
        self.init(settings, client: HTTPClient(settings.http)) {
            var now = timespec()
            clock_gettime(CLOCK_REALTIME, &now)
            return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
        }
    }

    init(
        _ settings: S3Settings, client: HTTPClient, nowMillis: @escaping @Sendable () -> Int64
    ) {
        self.settings = settings
        self.client = client
        self.nowMillis = nowMillis
        root = settings.root
        let host = HTTPText.host(of: root)
        rootPath = String(root[root.firstRange(of: host)!.upperBound...])
    }

    /// The bucket and the prefix.
    public var place: String { "s3://\(settings.bucket)/\(settings.prefix)" }

    // MARK: objects

    /// Every object whose name begins with `prefix`, and the server's time.
    public func list(_ prefix: String) throws(JobFailure) -> ArchiveListing {
        var objects: [ArchiveListing.Object] = []
        var continuation: String?
        var now = nowMillis()
        repeat {
            var query = [("list-type", "2"), ("prefix", settings.prefix + prefix)]
            if let continuation { query.append(("continuation-token", continuation)) }
            let response = try ask(.get, nil, query: query)
            guard response.isSuccess else { throw failure(response, "listed", prefix) }
            let text = String(decoding: response.body, as: UTF8.self)
            for entry in XMLText.elements("Contents", in: text[...]) {
                guard let key = XMLText.text("Key", in: entry),
                    let bytes = XMLText.text("Size", in: entry).flatMap({ Int64($0) }),
                    let written = XMLText.text("LastModified", in: entry)
                        .flatMap(S3Time.millis(iso:)),
                    key.hasPrefix(settings.prefix)
                else { throw failure(response, "listed", prefix) }
                objects.append(
                    ArchiveListing.Object(
                        name: String(key.dropFirst(settings.prefix.count)), bytes: bytes,
                        writtenMillis: written))
            }
            now = response.header("date").flatMap(S3Time.millis(header:)) ?? now
            continuation =
                XMLText.text("IsTruncated", in: text[...]) == "true"
                ? XMLText.text("NextContinuationToken", in: text[...]) : nil
        } while continuation != nil
        return ArchiveListing(objects: objects.sorted { $0.name < $1.name }, nowMillis: now)
    }

    /// The bytes of a small object; nil when it is not there.
    public func read(_ name: String) throws(JobFailure) -> [UInt8]? {
        let response = try ask(.get, name)
        if isMissing(response) { return nil }
        guard response.isSuccess else { throw failure(response, "read", name) }
        return response.body
    }

    /// Writes an object to a file; false when there is no such object.
    public func download(_ name: String, to path: String) throws(JobFailure) -> Bool {
        let response = try ask(.get, name, into: path)
        if isMissing(response) {
            unlink(path)
            return false
        }
        guard response.isSuccess else { throw failure(response, "read", name) }
        return true
    }

    /// The size of an object; nil when it is not there.
    public func size(_ name: String) throws(JobFailure) -> Int64? {
        let response = try ask(.head, name)
        // The answer to HEAD has no body that would tell a missing bucket from a missing object.
        if response.status == 404 { return nil }
        guard response.isSuccess else { throw failure(response, "read", name) }
        return response.header("content-length").flatMap { Int64($0) }
    }

    /// Makes an object of a file's bytes, in parts when it is large.
    public func upload(_ path: String, as name: String) throws(JobFailure) {
        let file = try MappedFile(path)
        guard file.count > settings.partBytes else {
            let response = try ask(
                .put, name, body: .file(path: path, offset: 0, count: file.count),
                digest: file.digest(0, file.count))
            guard response.isSuccess else { throw failure(response, "written", name) }
            return
        }
        try uploadParts(file, path, name)
    }

    /// Makes an object if there is none of that name; false when there is one with other bytes.
    ///
    /// When the answer to a try was lost, the next try finds the object there: one with these very
    /// bytes counts as made.
    public func create(_ name: String, _ bytes: [UInt8]) throws(JobFailure) -> Bool {
        // Two writers at the same moment: the server asks one of them to try again (409).
        let response = try ask(
            .put, name, headers: [HTTPHeader("if-none-match", "*")], body: .bytes(bytes),
            digest: Digest.hexadecimal(Digest.sha256(bytes)), also: [409])
        if response.isSuccess { return true }
        guard response.status == 412 else { throw failure(response, "written", name) }
        return try read(name) == bytes
    }

    /// Removes an object.
    public func remove(_ name: String) throws(JobFailure) {
        let response = try ask(.delete, name)
        guard response.isSuccess || isMissing(response) else {
            throw failure(response, "removed", name)
        }
    }

    // MARK: parts

    private func uploadParts(
        _ file: MappedFile, _ path: String, _ name: String
    ) throws(JobFailure) {
        let begun = try ask(.post, name, query: [("uploads", "")])
        guard begun.isSuccess,
            let upload = XMLText.text(
                "UploadId", in: String(decoding: begun.body, as: UTF8.self)[...])
        else { throw failure(begun, "written", name) }
        do throws(JobFailure) {
            try sendParts(file, path, name, upload: upload)
        } catch {
            // Parts that were sent cost until the upload is given up.
            _ = try? ask(.delete, name, query: [("uploadId", upload)])
            throw error
        }
    }

    private func sendParts(
        _ file: MappedFile, _ path: String, _ name: String, upload: String
    ) throws(JobFailure) {
        // A server takes at most 10,000 parts.
        let partBytes = max(settings.partBytes, (file.count + 9999) / 10_000)
        var tags: [String] = []
        var offset: Int64 = 0
        while offset < file.count {
            let count = min(partBytes, file.count - offset)
            let response = try ask(
                .put, name, query: [("partNumber", "\(tags.count + 1)"), ("uploadId", upload)],
                body: .file(path: path, offset: offset, count: count),
                digest: file.digest(offset, count))
            guard response.isSuccess, let tag = response.header("etag") else {
                throw failure(response, "written", name)
            }
            tags.append(tag)
            offset += count
        }
        var body = "<CompleteMultipartUpload>"
        for (index, tag) in tags.enumerated() {
            body += "<Part><PartNumber>\(index + 1)</PartNumber><ETag>\(tag)</ETag></Part>"
        }
        body += "</CompleteMultipartUpload>"
        let bytes = Array(body.utf8)
        let response = try ask(
            .post, name, query: [("uploadId", upload)], body: .bytes(bytes),
            digest: Digest.hexadecimal(Digest.sha256(bytes)))
        // The server may find out after it has answered 200 that it failed.
        let text = String(decoding: response.body, as: UTF8.self)
        guard response.isSuccess, XMLText.elements("Error", in: text[...]).isEmpty else {
            // A try whose answer was lost may have completed it.
            if try size(name) == file.count { return }
            throw failure(response, "written", name)
        }
    }

    // MARK: requests

    private static let emptyDigest = Digest.hexadecimal(Digest.sha256([]))

    private func ask(
        _ method: HTTPRequest.Method, _ name: String?,
        query: [(name: String, value: String)] = [], headers: [HTTPHeader] = [],
        body: HTTPBody = .none, digest: String = S3Bucket.emptyDigest, also statuses: Set<Int> = [],
        into path: String? = nil
    ) throws(JobFailure) -> HTTPResponse {
        let key = name.map { "/" + HTTPText.encode(settings.prefix + $0, keepsSlashes: true) }
        do {
            return try client.send(retrying: settings.retry, also: statuses, into: path) {
                signed(method, key ?? "", query, headers, body, digest)
            }
        } catch {
            throw JobFailure(
                .checkpoint, "the object store does not answer: \(error.problem)",
                at: "\(place)\(name ?? "") (\(error.host))", remedy: error.remedy,
                recovery: error.isPassing ? .retry(afterMillis: 5000) : .stopAndAsk)
        }
    }

    private func signed(
        _ method: HTTPRequest.Method, _ key: String, _ query: [(name: String, value: String)],
        _ headers: [HTTPHeader], _ body: HTTPBody, _ digest: String
    ) -> HTTPRequest {
        let moment = S3Time.compact(millis: nowMillis())
        var all = headers
        all.append(HTTPHeader("x-amz-date", moment))
        all.append(HTTPHeader("x-amz-content-sha256", digest))
        if let token = settings.credentials.sessionToken {
            all.append(HTTPHeader("x-amz-security-token", token))
        }
        let path = rootPath + key
        let subject = S3Signature.Subject(
            method: method.rawValue, path: path.isEmpty ? "/" : path, query: query,
            headers: all.map { ($0.name, $0.value) } + [("host", HTTPText.host(of: root))],
            bodyDigest: digest)
        let signature = S3Signature(credentials: settings.credentials, region: settings.region)
        all.append(
            HTTPHeader("authorization", signature.authorization(subject, moment: moment)))
        let url = root + (key.isEmpty ? "/" : key)
        return HTTPRequest(
            method, query.isEmpty ? url : url + "?" + S3Signature.query(query), headers: all,
            body: body)
    }

    private func isMissing(_ response: HTTPResponse) -> Bool {
        response.status == 404 && S3Error(response).code == "NoSuchKey"
    }

    private func failure(_ response: HTTPResponse, _ doing: String, _ name: String) -> JobFailure {
        S3Error(response).failure(doing, place: place + name, settings: settings)
    }
}

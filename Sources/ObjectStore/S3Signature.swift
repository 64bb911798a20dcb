import HTTP

/// Who asks, for a server that speaks Signature Version 4.
public struct S3Credentials: Equatable, Sendable {
    /// The id of the access key.
    public var accessKey: String
    /// Its secret.
    public var secretKey: String
    /// The token of a session, where the key is a temporary one.
    public var sessionToken: String?

    /// A key and its secret.
    public init(accessKey: String, secretKey: String, sessionToken: String? = nil) {
        self.accessKey = accessKey
        self.secretKey = secretKey
        self.sessionToken = sessionToken
    }
}

extension S3Credentials: CustomStringConvertible, CustomDebugStringConvertible {
    /// The id of the key alone: secrets are never printed.
    public var description: String { "access key \(accessKey)" }
    /// The id of the key alone.
    public var debugDescription: String { description }
}

/// AWS's Signature Version 4 of a request. A pure value.
///
/// - Source: docs.aws.amazon.com, "Create a signed AWS API request".
struct S3Signature {
    let credentials: S3Credentials
    let region: String
    var service = "s3"

    /// What of a request is signed.
    struct Subject {
        let method: String
        /// The path, percent-encoded.
        let path: String
        /// Names and values, not encoded.
        var query: [(name: String, value: String)] = []
        /// Headers with names in lower case, the host among them.
        var headers: [(name: String, value: String)] = []
        /// SHA-256 of the body in hexadecimal digits.
        let bodyDigest: String
    }

    /// The query as it is sent and signed: sorted and percent-encoded.
    static func query(_ query: [(name: String, value: String)]) -> String {
        query.map { (HTTPText.encode($0.name), HTTPText.encode($0.value)) }
            .sorted { $0.0 == $1.0 ? $0.1 < $1.1 : $0.0 < $1.0 }
            .map { "\($0.0)=\($0.1)" }.joined(separator: "&")
    }

    /// The value of the `Authorization` header.
    ///
    /// - Parameter moment: the time as `20130524T000000Z`, the same as in the header `x-amz-date`.
    func authorization(_ subject: Subject, moment: String) -> String {
        let headers = subject.headers.sorted { $0.name < $1.name }
        let names = headers.map(\.name).joined(separator: ";")
        let canonical =
            [
                subject.method, subject.path, S3Signature.query(subject.query),
                headers.map { "\($0.name):\($0.value)\n" }.joined(), names, subject.bodyDigest,
            ].joined(separator: "\n")
        let day = String(moment.prefix(8))
        let scope = "\(day)/\(region)/\(service)/aws4_request"
        let digest = Digest.hexadecimal(Digest.sha256(Array(canonical.utf8)))
        let text = "AWS4-HMAC-SHA256\n\(moment)\n\(scope)\n\(digest)"
        var key = Array("AWS4\(credentials.secretKey)".utf8)
        for part in [day, region, service, "aws4_request"] {
            key = Digest.hmac(key: key, Array(part.utf8))
        }
        let signature = Digest.hexadecimal(Digest.hmac(key: key, Array(text.utf8)))
        return "AWS4-HMAC-SHA256 Credential=\(credentials.accessKey)/\(scope), "
            + "SignedHeaders=\(names), Signature=\(signature)"
    }
}

import HTTP
import StreamRuntime

/// Where a bucket is and who asks for it.
public struct S3Settings: Equatable, Sendable {
    /// The bucket's name.
    public var bucket: String
    /// What every object's name begins with; empty or ending in a slash.
    public var prefix: String
    /// The server, as `https://host:port`; nil for AWS's own of the region.
    public var endpoint: String?
    /// The region, part of the signature.
    public var region: String
    /// Who asks.
    public var credentials: S3Credentials
    /// How a connection is made.
    public var http: HTTPSettings
    /// How often requests are tried.
    public var retry: RetryPolicy
    /// Files larger than this are sent in parts of this size, in bytes.
    public var partBytes: Int64

    /// Settings for a bucket; a `prefix` gets its last slash here.
    public init(
        bucket: String, prefix: String = "", endpoint: String? = nil, region: String = "us-east-1",
        credentials: S3Credentials, http: HTTPSettings = HTTPSettings(),
        retry: RetryPolicy = RetryPolicy(), partBytes: Int64 = 16 << 20
    ) {
        self.bucket = bucket
        self.prefix = prefix.isEmpty || prefix.hasSuffix("/") ? prefix : prefix + "/"
        self.endpoint = endpoint
        self.region = region
        self.credentials = credentials
        self.http = http
        self.retry = retry
        self.partBytes = partBytes
    }

    /// Settings for an address `s3://bucket/prefix`, with the rest from AWS's environment variables.
    ///
    /// - Parameters:
    ///   - endpoint: the server, if not the one of `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL`.
    ///   - region: the region, if not that of `AWS_REGION` or `AWS_DEFAULT_REGION`.
    ///   - credentials: who asks, if not the key of `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.
    /// - Throws: when the address is none, or there is no key.
    public init(
        address: String, endpoint: String? = nil, region: String? = nil,
        credentials: S3Credentials? = nil, environment: [String: String]
    ) throws(JobFailure) {
        let rest = address.dropFirst(5)
        let bucket = rest.prefix { $0 != "/" }
        guard address.hasPrefix("s3://"), !bucket.isEmpty else {
            throw JobFailure(
                .environment, "\"\(address)\" names no bucket", at: "job.checkpoints.store",
                remedy: "write s3://BUCKET/PREFIX")
        }
        func variable(_ name: String) -> String? {
            environment[name].flatMap { $0.isEmpty ? nil : $0 }
        }
        var found = credentials
        if found == nil, let key = variable("AWS_ACCESS_KEY_ID"),
            let secret = variable("AWS_SECRET_ACCESS_KEY")
        {
            found = S3Credentials(
                accessKey: key, secretKey: secret, sessionToken: variable("AWS_SESSION_TOKEN"))
        }
        guard let found else {
            throw JobFailure(
                .environment, "there is no access key for the bucket \(bucket)", at: address,
                remedy: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name the variables: "
                    + "store: {s3: \(address), access_key: ${…}, secret_key: ${…}}")
        }
        self.init(
            bucket: String(bucket), prefix: String(rest.dropFirst(bucket.count + 1)),
            endpoint: endpoint ?? variable("AWS_ENDPOINT_URL_S3") ?? variable("AWS_ENDPOINT_URL"),
            region: region ?? variable("AWS_REGION") ?? variable("AWS_DEFAULT_REGION")
                ?? "us-east-1",
            credentials: found)
        http.authorityFile = variable("AWS_CA_BUNDLE")
    }

    /// The address of the bucket's root, without a slash at its end.
    var root: String {
        guard let endpoint else {
            // A name with a dot has no certificate of its own under AWS's.
            return bucket.contains(".")
                ? "https://s3.\(region).amazonaws.com/\(bucket)"
                : "https://\(bucket).s3.\(region).amazonaws.com"
        }
        return "\(endpoint.hasSuffix("/") ? String(endpoint.dropLast()) : endpoint)/\(bucket)"
    }
}

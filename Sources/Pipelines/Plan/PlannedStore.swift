/// Where checkpoints are kept for other machines.
enum PlannedStore: Equatable, Sendable {
    /// A bucket of S3 or of a server that speaks its API; nil = what the environment says.
    struct Bucket: Equatable, Sendable {
        /// `s3://BUCKET/PREFIX`.
        let address: String
        let endpoint: String?
        let region: String?
        let accessKey: String?
        let secretKey: String?
        let sessionToken: String?
        var authorityFile: String?
    }

    /// A directory that all machines reach.
    case directory(String)
    case bucket(Bucket)

    /// With paths resolved against the file's directory.
    func resolved(in directory: String) -> PlannedStore {
        switch self {
        case .directory(let path): return .directory(Planner.resolve(path, in: directory))
        case .bucket(var bucket):
            bucket.authorityFile = bucket.authorityFile.map { Planner.resolve($0, in: directory) }
            return .bucket(bucket)
        }
    }
}

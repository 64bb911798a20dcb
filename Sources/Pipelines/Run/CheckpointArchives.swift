import Foundation
import HTTP
import ObjectStore
import StreamRuntime

/// Opens the stores that checkpoints are kept in for other machines.
enum CheckpointArchives {
    /// The store of a plan; nil when it names none.
    static func open(
        _ store: PlannedStore?,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws(JobFailure) -> (any CheckpointArchive)? {
        switch store {
        case nil: return nil
        case .directory(let path): return try FileArchive(directory: path)
        case .bucket(let bucket):
            var credentials: S3Credentials?
            if let accessKey = bucket.accessKey, let secretKey = bucket.secretKey {
                credentials = S3Credentials(
                    accessKey: accessKey, secretKey: secretKey, sessionToken: bucket.sessionToken)
            }
            var settings = try S3Settings(
                address: bucket.address, endpoint: bucket.endpoint, region: bucket.region,
                credentials: credentials, environment: environment)
            if let file = bucket.authorityFile { settings.http.authorityFile = file }
            return S3Bucket(settings)
        }
    }

    /// What the names of a job's objects begin with; those of a share, where the job is cut into shares.
    static func scope(job: String, share: Int? = nil) -> String {
        share.map { "\(job)/\($0)/" } ?? "\(job)/"
    }
}

/// Tells the user once that the store of checkpoints has begun to fail, and once that it works again.
struct StoreNotice {
    private var isFailing = false

    /// What is to be said now, if anything.
    mutating func line(_ report: CheckpointReport) -> String? {
        let fails = report.failingSinceNanos != nil
        guard fails != isFailing else { return nil }
        isFailing = fails
        guard fails else { return "the store takes checkpoints again\n" }
        return report.lastFailure.map {
            "warning: a checkpoint waits for its store, the job goes on meanwhile: \($0)\n"
        }
    }
}

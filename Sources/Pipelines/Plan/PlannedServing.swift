import FeatureServe

/// How clients reach the features beside plain HTTP, and which of them may.
struct PlannedServing: Equatable, Sendable {
    /// A key that clients present.
    struct Key: Equatable, Sendable {
        let name: String
        /// The SHA-256 of its secret; nil when it is in `hashFile`.
        let digest: [UInt8]?
        let hashFile: String?
        let reads: AccessKey.Views
        let writes: AccessKey.Views
        let isAdmin: Bool
        let perSecond: Int?
        /// Streams it may bring records for.
        var ingests = AccessKey.Views.some([])
    }

    /// The port of gRPC; nil for none.
    var grpcPort: Int?
    /// The keys; none when anyone may do everything.
    var keys: [Key] = []
    /// The files of TLS, as resolved against the file's directory.
    var tls: TLSServer.Files?
    /// The largest request; nil when the file does not say.
    var requestBytesMax: Int?

    /// Whether the server asks its clients for a key, or speaks TLS.
    var isGuarded: Bool { !keys.isEmpty || tls != nil }

    /// With paths resolved against the file's directory.
    func resolved(in directory: String) -> PlannedServing {
        var copy = self
        copy.keys = keys.map { key in
            Key(
                name: key.name, digest: key.digest,
                hashFile: key.hashFile.map { Planner.resolve($0, in: directory) },
                reads: key.reads, writes: key.writes, isAdmin: key.isAdmin,
                perSecond: key.perSecond, ingests: key.ingests)
        }
        if let tls {
            copy.tls = TLSServer.Files(
                certificate: Planner.resolve(tls.certificate, in: directory),
                key: Planner.resolve(tls.key, in: directory),
                clientAuthority: tls.clientAuthority.map { Planner.resolve($0, in: directory) })
        }
        return copy
    }
}

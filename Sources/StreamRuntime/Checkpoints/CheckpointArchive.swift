/// A place that many machines reach, where checkpoints are kept as named objects: a seam.
///
/// - Shape: a name is words with slashes between them. An object is written once, at once or not at
///   all, and never changed; it can be read as soon as it is written.
public protocol CheckpointArchive: AnyObject, Sendable {
    /// What the user calls it, as `s3://bucket/prefix` or a directory.
    var place: String { get }

    /// Every object whose name begins with `prefix`, sorted by name, and the archive's own time.
    func list(_ prefix: String) throws(JobFailure) -> ArchiveListing

    /// The bytes of a small object; nil when it is not there.
    func read(_ name: String) throws(JobFailure) -> [UInt8]?

    /// Writes an object to a file.
    ///
    /// - Returns: false when there is no such object.
    func download(_ name: String, to path: String) throws(JobFailure) -> Bool

    /// Makes an object of a file's bytes; one that is there is replaced by the same bytes.
    func upload(_ path: String, as name: String) throws(JobFailure)

    /// Makes an object if there is none of that name.
    ///
    /// - Returns: false when there is one, whatever it holds.
    func create(_ name: String, _ bytes: [UInt8]) throws(JobFailure) -> Bool

    /// Removes an object; it is no error when it is not there.
    func remove(_ name: String) throws(JobFailure)
}

/// What an archive holds.
public struct ArchiveListing: Equatable, Sendable {
    /// An object in it.
    public struct Object: Equatable, Sendable {
        /// Its name.
        public let name: String
        /// Its size in bytes.
        public let bytes: Int64
        /// Milliseconds since 1970 at which it was written, by the archive's clock.
        public let writtenMillis: Int64

        /// An object.
        public init(name: String, bytes: Int64, writtenMillis: Int64) {
            self.name = name
            self.bytes = bytes
            self.writtenMillis = writtenMillis
        }
    }

    /// The objects, sorted by name.
    public let objects: [Object]
    /// Milliseconds since 1970 when the listing was made, by the archive's clock.
    public let nowMillis: Int64

    /// A listing.
    public init(objects: [Object], nowMillis: Int64) {
        self.objects = objects
        self.nowMillis = nowMillis
    }
}

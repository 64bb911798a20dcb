import CRocksDB

/// Why the database could not do what was asked: the thing, the place and the remedy.
public struct RocksDBError: Error, Equatable, Sendable {
    /// What went wrong, as far as something different may be done about it.
    public enum Kind: Equatable, Sendable {
        /// The disk, or the quota on it, is full.
        case noSpace
        /// The directory or its file system cannot be written.
        case readOnly
        /// Another process has the database open.
        case locked
        /// A file is damaged or gone.
        case corrupt
        /// There is no database, or no directory to make one in.
        case missing
        /// Too many open files.
        case tooManyFiles
        case other
    }

    /// What sort of failure it is.
    public let kind: Kind
    /// The directory of the database, or the file.
    public let path: String
    /// What RocksDB said.
    public let problem: String
    /// What to do about it.
    public let remedy: String

    /// The error for a message of RocksDB about `path`.
    public init(path: String, message: String) {
        let kind = RocksDBError.kind(of: message)
        self.kind = kind
        self.path = path
        problem = message
        remedy = RocksDBError.remedy(for: kind, path: path)
    }

    private static func kind(of message: String) -> Kind {
        func says(_ text: String) -> Bool { message.contains(text) }
        if says("No space left") || says("Disk quota exceeded") || says("NoSpace") {
            return .noSpace
        }
        if says("Read-only file system") || says("Permission denied")
            || says("Operation not permitted")
        {
            return .readOnly
        }
        if says("lock hold by current process") || says("While lock file") { return .locked }
        if says("Too many open files") { return .tooManyFiles }
        if says("does not exist") { return .missing }
        if says("Corruption") || says("checksum") || says("No such file") { return .corrupt }
        return .other
    }

    private static func remedy(for kind: Kind, path: String) -> String {
        switch kind {
        case .noSpace: "free space on the disk of \(path), or move the directory to a larger one"
        case .readOnly: "make \(path) writable for the user the process runs as"
        case .locked: "stop the other process that uses \(path), or give this one its own directory"
        case .corrupt: "go back to a whole checkpoint, or restore \(path) from a copy"
        case .missing: "create \(path), or correct the path"
        case .tooManyFiles: "raise the limit of open files (ulimit -n)"
        case .other: "look at \(path)/LOG for what RocksDB did last"
        }
    }
}

extension RocksDBError: CustomStringConvertible {
    /// One line for the log and the terminal.
    public var description: String { "\(problem) (\(path)); fix: \(remedy)" }
}

typealias ErrorSlot = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>

/// Makes a call that reports its failure through a slot into one that throws.
@inline(__always)
func checked<Result>(
    _ path: @autoclosure () -> String, _ call: (ErrorSlot) -> Result
) throws(RocksDBError) -> Result {
    var message: UnsafeMutablePointer<CChar>?
    let result = call(&message)
    if let message {
        defer { rocksdb_free(message) }
        throw RocksDBError(path: path(), message: String(cString: message))
    }
    return result
}

@inline(__always)
func characters(_ bytes: UnsafeRawBufferPointer) -> UnsafePointer<CChar>? {
    bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
}

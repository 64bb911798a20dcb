import Glibc

/// A directory that many machines reach, such as a network file system, as an archive.
///
/// An object is a file of its name. It is written under a name that begins with `.new-`, synced, and
/// then given its own name: by a rename, or by a link where it must not be there yet.
public final class FileArchive: CheckpointArchive {
    private let root: String
    private static let draft = ".new-"

    /// The archive in a directory, which is made when it is not there.
    public init(directory: String) throws(JobFailure) {
        root = directory
        try FileTree.makeDirectory(directory)
    }

    /// The directory.
    public var place: String { root }

    /// Every object whose name begins with `prefix`, and the time.
    public func list(_ prefix: String) throws(JobFailure) -> ArchiveListing {
        guard FileTree.isDirectory(root) else {
            throw FileTree.failure("cannot be read", root, code: ENOENT)
        }
        var objects: [ArchiveListing.Object] = []
        collect("", prefix, &objects)
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return ArchiveListing(
            objects: objects.sorted { $0.name < $1.name }, nowMillis: FileArchive.millis(now))
    }

    private func collect(
        _ folder: String, _ prefix: String, _ objects: inout [ArchiveListing.Object]
    ) {
        for entry in FileTree.names(root + "/" + folder) {
            let name = folder + entry
            var status = stat()
            guard lstat(root + "/" + name, &status) == 0 else { continue }
            if status.st_mode & S_IFMT == S_IFDIR {
                if prefix.hasPrefix(name + "/") || (name + "/").hasPrefix(prefix) {
                    collect(name + "/", prefix, &objects)
                }
            } else if name.hasPrefix(prefix), !entry.hasPrefix(FileArchive.draft) {
                objects.append(
                    ArchiveListing.Object(
                        name: name, bytes: Int64(status.st_size),
                        writtenMillis: FileArchive.millis(status.st_mtim)))
            }
        }
    }

    private static func millis(_ time: timespec) -> Int64 {
        Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    /// The bytes of a small object; nil when it is not there.
    public func read(_ name: String) throws(JobFailure) -> [UInt8]? {
        guard FileTree.exists(root + "/" + name) else {
            try checkRoot()
            return nil
        }
        return try FileTree.read(root + "/" + name)
    }

    /// Copies an object to a file; false when there is no such object.
    public func download(_ name: String, to path: String) throws(JobFailure) -> Bool {
        guard FileTree.exists(root + "/" + name) else {
            try checkRoot()
            return false
        }
        try FileTree.copy(root + "/" + name, to: path)
        return true
    }

    /// An archive that is not mounted must not pass for an empty one.
    private func checkRoot() throws(JobFailure) {
        guard FileTree.isDirectory(root) else {
            throw FileTree.failure("cannot be read", root, code: ENOENT)
        }
    }

    /// Makes an object of a file's bytes.
    public func upload(_ path: String, as name: String) throws(JobFailure) {
        let draft = try draft(name)
        do throws(JobFailure) {
            try FileTree.copy(path, to: draft)
            _ = try FileTree.checksum(draft, sync: true)
            guard rename(draft, root + "/" + name) == 0 else {
                throw FileTree.failure("cannot be written", root + "/" + name)
            }
            try SystemFiles().syncDirectory(FileArchive.folder(root + "/" + name))
        } catch {
            unlink(draft)
            throw error
        }
    }

    /// Makes an object if there is none of that name.
    public func create(_ name: String, _ bytes: [UInt8]) throws(JobFailure) -> Bool {
        let draft = try draft(name)
        defer { unlink(draft) }
        try SystemFiles().write(bytes, to: draft)
        if link(draft, root + "/" + name) != 0 {
            guard errno == EEXIST else {
                throw FileTree.failure("cannot be written", root + "/" + name)
            }
            return false
        }
        try SystemFiles().syncDirectory(FileArchive.folder(root + "/" + name))
        return true
    }

    /// Removes an object.
    public func remove(_ name: String) throws(JobFailure) {
        guard unlink(root + "/" + name) == 0 || errno == ENOENT else {
            throw FileTree.failure("cannot be removed", root + "/" + name)
        }
    }

    /// Where an object is written first: beside its place, under a name no other writer takes.
    private func draft(_ name: String) throws(JobFailure) -> String {
        let folder = FileArchive.folder(root + "/" + name)
        try checkRoot()
        try FileTree.makeDirectory(folder)
        let unique = String(UInt64.random(in: 0 ... .max), radix: 16)
        return folder + "/" + FileArchive.draft + unique
    }

    private static func folder(_ path: String) -> String {
        String(path[..<path.lastIndex(of: "/")!])
    }
}

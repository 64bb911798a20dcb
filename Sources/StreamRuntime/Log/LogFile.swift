import Glibc

/// An open file of the log; closed when the last reference goes.
final class LogFile: Sendable {
    let path: String
    let descriptor: Int32

    /// Opens `path`.
    ///
    /// - Throws: with the path and what the system said.
    init(_ path: String, _ flags: Int32) throws(JobFailure) {
        let opened = open(path, flags | O_CLOEXEC, 0o644)
        guard opened >= 0 else { throw LogFile.failure("open", path) }
        self.path = path
        descriptor = opened
    }

    deinit { close(descriptor) }

    func size() throws(JobFailure) -> Int {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw LogFile.failure("examine", path) }
        return Int(status.st_size)
    }

    /// Reads up to `count` bytes at `position`; fewer only at the end of the file.
    func read(
        into target: UnsafeMutableRawPointer, count: Int, at position: Int
    ) throws(JobFailure) -> Int {
        var done = 0
        while done < count {
            let got = pread(descriptor, target + done, count - done, position + done)
            if got == 0 { break }
            if got < 0 {
                if errno == EINTR { continue }
                throw LogFile.failure("read", path)
            }
            done += got
        }
        return done
    }

    func truncate(to length: Int) throws(JobFailure) {
        guard ftruncate(descriptor, length) == 0 else { throw LogFile.failure("truncate", path) }
    }

    func sync() throws(JobFailure) {
        guard fdatasync(descriptor) == 0 else { throw LogFile.failure("sync", path) }
    }

    /// The failure that `errno` tells of, with a remedy.
    static func failure(_ verb: String, _ path: String, code: Int32 = errno) -> JobFailure {
        let remedy =
            switch code {
            case ENOSPC, EDQUOT:
                "free space on that disk or lower the topics' retention, then start again"
            case EROFS: "mount the file system writable, or choose another directory"
            case EACCES, EPERM: "give user \(geteuid()) access to it, or choose another directory"
            case ENOENT: "create it, or correct the path"
            case ENOTDIR, EISDIR, EEXIST: "something else is in its place: move that away"
            case EMFILE, ENFILE: "raise the limit of open files (ulimit -n)"
            case EIO: "the disk reports an error: check it, then restore the directory from a copy"
            default: "check the path and the disk, then start again"
            }
        return JobFailure(
            .environment, "cannot \(verb) the file: \(String(cString: strerror(code)))", at: path,
            remedy: remedy)
    }
}

/// Files and directories by name, as the log needs them.
enum LogDirectory {
    static func create(_ path: String) throws(JobFailure) {
        if mkdir(path, 0o755) == 0 || errno == EEXIST { return }
        guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
            throw LogFile.failure("create", path)
        }
        try create(String(path[..<slash]))
        if mkdir(path, 0o755) != 0 && errno != EEXIST { throw LogFile.failure("create", path) }
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// The names in a directory, in byte order; empty when there is no such directory.
    static func names(_ path: String) throws(JobFailure) -> [String] {
        guard let directory = opendir(path) else {
            if errno == ENOENT { return [] }
            throw LogFile.failure("list", path)
        }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    static func remove(_ path: String) throws(JobFailure) {
        if unlink(path) != 0 && errno != ENOENT { throw LogFile.failure("remove", path) }
    }

    /// Removes a directory and everything in it.
    static func removeTree(_ path: String) throws(JobFailure) {
        for name in try names(path) {
            var status = stat()
            let inner = path + "/" + name
            guard lstat(inner, &status) == 0 else { continue }
            if status.st_mode & S_IFMT == S_IFDIR {
                try removeTree(inner)
            } else {
                try remove(inner)
            }
        }
        if rmdir(path) != 0 && errno != ENOENT { throw LogFile.failure("remove", path) }
    }

    static func rename(_ from: String, to target: String) throws(JobFailure) {
        guard Glibc.rename(from, target) == 0 else { throw LogFile.failure("rename", target) }
    }

    static func sync(_ path: String) throws(JobFailure) {
        let directory = try LogFile(path, O_RDONLY | O_DIRECTORY)
        guard fsync(directory.descriptor) == 0 else { throw LogFile.failure("sync", path) }
    }

    /// All bytes of a file, or nil when there is none.
    static func bytes(_ path: String) throws(JobFailure) -> [UInt8]? {
        guard exists(path) else { return nil }
        let file = try LogFile(path, O_RDONLY)
        var bytes = [UInt8](repeating: 0, count: try file.size())
        let count = bytes.count
        let got = try bytes.withUnsafeMutableBufferPointer { room throws(JobFailure) in
            guard let base = room.baseAddress else { return 0 }
            return try file.read(into: base, count: count, at: 0)
        }
        bytes.removeLast(count - got)
        return bytes
    }

    /// Makes `bytes` the content of `name` in `directory`, wholly or not at all.
    ///
    /// - Note: write, fsync, rename, fsync of the directory; without `syncing` a power cut may still
    ///   lose it, a killed process may not.
    static func replace(
        _ name: String, in directory: String, with bytes: [UInt8], syncing: Bool,
        write: FileWrite
    ) throws(JobFailure) {
        let temporary = directory + "/" + name + ".new"
        let file = try LogFile(temporary, O_WRONLY | O_CREAT | O_TRUNC)
        try write.all(bytes, to: file)
        if syncing { try file.sync() }
        try rename(temporary, to: directory + "/" + name)
        if syncing { try sync(directory) }
    }
}

/// How bytes reach a file: a seam, so that a test can let the disk be full.
struct FileWrite {
    /// As `pwrite`: descriptor, bytes, count, position; the bytes written or -1 and `errno`.
    let call: (Int32, UnsafeRawPointer, Int, Int) -> Int

    static var system: FileWrite { FileWrite { pwrite($0, $1, $2, $3) } }

    /// Writes all of `bytes` at the start of `file`.
    func all(_ bytes: [UInt8], to file: LogFile) throws(JobFailure) {
        try bytes.withUnsafeBufferPointer { room throws(JobFailure) in
            guard let base = room.baseAddress else { return }
            try all(base, room.count, to: file, at: 0)
        }
    }

    /// Writes all of `count` bytes.
    func all(
        _ bytes: UnsafeRawPointer, _ count: Int, to file: LogFile, at position: Int
    ) throws(JobFailure) {
        var done = 0
        while done < count {
            let put = call(file.descriptor, bytes + done, count - done, position + done)
            if put < 0 {
                if errno == EINTR { continue }
                throw LogFile.failure("write", file.path)
            }
            done += put
        }
    }
}

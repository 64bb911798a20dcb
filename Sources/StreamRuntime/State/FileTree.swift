import Glibc

/// The few things done to directories, with errors that name the place and the remedy.
enum FileTree {
    /// Makes a directory and those above it, as far as they are missing.
    static func makeDirectory(_ path: String) throws(JobFailure) {
        if isDirectory(path) { return }
        if let slash = path.lastIndex(of: "/"), slash != path.startIndex {
            try makeDirectory(String(path[..<slash]))
        }
        if mkdir(path, 0o755) != 0, errno != EEXIST { throw failure("cannot be made", path) }
    }

    static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// The size of a file, or nil when it is not there.
    static func size(_ path: String) -> Int? {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : nil
    }

    /// The names in a directory, sorted; empty when it cannot be read.
    static func names(_ path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Removes a file, or a directory with all in it.
    ///
    /// - Returns: false when something is left.
    static func remove(_ path: String) -> Bool {
        var status = stat()
        guard lstat(path, &status) == 0 else { return true }
        guard status.st_mode & S_IFMT == S_IFDIR else { return unlink(path) == 0 }
        for name in names(path) where !remove(path + "/" + name) { return false }
        return rmdir(path) == 0
    }

    /// The failure of a call on `path` that has just set `errno`.
    static func failure(_ what: String, _ path: String, code: Int32 = errno) -> JobFailure {
        let reason = String(cString: strerror(code))
        let remedy =
            switch code {
            case ENOSPC, EDQUOT: "free space on the disk of \(path), or use a larger one"
            case EROFS, EACCES, EPERM:
                "make \(path) writable for the user the process runs as, or set another state directory"
            case ENOENT: "do not delete the state directory while the job runs; restart the job"
            case EMFILE, ENFILE: "raise the limit of open files (ulimit -n)"
            default: "check the disk that holds \(path)"
            }
        return JobFailure(
            .checkpoint, "\(path) \(what): \(reason)", at: path, remedy: remedy,
            recovery: code == ENOSPC ? .retry(afterMillis: 30_000) : .stopAndAsk)
    }
}

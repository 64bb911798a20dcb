import Glibc

/// Small things done with files and directories.
enum Directory {
    static func make(_ path: String) throws(BrokerFailure) {
        var at = path.startIndex
        while at < path.endIndex {
            at = path[path.index(after: at)...].firstIndex(of: "/") ?? path.endIndex
            let part = String(path[..<at])
            guard mkdir(part, 0o755) == 0 || errno == EEXIST else {
                throw BrokerFailure("make directory", part, errno)
            }
        }
    }

    /// The names in a directory, sorted, without "." and "..".
    static func names(in path: String) throws(BrokerFailure) -> [String] {
        guard let handle = opendir(path) else { throw BrokerFailure("list", path, errno) }
        defer { closedir(handle) }
        var names: [String] = []
        while let entry = readdir(handle) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// The text of a file; nil when there is none.
    static func text(of path: String) throws(BrokerFailure) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw BrokerFailure("open", path, errno)
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(descriptor, &block, block.count)
            if count < 0 { throw BrokerFailure("read", path, errno) }
            if count == 0 { return String(decoding: bytes, as: UTF8.self) }
            bytes.append(contentsOf: block[..<count])
        }
    }

    /// Puts a file with `text` in the place of `path`, whole or not at all.
    static func replace(_ path: String, with text: String) throws(BrokerFailure) {
        let temporary = path + ".new"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw BrokerFailure("open", temporary, errno) }
        let bytes = Array(text.utf8)
        let written = Glibc.write(descriptor, bytes, bytes.count)
        let code = errno
        close(descriptor)
        guard written == bytes.count else { throw BrokerFailure("write", temporary, code) }
        guard rename(temporary, path) == 0 else { throw BrokerFailure("rename", path, errno) }
    }

    /// Deletes a directory and the files in it.
    static func remove(_ path: String) throws(BrokerFailure) {
        for name in try names(in: path) where unlink(path + "/" + name) != 0 {
            throw BrokerFailure("delete", path + "/" + name, errno)
        }
        guard rmdir(path) == 0 else { throw BrokerFailure("delete", path, errno) }
    }
}

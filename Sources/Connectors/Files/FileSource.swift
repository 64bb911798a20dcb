import Glibc
import StreamRuntime

/// Files as a bounded source: one file, all files of a directory, or those a pattern names.
///
/// - Shape: the files sorted by name (byte order) are partitions 0, 1, 2 …; hidden files and
///   subdirectories are left out. Between a checkpoint and its restoration files may only be added
///   behind the last.
public final class FileSource: RecordSource {
    private let path: String
    private let layout: FileLayout
    private let tellsName: Bool
    private var files: [String]?

    /// A source of the files at `path`: a file, a directory, or a pattern with `*`, `?` or `[…]`.
    ///
    /// - Parameter tellsName: whether records carry their file's name in a header (`nameHeader`).
    public init(path: String, layout: FileLayout, tellsName: Bool = false) {
        self.tellsName = tellsName
        self.path = path
        self.layout = layout
    }

    /// The record header that has the file's name.
    public static var nameHeader: String { FileReader.nameHeader }

    /// The numbers of the files.
    ///
    /// - Throws: when there is no such file.
    public func partitions() throws(JobFailure) -> [Int32] {
        try list().indices.map { Int32($0) }
    }

    /// A reader at the start of a file.
    public func reader(partition: Int32) throws(JobFailure) -> any PartitionReader {
        let files = try list()
        guard files.indices.contains(Int(partition)) else {
            throw JobFailure(
                .source, "file number \(partition) is gone; there are \(files.count)", at: path,
                remedy: "put the missing files back, or start without the checkpoint")
        }
        if layout == .avro {
            return AvroFileReader(path: files[Int(partition)], partition: partition)
        }
        return FileReader(
            path: files[Int(partition)], partition: partition, layout: layout, tellsName: tellsName)
    }

    private func list() throws(JobFailure) -> [String] {
        if let files { return files }
        var status = stat()
        let found: [String]
        if stat(path, &status) == 0 {
            found =
                status.st_mode & S_IFMT == S_IFDIR
                ? try Directory.names(path).filter { !$0.hasPrefix(".") }
                    .map { path + (path.hasSuffix("/") ? "" : "/") + $0 }
                    .filter(FileSource.isFile)
                : [path]
        } else if path.contains(where: { "*?[".contains($0) }) {
            found = FileSource.matches(path).filter(FileSource.isFile)
        } else {
            throw FileBytes.failure("open", path)
        }
        guard !found.isEmpty else {
            throw JobFailure(
                .source, "there is no file here", at: path,
                remedy: "check the path in the pipelines file, or put the files there")
        }
        let sorted = found.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        files = sorted
        return sorted
    }

    private static func isFile(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    static func matches(_ pattern: String) -> [String] {
        var found = glob_t()
        defer { globfree(&found) }
        guard glob(pattern, 0, nil, &found) == 0 else { return [] }
        return (0..<Int(found.gl_pathc)).compactMap {
            found.gl_pathv[$0].map { String(cString: $0) }
        }
    }
}

/// The names in a directory.
enum Directory {
    static func names(_ path: String) throws(JobFailure) -> [String] {
        guard let stream = opendir(path) else { throw FileBytes.failure("list", path) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// Makes the directory at `path`, and those above it.
    static func make(_ path: String) throws(JobFailure) {
        var made = path.hasPrefix("/") ? "/" : ""
        for part in path.split(separator: "/") {
            made += part
            if mkdir(made, 0o755) != 0, errno != EEXIST {
                throw FileBytes.failure("make the directory", made, kind: .sink)
            }
            made += "/"
        }
    }

    /// Makes renames and removals in the directory durable.
    static func sync(_ path: String) throws(JobFailure) {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileBytes.failure("open", path, kind: .sink) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw FileBytes.failure("sync", path, kind: .sink) }
    }
}

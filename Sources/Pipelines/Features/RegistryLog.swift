import FeatureServe
import Foundation
import StreamRuntime

/// The versions that definitions have had, kept beside the job's state.
///
/// - Shape: `registry/definitions.jsonl`, one object a line, only ever appended to: format 1, kind, name,
///   version, time, definition hash, and the record as it was declared.
struct RegistryLog {
    /// A version of a definition.
    struct Version: Equatable {
        let number: Int
        /// When a run first had it, as ISO text.
        let time: String
        let hash: String
        let record: String
    }

    private(set) var versions: [String: [Version]] = [:]
    private let path: String

    /// The log in a job's state directory; empty when there is none yet.
    ///
    /// - Throws: when it cannot be read, or was written in a newer format.
    init(stateDirectory: String) throws(JobFailure) {
        path = stateDirectory + "/registry/definitions.jsonl"
        guard case .text(let text) = FileText.read(path, bytesMax: 1 << 30) else {
            if FileManager.default.fileExists(atPath: path) { throw broken(line: 0) }
            return
        }
        for (index, line) in text.split(separator: "\n").enumerated() {
            guard let parsed = RegistryLog.parse(String(line)) else {
                // A line cut by a crash while it was appended is the last one, and comes again.
                if !text.hasSuffix("\n"), index == text.split(separator: "\n").count - 1 { return }
                throw broken(line: index + 1)
            }
            versions[parsed.key, default: []].append(parsed.version)
        }
    }

    private func broken(line: Int) -> JobFailure {
        JobFailure(
            .state, "the registry of feature definitions cannot be read", at: "\(path):\(line)",
            remedy: "restore the file, or move it away to begin a new history")
    }

    private static func parse(_ line: String) -> (key: String, version: Version)? {
        guard let object = try? JSONSerialization.jsonObject(with: Data(line.utf8)),
            let members = object as? [String: Any], members["format"] as? Int == 1,
            let kind = members["kind"] as? String, let name = members["name"] as? String,
            let number = members["version"] as? Int, let time = members["time"] as? String,
            let hash = members["definition"] as? String, let record = members["record"] as? String
        else { return nil }
        return (
            "\(kind)/\(name)",
            Version(number: number, time: time, hash: hash, record: record)
        )
    }

    /// The versions of a definition, oldest first.
    func versions(of entry: FeatureRegistry.Entry) -> [Version] {
        versions["\(entry.kind.rawValue)/\(entry.name)"] ?? []
    }

    /// Notes every definition whose declaration is not the newest one known, and makes that durable.
    ///
    /// - Parameter time: when, in microseconds since 1970.
    mutating func note(_ registry: FeatureRegistry, time: Int64) throws(JobFailure) {
        var lines = ""
        let shown = RegistryLog.text(time)
        for entry in registry.entries {
            let key = "\(entry.kind.rawValue)/\(entry.name)"
            let record = entry.canonicalText
            let last = versions[key]?.last
            if last?.record == record, last?.hash == entry.hash.text { continue }
            let version = Version(
                number: (last?.number ?? 0) + 1, time: shown, hash: entry.hash.text,
                record: record)
            versions[key, default: []].append(version)
            lines +=
                JSONText.object([
                    ("format", .integer(1)), ("kind", .string(entry.kind.rawValue)),
                    ("name", .string(entry.name)), ("version", .integer(version.number)),
                    ("time", .string(shown)), ("definition", .string(version.hash)),
                    ("record", .string(record)),
                ]).compact + "\n"
        }
        if !lines.isEmpty { try append(lines) }
    }

    private func append(_ lines: String) throws(JobFailure) {
        let url = URL(fileURLWithPath: path)
        do {
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            var text = ""
            if case .text(let there) = FileText.read(path, bytesMax: 1 << 30) {
                text = there
                // What a crash has cut goes.
                while !text.isEmpty, !text.hasSuffix("\n") { text.removeLast() }
            }
            try Data((text + lines).utf8).write(to: url, options: .atomic)
        } catch {
            throw JobFailure(
                .environment, "the registry of feature definitions cannot be written", at: path,
                remedy: "make the directory writable, or free space")
        }
    }

    /// Holds other processes off the log in a state directory until `body` has ended.
    ///
    /// - Throws: when the directory cannot be used.
    static func locked<Value>(
        _ stateDirectory: String, _ body: () throws(JobFailure) -> Value
    ) throws(JobFailure) -> Value {
        let directory = stateDirectory + "/registry"
        try Directories.make(directory)
        let descriptor = open(directory + "/lock", O_RDWR | O_CREAT, 0o644)
        guard descriptor >= 0, flock(descriptor, LOCK_EX) == 0 else {
            if descriptor >= 0 { close(descriptor) }
            throw JobFailure(
                .environment, "the registry of feature definitions cannot be locked",
                at: directory, remedy: "make the directory writable")
        }
        defer { close(descriptor) }
        return try body()
    }

    private static func text(_ micros: Int64) -> String {
        let date = Date(timeIntervalSince1970: Double(micros / 1_000_000))
        return date.formatted(.iso8601)
    }
}

extension FeatureRegistry {
    /// Adds what no run has had before to the log in a job's state directory, which several processes of the job
    /// may share.
    ///
    /// - Returns: the definitions with their versions, to be served.
    func noted(in stateDirectory: String, time: Int64) throws(JobFailure) -> RegistryPages {
        try RegistryLog.locked(stateDirectory) { () throws(JobFailure) -> RegistryPages in
            var log = try RegistryLog(stateDirectory: stateDirectory)
            try log.note(self, time: time)
            return pages(log)
        }
    }
}

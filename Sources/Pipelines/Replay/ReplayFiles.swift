import Foundation
import StreamRuntime

/// The small JSON files that replays keep.
enum ReplayFiles {
    /// Reads what `write` wrote; nil when there is no such file.
    static func read<Value: Decodable>(
        _ type: Value.Type, from path: String
    ) throws(JobFailure) -> Value? {
        guard let data = FileManager.default.contents(atPath: path) else { return nil }
        do {
            return try JSONDecoder().decode(type, from: data)
        } catch {
            throw JobFailure(
                .corruption, "the file is damaged or of another version", at: path,
                remedy: "remove its directory and run the replay again")
        }
    }

    /// Makes `value` the content of the file, wholly or not at all, and durable.
    static func write(_ value: some Encodable, to path: String) throws(JobFailure) {
        try replace(path, with: Array(try text(value).utf8))
    }

    /// `value` as the text of a JSON file.
    static func text(_ value: some Encodable) throws(JobFailure) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        do {
            return String(decoding: try encoder.encode(value), as: UTF8.self) + "\n"
        } catch {
            preconditionFailure("numbers and texts can be written as JSON")
        }
    }

    /// Makes `bytes` the content of the file at `path`, wholly or not at all, and durable.
    static func replace(_ path: String, with bytes: [UInt8]) throws(JobFailure) {
        let files = SystemFiles()
        try files.write(bytes, to: path + ".new")
        try files.rename(path + ".new", to: path)
        try files.syncDirectory(URL(fileURLWithPath: path).deletingLastPathComponent().path)
    }

    static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

    /// Removes a file or directory, if it is there.
    static func remove(_ path: String) throws(JobFailure) {
        guard exists(path) else { return }
        do { try FileManager.default.removeItem(atPath: path) } catch {
            throw JobFailure(
                .environment, "the directory cannot be removed", at: path,
                remedy: "give the user the right to write there")
        }
    }

    /// Copies a directory with all in it, if it is there; what is above the copy is made.
    static func copy(_ path: String, to target: String) throws(JobFailure) {
        guard exists(path) else { return }
        try Directories.make(URL(fileURLWithPath: target).deletingLastPathComponent().path)
        do { try FileManager.default.copyItem(atPath: path, toPath: target) } catch {
            throw JobFailure(
                .environment, "the directory cannot be copied", at: path,
                remedy: "free space, or give the user the right to read it")
        }
    }

    /// The names in a directory, sorted; none when it is not there.
    static func names(_ path: String) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
    }
}

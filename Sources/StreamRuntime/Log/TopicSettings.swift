/// What a topic of the embedded log is created with.
public struct TopicSettings: Equatable, Sendable {
    /// The number of partitions, fixed for life.
    public var partitions: Int
    /// Bytes at which a partition starts a new segment file.
    public var segmentBytes: Int
    /// Bytes a partition may take on disk before its oldest segments go; nil keeps everything.
    public var retentionBytes: Int?
    /// A segment goes when all its records are this much older than the newest of the partition.
    ///
    /// - Units: microseconds of record timestamps, not of the clock: a topic that is only read, or
    ///   that replays old events, loses nothing.
    public var retentionMicros: Int64?

    /// Settings of a topic that keeps everything unless told otherwise.
    public init(
        partitions: Int, segmentBytes: Int = 64 << 20, retentionBytes: Int? = nil,
        retentionMicros: Int64? = nil
    ) {
        self.partitions = partitions
        self.segmentBytes = segmentBytes
        self.retentionBytes = retentionBytes
        self.retentionMicros = retentionMicros
    }

    static let fileName = "topic"
    static let version = 1

    /// The settings as the lines of the topic's settings file.
    var text: String {
        var lines = ["millrace-topic \(TopicSettings.version)", "partitions \(partitions)"]
        lines.append("segment-bytes \(segmentBytes)")
        if let retentionBytes { lines.append("retention-bytes \(retentionBytes)") }
        if let retentionMicros { lines.append("retention-micros \(retentionMicros)") }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Reads what `text` wrote.
    ///
    /// - Throws: when the file is of a newer version, or was damaged.
    init(text: String, path: String) throws(JobFailure) {
        var values: [String: Int64] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 2, let value = Int64(words[1]) else { continue }
            values[String(words[0])] = value
        }
        guard let version = values["millrace-topic"] else {
            throw JobFailure(
                .corruption, "the topic's settings cannot be read", at: path,
                remedy: "restore the file from a copy, or delete the topic's directory")
        }
        guard version <= Int64(TopicSettings.version) else {
            throw JobFailure(
                .environment,
                "the topic was written in format \(version) and this program knows "
                    + "\(TopicSettings.version)",
                at: path, remedy: "use the newer version of millrace that wrote it")
        }
        guard let partitions = values["partitions"], let segment = values["segment-bytes"],
            (1...Int64(LogLimits.partitionsMax)).contains(partitions), segment > 0
        else {
            throw JobFailure(
                .corruption, "the topic's settings lack a line or have a wrong one", at: path,
                remedy: "restore the file from a copy, or delete the topic's directory")
        }
        self.init(
            partitions: Int(partitions), segmentBytes: Int(segment),
            retentionBytes: values["retention-bytes"].map { Int($0) },
            retentionMicros: values["retention-micros"])
    }
}

/// What a topic may be called.
public enum TopicName {
    /// Says what is wrong with `name`, or nothing.
    ///
    /// - Source: Kafka's rule: letters, digits, dot, underscore and hyphen, at most 249; we also keep
    ///   a leading dot to ourselves.
    public static func problem(_ name: String) -> String? {
        if name.isEmpty { return "a topic's name is empty" }
        if name.utf8.count > LogLimits.nameMax {
            return "a topic's name has \(name.utf8.count) characters; at most "
                + "\(LogLimits.nameMax) are allowed"
        }
        if name.hasPrefix(".") { return "topic name \"\(name)\" starts with a dot" }
        let wrong = name.unicodeScalars.first {
            !($0.isASCII
                && ($0.properties.isAlphabetic || $0.properties.numericType != nil
                    || $0 == "." || $0 == "_" || $0 == "-"))
        }
        return wrong.map { "topic name \"\(name)\" contains \"\($0)\"" }
    }

    static func check(_ name: String) throws(JobFailure) {
        guard let problem = problem(name) else { return }
        throw JobFailure(
            .environment, problem, at: "topics",
            remedy: "use letters, digits, '.', '_' and '-', not starting with a dot")
    }
}

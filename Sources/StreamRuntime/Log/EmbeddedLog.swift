import Glibc

/// Topics with partitions and offsets in a directory on local disk.
///
/// - Shape: `ROOT/TOPIC/PARTITION/` holds a partition's segments; `docs/FORMATS.md` has every byte.
/// - Note: any number of readers in any number of processes, and one writer for each topic.
public struct EmbeddedLog: Sendable {
    /// The directory of the topics.
    public let root: String

    /// The log in `root`, which need not exist yet.
    public init(root: String) { self.root = root }

    private func directory(_ topic: String) -> String { root + "/" + topic }
    private func settingsPath(_ topic: String) -> String {
        directory(topic) + "/" + TopicSettings.fileName
    }

    // MARK: topics

    /// The names of all topics, in byte order.
    public func topics() throws(JobFailure) -> [String] {
        var names: [String] = []
        for name in try LogDirectory.names(root) {
            if TopicName.problem(name) == nil && hasTopic(name) { names.append(name) }
        }
        return names
    }

    /// Whether there is a topic called `name`.
    public func hasTopic(_ name: String) -> Bool { LogDirectory.exists(settingsPath(name)) }

    /// Creates a topic: wholly, or not at all.
    ///
    /// - Throws: when its name or settings are not allowed, or it exists already.
    public func createTopic(_ name: String, _ settings: TopicSettings) throws(JobFailure) {
        try TopicName.check(name)
        guard (1...LogLimits.partitionsMax).contains(settings.partitions),
            settings.segmentBytes > 0, settings.retentionBytes ?? 0 >= 0,
            settings.retentionMicros ?? 0 >= 0
        else {
            throw JobFailure(
                .environment,
                "topic \(name) cannot have \(settings.partitions) partitions, "
                    + "segments of \(settings.segmentBytes) bytes or a negative retention",
                at: directory(name),
                remedy: "use 1 to \(LogLimits.partitionsMax) partitions and positive sizes")
        }
        guard !hasTopic(name) else {
            throw JobFailure(
                .environment, "topic \(name) exists already", at: directory(name),
                remedy: "choose another name, or delete the topic first")
        }
        try LogDirectory.create(root)
        let staging = root + "/.new-\(getpid())-" + String(name.prefix(200))
        try LogDirectory.removeTree(staging)
        for partition in 0..<settings.partitions {
            try LogDirectory.create(staging + "/\(partition)")
        }
        let none = CommittedEnds(
            checkpoint: 0,
            ends: Array(repeating: PartitionEnd(), count: settings.partitions))
        try LogDirectory.replace(
            CommittedEnds.fileName, in: staging, with: none.bytes, syncing: true, write: .system)
        try LogDirectory.replace(
            TopicSettings.fileName, in: staging, with: Array(settings.text.utf8), syncing: true,
            write: .system)
        try LogDirectory.rename(staging, to: directory(name))
        try LogDirectory.sync(root)
    }

    /// Creates the topic unless it exists.
    public func ensureTopic(_ name: String, _ settings: TopicSettings) throws(JobFailure) {
        if !hasTopic(name) { try createTopic(name, settings) }
    }

    /// Lets the topic keep records for another time than it was created with; nil keeps everything.
    ///
    /// - Throws: when there is no such topic, or while it has a writer.
    public func keep(_ name: String, micros: Int64?) throws(JobFailure) {
        var settings = try settings(name)
        guard settings.retentionMicros != micros else { return }
        let lock = try WriterLock(directory(name), topic: name)
        settings.retentionMicros = micros
        try LogDirectory.replace(
            TopicSettings.fileName, in: directory(name), with: Array(settings.text.utf8),
            syncing: true, write: .system)
        withExtendedLifetime(lock) {}
    }

    /// Deletes a topic and its records.
    ///
    /// - Throws: when there is none, or while it has a writer.
    public func deleteTopic(_ name: String) throws(JobFailure) {
        _ = try settings(name)
        let lock = try WriterLock(directory(name), topic: name)
        let doomed = root + "/.old-\(getpid())-" + String(name.prefix(200))
        try LogDirectory.removeTree(doomed)
        try LogDirectory.rename(directory(name), to: doomed)
        try LogDirectory.sync(root)
        try LogDirectory.removeTree(doomed)
        withExtendedLifetime(lock) {}
    }

    /// What the topic was created with.
    ///
    /// - Throws: when there is no such topic, naming those that there are.
    public func settings(_ name: String) throws(JobFailure) -> TopicSettings {
        try TopicName.check(name)
        guard let bytes = try LogDirectory.bytes(settingsPath(name)) else {
            let known = try topics()
            let list = known.isEmpty ? "none" : known.prefix(20).joined(separator: ", ")
            throw JobFailure(
                .environment, "there is no topic \(name)", at: root,
                remedy: "create it, or correct the name or the directory; topics there: \(list)")
        }
        return try TopicSettings(
            text: String(decoding: bytes, as: UTF8.self), path: settingsPath(name))
    }

    // MARK: reading and writing

    /// The topic as a source; with `bounded` it ends at what is committed now.
    public func source(_ topic: String, bounded: Bool) throws(JobFailure) -> TopicSource {
        let settings = try settings(topic)
        return try TopicSource(
            topic: topic, directory: directory(topic), settings: settings, bounded: bounded)
    }

    /// The topic's writer.
    ///
    /// - Parameter syncing: false when only a killed process, not a power cut, must lose nothing.
    /// - Throws: when the topic has a writer already.
    public func writer(
        _ topic: String, syncing: Bool = true
    ) throws(JobFailure) -> TopicWriter {
        try writer(topic, syncing: syncing, write: .system)
    }

    func writer(
        _ topic: String, syncing: Bool, write: FileWrite
    ) throws(JobFailure) -> TopicWriter {
        let settings = try settings(topic)
        return try TopicWriter(
            topic: topic, directory: directory(topic), settings: settings, syncing: syncing,
            write: write)
    }

    /// The extent of each partition, as readers see it.
    public func extents(_ topic: String) throws(JobFailure) -> [PartitionExtent] {
        let settings = try settings(topic)
        let committed = try CommittedEnds.read(directory(topic), partitions: settings.partitions)
        var extents: [PartitionExtent] = []
        for (partition, end) in committed.ends.enumerated() {
            let files = PartitionFiles(
                topic: topic, partition: partition, directory: directory(topic) + "/\(partition)")
            let bases = try files.bases().filter { $0 <= end.segment }
            var bytes = 0
            for base in bases { bytes += try LogFile(files.segment(base), O_RDONLY).size() }
            extents.append(
                PartitionExtent(
                    partition: partition, oldest: bases.first ?? end.offset, end: end.offset,
                    bytes: bytes, segments: bases.count))
        }
        return extents
    }
}

/// How much of a partition there is.
public struct PartitionExtent: Equatable, Sendable {
    /// Its number.
    public let partition: Int
    /// The offset of its oldest record.
    public let oldest: Int64
    /// The offset its next record will get.
    public let end: Int64
    /// Bytes its segments take on disk.
    public let bytes: Int
    /// The number of its segments.
    public let segments: Int

    /// The number of records that can be read.
    public var records: Int64 { end - oldest }
}

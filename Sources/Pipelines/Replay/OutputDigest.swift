import FeatureServe
import Foundation
import StreamRuntime

/// What is in one output of a scratch place, as a number that two runs are compared by.
struct OutputDigest: Equatable, Sendable {
    let name: String
    let records: Int64
    let digest: String

    /// The digests of everything a run of `plan` left in `place`: topics, files, and the features.
    ///
    /// - Parameter except: the id of a sink that wrote elsewhere.
    static func all(
        of plan: JobPlan, in place: ScratchPlace, except: String? = nil
    ) throws(JobFailure) -> [OutputDigest] {
        var digests: [OutputDigest] = []
        for (_, output) in plan.outputs(in: place) where output.id != except {
            var digest = RecordDigest()
            switch output.kind {
            case .topic(let topic):
                digest = try OutputDigest.topic(topic, root: place.topics)
            case .files(let directory, let format):
                for line in FileLines(directory: directory, format: format) { digest.append(line) }
            }
            digests.append(
                OutputDigest(name: output.name, records: digest.count, digest: digest.text))
        }
        if !plan.featureViews.isEmpty {
            var digest = RecordDigest()
            for line in try features(of: plan, in: place) { digest.append(Array(line.utf8)) }
            digests.append(
                OutputDigest(name: "(features)", records: digest.count, digest: digest.text))
        }
        return digests
    }

    /// The digest of a topic's records, partition after partition.
    static func topic(_ topic: String, root: String) throws(JobFailure) -> RecordDigest {
        let log = EmbeddedLog(root: root)
        guard log.hasTopic(topic) else { return RecordDigest() }
        return try digest(try log.source(topic, bounded: true))
    }

    /// The digest of everything a source has.
    static func of(_ source: any RecordSource, name: String) throws(JobFailure) -> OutputDigest {
        let digest = try digest(source)
        return OutputDigest(name: name, records: digest.count, digest: digest.text)
    }

    private static func digest(_ source: any RecordSource) throws(JobFailure) -> RecordDigest {
        var digest = RecordDigest()
        let scratch = ByteArena()
        try ReplaySources.forEachBatch(of: source) { digest.append($0, scratch: scratch) }
        return digest
    }

    /// The rows of the online store as lines.
    static func features(
        of plan: JobPlan, in place: ScratchPlace
    ) throws(JobFailure) -> [String] {
        var moved = plan
        moved.settings.stateDirectory = place.state
        return try OnlineStores.open(moved, budget: 64 << 20).dump()
    }
}

/// The lines of all parts a file sink has published, without the headers of CSV parts.
struct FileLines: Sequence {
    let directory: String
    let format: PlannedFormat.Kind

    func makeIterator() -> AnyIterator<[UInt8]> {
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? [])
            .filter { !$0.hasPrefix(".") }.sorted()
        var parts = names.makeIterator()
        var lines: ArraySlice<UInt8> = []
        return AnyIterator {
            while lines.isEmpty {
                guard let name = parts.next() else { return nil }
                lines = ArraySlice(
                    FileManager.default.contents(atPath: directory + "/" + name) ?? Data())
                if format == .csv { _ = FileLines.first(&lines) }
            }
            return FileLines.first(&lines)
        }
    }

    private static func first(_ lines: inout ArraySlice<UInt8>) -> [UInt8] {
        let end = lines.firstIndex(of: 10) ?? lines.endIndex
        defer { lines = lines[Swift.min(end + 1, lines.endIndex)...] }
        return Array(lines[..<end])
    }
}

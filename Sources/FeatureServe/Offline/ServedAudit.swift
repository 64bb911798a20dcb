import Codecs
import StreamRuntime

/// Recomputes what lookups gave from the log of versions, and says where the two differ and why.
public struct ServedAudit {
    /// What became of a value that was given.
    public enum Verdict: String, CaseIterable, Sendable {
        /// A training set would have it.
        case equal
        /// Something came behind the watermark after it was given.
        case lateData = "late data"
        /// Something that had happened was readable only after it was given.
        case publishLag = "publish lag"
        /// It was made by another definition than the log's version.
        case changedDefinition = "changed definition"
        /// The log does not reach that moment: not yet, or no longer.
        case unknown = "not in the log"
        /// None of these explains it.
        case wrong
    }

    /// The first value that nothing explains.
    public struct Wrong: Sendable {
        /// The view.
        public let view: String
        /// The entity's keys as JSON.
        public let keys: String
        /// When it was given, in microseconds since 1970.
        public let asOfMicros: Int64
        /// What was given: features and values.
        public let given: String
        /// What the log says.
        public let expected: String
        /// Where the given values stand in the log of served features.
        public let place: String
        /// The row that made the expected version; nil when there is none.
        public let version: FeatureVersion?
    }

    /// How many values of each verdict there are, by view.
    public private(set) var counts: [String: [Verdict: Int]] = [:]
    /// The first wrong value in the order of the rows.
    public private(set) var wrong: Wrong?

    /// How near to the moment a version was readable it may have been given or not: what passes between
    /// reading the clock and reading the row, or waiting for its lock.
    public static let graceMicros: Int64 = 10_000

    private let catalog: FeatureCatalog
    private let rows: [ServedRow]
    private var wrongRow = Int.max

    /// An audit of `rows`.
    public init(_ rows: [ServedRow], catalog: FeatureCatalog) {
        self.rows = rows
        self.catalog = catalog
    }

    /// The views that rows are about, of those declared.
    public var views: [String] {
        let given = Set(rows.flatMap { $0.views.map(\.name) })
        return catalog.views.map(\.name).filter(given.contains)
    }

    /// Values of all verdicts.
    public func count(_ verdict: Verdict) -> Int {
        counts.values.reduce(0) { $0 + ($1[verdict] ?? 0) }
    }

    /// Compares what was given of `view` with its versions in `sources`.
    ///
    /// - Parameter threads: more than one only where a key never changes its partition.
    public mutating func run(
        view name: String, sources: [any RecordSource], threads: Int
    ) throws(JobFailure) {
        guard let view = catalog.view(name) else { return }
        var given: [(row: Int, view: ServedRow.View)] = []
        let keys = Column(.bytes, capacity: rows.count)
        let hashes = Column(.int64, capacity: rows.count)
        let times = Column(.timestamp, capacity: rows.count)
        for (index, row) in rows.enumerated() {
            guard let found = row.views.first(where: { $0.name == name }) else { continue }
            given.append((index, found))
            row.key.withUnsafeBufferPointer {
                keys.append($0)
                hashes.append($0.baseAddress.map { Hash.xxh3($0, row.key.count) } ?? 0)
            }
            times.append(row.asOf)
        }
        guard !given.isEmpty else { return }
        let labels = LabelIndex(
            keys: KeyColumn(bytes: keys, hashes: hashes), times: times.int64s)
        let grace = ServedAudit.graceMicros
        let served = PointInTimeJoin(of: view, to: labels, visibility: .only)
        let sooner = PointInTimeJoin(of: view, to: labels, visibility: .only, grace: grace)
        let later = PointInTimeJoin(of: view, to: labels, visibility: .only, grace: -grace)
        let known = PointInTimeJoin(of: view, to: labels, visibility: .ignored)
        let scan = try VersionScan(
            sources, into: [served, sooner, later, known], threads: threads)
        try scan.run()
        let comparison = Comparison(view: view)
        for (label, (row, was)) in given.enumerated() {
            let asOf = rows[row].asOf
            let expected = served.record(of: label)
            var verdict = comparison.verdict(
                was, asOf: asOf, served: expected,
                near: [sooner.record(of: label), later.record(of: label)],
                known: known.record(of: label))
            if verdict == .wrong {
                let isNewer = scan.newestVisible.map { asOf > $0 } ?? true
                let isGone =
                    expected == nil
                    && (was.visibleTime ?? .max) < (scan.oldestVisible ?? .max)
                if isNewer || isGone { verdict = .unknown }
                if served.otherLayoutCount > 0, expected == nil { verdict = .changedDefinition }
            }
            counts[name, default: [:]][verdict, default: 0] += 1
            guard verdict == .wrong, row < wrongRow else { continue }
            wrongRow = row
            wrong = Wrong(
                view: name, keys: rows[row].keyText, asOfMicros: asOf,
                given: comparison.text(was), expected: comparison.text(expected, like: was),
                place: rows[row].place, version: expected.flatMap { FeatureVersion($0) })
        }
        withExtendedLifetime(scan) {}
    }

    /// Compares values given with versions of one view.
    private struct Comparison {
        let view: FeatureView
        let arena = ByteArena()

        func verdict(
            _ was: ServedRow.View, asOf: Int64, served: UnsafeBufferPointer<UInt8>?,
            near: [UnsafeBufferPointer<UInt8>?], known: UnsafeBufferPointer<UInt8>?
        ) -> Verdict {
            if isEqual(was, served) {
                // Whatever had happened by then and was readable only afterwards.
                guard let known = known.flatMap({ FeatureVersion($0) }), known.visibleTime > asOf
                else { return .equal }
                return known.flags.contains(.late) ? .lateData : .publishLag
            }
            if near.contains(where: { isEqual(was, $0) }) { return .publishLag }
            if let version = served.flatMap({ FeatureVersion($0) }),
                DefinitionHash(value: version.definition).text != was.definition
            {
                return .changedDefinition
            }
            return .wrong
        }

        private func isEqual(
            _ was: ServedRow.View, _ record: UnsafeBufferPointer<UInt8>?
        ) -> Bool {
            guard let record, let version = FeatureVersion(record),
                !version.flags.contains(.deleted)
            else { return was.eventTime == nil }
            guard was.eventTime == version.eventTime else { return false }
            return values(record, version, like: was) == was.features.map(\.value)
        }

        /// The values of the features that `was` has, as answers show them.
        private func values(
            _ record: UnsafeBufferPointer<UInt8>, _ version: FeatureVersion,
            like was: ServedRow.View
        ) -> [[UInt8]] {
            arena.count = 0
            _ = RenderedView.append(
                payload: record.baseAddress! + version.payloadStart,
                eventMicros: version.eventTime, features: view.features, to: arena)
            return was.features.map { feature in
                guard let index = view.features.firstIndex(where: { $0.name == feature.name })
                else { return [] }
                return Array(
                    RenderedView.fragment(
                        arena.base, feature: index, features: view.features.count
                    ).text)
            }
        }

        func text(_ was: ServedRow.View) -> String {
            guard let eventTime = was.eventTime else { return "nothing" }
            return text(was.features.map(\.name), was.features.map(\.value), eventTime)
        }

        func text(
            _ record: UnsafeBufferPointer<UInt8>?, like was: ServedRow.View
        ) -> String {
            guard let record, let version = FeatureVersion(record),
                !version.flags.contains(.deleted)
            else { return "nothing" }
            return text(
                was.features.map(\.name), values(record, version, like: was), version.eventTime)
        }

        private func text(_ names: [String], _ values: [[UInt8]], _ eventTime: Int64) -> String {
            let pairs = zip(names, values).map { name, value in
                "\(name)=\(String(decoding: value, as: UTF8.self))"
            }
            var moment: [UInt8] = []
            ValueText.append(timestamp: eventTime, to: &moment)
            return pairs.joined(separator: " ") + " of "
                + String(decoding: moment, as: UTF8.self)
        }
    }
}

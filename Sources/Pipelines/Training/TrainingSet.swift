import FeatureServe
import Glibc
import StreamRuntime

/// Joins labels with the features that serving would have given at their moments.
///
/// The labels are taken in runs that fit into memory; each run reads the log of each view once, so as long as
/// the labels fit, the log is read in one pass.
struct TrainingSet {
    /// How a set was made.
    struct Summary {
        var labels = 0
        /// Versions read, over all views and runs.
        var versions = 0
        /// Runs of labels.
        var runs = 0
        /// Labels with a version, by view.
        var found: [Int]
        /// Versions of other features than a view has now, by view.
        var otherLayouts: [Int]
    }

    let labels: LabelFile
    let features: TrainingFeatures
    let logs: FeatureLogs
    let visibility: PointInTimeJoin.Visibility
    let memoryBytes: Int

    /// Labels of one run, with what is kept until they are written.
    private struct Run {
        var batches: [LabelFile.Batch] = []
        var times = Column(.timestamp, capacity: 4096)
        var count = 0
    }

    /// Bytes that a label takes in memory, about.
    private var bytesEach: Int {
        var bytes = labels.schema.fields.reduce(8) { $0 + ($1.type.isBytes ? 32 : 9) }
        for view in features.views {
            // Half of what is kept is replaced by something longer, at worst.
            let record = 64 + view.view.features.reduce(0) { $0 + ($1.type.isBytes ? 32 : 9) }
            bytes += 96 + record * 3 / 2
        }
        return bytes
    }

    /// Labels of one run.
    var runLabels: Int { max(min(memoryBytes / 5 * 4 / bytesEach, Int(Int32.max) - 1), 1000) }

    /// Writes the set to `path`.
    ///
    /// - Throws: when labels cannot be read, a view has no log, or the file cannot be written.
    func write(
        to path: String, threads: Int, isQuiet: Bool, clock: any Clock = SystemClock()
    ) throws(JobFailure) -> Summary {
        let schema = Schema(labels.schema.fields + features.fields)
        for field in features.fields where labels.schema.index(of: field.name) != nil {
            throw JobFailure(
                .request, "the labels have a column \"\(field.name)\", as a feature is called",
                at: path, remedy: "add --full-feature-names, or rename the labels' column")
        }
        let file = try TrainingSetFile(path, schema: schema)
        var summary = Summary(
            found: features.views.map { _ in 0 }, otherLayouts: features.views.map { _ in 0 })
        let runs = (labels.count + runLabels - 1) / runLabels
        var total: Int64 = 0
        for view in features.views { total += try logs.count(view.view.name) }
        var progress = ScanProgress(
            total: total * Int64(runs), isShown: !isQuiet, clock: clock)
        var run = Run()
        try labels.forEachBatch { batch throws(JobFailure) in
            run.batches.append(batch)
            let times = batch.columns[labels.timeColumn].int64s
            for row in 0..<batch.count { run.times.append(times[row]) }
            run.count += batch.count
            guard run.count >= runLabels else { return }
            try join(run, threads: threads, into: file, &summary, &progress)
            run = Run()
        }
        if run.count > 0 { try join(run, threads: threads, into: file, &summary, &progress) }
        progress.finish()
        try file.finish()
        return summary
    }

    private func join(
        _ run: Run, threads: Int, into file: TrainingSetFile, _ summary: inout Summary,
        _ progress: inout ScanProgress
    ) throws(JobFailure) {
        summary.labels += run.count
        summary.runs += 1
        var indices: [String: LabelIndex] = [:]
        var joins: [PointInTimeJoin] = []
        var scans: [VersionScan] = []
        for (number, view) in features.views.enumerated() {
            let index: LabelIndex
            if let known = indices[view.entity.name] {
                index = known
            } else {
                index = LabelIndex(
                    keys: keys(of: view.entity, in: run), times: run.times.int64s)
                indices[view.entity.name] = index
            }
            let sources = try logs.sources(view.view.name)
            guard !sources.isEmpty else { throw logs.nothingKept(of: view.view.name) }
            let join = PointInTimeJoin(of: view.view, to: index, visibility: visibility)
            let scan = try VersionScan(sources, into: [join], threads: threads)
            var shown = progress
            try scan.run { shown.show(scan.versionCount) }
            shown.end(scan.versionCount)
            progress = shown
            summary.versions += scan.versionCount
            summary.otherLayouts[number] += join.otherLayoutCount
            joins.append(join)
            scans.append(scan)
        }
        try write(run, joins, into: file, &summary)
        withExtendedLifetime(scans) {}
    }

    private func keys(of entity: Entity, in run: Run) -> KeyColumn {
        let positions = entity.keys.map { labels.schema.index(of: $0.name)! }
        let encoder = KeyEncoder(columns: [])
        let bytes = Column(.bytes, capacity: run.count)
        let hashes = Column(.int64, capacity: run.count)
        for batch in run.batches {
            let encoded = encoder.encode(positions.map { batch.columns[$0] }, count: batch.count)
            for row in 0..<batch.count {
                bytes.append(encoded.bytes.bytes(row))
                hashes.append(encoded.hashes.int64s[row])
            }
        }
        return KeyColumn(bytes: bytes, hashes: hashes)
    }

    private func write(
        _ run: Run, _ joins: [PointInTimeJoin], into file: TrainingSetFile,
        _ summary: inout Summary
    ) throws(JobFailure) {
        let readers = features.views.map { VersionColumns(of: $0.view, wanted: $0.wanted) }
        let times = run.times.int64s
        var label = 0
        for batch in run.batches {
            let first = label
            var values: [[Column]] = []
            var statuses: [[Column]] = []
            var eventTimes: [Column] = []
            for (number, view) in features.views.enumerated() {
                let own = view.wanted.map {
                    Column(view.view.features[$0].type, capacity: batch.count)
                }
                let said = view.wanted.map { _ in Column(.string, capacity: batch.count) }
                let events = Column(.timestamp, capacity: batch.count)
                for row in 0..<batch.count {
                    let event = readers[number].append(
                        joins[number].record(of: first + row), at: times[first + row], to: own,
                        statuses: said)
                    if let event {
                        events.append(event)
                        summary.found[number] += 1
                    } else {
                        events.appendNull()
                    }
                }
                values.append(own)
                statuses.append(said)
                eventTimes.append(events)
            }
            label += batch.count
            let made = features.computed.map { computed in
                computed.columns.compute(
                    request: request(of: computed.columns.view, batch), rows: batch.count,
                    moments: times + first
                ) { source, row in joins[computed.sources[source]].record(of: first + row) }
            }
            var columns = batch.columns
            for column in features.columns {
                switch column.place {
                case .stored(let view, let feature):
                    columns.append(values[view][feature])
                    columns.append(statuses[view][feature])
                case .computed(let view, let feature):
                    columns.append(made[view].values[feature])
                    columns.append(made[view].statuses[feature])
                }
            }
            try file.write(columns + eventTimes, count: batch.count)
        }
    }

    /// What a lookup would have said for `view`: the labels' columns, or the defaults.
    private func request(of view: OnDemandView, _ batch: LabelFile.Batch) -> [Column] {
        view.request.map { input in
            if let column = labels.schema.index(of: input.field.name) {
                return batch.columns[column]
            }
            let column = Column(input.field.type, capacity: batch.count)
            for _ in 0..<batch.count { (input.defaultValue ?? .null).append(to: column) }
            return column
        }
    }
}

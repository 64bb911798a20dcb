import StreamRuntime

/// The offsets a bounded run covers, by "stream/partition".
typealias SourceRanges = [String: OffsetRange]

extension JobPlan {
    /// Everything the job's inputs hold now.
    func currentRanges() throws(JobFailure) -> SourceRanges {
        try ranges(isLenient: false) { _ in true }
    }

    /// What the inputs hold now that the job writes itself, as an output, a result or a dead letter.
    func ownRanges() throws(JobFailure) -> SourceRanges {
        var written: Set<PlannedCall.Topic> = []
        for sink in sinks {
            switch sink.target {
            case .topic(let connection, let topic, _, _):
                written.insert(.init(connection: connection, topic: topic))
            case .call(let call):
                written.formUnion([call.results, call.deadLetters].compactMap { $0 })
            default: break
            }
        }
        // A topic that no run has written yet need not be there.
        try makeCallTopics()
        return try ranges(isLenient: true) {
            guard case .topic(let connection, let topic) = $0.location else { return false }
            return written.contains(.init(connection: connection, topic: topic))
        }
    }

    /// - Parameter isLenient: whether topics that are not there yet are passed over.
    private func ranges(
        isLenient: Bool, where isWanted: (PlannedSource) -> Bool
    ) throws(JobFailure) -> SourceRanges {
        var ranges: SourceRanges = [:]
        let factory = SourceFactory(plan: self, isBounded: false)
        for planned in sources where isWanted(planned) {
            let source: any RecordSource
            do throws(JobFailure) {
                source = try factory.node(planned).open()
            } catch {
                if isLenient { continue }
                throw error
            }
            for partition in try source.partitions() {
                var range = OffsetRange(from: 0, to: nil)
                if let log = source as? any LogLookup {
                    let extent = try log.extent(partition: partition)
                    range = OffsetRange(from: extent.oldest, to: extent.end)
                }
                ranges["\(planned.name)/\(partition)"] = range
            }
        }
        return ranges
    }
}

extension SourceRanges {
    /// The ranges of one stream, by partition.
    func partitions(of stream: String) -> [Int32: OffsetRange] {
        var found: [Int32: OffsetRange] = [:]
        for (address, range) in self where address.hasPrefix(stream + "/") {
            if let partition = Int32(address.dropFirst(stream.utf8.count + 1)) {
                found[partition] = range
            }
        }
        return found
    }

    /// Grows with every record that comes.
    var ends: Int64 { values.reduce(0) { $0 + ($1.to ?? 0) } }

    /// How many offsets they have together; files are not known beforehand.
    var offsets: Int64 { values.reduce(0) { $0 + Swift.max(0, ($1.to ?? $1.from) - $1.from) } }
}

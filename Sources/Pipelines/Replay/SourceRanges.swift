import StreamRuntime

/// The offsets a bounded run covers, by "stream/partition".
typealias SourceRanges = [String: OffsetRange]

extension JobPlan {
    /// Everything the job's inputs hold now.
    func currentRanges() throws(JobFailure) -> SourceRanges {
        var ranges: SourceRanges = [:]
        let factory = SourceFactory(plan: self, isBounded: false)
        for planned in sources {
            let source = try factory.node(planned).open()
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

    /// How many offsets they have together; files are not known beforehand.
    var offsets: Int64 { values.reduce(0) { $0 + Swift.max(0, ($1.to ?? $1.from) - $1.from) } }
}

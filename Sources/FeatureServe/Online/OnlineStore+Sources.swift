import StreamRuntime

extension OnlineStore {
    /// An origin under the number that its source keeps, whatever its place in the plan.
    @inline(__always)
    func lasting(origin: Int64) -> Int64 {
        let ordinal = Int(truncatingIfNeeded: origin &>> 32)
        guard origin < RowOrder.derived, ordinal < sourceNumbers.count else { return origin }
        return sourceNumbers[ordinal] &<< 32 | origin & 0xFFFF_FFFF
    }

    /// The topic and partition of an origin as versions keep it; nil when a step made the row, or a push.
    func place(of origin: Int64) -> (topic: String, partition: Int32)? {
        let number = Int(truncatingIfNeeded: origin &>> 32)
        guard origin < RowOrder.derived, number >= 1, number <= sourceTopics.count else {
            return nil
        }
        return (sourceTopics[number - 1], Int32(truncatingIfNeeded: origin))
    }

    /// What of `views` a record of the topic goes into: which views, and as which origin.
    func targets(
        topic: String, partition: Int32, views: [String]
    ) -> [(view: Int, origin: Int64)] {
        views.flatMap { name -> [(view: Int, origin: Int64)] in
            guard let view = catalog.views.firstIndex(where: { $0.name == name }) else { return [] }
            return (provenance.sources[name] ?? []).filter {
                $0 < provenance.topics.count && provenance.topics[$0] == topic
            }.map { (view, Int64($0) << 32 | Int64(partition)) }
        }
    }
}

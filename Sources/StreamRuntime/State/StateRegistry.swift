/// The states of a job: the number each has on disk, for good, and its layout.
public struct StateRegistry: Equatable, Sendable {
    /// One state.
    public struct Record: Equatable, Sendable {
        /// "step/state".
        public let address: String
        /// The first two bytes of the state's keys on disk.
        public let number: UInt16
        /// Bytes every value begins with.
        public let fixedBytes: Int
        /// Byte strings that follow.
        public let blobs: Int
        /// The version of the bytes' meaning.
        public let version: Int
        /// Whether a checkpoint holds the state already.
        public var isRestored: Bool

        /// A state as a manifest describes it.
        public init(
            address: String, number: UInt16, fixedBytes: Int, blobs: Int, version: Int,
            isRestored: Bool
        ) {
            self.address = address
            self.number = number
            self.fixedBytes = fixedBytes
            self.blobs = blobs
            self.version = version
            self.isRestored = isRestored
        }

        /// The same state at another address.
        func moved(to address: String) -> Record {
            Record(
                address: address, number: number, fixedBytes: fixedBytes, blobs: blobs,
                version: version, isRestored: isRestored)
        }
    }

    /// All states, by number.
    public private(set) var records: [Record]

    /// A registry of the states of a checkpoint, or of none yet.
    public init(_ records: [Record] = []) {
        self.records = records.sorted { $0.number < $1.number }
    }

    /// Gives the states of step `former` to step `step`, unless that has states of its own.
    public mutating func rename(_ step: String, from former: String) {
        if records.contains(where: { $0.address.hasPrefix(step + "/") }) { return }
        records = records.map { record in
            guard record.address.hasPrefix(former + "/") else { return record }
            return record.moved(to: step + record.address.dropFirst(former.count))
        }
    }

    /// The record of the state at `address`, made when there is none.
    ///
    /// - Throws: when the state has another layout.
    mutating func register(_ address: String, layout: StateLayout) throws(JobFailure) -> Record {
        if let record = records.first(where: { $0.address == address }) {
            guard
                record.fixedBytes == layout.fixedBytes, record.blobs == layout.blobs,
                record.version == layout.version
            else {
                throw JobFailure(
                    .state,
                    "the checkpoint holds state \"\(address)\" as version \(record.version) with "
                        + "\(record.fixedBytes) fixed bytes and \(record.blobs) byte strings; this "
                        + "program keeps it as version \(layout.version) with \(layout.fixedBytes) "
                        + "and \(layout.blobs)",
                    at: "step \(address.split(separator: "/").first ?? "")",
                    remedy:
                        "give the step a new id, so that it starts with empty state; or run the "
                        + "program and pipeline that wrote the checkpoint")
            }
            return record
        }
        let number = (records.last?.number ?? 0) + 1
        guard number < UInt16.max else {
            throw JobFailure(
                .state, "the job has more than 65,534 states", at: address,
                remedy: "start afresh in another state directory")
        }
        let record = Record(
            address: address, number: number, fixedBytes: layout.fixedBytes, blobs: layout.blobs,
            version: layout.version, isRestored: false)
        records.append(record)
        return record
    }
}

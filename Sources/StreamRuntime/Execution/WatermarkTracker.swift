/// The event time that all inputs of a task have reached together.
///
/// Live inputs hold it at the smallest of their watermarks. Idle inputs do not hold it back; when none
/// is live, it is the largest watermark of the idle ones. When every input has ended it is the end of
/// time. It never goes back.
///
/// - Source: the rule of Flink's StatusWatermarkValve.
public struct WatermarkTracker: Equatable, Sendable {
    private enum Status: UInt8, Equatable, Sendable { case live, idle, ended }

    private var watermarks: [EventTime]
    private var statuses: [Status]
    /// Where event time stands.
    public private(set) var combined: EventTime

    /// A tracker of `inputs` inputs, none of which has shown anything yet.
    public init(inputs: Int) {
        watermarks = [EventTime](repeating: .earliest, count: inputs)
        statuses = [Status](repeating: .live, count: inputs)
        combined = .earliest
    }

    /// Input `input` promises `watermark`, and is live again if it was idle.
    ///
    /// - Returns: whether `combined` went forward.
    public mutating func advance(_ input: Int, to watermark: EventTime) -> Bool {
        watermarks[input] = max(watermarks[input], watermark)
        if statuses[input] != .ended { statuses[input] = .live }
        return recombine()
    }

    /// Input `input` is idle: caught up with the end of its log.
    public mutating func idle(_ input: Int) -> Bool {
        if statuses[input] != .ended { statuses[input] = .idle }
        return recombine()
    }

    /// Input `input` has ended.
    public mutating func end(_ input: Int) -> Bool {
        statuses[input] = .ended
        return recombine()
    }

    /// Whether input `input` holds event time back.
    func isLive(_ input: Int) -> Bool { statuses[input] == .live }

    /// Input `input` has more after all: another run has begun.
    mutating func revive(_ input: Int) {
        if statuses[input] == .ended { statuses[input] = .live }
    }

    /// The tracker of a run after one whose inputs have all ended: they promise what they did, no more.
    var reopened: WatermarkTracker {
        var tracker = self
        for input in statuses.indices { tracker.statuses[input] = .live }
        tracker.combined = watermarks.min() ?? .earliest
        return tracker
    }

    /// Whether every input has ended.
    public var isEnded: Bool { statuses.allSatisfy { $0 == .ended } }

    /// Whether every input is idle or has ended, and one at least is idle.
    public var isIdle: Bool { !isEnded && statuses.allSatisfy { $0 != .live } }

    private mutating func recombine() -> Bool {
        var slowest: EventTime?
        var farthest: EventTime?
        for (watermark, status) in zip(watermarks, statuses) {
            if status == .live { slowest = min(slowest ?? watermark, watermark) }
            if status == .idle { farthest = max(farthest ?? watermark, watermark) }
        }
        let reached = slowest ?? farthest ?? .endOfTime
        guard reached > combined else { return false }
        combined = reached
        return true
    }

    // MARK: as bytes

    /// How many inputs there are.
    public var inputs: Int { statuses.count }

    /// The tracker as a checkpoint keeps it.
    ///
    /// - Shape: i64 `combined`; for each input u8 status (0 live, 1 idle, 2 ended), i64 watermark; all
    ///   little-endian.
    public var bytes: [UInt8] {
        var bytes: [UInt8] = []
        func put(_ time: EventTime) {
            withUnsafeBytes(of: time.micros.littleEndian) { bytes.append(contentsOf: $0) }
        }
        put(combined)
        for (status, watermark) in zip(statuses, watermarks) {
            bytes.append(status.rawValue)
            put(watermark)
        }
        return bytes
    }

    /// Reads what `bytes` made; nil when these are none.
    public init?(bytes: [UInt8]) {
        guard bytes.count >= 8, (bytes.count - 8) % 9 == 0 else { return nil }
        func time(_ at: Int) -> EventTime {
            let word = bytes.withUnsafeBytes {
                $0.loadUnaligned(fromByteOffset: at, as: Int64.self)
            }
            return EventTime(micros: Int64(littleEndian: word))
        }
        self.init(inputs: (bytes.count - 8) / 9)
        combined = time(0)
        for input in statuses.indices {
            let at = 8 + input * 9
            guard let status = Status(rawValue: bytes[at]) else { return nil }
            statuses[input] = status
            watermarks[input] = time(at + 1)
        }
    }
}

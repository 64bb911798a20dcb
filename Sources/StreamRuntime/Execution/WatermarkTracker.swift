/// The event time that all inputs of a task have reached together.
///
/// Live inputs hold it at the smallest of their watermarks. Idle inputs do not hold it back; when none
/// is live, it is the largest watermark of the idle ones. When every input has ended it is the end of
/// time. It never goes back.
///
/// - Source: the rule of Flink's StatusWatermarkValve.
public struct WatermarkTracker: Equatable, Sendable {
    private enum Status: Equatable, Sendable { case live, idle, ended }

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
}

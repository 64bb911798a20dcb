/// What is known of a plan's features besides their definitions: where they come from.
public struct FeatureProvenance: Equatable, Sendable {
    /// The topic, or the path, that each source reads, by its ordinal in the plan.
    public var topics: [String]
    /// The ordinals of the sources that a view's rows come from, by the view's name.
    public var sources: [String: [Int]]
    /// How wide the window of a feature is, in microseconds, where it has one: by view and feature.
    public var windows: [String: [String: Int64]]

    /// What comes from these sources and windows; nothing is known otherwise.
    public init(
        topics: [String] = [], sources: [String: [Int]] = [:],
        windows: [String: [String: Int64]] = [:]
    ) {
        self.topics = topics
        self.sources = sources
        self.windows = windows
    }

    /// The window that a value about `eventMicros` covers, without its end; nil where there is none.
    ///
    /// - Source: the rows of a rolling window are those of (t - w, t], and the result of a window that ends
    ///   at e carries the time e - 1 microsecond: both are [t + 1 - w, t + 1).
    func interval(
        view: String, feature: String, eventMicros: Int64
    ) -> (from: Int64, to: Int64)? {
        guard let width = windows[view]?[feature] else { return nil }
        return (eventMicros + 1 - width, eventMicros + 1)
    }
}

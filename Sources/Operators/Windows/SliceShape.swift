import StreamRuntime

/// Where the windows and slices of a tumbling, hopping or cumulating aggregate lie.
///
/// A slice is the longest stretch that no window's edge cuts: each row is added to one slice, and windows
/// are made of slices. Both are known by their end.
///
/// - Units: microseconds of event time.
struct SliceShape: Sendable {
    let size: Int64
    let every: Int64
    let slice: Int64
    let isGrowing: Bool
    let allowedLateness: Int64
    private let offset: Int64
    /// Times whose windows can be computed without overflow.
    let timeMin: Int64
    let timeMax: Int64

    init(size: Int64, every: Int64, offset: Int64, isGrowing: Bool, allowedLateness: Int64) {
        self.size = size
        self.every = every
        self.isGrowing = isGrowing
        self.allowedLateness = allowedLateness
        slice = isGrowing ? every : SliceShape.divisor(size, every)
        self.offset = SliceShape.remainder(offset, size)
        // A century either way is far from the 292,000 years there are; longer windows shrink the range.
        let reach = min(size, .max / 16) * 4 + min(allowedLateness, .max / 4)
        timeMin = .min + reach
        timeMax = .max - reach
    }

    /// Whether every slice is a window.
    var isTumbling: Bool { slice == size }

    func contains(_ time: Int64) -> Bool { time >= timeMin && time <= timeMax }

    /// The end of the slice that `time` lies in.
    func sliceEnd(of time: Int64) -> Int64 {
        time - SliceShape.remainder(time - offset % slice, slice) + slice
    }

    /// The end of the first window that the slice is part of.
    func firstEnd(ofSlice end: Int64) -> Int64 {
        end + SliceShape.remainder(phase - end, every)
    }

    /// The end of the last window that the slice is part of.
    func lastEnd(ofSlice end: Int64) -> Int64 {
        if isGrowing { return start(ofWindow: end) + size }
        let latest = end - slice + size
        return latest - SliceShape.remainder(latest - phase, every)
    }

    /// When the last window that needs the slice no longer takes rows.
    func closing(ofSlice end: Int64) -> Int64 { lastEnd(ofSlice: end) + allowedLateness }

    func start(ofWindow end: Int64) -> Int64 {
        if !isGrowing { return end - size }
        return end - every - SliceShape.remainder(end - every - offset, size)
    }

    /// The end of the first window that ends after `time`.
    func windowEnd(after time: Int64) -> Int64 { windowEnd(upTo: time) + every }

    /// The end of the last window that ends at or before `time`.
    func windowEnd(upTo time: Int64) -> Int64 {
        let time = min(max(time, timeMin), timeMax)
        return time - SliceShape.remainder(time - phase, every)
    }

    /// Window ends are this plus multiples of `every`.
    private var phase: Int64 { isGrowing ? offset % every : (offset + size) % every }

    private static func remainder(_ value: Int64, _ modulus: Int64) -> Int64 {
        let rest = value % modulus
        return rest < 0 ? rest + modulus : rest
    }

    private static func divisor(_ left: Int64, _ right: Int64) -> Int64 {
        right == 0 ? left : divisor(right, left % right)
    }
}

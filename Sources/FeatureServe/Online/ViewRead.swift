/// What a lookup found for one entity in one view.
struct ViewRead {
    var isPresent: Bool
    /// The row is at rest and was not waited for: nothing is known of it.
    var isCold = false
    var eventTime: Int64
    var visibleTime: Int64
    /// Where its `RenderedView` starts in the lookup's arena.
    var rendered: Int
    /// Where its payload starts there, when payloads were asked for.
    var payload = -1
    /// `RowOrder.origin` and offset of the row that made the value.
    var origin = ViewVersion.noOrigin
    var offset: Int64 = 0

    static let absent = ViewRead(isPresent: false, eventTime: 0, visibleTime: 0, rendered: 0)
    static let cold = ViewRead(
        isPresent: false, isCold: true, eventTime: 0, visibleTime: 0, rendered: 0)
}

extension ViewRead {
    @inline(__always)
    init(_ version: ViewVersion, rendered: Int) {
        isPresent = true
        eventTime = version.eventTime
        visibleTime = version.visibleTime
        self.rendered = rendered
        origin = version.origin
        offset = version.offset
    }
}

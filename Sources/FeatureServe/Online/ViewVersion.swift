/// What a version of a view's values is besides the values: its times, its epoch, where it came from.
struct ViewVersion: Equatable, Sendable {
    enum State: UInt8 {
        case absent = 0
        case value = 1
        case deleted = 2
    }

    var eventTime: Int64
    var visibleTime: Int64
    /// `RowOrder.origin` of the row that made it, or `noOrigin` for a push.
    var origin: Int64
    /// The row's offset; 0 when a step made the row.
    var offset: Int64
    /// The checkpoint that will cover it, `noEpoch` or `orphan`.
    var epoch: UInt32
    var state: State

    /// Written by a push: no checkpoint covers it, and it counts at once.
    static let noEpoch: UInt32 = 0
    /// Left by a run that crashed before its checkpoint counted: it counts when it is written again.
    static let orphan = UInt32.max
    /// Not made by a row of a stream.
    static let noOrigin: Int64 = -1

    static let none = ViewVersion(
        eventTime: 0, visibleTime: 0, origin: noOrigin, offset: 0, epoch: noEpoch, state: .absent)
}

/// A version that a newer one has replaced for ordinary lookups, kept until a checkpoint counts.
struct OlderVersion {
    var version: ViewVersion
    var payload: UnsafeMutablePointer<UInt8>?
    var payloadLength: UInt32
    var payloadCapacity: UInt32
    var next: UnsafeMutablePointer<OlderVersion>?

    /// Frees `first` and all behind it.
    ///
    /// - Returns: the bytes they took.
    static func free(_ first: UnsafeMutablePointer<OlderVersion>?) -> Int {
        var bytes = 0
        var node = first
        while let this = node {
            bytes += MemoryLayout<OlderVersion>.stride + Int(this.pointee.payloadCapacity)
            this.pointee.payload?.deallocate()
            node = this.pointee.next
            this.deallocate()
        }
        return bytes
    }
}

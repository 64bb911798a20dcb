import Codecs

/// The names of a view's fields in the hash of its entity's key in Feast's Redis layout.
public enum FeastField {
    /// What the names of event times begin with.
    public static let timePrefix = Array("_ts:".utf8)

    /// The four bytes under which a feature's value is kept: murmur3 of `view:feature`, low byte first.
    public static func name(view: String, feature: String) -> [UInt8] {
        let hash = Murmur3.hash("\(view):\(feature)")
        return (0..<4).map { UInt8(truncatingIfNeeded: hash >> (8 * UInt32($0))) }
    }

    /// The name under which the event time of a view's row is kept: `_ts:view`.
    public static func time(view: String) -> [UInt8] { timePrefix + Array(view.utf8) }
}

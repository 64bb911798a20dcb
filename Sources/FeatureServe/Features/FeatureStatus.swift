/// What a lookup says about one value.
///
/// - Source: the field statuses of Feast's protocol, by their names there.
public enum FeatureStatus: UInt8, CaseIterable, Sendable {
    /// The value could not be computed for this row; it is null.
    case invalid = 0
    /// There is a value and it is current.
    case present = 1
    /// The entity's row is there and says that the feature is null.
    case nullValue = 2
    /// Nothing was ever written for the entity in this view, or it was deleted.
    case notFound = 3
    /// There is a value, older than the view's ttl; it is still given.
    case outsideMaxAge = 4

    /// The name on the wire.
    public var wireName: String {
        switch self {
        case .invalid: "INVALID"
        case .present: "PRESENT"
        case .nullValue: "NULL_VALUE"
        case .notFound: "NOT_FOUND"
        case .outsideMaxAge: "OUTSIDE_MAX_AGE"
        }
    }

    /// Whether a value about `eventMicros` has outlived `ttlMicros` at `nowMicros`: the one rule that
    /// serving, training sets and tests share.
    ///
    /// - Shape: strictly older than the ttl; exactly ttl old is current; a ttl of 0 never ends; a value from
    ///   the future is current.
    @inlinable
    public static func isExpired(
        eventMicros: Int64, ttlMicros: Int64, nowMicros: Int64
    ) -> Bool {
        guard ttlMicros > 0 else { return false }
        let (age, overflow) = nowMicros.subtractingReportingOverflow(eventMicros)
        return overflow ? nowMicros > eventMicros : age > ttlMicros
    }
}

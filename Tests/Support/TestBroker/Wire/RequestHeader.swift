/// What stands before the body of a request.
struct RequestHeader {
    var api: API
    var version: Int16
    var correlation: Int32
    var client: String?

    /// Whether the body has compact lengths and tagged fields.
    var isFlexible: Bool { version >= api.firstFlexible }
}

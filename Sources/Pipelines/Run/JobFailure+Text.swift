import StreamRuntime

/// The lines commands print about failures.
extension JobFailure {
    /// The failure as one JSON object.
    var json: String {
        JSONText.object([
            ("kind", .string(kind.rawValue)), ("problem", .string(problem)),
            ("place", .string(place)), ("remedy", .string(remedy)),
        ]).text
    }

    /// The code a command leaves with.
    public var exitCode: Int32 { kind == .environment ? 3 : 1 }
}

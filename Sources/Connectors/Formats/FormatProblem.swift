/// Why a format cannot read fields as they are declared.
public struct FormatProblem: Error, Equatable {
    /// The field at fault; empty when it is the format's own options.
    public let field: String
    /// What is wrong.
    public let reason: String

    /// A problem of `field`.
    public init(field: String, reason: String) {
        self.field = field
        self.reason = reason
    }
}

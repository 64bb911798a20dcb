import FeatureServe
import StreamRuntime

/// How requests to `/ingest/STREAM` become records of the stream's topic.
struct PlannedIngest: Equatable, Sendable {
    /// A part of a request, or of one of its records.
    enum Part: Equatable, Sendable {
        /// A field of the head.
        case header(String)
        /// The hash of the body.
        case body
        /// A value of the JSON: steps from the outside in.
        case path([String])
    }

    /// How a body becomes records.
    enum Split: Equatable, Sendable {
        /// It is one.
        case none
        /// Each line is one, or each row of CSV.
        case lines
        /// Each element of the JSON array at this path is one.
        case elements([String])
    }

    /// How the sender shows who it is; nil when the server's keys say so, or nobody asks.
    var signature: RequestSignature?
    /// What tells a request that is sent again from another one; nil when none is.
    var id: Part?
    /// What is taken for a record's key; nil for none.
    var key: Part?
    var split = Split.none
    /// The field of a form that the body is in.
    var formField: String?
    /// Fields of the head that go with each record.
    var headers: [String] = []
    /// Whether records are read before they are taken, and the answer tells of those that cannot be.
    var isValidated = false
    var bodyBytesMax = 8 << 20
    /// How long an id is known.
    var remember = Duration.seconds(3600)
    /// Partitions of the topic, when it has to be made.
    var partitions = 4

    /// Bytes that any body may have at most: a group of eight is what may wait.
    static let bodyBytesLimit = 64 << 20

    /// The record header that carries a request's id.
    static let idHeader = "millrace-id"
    /// The record header that says which of a request's records it is: `2/7`.
    static let partHeader = "millrace-part"
}

import HTTP
import StreamRuntime

/// Files of a directory that are taken while it is watched.
struct PlannedWatch: Equatable, Sendable {
    /// The directory or pattern, as resolved against the file's directory.
    var path: String
    /// How often it is looked at.
    var every = Duration.seconds(1)
    /// How long a file must not have changed to be whole.
    var quiet = Duration.seconds(5)
    /// What a file's name ends with that says that the one without it is whole.
    var marker: String?
    /// Whether older files come first; otherwise they come by name.
    var isByTime = false
}

/// An HTTP service that is asked for records now and then.
struct PlannedPoll: Equatable, Sendable {
    /// How an answer leads to the next one.
    enum Paging: Equatable, Sendable {
        /// One answer is all.
        case none
        /// A value of the answer goes into the next request, as this parameter of its address or member of its
        /// body; where `{cursor}` stands, if it does.
        case cursor(path: [String], parameter: String, isInBody: Bool)
        /// A value of the answer is the next address.
        case next(path: [String])
        /// The answer's `Link` field has the next address.
        case link
        /// Pages are counted from `first`, until one is empty.
        case page(parameter: String, first: Int)
        /// Items are counted from 0, until an answer has none.
        case offset(parameter: String)
    }

    /// The connection that the path is on; nil for a whole address.
    var connection: String?
    /// The address, or the path, with places to fill in.
    var url: String
    var method = HTTPRequest.Method.get
    var headers: [HTTPHeader] = []
    /// The body with places to fill in.
    var body: String?
    var every = Duration.seconds(300)
    var paging = Paging.none
    /// Where the array of items is; nil when the answer is one record.
    var items: [String]?
    /// The path of the record key in an item.
    var key: [String]?
    /// How much further back than the last poll `{since}` goes.
    var overlap = Duration.zero
    /// The largest answer.
    var bodyBytesMax = 64 << 20
    /// Partitions of the topic, when it has to be made.
    var partitions = 1

    /// Pages of one poll: more are a service that pages in a circle.
    static let pagesMax = 10_000
    /// The record header with the time of the poll.
    static let timeHeader = "poll.time"
}

/// Where records are kept that the job brings in itself and the file names no topic for.
enum ArrivalPlace {
    /// The connection's name; no file can name one so.
    static let connection = "(arrivals)"

    /// The embedded topics, each called as its stream.
    static func topics(_ stateDirectory: String) -> PlannedConnection {
        PlannedConnection(
            name: connection, kind: .embedded(root: stateDirectory + "/arrivals/topics"))
    }

    /// What the job knows of the place a stream's records come from.
    static func ledger(_ stateDirectory: String, stream: String) -> String {
        stateDirectory + "/arrivals/\(stream).ledger"
    }
}

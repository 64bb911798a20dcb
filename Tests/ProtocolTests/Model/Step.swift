/// One thing that can happen in a world.
struct Step: Hashable, CustomStringConvertible, Sendable {
    enum Kind: UInt8, CaseIterable, Sendable {
        /// A process begins.
        case boot
        /// A source reads a record or shows a barrier.
        case source
        /// The sink takes a row or a barrier.
        case sink
        /// A checkpoint is begun.
        case checkpoint
        /// A manifest becomes durable.
        case complete
        /// A job that stopped begins again in its process.
        case restart
        /// A request reaches the broker.
        case deliver
        /// An answer reaches its process.
        case answer
        /// A process says that it is alive, or joins anew.
        case heartbeat
        /// The broker writes the markers of an ended transaction.
        case markers
        /// An answer is lost and the request is made again.
        case loseReply
        /// A process dies.
        case crash
        /// A process is stopped by a signal.
        case pause
        /// It goes on.
        case resume
        /// The broker dies and comes back.
        case brokerDeath
        /// The broker dies while it does what a request asks.
        case deathInCall
        /// The broker dies while it writes markers.
        case deathInMarkers
        /// Sessions of those that cannot say that they live are over.
        case expireSessions
        /// Open transactions are too old.
        case expireTransactions
    }

    var kind: Kind
    var process = 0
    var share = 0
    var part = 0
    var call = 0

    init(_ kind: Kind, process: Int = 0, share: Int = 0, part: Int = 0, call: Int = 0) {
        self.kind = kind
        self.process = process
        self.share = share
        self.part = part
        self.call = call
    }

    func with(part: Int) -> Step {
        var other = self
        other.part = part
        return other
    }

    var description: String {
        switch kind {
        case .boot, .heartbeat, .crash, .pause, .resume: "\(kind) process \(process)"
        case .source, .sink: "\(kind) \(part) of share \(share) in process \(process)"
        case .checkpoint, .complete, .restart: "\(kind) of share \(share) in process \(process)"
        case .deliver, .answer, .loseReply: "\(kind) call \(call)"
        case .deathInCall: "\(kind) \(call) after \(part) writes"
        case .deathInMarkers: "\(kind) after \(part) writes"
        default: "\(kind)"
        }
    }
}

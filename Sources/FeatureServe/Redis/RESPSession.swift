/// What one connection of the Redis protocol has said about itself.
///
/// - Note: `@unchecked Sendable` because its connection's loop leaves it alone while another thread answers.
final class RESPSession: @unchecked Sendable {
    /// The version of the protocol, 2 or 3.
    var version = 2
    /// The database chosen.
    var space: UInt8 = 0
    /// Whether commands are answered: from the start where no password is asked for.
    var isAdmitted: Bool
    /// What it may, where keys are declared.
    var caller = AccessCaller.anyone
    /// Whether the command under way was taken out of the caller's bucket before it had to wait.
    var isPaid = false
    var name = ""
    let id: Int
    /// The address the client reached, for clients that ask for the nodes of a cluster.
    let host: String
    /// The commands since MULTI, or nil outside of one.
    var queue: [[UInt8]]?
    var isQueueBroken = false
    /// Whether the connection closes after the answers under way.
    var isEnding = false

    init(id: Int, host: String, isAdmitted: Bool) {
        self.id = id
        self.host = host
        self.isAdmitted = isAdmitted
    }
}

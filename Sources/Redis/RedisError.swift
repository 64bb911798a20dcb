/// Why a Redis server could not be asked, or what it refused.
public enum RedisError: Error, Equatable, Sendable {
    /// Nobody answers at `place`, or the connection was cut; asking again later may help.
    case unreachable(place: String, detail: String)
    /// The server at `place` answered with an error.
    case refused(place: String, answer: String)
    /// The address cannot be used.
    case address(String, remedy: String)
}

extension RedisError: CustomStringConvertible {
    /// One line for the log and the terminal.
    public var description: String {
        switch self {
        case .unreachable(let place, let detail): "Redis at \(place) cannot be reached: \(detail)"
        case .refused(let place, let answer): "Redis at \(place) refused: \(answer)"
        case .address(let text, let remedy): "\(text); \(remedy)"
        }
    }
}

/// Why bytes could not be turned back into what they were made from.
public enum CodecFailure: Error, Equatable, Sendable {
    /// The input stops in the middle.
    case truncated
    /// The input is not in the format, with what is wrong with it.
    case corrupt(String)
}

extension CodecFailure: CustomStringConvertible {
    /// The failure in words that fit after the name of a file.
    public var description: String {
        switch self {
        case .truncated: "the compressed data stops in the middle"
        case .corrupt(let reason): "the compressed data is corrupt: \(reason)"
        }
    }
}

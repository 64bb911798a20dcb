/// Why a call fails, as gRPC says it.
struct GRPCProblem: Error, Equatable {
    /// The codes of gRPC that are answered here.
    ///
    /// - Source: https://grpc.io/docs/guides/status-codes
    enum Code: Int {
        case invalidArgument = 3
        case deadlineExceeded = 4
        case notFound = 5
        case permissionDenied = 7
        case resourceExhausted = 8
        case failedPrecondition = 9
        case unimplemented = 12
        case `internal` = 13
        case unavailable = 14
        case unauthenticated = 16
    }

    let code: Code
    let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The same problem as the HTTP lane reports it, under gRPC's code for it.
    init(_ problem: LookupProblem) {
        let code: Code =
            switch problem.status {
            case 401: .unauthenticated
            case 403: .permissionDenied
            case 404: .notFound
            case 413, 429: .resourceExhausted
            case 503: .unavailable
            case 409: .failedPrecondition
            case 501: .unimplemented
            default:
                problem.className == "FeatureNameCollisionError" || problem.status < 500
                    ? .invalidArgument : .internal
            }
        self.init(code, problem.message)
    }

    /// A caller that is not let in.
    init(_ problem: AccessProblem) {
        switch problem {
        case .noKey, .wrongKey: self.init(.unauthenticated, problem.message)
        case .tooMany: self.init(.resourceExhausted, problem.message)
        }
    }

    /// A message that cannot be read.
    init(_ problem: FeastProblem) {
        self.init(.invalidArgument, "the message has \(problem.description)")
    }

    /// The message as the field `grpc-message` carries it: everything but printable ASCII is percent-encoded.
    var encodedMessage: String {
        var text = ""
        for byte in message.utf8.prefix(1024) {
            if byte >= 0x20, byte < 0x7F, byte != 0x25 {
                text.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                let digits = String(byte, radix: 16, uppercase: true)
                text += byte < 16 ? "%0\(digits)" : "%\(digits)"
            }
        }
        return text
    }
}

import NIOHPACK

/// What the header fields of a call say, as far as the server goes by them.
///
/// - Source: "gRPC over HTTP2", section Requests.
struct GRPCHead {
    /// The methods there are.
    enum Method {
        case push, write, lookup, info, healthCheck, healthWatch, onlineRead

        static let paths: [String: Method] = [
            "/GrpcFeatureServer/Push": .push,
            "/GrpcFeatureServer/WriteToOnlineStore": .write,
            "/GrpcFeatureServer/GetOnlineFeatures": .lookup,
            "/feast.serving.ServingService/GetOnlineFeatures": .lookup,
            "/feast.serving.ServingService/GetFeastServingInfo": .info,
            "/grpc.health.v1.Health/Check": .healthCheck,
            "/grpc.health.v1.Health/Watch": .healthWatch,
            "/grpc.connector.OnlineStore/OnlineRead": .onlineRead,
        ]
    }

    var path = ""
    var method: Method?
    var isPost = false
    var isCall = false
    var isGzip = false
    var timeoutNanos: Int64?
    /// The secret that the caller presents.
    var secret: String?
    var problem: GRPCProblem?
    /// What is asked for beyond Feast's contract; nil, as a rule, for nothing.
    private(set) var options: LookupOptions?

    init(_ headers: HPACKHeaders) {
        for (name, value, _) in headers {
            switch name {
            case ":path": path = value
            case ":method": isPost = value == "POST"
            case "content-type": isCall = Self.isCall(value)
            case "grpc-timeout":
                timeoutNanos = Self.timeout(value)
                if timeoutNanos == nil {
                    problem = GRPCProblem(
                        .invalidArgument, "grpc-timeout is not up to eight digits and a unit")
                }
            case "grpc-encoding":
                isGzip = value == "gzip"
                if !isGzip, value != "identity" {
                    problem = GRPCProblem(
                        .unimplemented,
                        "messages compressed by \(value.prefix(32)) are not read here; "
                            + "send them by gzip or as they are")
                }
            case "authorization":
                let scheme = value.prefix(7)
                if scheme.lowercased() == "bearer " { secret = String(value.dropFirst(7)) }
            case "x-api-key": secret = value
            case _ where name.hasPrefix(GRPCHead.ownPrefix): readOption(name, value)
            default: break
            }
        }
        method = Method.paths[path]
        if method == nil, problem == nil {
            problem = GRPCProblem(.unimplemented, "there is no method \(path.prefix(200))")
        }
    }

    private static let ownPrefix = "millrace-"

    /// Reads a field of our own, by the name that the HTTP lane's member has.
    private mutating func readOption(_ name: String, _ value: String) {
        var found = options ?? LookupOptions()
        if let wrong = found.take(name.dropFirst(GRPCHead.ownPrefix.count), value) {
            problem = GRPCProblem(.invalidArgument, "\(name): \(wrong)")
        }
        options = found
    }

    private static func isCall(_ type: String) -> Bool {
        guard type.hasPrefix("application/grpc") else { return false }
        let rest = type.dropFirst(16)
        return rest.isEmpty || rest == "+proto" || rest.hasPrefix(";")
    }

    /// The nanoseconds of a field `grpc-timeout`; nil when it is none.
    static func timeout(_ text: String) -> Int64? {
        let digits = text.utf8.dropLast()
        guard !digits.isEmpty, digits.count <= 8, let unit = text.utf8.last else { return nil }
        var value: Int64 = 0
        for digit in digits {
            guard digit &- 0x30 < 10 else { return nil }
            value = value * 10 + Int64(digit &- 0x30)
        }
        let nanos: Int64
        switch unit {
        case UInt8(ascii: "n"): nanos = 1
        case UInt8(ascii: "u"): nanos = 1000
        case UInt8(ascii: "m"): nanos = 1_000_000
        case UInt8(ascii: "S"): nanos = 1_000_000_000
        case UInt8(ascii: "M"): nanos = 60_000_000_000
        case UInt8(ascii: "H"): nanos = 3_600_000_000_000
        default: return nil
        }
        let (product, overflow) = value.multipliedReportingOverflow(by: nanos)
        // Three hundred years are as good as none.
        return overflow ? .max / 4 : min(product, .max / 4)
    }
}

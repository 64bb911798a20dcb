import CDigest
import Glibc

/// Who may do what: asked by every lane, HTTP, gRPC and RESP alike.
///
/// Without keys everybody may do everything, and the servers listen on the loopback only. With the first key
/// nobody may do anything without one, and a key only what it has a right to.
public struct AccessRules: Sendable {
    private let digests: [UInt8]
    private let callers: [AccessCaller]

    /// No keys: everybody may do everything.
    public static let open = AccessRules(keys: [])

    /// The rules that `keys` make.
    public init(keys: [AccessKey]) {
        digests = keys.flatMap(\.digest)
        callers = keys.map { AccessCaller($0) }
    }

    /// Whether no keys are declared.
    public var isOpen: Bool { callers.isEmpty }

    /// Who presents `secret`; nil when nobody does that we know.
    ///
    /// The comparison takes as long whichever key it is, and however much of one is right.
    public func caller(presenting secret: UnsafeBufferPointer<UInt8>) -> AccessCaller? {
        guard !isOpen else { return .anyone }
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: AccessKey.digestBytes) {
            presented in
            millrace_sha256(secret.baseAddress, secret.count, presented.baseAddress!)
            var found = -1
            var key = 0
            while key < callers.count {
                var difference: UInt8 = 0
                var byte = 0
                while byte < AccessKey.digestBytes {
                    difference |= presented[byte] ^ digests[key &* AccessKey.digestBytes &+ byte]
                    byte &+= 1
                }
                if difference == 0 { found = key }
                key &+= 1
            }
            return found < 0 ? nil : callers[found]
        }
    }

    /// Who presents `secret`, and one request out of their bucket.
    func admit(_ secret: String?, nowNanos: Int64) throws(AccessProblem) -> AccessCaller {
        guard !isOpen else { return .anyone }
        guard var secret else { throw .noKey }
        return try admit(secret.withUTF8 { caller(presenting: $0) }, nowNanos: nowNanos)
    }

    /// `caller`, who presented a key, and one request out of their bucket.
    func admit(_ caller: AccessCaller?, nowNanos: Int64) throws(AccessProblem) -> AccessCaller {
        guard let caller else { throw .wrongKey }
        let wait = caller.take(nowNanos: nowNanos)
        guard wait == 0 else { throw .tooMany(waitNanos: wait) }
        return caller
    }

    /// The secret in the value of a field `authorization`: what follows `Bearer`; nil when it is of another kind.
    static func secret(
        inAuthorization value: UnsafeBufferPointer<UInt8>
    ) -> UnsafeBufferPointer<UInt8>? {
        let scheme = Array("bearer ".utf8)
        guard value.count > scheme.count,
            zip(value, scheme).allSatisfy({ $0 | 0x20 == $1 })
        else { return nil }
        return UnsafeBufferPointer(rebasing: value[scheme.count...])
    }
}

/// Why a request is not begun.
enum AccessProblem: Error, Equatable {
    /// No key was presented.
    case noKey
    /// A key was presented that is not declared.
    case wrongKey
    /// The key's requests of this second are used up.
    case tooMany(waitNanos: Int64)

    /// What the client is told.
    var message: String {
        switch self {
        case .noKey: "Missing authentication token"
        case .wrongKey: "Invalid authentication token"
        case .tooMany: "The key's requests of this second are used up"
        }
    }
}

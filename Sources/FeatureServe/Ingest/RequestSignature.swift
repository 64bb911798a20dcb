import CTLS
import Glibc

/// How a request shows who sent it, judged over the bytes as they came.
///
/// - Source: Square's, Shopify's and NCR's developer pages; RFC 2104 for HMAC.
public enum RequestSignature: Equatable, Sendable {
    /// `x-square-hmacsha256-signature`: HMAC-SHA256 with `key` over the address and the body, in Base64.
    case square(key: String, url: String)
    /// `X-Shopify-Hmac-Sha256`: HMAC-SHA256 with `secret` over the body, in Base64.
    case shopify(secret: String)
    /// `Authorization: AccessKey KEY:SIGNATURE`: HMAC-SHA512 with the secret and the date over the method, the
    /// path, content-type, content-md5 and the nep fields, a line each.
    case ncr(key: String, secret: String, withinSeconds: Int64)
    /// A header that has to have this value.
    case token(header: String, value: String)
    /// HMAC over parts of the request.
    case hmac(HMAC)

    /// An HMAC that a header carries.
    public struct HMAC: Equatable, Sendable {
        /// The hash of it.
        public enum Algorithm: String, CaseIterable, Sendable { case sha1, sha256, sha512 }
        /// How its bytes are written.
        public enum Encoding: String, CaseIterable, Sendable { case base64, hex }
        /// What it is made over.
        public enum Part: Equatable, Sendable {
            case url
            case method
            case path
            case body
            case header(String)
        }

        /// The header that carries it.
        public let header: String
        /// What stands before it in the header, such as `sha256=`.
        public let prefix: String
        /// The hash.
        public let algorithm: Algorithm
        /// How its bytes are written.
        public let encoding: Encoding
        /// What it is made over, in order.
        public let parts: [Part]
        /// What stands between two parts.
        public let separator: String
        /// The address that the sender was given; for a part that is it.
        public let url: String
        /// The secret both sides know.
        public let secret: String

        /// An HMAC of these parts.
        public init(
            header: String, prefix: String = "", algorithm: Algorithm = .sha256,
            encoding: Encoding = .base64, parts: [Part] = [.body], separator: String = "",
            url: String = "", secret: String
        ) {
            self.header = header
            self.prefix = prefix
            self.algorithm = algorithm
            self.encoding = encoding
            self.parts = parts
            self.separator = separator
            self.url = url
            self.secret = secret
        }
    }

    /// Whether `request` carries the signature; how long it takes does not depend on how much of it is right.
    ///
    /// - Parameter nowSeconds: since 1970; signatures that carry a date are judged by it.
    public func admits(_ request: IngestRequest, nowSeconds: Int64) -> Bool {
        let head = request.head
        switch self {
        case .square(let key, let url):
            return RequestSignature.matches(
                head.field("x-square-hmacsha256-signature"),
                RequestSignature.base64(
                    RequestSignature.hmac(256, Array(key.utf8), Array(url.utf8) + request.body)))
        case .shopify(let secret):
            return RequestSignature.matches(
                head.field("x-shopify-hmac-sha256"),
                RequestSignature.base64(
                    RequestSignature.hmac(256, Array(secret.utf8), request.body)))
        case .ncr(let key, let secret, let within):
            guard let date = head.field("date"), let seconds = HTTPDate.seconds(date),
                abs(nowSeconds - seconds) <= within
            else { return false }
            let lines = [
                head.method, head.path, head.field("content-type"), head.field("content-md5"),
                head.field("nep-application-key"), head.field("nep-correlation-id"),
                head.field("nep-organization"), head.field("nep-service-version"),
            ].compactMap { $0 }.filter { !$0.isEmpty }
            let signature = RequestSignature.hmac(
                512, Array((secret + HTTPDate.iso(seconds)).utf8),
                Array(lines.joined(separator: "\n").utf8))
            return RequestSignature.matches(
                head.field("authorization"),
                "AccessKey \(key):" + RequestSignature.base64(signature))
        case .token(let header, let value):
            return RequestSignature.matches(head.field(header), value)
        case .hmac(let hmac): return RequestSignature.admits(request, hmac)
        }
    }

    private static func admits(_ request: IngestRequest, _ hmac: HMAC) -> Bool {
        var message: [UInt8] = []
        for (index, part) in hmac.parts.enumerated() {
            if index > 0 { message += hmac.separator.utf8 }
            switch part {
            case .url: message += hmac.url.utf8
            case .method: message += request.head.method.utf8
            case .path: message += request.head.path.utf8
            case .body: message += request.body
            case .header(let name):
                guard let value = request.head.field(name) else { return false }
                message += value.utf8
            }
        }
        let bits =
            switch hmac.algorithm {
            case .sha1: 160
            case .sha256: 256
            case .sha512: 512
            }
        let digest = RequestSignature.hmac(bits, Array(hmac.secret.utf8), message)
        let given = request.head.field(hmac.header)
        switch hmac.encoding {
        case .base64: return matches(given, hmac.prefix + base64(digest))
        case .hex: return matches(given.map { $0.lowercased() }, hmac.prefix + hex(digest))
        }
    }

    /// HMAC with the hash of `bits` bits.
    static func hmac(_ bits: Int, _ key: [UInt8], _ message: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 64)
        let count = millrace_hmac(Int32(bits), key, key.count, message, message.count, &digest)
        return Array(digest.prefix(Int(count)))
    }

    private static func matches(_ given: String?, _ wanted: String) -> Bool {
        // Equal lengths or not is no secret; where the first wrong byte is, is.
        let given = Array((given ?? "").utf8)
        let wanted = Array(wanted.utf8)
        guard given.count == wanted.count, !wanted.isEmpty else { return false }
        return millrace_equal(given, wanted, wanted.count) == 1
    }

    static func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    static func base64(_ bytes: [UInt8]) -> String {
        let letters = Array(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text: [UInt8] = []
        for at in stride(from: 0, to: bytes.count, by: 3) {
            let count = min(3, bytes.count - at)
            var word = 0
            for index in 0..<3 { word = word << 8 | (index < count ? Int(bytes[at + index]) : 0) }
            for index in 0..<4 {
                text.append(
                    index <= count ? letters[word >> (18 - 6 * index) & 63] : 0x3D)
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}

/// The dates of HTTP's fields.
enum HTTPDate {
    /// Seconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT`, or of `1994-11-06T08:49:37Z`; nil for anything
    /// else.
    ///
    /// - Source: RFC 9110 section 5.6.7, without its obsolete forms.
    static func seconds(_ text: String) -> Int64? {
        let words = text.split { !$0.isLetter && !$0.isNumber }.map(String.init)
        if words.count == 8, words[7] == "GMT",
            let month = months.firstIndex(of: words[2])
        {
            return seconds(words[3], month + 1, words[1], words[4], words[5], words[6])
        }
        guard words.count >= 5, text.hasSuffix("Z"), let month = Int(words[1]) else { return nil }
        // 1994-11-06T08:49:37Z comes apart at everything but letters and digits.
        let middle = words[2].split(separator: "T").map(String.init)
        guard middle.count == 2 else { return nil }
        let second = words[4].prefix { $0.isNumber }
        return seconds(words[0], month, middle[0], middle[1], words[3], String(second))
    }

    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    private static func seconds(
        _ year: String, _ month: Int, _ day: String, _ hour: String, _ minute: String,
        _ second: String
    ) -> Int64? {
        guard let year = Int32(year), let day = Int32(day), let hour = Int32(hour),
            let minute = Int32(minute), let second = Int32(second), (1970...9999).contains(year),
            (1...12).contains(month), (1...31).contains(day), (0...23).contains(hour),
            (0...59).contains(minute), (0...60).contains(second)
        else { return nil }
        var parts = tm()
        parts.tm_year = year - 1900
        parts.tm_mon = Int32(month) - 1
        parts.tm_mday = day
        parts.tm_hour = hour
        parts.tm_min = minute
        parts.tm_sec = second
        return Int64(timegm(&parts))
    }

    /// `1994-11-06T08:49:37.000Z`.
    static func iso(_ seconds: Int64) -> String {
        var moment = time_t(seconds)
        var parts = tm()
        gmtime_r(&moment, &parts)
        var text = [CChar](repeating: 0, count: 40)
        let count = strftime(&text, text.count, "%Y-%m-%dT%H:%M:%S.000Z", &parts)
        return String(decoding: text[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

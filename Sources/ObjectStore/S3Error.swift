import HTTP
import StreamRuntime

/// What a server of S3's API says when it refuses.
struct S3Error {
    let status: Int
    /// The word that programs go by, such as `NoSuchBucket`.
    let code: String
    let message: String

    init(_ response: HTTPResponse) {
        status = response.status
        let text = String(decoding: response.body, as: UTF8.self)
        code = XMLText.text("Code", in: text[...]) ?? ""
        message = XMLText.text("Message", in: text[...]) ?? response.excerpt
    }

    /// The failure to tell the user.
    func failure(_ doing: String, place: String, settings: S3Settings) -> JobFailure {
        let said = [code, message].filter { !$0.isEmpty }.joined(separator: ": ")
        let problem =
            "the object store refuses: it cannot be \(doing) (\(status)"
            + (said.isEmpty ? ")" : ", \(said))")
        return JobFailure(
            .checkpoint, problem, at: place, remedy: remedy(settings),
            recovery: HTTPFailure.isPassing(status: status)
                ? .retry(afterMillis: 5000) : .stopAndAsk)
    }

    private func remedy(_ settings: S3Settings) -> String {
        let key = settings.credentials.accessKey
        switch code {
        case "NoSuchBucket":
            return "make the bucket \(settings.bucket), or correct the store's address"
        case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken":
            return "give the key \(key) with its right secret (AWS_ACCESS_KEY_ID, "
                + "AWS_SECRET_ACCESS_KEY; AWS_SESSION_TOKEN for a temporary one)"
        case "RequestTimeTooSkewed": return "set this machine's clock"
        case "PermanentRedirect", "AuthorizationHeaderMalformed",
            "IllegalLocationConstraintException":
            return "set the bucket's region, which is not \(settings.region)"
        default: break
        }
        switch status {
        case 401, 403:
            return "let the key \(key) list, read, write and delete in the bucket "
                + settings.bucket
        case 301, 307: return "set the bucket's region, which is not \(settings.region)"
        case 400, 404, 405, 501:
            return "check that the endpoint is a server of S3's API and the bucket its"
        default: return "check the object store; the request is tried again"
        }
    }
}

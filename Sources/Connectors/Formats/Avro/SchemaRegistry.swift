import Foundation
import Glibc
import HTTP
import StreamRuntime
import Synchronization

/// A registry of schemas that speaks Confluent's API.
///
/// - Note: any thread may call it; what it was told once it does not ask again.
/// - Source: Confluent's "Schema Registry API Reference".
public final class SchemaRegistry: Sendable {
    /// Where it is and who asks.
    public struct Settings: Equatable, Sendable {
        /// Its address, as `https://host:port`.
        public var url: String
        /// How a connection is made, with user and password.
        public var http: HTTPSettings
        /// How often requests are tried.
        public var retry: RetryPolicy

        /// A registry at `url`.
        public init(
            url: String, http: HTTPSettings = HTTPSettings(), retry: RetryPolicy = RetryPolicy()
        ) {
            self.url = url.hasSuffix("/") ? String(url.dropLast()) : url
            self.http = http
            self.retry = retry
        }
    }

    private struct Known {
        var schemas: [Int32: AvroSchema] = [:]
        /// Numbers that lead nowhere, and when that was told, in nanoseconds.
        var missing: [Int32: (problem: AvroSchema.Problem, nanos: Int64)] = [:]
    }

    private let settings: Settings
    private let client: HTTPClient
    private let known = Mutex(Known())
    /// What is missing is asked for again after this long: it may have been registered since.
    private static let missingNanos: Int64 = 30_000_000_000
    private static let missingMax = 1000
    private static let referencesMax = 100

    /// A client of a registry; nothing is asked yet.
    public init(_ settings: Settings) {
        self.settings = settings
        client = HTTPClient(settings.http)
    }

    private static func nanos() -> Int64 {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec)
    }

    /// The schema of number `id`.
    ///
    /// - Returns: why a record cannot be read, when the registry has no such schema or it is not Avro.
    /// - Throws: when the registry does not answer or refuses this client.
    public func schema(
        _ id: Int32
    ) throws(JobFailure) -> Result<AvroSchema, AvroSchema.Problem> {
        let now = SchemaRegistry.nanos()
        let there: Result<AvroSchema, AvroSchema.Problem>? = known.withLock { known in
            if let schema = known.schemas[id] { return .success(schema) }
            guard let missing = known.missing[id],
                now - missing.nanos < SchemaRegistry.missingNanos
            else { return nil }
            return .failure(missing.problem)
        }
        if let there { return there }
        let fetched = try fetch(id)
        known.withLock { known in
            switch fetched {
            case .success(let schema): known.schemas[id] = schema
            case .failure(let problem):
                if known.missing.count >= SchemaRegistry.missingMax { known.missing = [:] }
                known.missing[id] = (problem, now)
            }
        }
        return fetched
    }

    private func fetch(
        _ id: Int32
    ) throws(JobFailure) -> Result<AvroSchema, AvroSchema.Problem> {
        let response = try ask { HTTPRequest(.get, "\(self.settings.url)/schemas/ids/\(id)") }
        if response.status == 404 {
            return .failure(AvroSchema.Problem(reason: "the registry has no schema \(id)"))
        }
        let answer = try object(response)
        guard let text = answer["schema"] as? String else {
            throw failure("its answer for schema \(id) has no schema", response)
        }
        if let type = answer["schemaType"] as? String, type != "AVRO" {
            return .failure(AvroSchema.Problem(reason: "schema \(id) is \(type), not Avro"))
        }
        var texts: [String] = []
        var met: Set<String> = []
        try collect(answer["references"], &texts, &met)
        do throws(AvroSchema.Problem) {
            return .success(try AvroSchema(json: text, known: texts))
        } catch {
            return .failure(AvroSchema.Problem(reason: "schema \(id): \(error.reason)"))
        }
    }

    /// The texts of the schemas that one refers to, each after those it needs itself.
    private func collect(
        _ references: Any?, _ texts: inout [String], _ met: inout Set<String>
    ) throws(JobFailure) {
        for reference in references as? [[String: Any]] ?? [] {
            guard let subject = reference["subject"] as? String,
                let version = reference["version"] as? Int,
                met.insert("\(subject)/\(version)").inserted,
                met.count <= SchemaRegistry.referencesMax
            else { continue }
            let path = "/subjects/\(HTTPText.encode(subject))/versions/\(version)"
            let response = try ask { HTTPRequest(.get, self.settings.url + path) }
            let answer = try object(response)
            try collect(answer["references"], &texts, &met)
            if let text = answer["schema"] as? String { texts.append(text) }
        }
    }

    /// Registers a schema under a subject, if it is not there yet.
    ///
    /// - Returns: its number.
    /// - Throws: also when the registry finds it incompatible with those before it.
    public func register(_ schema: String, subject: String) throws(JobFailure) -> Int32 {
        try register(["schema": schema], subject: subject)
    }

    /// The version that a schema has under a subject it is registered under.
    func version(_ body: [String: Any], subject: String) throws(JobFailure) -> Int {
        let response = try post(body, to: "/subjects/\(HTTPText.encode(subject))")
        guard let version = try object(response)["version"] as? Int else {
            throw failure("its answer for subject \(subject) has no version", response)
        }
        return version
    }

    private func post(
        _ body: [String: Any], to path: String
    ) throws(JobFailure) -> HTTPResponse {
        let bytes = (try? JSONSerialization.data(withJSONObject: body)) ?? Data()
        return try ask {
            HTTPRequest(
                .post, self.settings.url + path,
                headers: [HTTPHeader("content-type", "application/vnd.schemaregistry.v1+json")],
                body: .bytes([UInt8](bytes)))
        }
    }

    /// Registers what a request's body says under a subject.
    func register(_ body: [String: Any], subject: String) throws(JobFailure) -> Int32 {
        let response = try post(body, to: "/subjects/\(HTTPText.encode(subject))/versions")
        if response.status == 409 || response.status == 422 {
            throw JobFailure(
                .sink,
                "the registry does not take the schema of subject \"\(subject)\": "
                    + SchemaRegistry.message(response), at: settings.url,
                remedy: "make the columns compatible with the subject's schemas, or change its "
                    + "compatibility in the registry")
        }
        let answer = try object(response)
        guard let id = answer["id"] as? Int, let number = Int32(exactly: id) else {
            throw failure("its answer for subject \(subject) has no id", response)
        }
        return number
    }

    // MARK: requests

    private func ask(_ request: @escaping () -> HTTPRequest) throws(JobFailure) -> HTTPResponse {
        do throws(HTTPFailure) {
            return try client.send(retrying: settings.retry) {
                var request = request()
                request.headers.append(
                    HTTPHeader("accept", "application/vnd.schemaregistry.v1+json"))
                return request
            }
        } catch {
            throw JobFailure(
                .source, "the schema registry does not answer: \(error.problem)",
                at: settings.url, remedy: error.remedy,
                recovery: error.isPassing ? .restart : .stopAndAsk)
        }
    }

    private func object(_ response: HTTPResponse) throws(JobFailure) -> [String: Any] {
        guard response.isSuccess else {
            throw failure(
                "it answers \(response.status): \(SchemaRegistry.message(response))", response)
        }
        let value = try? JSONSerialization.jsonObject(with: Data(response.body))
        guard let object = value as? [String: Any] else {
            throw failure("its answer is not JSON", response)
        }
        return object
    }

    private static func message(_ response: HTTPResponse) -> String {
        let value = try? JSONSerialization.jsonObject(with: Data(response.body))
        return (value as? [String: Any])?["message"] as? String ?? response.excerpt
    }

    private func failure(_ what: String, _ response: HTTPResponse) -> JobFailure {
        let remedy =
            switch response.status {
            case 401, 403: "give the registry's user and password"
            case 500...599: "check the registry"
            default: "check that the address is that of a schema registry"
            }
        return JobFailure(
            .source, "the schema registry is of no help: \(what)", at: settings.url,
            remedy: remedy, recovery: response.status >= 500 ? .restart : .stopAndAsk)
    }
}

import Codecs
import Connectors
import HTTP
import Operators
import Redis
import StreamRuntime

/// A join with a table elsewhere, as it will be asked.
struct LookupShape: Equatable, Sendable {
    /// What is asked.
    enum Target: Equatable, Sendable {
        case http(connection: String, path: String, HTTPLookup.Settings)
        case redis(
            connection: String, RedisAddress, keyText: String, LookupTemplate, RedisLookup.Content)
        case features(view: String, FeatureLookup.Settings)
    }

    let target: Target
    let alias: String
    /// What the table calls the parts of the key.
    let keyNames: [String]
    let fields: [PlannedField]
    let type: JoinType
    /// What an answer must hold besides; nil for nothing.
    let condition: String?
    let takesFailureAsMissing: Bool
    let cacheRows: Int
    let ttl: Duration?
    let missingTtl: Duration?
    let timeoutMillis: Int
    /// How it is asked; the name is the step's id.
    var settings: LookupSettings

    /// The columns of an answer.
    var columns: [Field] { fields.map { Field($0.name, $0.type) } }

    /// What is asked, in words without secrets: where it says something else, answers are others.
    var question: String {
        let names = keyNames.joined(separator: ", ")
        switch target {
        case .http(let connection, let path, let settings):
            var text = "http \(connection) \(settings.method.rawValue) \(path) by \(names)"
            if !settings.body.isEmpty {
                text += " with \(settings.body.map(\.name).joined(separator: ", "))"
            }
            if let batch = settings.batch { text += ", up to \(batch.size) keys a request" }
            return text
        case .redis(let connection, _, let key, _, let content):
            return "redis \(connection) " + (content == .json ? "GET" : "HMGET") + " \(key)"
        case .features(let view, _): return "features of \(view) by \(names)"
        }
    }

    /// What the step does, on one line.
    var text: String {
        var words = (type == .inner ? "" : "\(type.rawValue) ") + "asks \(question), \(alias)"
        if let ttl {
            words += ", answers hold \(ttl.text)"
            if let missingTtl, missingTtl != ttl { words += ", missing keys \(missingTtl.text)" }
        }
        if let condition { words += ", where \(condition)" }
        if let rate = settings.rate { words += ", \(rate.text)" }
        if takesFailureAsMissing { words += ", failures as missing" }
        let kept = Duration.microseconds(settings.terms.keepMicros).text
        return words + "; answers are journalled and kept for \(kept)"
    }

    /// The hash of what is asked.
    var definition: Int64 {
        let parts = fields.map { "\($0.name) \($0.type) \($0.path.joined(separator: "."))" }
        let text = Array((question + "|" + parts.joined(separator: "|")).utf8)
        return text.withUnsafeBufferPointer { Hash.xxh3($0.baseAddress!, $0.count) }
    }

    /// Adds what lookups were answered in the state directory `from` to what is journalled in `state`.
    static func keepAnswers(of from: String, in state: String) throws(JobFailure) {
        for id in ReplayFiles.names(from + "/lookups") {
            try LookupJournal.merge(journal(of: id, in: from), into: journal(of: id, in: state))
        }
    }

    /// Where the answers of step `id` are written in a state directory.
    static func journal(of id: String, in state: String) -> String { state + "/lookups/" + id }
}

import Connectors
import HTTP

/// A registry of the schemas of a cluster's records.
struct PlannedRegistry: Equatable, Sendable {
    let url: String
    let user: String?
    let password: String?
    var authorityFile: String?
    var certificateFile: String?
    var keyFile: String?

    /// With paths resolved against the file's directory.
    func resolved(in directory: String) -> PlannedRegistry {
        var result = self
        result.authorityFile = authorityFile.map { Planner.resolve($0, in: directory) }
        result.certificateFile = certificateFile.map { Planner.resolve($0, in: directory) }
        result.keyFile = keyFile.map { Planner.resolve($0, in: directory) }
        return result
    }

    /// What its client is told.
    var settings: SchemaRegistry.Settings {
        var http = HTTPSettings()
        http.user = user
        http.password = password
        http.authorityFile = authorityFile
        http.certificateFile = certificateFile
        http.keyFile = keyFile
        return SchemaRegistry.Settings(url: url, http: http)
    }
}

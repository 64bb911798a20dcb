import HTTP
import StreamRuntime

/// An HTTP service that a connection names.
struct PlannedHTTP: Equatable, Sendable {
    /// The address that paths are added to, without a slash at its end.
    let url: String
    /// Headers of every request, secrets included.
    var headers: [HTTPHeader] = []
    var timeout = Duration.seconds(30)
    var connectTimeout = Duration.seconds(5)
    var user: String?
    var password: String?
    var authorityFile: String?
    var certificateFile: String?
    var keyFile: String?

    /// With paths resolved against the file's directory.
    func resolved(in directory: String) -> PlannedHTTP {
        var result = self
        result.authorityFile = authorityFile.map { Planner.resolve($0, in: directory) }
        result.certificateFile = certificateFile.map { Planner.resolve($0, in: directory) }
        result.keyFile = keyFile.map { Planner.resolve($0, in: directory) }
        return result
    }

    /// What its client is told.
    var settings: HTTPSettings {
        var settings = HTTPSettings()
        settings.totalMillis = max(Int(timeout.micros / 1000), 1)
        settings.stallSeconds = max(Int(timeout.micros / 1_000_000), 1)
        settings.connectMillis = max(Int(connectTimeout.micros / 1000), 1)
        settings.user = user
        settings.password = password
        settings.authorityFile = authorityFile
        settings.certificateFile = certificateFile
        settings.keyFile = keyFile
        return settings
    }
}

import HTTP

extension CallSender {
    /// Sends a request to a provider.
    public typealias Transport =
        @Sendable (HTTPRequest, CallProvider) -> Result<HTTPResponse, HTTPFailure>

    /// A transport that keeps connections to every provider.
    public static func network(_ settings: CallSettings) -> Transport {
        var clients: [String: HTTPClient] = [:]
        for provider in [settings.provider] + settings.providers {
            var http = provider.http
            http.connectionsKept = settings.inFlight
            clients[provider.name] = HTTPClient(http)
        }
        let known = clients
        return { request, provider in
            do throws(HTTPFailure) {
                return .success(try known[provider.name]!.send(request))
            } catch {
                return .failure(error)
            }
        }
    }
}

/// What is known of the messages of a request that is not over.
struct CallPartial {
    var results: [CallReport.Result] = []
    var only: Set<String>?
    /// Why the service refused them the last time.
    var refused: [String: String] = [:]
    var round = 0

    /// Adds the messages that no service took in the end: those in `failed`, and all when the request ended for `reason`.
    mutating func end(
        _ messages: [CallDriver.Message], failed: [String: String], reason: String?,
        isRefused: Bool
    ) {
        for message in messages {
            if let id = message.id, let why = failed[id] {
                results.append(.init(message: message, status: .rejected, reason: why))
            } else if let reason, let id = message.id, let why = refused[id] {
                // What the service said of the message says more than how the last try ended.
                results.append(
                    .init(
                        message: message, status: .rejected, reason: why.isEmpty ? reason : why))
            } else if let reason {
                results.append(
                    .init(
                        message: message, status: isRefused ? .rejected : .failed, reason: reason))
            }
        }
    }
}

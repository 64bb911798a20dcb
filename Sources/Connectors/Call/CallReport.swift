import StreamRuntime

/// What became of a request, as the records of its results and its dead letter.
struct CallReport: Sendable {
    /// How a message ended.
    enum Status: String, Sendable {
        /// The service took it.
        case sent
        /// The service refused it.
        case rejected
        /// It was given up.
        case failed
    }

    /// A message and how it ended.
    struct Result: Sendable {
        let message: CallDriver.Message
        let status: Status
        let reason: String?
    }

    let call: String
    let tenant: String
    let row: JSONValue
    let tries: Int
    let provider: String?
    let providerId: String?
    let httpStatus: Int?
    let firstAt: Int64
    let endedAt: Int64
    let results: [Result]

    /// The row's simple members, without those made for bodies.
    private var carried: [JSONValue.Member] {
        row.members.filter {
            !$0.value.hasParts && $0.value != .null && !$0.name.hasPrefix("body/")
        }
    }

    /// One record a message: its key and its bytes.
    var resultRecords: [(key: [UInt8], value: [UInt8])] {
        let carried = carried
        return results.map { result in
            let own = Set(result.message.fields.map(\.name))
            var members = carried.filter { !own.contains($0.name) } + result.message.fields
            members.append(.init("status", .string(result.status.rawValue)))
            members.append(.init("reason", result.reason.map { .string($0) } ?? .null))
            members += ending
            let key = result.message.id ?? tenant
            return (Array(key.utf8), JSONValue.object(members).text)
        }
    }

    /// What is common to all messages of the request.
    private var ending: [JSONValue.Member] {
        [
            .init("attempts", .number("\(tries)")),
            .init("provider", provider.map { .string($0) } ?? .null),
            .init("provider_id", providerId.map { .string($0) } ?? .null),
            .init("http_status", httpStatus.map { .number("\($0)") } ?? .null),
            .init("first_attempt_at", .string(CallReport.text(firstAt))),
            .init("finished_at", .string(CallReport.text(endedAt))),
        ]
    }

    /// The record of what was not taken; nil when all was.
    var deadLetter: (key: [UInt8], value: [UInt8])? {
        let lost = results.filter { $0.status != .sent }
        guard let first = lost.first else { return nil }
        var members: [JSONValue.Member] = [
            .init("call", .string(call)), .init("tenant", .string(tenant)),
            .init("reason", first.reason.map { .string($0) } ?? .null),
        ]
        members += ending
        let ids = lost.compactMap(\.message.id)
        if !ids.isEmpty {
            members.append(.init("failed", .array(ids.map { .string($0) })))
        }
        let whole = row.members.filter { !$0.name.hasPrefix("body/") }
        members.append(.init("row", .object(whole)))
        return (Array(tenant.utf8), JSONValue.object(members).text)
    }

    private static func text(_ micros: Int64) -> String {
        let writer = ByteWriter(capacity: 32)
        writer.append(timestamp: micros)
        return String(
            decoding: UnsafeBufferPointer(start: writer.base, count: writer.count), as: UTF8.self)
    }
}

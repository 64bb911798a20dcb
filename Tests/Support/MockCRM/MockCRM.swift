import Connectors
import Glibc
import Synchronization
import TestHTTP

/// A provider of marketing messages that misbehaves as the real ones do, and checks that it was called rightly.
///
/// `POST /workspaces/{id}/send` takes a batch of at most 50 messages of one retailer under an `Idempotency-Key`;
/// the same key again gets the first answer. `GET /report` tells what was accepted and which rules were broken;
/// `POST /control` changes the settings while it runs.
///
/// - Source: Braze's public API: limits per workspace, 429 with `X-RateLimit-Limit`, `-Remaining` and `-Reset`
///   (seconds since 1970), refusals per recipient in an answer of 200.
public final class MockCRM: Sendable {
    /// How it behaves.
    public struct Settings: Sendable {
        /// Requests that a workspace may make in a window.
        public var limit = 1_000_000
        /// The length of a window, in milliseconds.
        public var windowMillis: Int64 = 1000
        /// Requests in a thousand that are answered 500, before anything is done.
        public var errors = 0
        /// Requests in a thousand that are done and then not answered.
        public var torn = 0
        /// Messages in a thousand that are refused once and taken when they come again.
        public var refusedOnce = 0
        /// Messages in a thousand that are never taken.
        public var refused = 0
        /// How long each answer takes, in milliseconds, by workspace.
        public var slowMillis: [String: Int] = [:]
        /// Whether every request is answered 503.
        public var isDown = false
        /// Where its chances begin.
        public var seed: UInt64 = 1

        /// A service without faults.
        public init() {}
    }

    /// What it has seen.
    public struct Report: Equatable, Sendable {
        /// Messages it took.
        public var accepted = 0
        /// Requests it took.
        public var batches = 0
        /// Requests under a key that it had taken before.
        public var repeated = 0
        /// Requests it refused because of the rate.
        public var limited = 0
        /// Requests it answered with 500 or 503.
        public var errors = 0
        /// Requests it took without an answer.
        public var torn = 0
        /// Messages it refused, each time it did.
        public var refused = 0
        /// Requests of each workspace.
        public var workspaces: [String: Int] = [:]
        /// Rules that were broken, the first hundred.
        public var violations: [String] = []
    }

    fileprivate struct State {
        var settings: Settings
        var report = Report()
        var answers: [String: [UInt8]] = [:]
        var accepted: Set<String> = []
        var refusedOnce: Set<String> = []
        var windows: [String: (start: Int64, count: Int)] = [:]
        var random: UInt64
    }

    private let state: Mutex<State>
    private let server: Mutex<TestHTTPServer?> = Mutex(nil)
    private let nowMillis: @Sendable () -> Int64

    /// The largest batch.
    public static let batchMax = 50

    /// Listens on `port` of the loopback; 0 for any.
    public init(
        _ settings: Settings = Settings(), port: Int = 0,
        nowMillis: @escaping @Sendable () -> Int64 = MockCRM.clock
    ) {
        state = Mutex(State(settings: settings, random: settings.seed))
        self.nowMillis = nowMillis
        let server = TestHTTPServer(port: port) { [weak self] request in
            self?.answer(request) ?? .torn
        }
        self.server.withLock { $0 = server }
    }

    /// The time of day in milliseconds.
    public static let clock: @Sendable () -> Int64 = {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    /// The address of its root.
    public var url: String { server.withLock { $0!.url } }
    /// The port it listens on.
    public var port: Int { server.withLock { $0!.port } }
    /// What it has seen so far.
    public var report: Report { state.withLock { $0.report } }
    /// The ids of the messages it took.
    public var acceptedIds: Set<String> { state.withLock { $0.accepted } }

    /// Changes how it behaves.
    public func change(_ body: @Sendable (inout Settings) -> Void) {
        state.withLock { body(&$0.settings) }
    }

    /// Takes no more connections.
    public func stop() { server.withLock { $0?.stop() } }

    // MARK: answering

    private func answer(_ request: TestHTTPServer.Request) -> TestHTTPServer.Answer {
        let path = request.target.split(separator: "/").map(String.init)
        switch (request.method, path.first) {
        case ("GET", "report"):
            return .whole(status: 200, headers: MockCRM.json, body: reportText)
        case ("POST", "control"):
            guard let document = JSONValue(request.body), control(document) else {
                return .whole(status: 400, body: Array("no such setting".utf8))
            }
            return .whole(status: 204)
        case ("POST", "workspaces") where path.count == 3 && path[2] == "send":
            return send(request, workspace: path[1])
        default: return .whole(status: 404)
        }
    }

    private static let json = ["Content-Type": "application/json"]

    private func send(
        _ request: TestHTTPServer.Request, workspace: String
    ) -> TestHTTPServer.Answer {
        let wait = state.withLock { $0.settings.slowMillis[workspace] ?? 0 }
        if wait > 0 { usleep(UInt32(wait) * 1000) }
        let now = nowMillis()
        return state.withLock { state in
            state.report.workspaces[workspace, default: 0] += 1
            if state.settings.isDown {
                state.report.errors += 1
                return .whole(status: 503, body: Array("down for maintenance".utf8))
            }
            var limits = MockCRM.json
            guard state.enter(workspace, now, &limits) else {
                state.report.limited += 1
                return .whole(status: 429, headers: limits)
            }
            if state.chance(state.settings.errors) {
                state.report.errors += 1
                return .whole(status: 500, headers: limits)
            }
            let key = request.headers["idempotency-key"] ?? ""
            if key.isEmpty { state.violate("a request to \(workspace) has no idempotency key") }
            if let known = state.answers[key] {
                state.report.repeated += 1
                return .whole(status: 200, headers: limits, body: known)
            }
            guard let document = JSONValue(request.body) else {
                state.violate("a request to \(workspace) is no JSON")
                return .whole(status: 400)
            }
            let body = state.take(document, workspace: workspace)
            state.answers[key] = body
            if state.chance(state.settings.torn) {
                state.report.torn += 1
                return .torn
            }
            return .whole(status: 200, headers: limits, body: body)
        }
    }

    // MARK: control and report

    private func control(_ document: JSONValue) -> Bool {
        state.withLock { state in
            for member in document.members {
                let number = member.value.scalarText.flatMap { Int($0) }
                switch (member.name, number) {
                case ("down", _): state.settings.isDown = member.value == .boolean(true)
                case ("limit", let number?): state.settings.limit = number
                case ("window_ms", let number?): state.settings.windowMillis = Int64(number)
                case ("errors", let number?): state.settings.errors = number
                case ("torn", let number?): state.settings.torn = number
                case ("refused", let number?): state.settings.refused = number
                case ("refused_once", let number?): state.settings.refusedOnce = number
                case ("slow_ms", _):
                    for slow in member.value.members {
                        state.settings.slowMillis[slow.name] =
                            slow.value.scalarText.flatMap { Int($0) }
                    }
                default: return false
                }
            }
            return true
        }
    }

    private var reportText: [UInt8] {
        let report = report
        func number(_ value: Int) -> JSONValue { .number("\(value)") }
        return JSONValue.object([
            .init("accepted", number(report.accepted)), .init("batches", number(report.batches)),
            .init("repeated", number(report.repeated)), .init("limited", number(report.limited)),
            .init("errors", number(report.errors)), .init("torn", number(report.torn)),
            .init("refused", number(report.refused)),
            .init("workspaces", number(report.workspaces.count)),
            .init("violations", .array(report.violations.map { .string($0) })),
        ]).text
    }
}

extension MockCRM.State {
    /// Whether the workspace may make another request in this window; says so in `headers`.
    fileprivate mutating func enter(
        _ workspace: String, _ now: Int64, _ headers: inout [String: String]
    ) -> Bool {
        var window = windows[workspace] ?? (now / settings.windowMillis * settings.windowMillis, 0)
        if now >= window.start + settings.windowMillis {
            window = (now / settings.windowMillis * settings.windowMillis, 0)
        }
        let isOpen = window.count < settings.limit
        if isOpen { window.count += 1 }
        windows[workspace] = window
        headers["X-RateLimit-Limit"] = "\(settings.limit)"
        headers["X-RateLimit-Remaining"] = "\(settings.limit - window.count)"
        headers["X-RateLimit-Reset"] = "\((window.start + settings.windowMillis + 999) / 1000)"
        return isOpen
    }

    fileprivate mutating func chance(_ thousandths: Int) -> Bool {
        guard thousandths > 0 else { return false }
        random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int((random >> 33) % 1000) < thousandths
    }

    fileprivate mutating func violate(_ text: String) {
        if report.violations.count < 100 { report.violations.append(text) }
    }

    /// Takes a batch; what is answered.
    fileprivate mutating func take(_ document: JSONValue, workspace: String) -> [UInt8] {
        let messages = (document["messages"] ?? document["items"] ?? .array([])).items
        report.batches += 1
        if messages.isEmpty { violate("an empty batch in \(workspace)") }
        if messages.count > MockCRM.batchMax {
            violate("a batch of \(messages.count) messages in \(workspace)")
        }
        var errors: [JSONValue] = []
        for message in messages {
            guard let id = message["message_id"]?.scalarText else {
                violate("a message without an id in \(workspace)")
                continue
            }
            if let retailer = message["retailer_id"]?.scalarText, retailer != workspace {
                violate("message \(id) of \(retailer) in workspace \(workspace)")
            }
            let chance = MockCRM.chance(of: id)
            if chance < settings.refused {
                errors.append(refusal(id, "unsubscribed"))
            } else if chance < settings.refused + settings.refusedOnce,
                refusedOnce.insert(id).inserted
            {
                errors.append(refusal(id, "try again"))
            } else if accepted.insert(id).inserted {
                report.accepted += 1
            } else {
                violate("message \(id) came twice")
            }
        }
        report.refused += errors.count
        return JSONValue.object([
            .init("dispatch_id", .string("d-\(report.batches)")), .init("errors", .array(errors)),
        ]).text
    }

    private func refusal(_ id: String, _ reason: String) -> JSONValue {
        .object([.init("id", .string(id)), .init("reason", .string(reason))])
    }
}

extension MockCRM {
    /// A number below 1000 that is a message's own (FNV-1a).
    public static func chance(of id: String) -> Int {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in id.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        hash ^= hash >> 32
        return Int(hash % 1000)
    }
}

import NIOCore
import StreamRuntime

/// Turns the messages of calls into answers; one per event loop.
///
/// - Note: `@unchecked Sendable` because it is made before its loop runs and used by that loop only.
final class GRPCResponder: @unchecked Sendable {
    /// Where answers are put together.
    let output = ByteArena(capacity: 1 << 14)
    /// The largest message, as it is sent and inflated.
    let messageBytesMax: Int

    private let lookups: GRPCLookup
    private let slow: SlowLookups
    private let writes: WriteQueue?
    private let access: AccessRules
    private let isHealthy: @Sendable () -> Bool
    private let answers: [Counter]

    init(
        lookups: GRPCLookup, slow: SlowLookups, metrics: MetricsRegistry, writes: WriteQueue?,
        access: AccessRules, messageBytesMax: Int,
        isHealthy: @escaping @Sendable () -> Bool
    ) {
        self.messageBytesMax = messageBytesMax
        self.isHealthy = isHealthy
        self.writes = writes
        self.access = access
        self.lookups = lookups
        self.slow = slow
        answers = (0...16).map { code in
            metrics.counter(
                "millrace_grpc_answers_total", help: "gRPC answers, by status code.",
                labels: [("code", "\(code)")])
        }
    }

    /// Counts an answer of status `code`.
    func count(_ code: Int) { answers[code].add() }

    /// Who makes the call; health and versions are told to anyone.
    func admit(_ head: GRPCHead) throws(GRPCProblem) -> AccessCaller {
        switch head.method {
        case .info, .healthCheck, .healthWatch: return .anyone
        default: break
        }
        do throws(AccessProblem) {
            return try access.admit(head.secret, nowNanos: WallClock.monotonicNanos())
        } catch {
            throw GRPCProblem(error)
        }
    }

    /// Appends the answer to `message` to `output`.
    func answer(
        _ method: GRPCHead.Method, _ message: UnsafeBufferPointer<UInt8>, into output: ByteArena
    ) throws(GRPCProblem) {
        switch method {
        case .info: ProtoWriter.text(1, "0.67.0", to: output)
        case .healthCheck:
            let service = try GRPCResponder.service(message)
            guard service.isEmpty else {
                throw GRPCProblem(.notFound, "there is no service \(service.prefix(200))")
            }
            appendHealth(to: output)
        case .healthWatch, .push, .write, .lookup, .onlineRead:
            preconditionFailure("the connection answers these by other ways")
        }
    }

    /// Appends the response to a lookup to `output`.
    ///
    /// - Parameter millis: what is left of the call's time; nil for as much as it takes.
    /// - Returns: what is said beside the response; or what to wait for, and then nothing was appended.
    func look(
        _ head: GRPCHead, _ message: UnsafeBufferPointer<UInt8>, for caller: AccessCaller,
        millis: Int64?, on loop: any EventLoop, into output: ByteArena
    ) throws(GRPCProblem) -> (notes: [LookupNote], later: EventLoopFuture<WriteQueue.Reply>?) {
        var stage = LookupStage.prompt
        stage.caller = caller
        stage.options = head.options
        if let millis, millis <= LookupOptions.millisMax {
            var options = stage.options ?? LookupOptions()
            options.deadlineMillis = min(options.deadlineMillis ?? millis, millis)
            stage.options = options
        }
        if head.method == .onlineRead { stage.name = GRPCLookup.connector }
        switch lookups.attempt(message, stage, into: output) {
        case .answered(0): return (lookups.notes, nil)
        case .answered(let code): throw GRPCResponder.problem(code, output)
        case .deferred(let deferral):
            return (
                [],
                slow.finish(Array(message), deferral, engine: lookups, stage: stage, on: loop)
            )
        }
    }

    /// The problem that an engine told of as a status and a text.
    static func problem(_ code: Int, _ text: ByteArena) -> GRPCProblem {
        GRPCProblem(
            GRPCProblem.Code(rawValue: code) ?? .internal,
            String(
                decoding: UnsafeBufferPointer(start: text.base, count: text.count), as: UTF8.self))
    }

    /// Takes the row that a push or a write carries; the future is answered when it is readable and durable.
    func write(
        _ method: GRPCHead.Method, _ message: UnsafeBufferPointer<UInt8>, for caller: AccessCaller,
        on loop: any EventLoop
    ) throws(GRPCProblem) -> EventLoopFuture<WriteQueue.Reply> {
        let kind: WriteQueue.Kind = method == .push ? .push : .view
        let request = try GRPCWriteRequest(message, kind: kind)
        guard let writes else { throw GRPCProblem(.noWrites) }
        return writes.submit(kind, bytes: message.count, on: loop) { clerk, written in
            do throws(LookupProblem) {
                try clerk.write(kind, request.name, to: request.target, into: &written) {
                    (rows) throws(LookupProblem) in
                    try caller.checkWrite(rows.view.name)
                    return try request.batch(rows)
                }
                return WriteQueue.Reply()
            } catch {
                return clerk.reply(to: error)
            }
        }
    }

    /// Appends what a watcher of the server's health is told first.
    func watch(
        _ message: UnsafeBufferPointer<UInt8>, into output: ByteArena
    ) throws(GRPCProblem) {
        if try GRPCResponder.service(message).isEmpty {
            appendHealth(to: output)
        } else {
            append(health: 3, to: output)  // SERVICE_UNKNOWN
        }
    }

    /// Appends SERVING, or NOT_SERVING while stopping.
    func appendHealth(to output: ByteArena) {
        append(health: isHealthy() ? 1 : 2, to: output)
    }

    private func append(health status: UInt64, to output: ByteArena) {
        ProtoWriter.tag(1, .varint, to: output)
        ProtoWriter.varint(status, to: output)
    }

    private static func service(
        _ message: UnsafeBufferPointer<UInt8>
    ) throws(GRPCProblem) -> String {
        var reader = ProtoReader(message)
        var service = ""
        do throws(FeastProblem) {
            while try reader.next() {
                if reader.number == 1 { service = String(decoding: reader.body, as: UTF8.self) }
            }
        } catch {
            throw GRPCProblem(error)
        }
        return service
    }
}

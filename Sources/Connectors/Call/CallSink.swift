import FeatureServe
import StreamRuntime

/// Makes an HTTP request of every row, after the checkpoint that seals the row is whole.
///
/// Rows go to an outbox in the job's state, a topic of the embedded log that is committed with the checkpoint.
/// What is committed is sent by a `CallSender` on its own threads; a restart sends what has no answer yet, with
/// the same idempotency key.
public final class CallSink: Sink {
    private let settings: CallSettings
    private let outbox: CallOutbox
    private let writer: TopicWriter
    private let topic: TopicSink
    private let make: () -> CallSender
    private let senders: CallSenders?
    private var sender: CallSender?

    /// A sink of rows of `schema`.
    ///
    /// - Parameters:
    ///   - directory: the call's own in the job's state.
    ///   - results: where results go; nil for nowhere.
    ///   - deadLetters: where requests go that were given up; nil for nowhere.
    ///   - transport: sends requests.
    ///   - senders: keeps the sender beyond the sink, so that it can be waited for.
    public init(
        _ settings: CallSettings, schema: Schema, directory: String, workspaces: CallWorkspaces,
        results: CallTopicPlace?, deadLetters: CallTopicPlace?,
        transport: @escaping CallSender.Transport, clock: any Clock = SystemClock(),
        senders: CallSenders? = nil
    ) throws(JobFailure) {
        self.settings = settings
        self.senders = senders
        let outbox = CallOutbox(directory: directory)
        self.outbox = outbox
        writer = try outbox.writer()
        topic = TopicSink(
            writer, encoder: JSONRecordEncoder(schema: schema), schema: schema,
            key: settings.tenant.flatMap { schema.index(of: $0) }.map { [$0] } ?? [])
        let metrics = senders?.metrics
        make = {
            CallSender(
                settings,
                places: .init(outbox: outbox, results: results, deadLetters: deadLetters),
                workspaces: workspaces, transport: transport, clock: clock, metrics: metrics)
        }
    }

    /// Counts the rows that are left out in `counters`.
    public func report(to counters: StepCounters) { topic.report(to: counters) }

    /// Settles the outbox as `token` says and begins to send what is sealed in it and not over.
    public func recover(token: [UInt8]?) throws(JobFailure) {
        try topic.recover(token: token)
        let sender = make()
        try sender.start()
        self.sender = sender
        senders?.add(sender)
    }

    /// False when too much is sealed that could not be sent yet.
    public var isReady: Bool { (sender?.backlog ?? 0) < settings.backlogBytes }

    /// Adds the rows of `batch` to the outbox.
    public func write(_ batch: ColumnBatch) throws(JobFailure) {
        if let failure = sender?.failure { throw failure }
        try topic.write(batch)
    }

    /// Makes what was written durable; nothing of it is sent yet.
    public func prepare(checkpoint: Int64) throws(JobFailure) -> [UInt8] {
        if let failure = sender?.failure { throw failure }
        return try topic.prepare(checkpoint: checkpoint)
    }

    /// Lets it be sent.
    public func commit(checkpoint: Int64, token: [UInt8]) throws(JobFailure) {
        try topic.commit(checkpoint: checkpoint, token: token)
        guard let sender else { return }
        try writer.trim(partition: 0, before: sender.low)
        sender.wake()
    }

    /// Lets another writer have the outbox; the sender ends with it unless someone else keeps it.
    public func close() {
        topic.close()
        if senders == nil { sender?.stop() }
    }
}

/// How large a record a topic takes, and what becomes of a row whose record is larger.
///
/// - Note: anything else that goes wrong while writing concerns all rows and stops the job.
public struct RecordBound: Equatable, Sendable {
    /// The topic, for messages.
    public let topic: String
    /// Bytes that the key and the value of a record may have together.
    public let bytesMax: Int
    /// Whether larger ones are left out and counted; else they stop the job.
    public let isDropping: Bool
    /// What to raise so that larger records fit; nil when the bound is fixed.
    public let setting: String?

    /// A bound of `topic` that `setting` sets; `policy` is the output's `on_error`.
    public init(topic: String, bytesMax: Int, policy: FailurePolicy, setting: String? = nil) {
        self.topic = topic
        self.bytesMax = bytesMax
        isDropping = policy == .drop
        self.setting = setting
    }

    func failure(bytes: Int, key: UnsafeBufferPointer<UInt8>?) -> JobFailure {
        let name = key.map { String(decoding: $0.prefix(80), as: UTF8.self) }
        return JobFailure(
            .sink,
            "a record of \(bytes) bytes is too large for \(topic), which takes \(bytesMax)",
            at: "topic \(topic)" + (name.map { ", key \($0)" } ?? ""),
            remedy: "make the rows smaller, " + (setting.map { "raise \($0), " } ?? "")
                + "or declare on_error: drop for the output")
    }
}

import StreamRuntime

/// How `millrace run` was asked to run.
public struct RunOptions: Sendable {
    /// Pipelines to run, with what they read; empty for all.
    public var only: [String]
    /// Whether the inputs end at what they hold now.
    public var untilEnd: Bool
    /// Whether features are served on after the end of the input.
    public var keepServing: Bool
    /// Whether results are shown as tables after the end.
    public var show: Bool
    /// Worker threads; nil for what the file says.
    public var workers: Int?
    /// Rows a source reads at once; nil for the usual number.
    public var batchRows: Int?
    /// Port to serve on; nil for the file's.
    public var port: Int?
    /// Whether features are served at all.
    public var serves: Bool
    /// Whether progress and failures are told as JSON lines.
    public var json: Bool
    /// Whether no progress is shown.
    public var isQuiet: Bool
    /// The name this process has among those of a job in shares, the same after a restart; nil for none.
    public var instance: String?
    /// When the job is started again after a failure; nil for what the file says.
    public var restart: RestartPolicy.Settings?

    /// The options of a run; what is left out is as the file says.
    public init(
        only: [String] = [], untilEnd: Bool = false, keepServing: Bool = false, show: Bool = false,
        workers: Int? = nil, batchRows: Int? = nil, port: Int? = nil, serves: Bool = true,
        json: Bool = false, isQuiet: Bool = false,
        instance: String? = nil, restart: RestartPolicy.Settings? = nil
    ) {
        self.restart = restart
        self.only = only
        self.untilEnd = untilEnd
        self.keepServing = keepServing
        self.show = show
        self.workers = workers
        self.batchRows = batchRows
        self.port = port
        self.serves = serves
        self.json = json
        self.isQuiet = isQuiet
        self.instance = instance
    }
}

/// The bounds of the data plane and why they are what they are.
public enum Limits {
    /// Rows a source puts into one batch. Kernels reach their full speed at 1 K rows, and 4 K rows of
    /// 100 bytes stay within a core's 1 MiB of cache.
    public static let batchRows = 4096

    /// Bytes of raw records a source reads at once: 4 K records of 250 bytes.
    public static let batchBytes = 1 << 20

    /// Elements between two tasks. With 8 batches of about 1 MiB, two workers and a dozen edges keep
    /// under 200 MiB in flight at the very worst, and usually a tenth of it.
    public static let ringSlots = 8

    /// How far, in microseconds of event time, one source may run ahead of another that it meets
    /// downstream: what a sorter may have to hold.
    public static let alignmentMicros: Int64 = 60_000_000

    /// The part of a worker's memory, one in this many, that rows may take while they wait for their turn,
    /// before sources are no longer read ahead of each other at all.
    static let waitingPart = 4

    /// Rows a step emits in one call before it lets its task drain.
    public static let firingRows = 4096

    /// Bytes of one record between two shares: half of what Kafka takes by default (1 MB), so that
    /// headers and packing never make it too large.
    public static let repartitionBytes = 1 << 19

    /// Idle phases that a source task tells of in one epoch: 64 KiB of a manifest at the most, and more
    /// than ten a second between two checkpoints.
    static let idlenessMax = 1024

    /// Rows written to other shares before a watermark follows them: what a sorter there holds at least.
    static let repartitionRows = 1 << 16

    /// Empty rounds that a worker of a few tasks spins before it parks, about 20 microseconds.
    static let spinRounds = 64

    /// The longest a parked worker sleeps, in nanoseconds: what a caught-up source waits to poll.
    static let parkNanos = 1_000_000
}

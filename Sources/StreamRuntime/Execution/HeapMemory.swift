import CPlatform

/// What the C heap keeps of the memory of batches that are done with.
public enum HeapMemory {
    /// Lets each thread's heap keep a part of `budget`, the bytes that the job may use: 8 MiB at least, 256 MiB at most.
    public static func keep(ofBudget budget: Int) {
        millrace_keep_heap(min(max(budget / 32, 8 << 20), 256 << 20))
    }
}

import Dispatch
import Synchronization

/// Does two things at the same time, as processes of one thread leave one of two cores idle.
func both<Result: Sendable>(_ work: @Sendable (Int) throws -> Result) throws -> [Result] {
    let results = Mutex<[Int: Swift.Result<Result, any Error>]>([:])
    DispatchQueue.concurrentPerform(iterations: 2) { index in
        let result = Swift.Result { try work(index) }
        results.withLock { $0[index] = result }
    }
    return try results.withLock { found in
        try (0..<2).compactMap { try found[$0]?.get() }
    }
}

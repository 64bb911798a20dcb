import NIOCore
import NIOPosix
import StreamRuntime
import Synchronization

/// Answers the commands that have to wait for the disk or for another server, off the event loops; one for a server.
///
/// A connection has at most one piece of its commands here, so connections bound what waits.
final class RESPWaiting: Sendable {
    /// What became of a piece of a connection's bytes.
    struct Answer: Sendable {
        /// Bytes whose commands were answered.
        let taken: Int
        let bytes: [UInt8]
    }

    private let shared: RESPShared
    private let threads = NIOThreadPool(numberOfThreads: 2)
    private let spare = Mutex<[RESPEngine]>([])

    init(_ shared: RESPShared) {
        self.shared = shared
        threads.start()
    }

    /// Answers the commands that are whole in `bytes`, until the answers take `bytesMax`.
    ///
    /// - Precondition: nobody else uses `session` until the future is there.
    func answer(
        _ bytes: ByteBuffer, _ session: RESPSession, bytesMax: Int, on loop: any EventLoop
    ) -> EventLoopFuture<Answer> {
        threads.runIfActive(eventLoop: loop) { [self] in
            let engine = spare.withLock { $0.popLast() } ?? RESPEngine(shared)
            defer { spare.withLock { $0.append(engine) } }
            engine.out.count = 0
            let taken = bytes.withUnsafeReadableBytes { bytes -> Int in
                guard let base = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else {
                    return 0
                }
                var at = 0
                while at < bytes.count, !session.isEnding, engine.out.count < bytesMax {
                    let used = engine.step(base + at, bytes.count - at, session)
                    guard used > 0 else { break }
                    at += used
                }
                return at
            }
            let out = engine.out
            return Answer(
                taken: taken, bytes: [UInt8](UnsafeBufferPointer(start: out.base, count: out.count))
            )
        }
    }

    /// Waits for what the threads are at, and lets them go; to be called while the loops still run, which are told.
    func stop() { try? threads.syncShutdownGracefully() }
}

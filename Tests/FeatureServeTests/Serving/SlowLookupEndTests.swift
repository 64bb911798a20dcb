import Dispatch
import Glibc
import NIOCore
import NIOPosix
import StreamRuntime
import Synchronization
import Testing

@testable import FeatureServe

/// What becomes of reads that are still under way when a server goes.
@Suite struct SlowLookupEndTests {
    @Test
    func
        `a read that comes back after its lookup was answered leaves the loop, which may be gone, alone`()
        throws
    {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = CountedLoop(group.next())
        let gate = Gate()
        let store = try OnlineStore(
            catalog: try FeatureCatalog(entities: [Shop.user], views: [Shop.counters]),
            rows: MemoryRows(), budgetBytes: 1 << 20)
        let lookups = SlowLookups(store: store) { StuckEngine(gate) }
        let answer = try loop.submit {
            let deferral = LookupDeferral(LookupOptions(), start: 0, record: nil)
            return lookups.finish(
                [], deferral, engine: StuckEngine(gate), stage: .prompt, on: loop)
        }.wait()
        while !gate.isEntered.load(ordering: .acquiring) { sched_yield() }
        // The server goes: what waits is answered with what there is, and the loops end.
        lookups.hurry()
        #expect(try answer.wait().status == 206)
        try group.syncShutdownGracefully()
        let told = loop.executed.load(ordering: .acquiring)
        // Only now does the disk answer.
        gate.isOpen.store(true, ordering: .releasing)
        while lookups.readingCount > 0 { sched_yield() }
        #expect(loop.executed.load(ordering: .acquiring) == told)
        lookups.stop()
    }
}

/// What a stuck engine has come to, and whether it may go on.
private final class Gate: Sendable {
    let isEntered = Atomic(false)
    let isOpen = Atomic(false)
}

/// Answers 206 without rows at rest, and 200 with them, once its gate is open.
private final class StuckEngine: DeferringEngine {
    private let gate: Gate

    init(_ gate: Gate) { self.gate = gate }

    func attempt(
        _ body: UnsafeBufferPointer<UInt8>, _ stage: LookupStage, into answer: ByteArena
    ) -> LookupOutcome {
        guard stage.fetches else { return .answered(206) }
        gate.isEntered.store(true, ordering: .releasing)
        while !gate.isOpen.load(ordering: .acquiring) { sched_yield() }
        return .answered(200)
    }
}

/// A loop that counts what it was given to do.
private final class CountedLoop: EventLoop {
    let executed = Atomic(0)
    private let base: any EventLoop

    init(_ base: any EventLoop) { self.base = base }

    var inEventLoop: Bool { base.inEventLoop }

    func execute(_ task: @escaping @Sendable () -> Void) {
        executed.add(1, ordering: .acquiringAndReleasing)
        base.execute(task)
    }

    func scheduleTask<T>(
        deadline: NIODeadline, _ task: @escaping @Sendable () throws -> T
    ) -> Scheduled<T> { base.scheduleTask(deadline: deadline, task) }

    func scheduleTask<T>(
        in time: TimeAmount, _ task: @escaping @Sendable () throws -> T
    ) -> Scheduled<T> { base.scheduleTask(in: time, task) }

    @preconcurrency func shutdownGracefully(
        queue: DispatchQueue, _ callback: @escaping @Sendable ((any Error)?) -> Void
    ) { base.shutdownGracefully(queue: queue, callback) }
}

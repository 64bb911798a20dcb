import FeatureServe
import Glibc
import StreamRuntime
import Synchronization

/// Brings records of a place outside into a stream's topic, round by round.
protocol Collector: AnyObject, Sendable {
    /// The stream.
    var name: String { get }
    /// Time between the beginnings of two rounds.
    var everyMicros: Int64 { get }

    /// Takes what there is.
    ///
    /// - Returns: whether something is there that cannot be taken yet.
    /// - Throws: when it failed; what was committed stays, the rest is taken by another round.
    func round(nowMicros: Int64, isStopping: () -> Bool) throws(JobFailure) -> Bool

    /// Registers the figures, in place of those of a life before.
    func register(in registry: MetricsRegistry)

    /// Lets another writer have the topic.
    func close()
}

/// The collectors of a plan, each with a thread of its own.
final class Collectors: Sendable {
    private let all: [any Collector]
    private let clock: any Clock
    private let isStopping = Atomic<Bool>(false)
    private let threads = Mutex<[pthread_t]>([])

    /// The longest wait after failures, and the first.
    private static let waitMicros: ClosedRange<Int64> = 1_000_000...300_000_000

    /// Opens the topics of the streams that are watched or polled; nil when none is.
    init?(_ plan: JobPlan, clock: any Clock) throws(JobFailure) {
        var all: [any Collector] = []
        for source in plan.sources {
            if source.watch != nil { all.append(try DirectoryCollector(source, plan: plan)) }
            if source.poll != nil { all.append(try PollCollector(source, plan: plan)) }
        }
        guard !all.isEmpty else { return nil }
        self.all = all
        self.clock = clock
    }

    /// Registers the figures of all collectors.
    func register(in registry: MetricsRegistry) { for one in all { one.register(in: registry) } }

    /// Takes all there is, once: for a job that runs to the end of its input.
    ///
    /// - Throws: what a round throws; a job to the end of an input that it cannot have is none.
    func collectOnce(isStopping: () -> Bool) throws(JobFailure) {
        for one in all {
            while try one.round(nowMicros: clock.nowMicros, isStopping: isStopping) {
                // A file that is still written to is part of the input.
                guard !isStopping() else { return }
                usleep(20_000)
            }
        }
    }

    /// Begins to collect until `stop`.
    func start() throws(JobFailure) {
        for one in all {
            let work = Unmanaged.passRetained(Work(one, self)).toOpaque()
            var thread = pthread_t()
            let code = pthread_create(
                &thread, nil,
                { passed in
                    let work = Unmanaged<Work>.fromOpaque(passed!).takeRetainedValue()
                    work.owner.run(work.collector)
                    return nil
                }, work)
            guard code == 0 else {
                Unmanaged<Work>.fromOpaque(work).release()
                throw JobFailure(
                    .environment, "no thread for the stream \(one.name)", at: "job",
                    remedy: "raise the limit on threads (ulimit -u)")
            }
            threads.withLock { $0.append(thread) }
        }
    }

    private final class Work: Sendable {
        let collector: any Collector
        let owner: Collectors

        init(_ collector: any Collector, _ owner: Collectors) {
            self.collector = collector
            self.owner = owner
        }
    }

    private var isToStop: Bool { isStopping.load(ordering: .relaxed) }

    private func run(_ collector: any Collector) {
        var failures: Int64 = 0
        while !isToStop {
            let began = clock.nanos
            var wait = collector.everyMicros
            do throws(JobFailure) {
                _ = try collector.round(nowMicros: clock.nowMicros) { self.isToStop }
                failures = 0
            } catch {
                failures += 1
                wait = Collectors.wait(after: failures, error, every: collector.everyMicros)
                if failures & (failures - 1) == 0 {
                    Terminal.error("warning: \(error) (failure \(failures) in a row)\n")
                }
            }
            while !isToStop, clock.nanos - began < wait * 1000 { usleep(20_000) }
        }
    }

    /// How long to wait after so many failures in a row: twice as long each time, at most until the next
    /// round would be, but never less than a second.
    static func wait(after failures: Int64, _ failure: JobFailure, every: Int64) -> Int64 {
        if case .retry(let millis) = failure.recovery { return Int64(millis) * 1000 }
        let longest = min(max(every, waitMicros.lowerBound), waitMicros.upperBound)
        return min(waitMicros.lowerBound << min(failures - 1, 20), longest)
    }

    /// Ends the threads, each after the request or the file at hand, and lets others have the topics.
    func stop() {
        isStopping.store(true, ordering: .relaxed)
        let running = threads.withLock { threads in
            defer { threads = [] }
            return threads
        }
        for thread in running { pthread_join(thread, nil) }
        for one in all { one.close() }
    }
}

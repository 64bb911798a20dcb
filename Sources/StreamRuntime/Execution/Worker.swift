import CPlatform
import Glibc
import Synchronization

/// A thread that runs its tasks in turn until the job stops.
final class Worker {
    let signal = WorkerSignal()
    /// What all the worker's state takes.
    let counters = StepCounters()
    private let index: Int
    private let settings: RunSettings
    private let control: JobControl
    private var tasks: [any TaskLoop] = []
    private var store: StateStore
    private var thread: pthread_t?
    private var isPressed = false
    private var isCrowded = false

    init(index: Int, settings: RunSettings, control: JobControl, store: StateStore) {
        self.index = index
        self.settings = settings
        self.control = control
        self.store = store
    }

    /// Gives the worker a task, before it starts.
    func add(_ task: any TaskLoop) { tasks.append(task) }

    /// Starts the thread; tasks and state are the thread's from here on.
    func start() throws(JobFailure) {
        let passed = Unmanaged.passRetained(self).toOpaque()
        var made = pthread_t()
        let code = pthread_create(
            &made, nil,
            { passed in
                Unmanaged<Worker>.fromOpaque(passed!).takeRetainedValue().run()
                return nil
            }, passed)
        guard code == 0 else {
            Unmanaged<Worker>.fromOpaque(passed).release()
            throw JobFailure(
                .environment, "no thread for worker \(index): \(String(cString: strerror(code)))",
                at: "job", remedy: "raise the limit on threads (ulimit -u) or ask for fewer workers"
            )
        }
        thread = made
    }

    /// Waits for the thread to end.
    func join() {
        if let thread { pthread_join(thread, nil) }
        thread = nil
    }

    private func run() {
        millrace_name_thread("worker-\(index)")
        if settings.pinsThreads { _ = millrace_pin_thread(Int32(index)) }
        do throws(JobFailure) {
            for task in tasks { try task.open() }
            try loop()
        } catch {
            control.fail(error)
        }
        for task in tasks { task.close() }
        tasks = []
    }

    /// Keeps state within its budget. While it cannot shrink, no source reads: barriers go on, and the
    /// checkpoint under way frees memory.
    private func relieve(isBusy: Bool) throws(JobFailure) {
        guard isBusy || isPressed || isCrowded else { return }
        let isStuck = try store.relieve() == .waitForCheckpoint
        counters.set(.stateBytes, Int64(store.bytes))
        counters.set(.sparedBytes, Int64(store.sparedBytes))
        if isStuck != isPressed {
            isPressed = isStuck
            control.pressedWorkers.wrappingAdd(isStuck ? 1 : -1, ordering: .relaxed)
        }
        // Rows wait for what is behind them: only sources that are ahead can make them fewer.
        let share = store.budgetBytes / Limits.waitingPart
        let isOver = store.waitingBytes > (isCrowded ? share - share / 4 : share)
        if isOver != isCrowded {
            isCrowded = isOver
            control.crowdedWorkers.wrappingAdd(isOver ? 1 : -1, ordering: .relaxed)
        }
    }

    private func loop() throws(JobFailure) {
        var quietRounds = 0
        var isParking = false
        // A round looks at every task: with many of them a few rounds take as long.
        let spinRounds = max(2, Limits.spinRounds * 8 / max(tasks.count, 8))
        while !control.stopRequested.load(ordering: .relaxed) {
            var isBusy = false
            for task in tasks {
                if try task.step() { isBusy = true }
            }
            try relieve(isBusy: isBusy)
            if isBusy {
                if isParking { signal.stay() }
                isParking = false
                quietRounds = 0
            } else if quietRounds < spinRounds {
                quietRounds += 1
                millrace_pause()
            } else if isParking {
                signal.park()
                isParking = false
            } else {
                signal.prepare()
                isParking = true
            }
        }
    }
}

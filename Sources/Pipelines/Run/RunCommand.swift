import StreamRuntime

/// `millrace run`.
public enum RunCommand {
    /// Runs the file's pipelines and returns the exit code.
    public static func run(path: String, options: RunOptions) -> Int32 {
        // First of all: a file of many pipelines takes a while to plan, and a stop may come meanwhile.
        StopSignal.install()
        let plan: JobPlan
        switch PlanReader.read(path: path, only: options.only) {
        case .success(let read): plan = read
        case .failure(let outcome):
            Terminal.error(outcome.text)
            return outcome.exitCode
        }
        if plan.settings.shares != nil { return runShares(of: plan, options) }
        let runner = JobRunner(plan: plan, options: options)
        defer { runner.stopServing() }
        do throws(JobFailure) {
            let summary = try runner.run { StopSignal.isRaised }
            if case .failed(let failure) = summary.outcome { return report(failure, options) }
            for count in OutputCount.all(of: plan, summary.figures) {
                Terminal.print((options.json ? count.json : count.text) + "\n")
            }
            if options.json, options.untilEnd {
                Terminal.print(RunFigures(plan: plan, summary: summary).json + "\n")
            }
            if options.show {
                let text =
                    try plan.sinks.count >= ResultOverview.outputsMin
                    ? ResultOverview(runner: runner, summary: summary).text()
                    : ResultReport(runner: runner, summary: summary).text()
                Terminal.print(text)
            }
            if options.keepServing, let port = runner.servedPort, !StopSignal.isRaised {
                let scheme = plan.settings.serving.tls == nil ? "http" : "https"
                Terminal.error(
                    "serving features on \(scheme)://\(plan.settings.serveHost):\(port) until stopped\n"
                )
                if let redis = runner.redisPort {
                    Terminal.error(
                        "serving features on redis://\(plan.settings.serveHost):\(redis)\n")
                }
                StopSignal.wait()
            }
            return 0
        } catch {
            return report(error, options)
        }
    }

    private static func runShares(of plan: JobPlan, _ options: RunOptions) -> Int32 {
        do throws(JobFailure) {
            guard !options.show, !options.keepServing else {
                throw JobFailure(
                    .environment, "a job in shares has no results of its own to show or serve",
                    at: "run", remedy: "leave out --show and --keep-serving, or remove shares")
            }
            let failure = try ShareSession(plan: plan, options: options).run {
                StopSignal.isRaised
            }
            return failure.map { report($0, options) } ?? 0
        } catch {
            return report(error, options)
        }
    }

    private static func report(_ failure: JobFailure, _ options: RunOptions) -> Int32 {
        Terminal.error(options.json ? failure.json + "\n" : "error: \(failure)\n")
        return failure.exitCode
    }
}

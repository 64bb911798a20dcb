import ArgumentParser
import Glibc
import Pipelines
import SampleData
import StreamRuntime

struct Generate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make the sample data of a small marketplace, or the load of a large one.",
        discussion: """
            The same for the same seed. With --load: 35,000 locations, 12,000 scans, 4,200 stock counts and \
            300 orders a second, and what belongs to them; docs/SAMPLE-DATA.md has the table.
            """)
    @Option(help: "The directory to write topics and files to.")
    var into = "./data"
    @Option(help: "The seed of the generator.")
    var seed: UInt64 = 42
    @Option(help: "How many times the 28,000 records of the standard sample.")
    var scale = 1.0
    @Flag(help: "Make the load of a large marketplace instead.")
    var load = false
    @Option(help: "With --load: how many seconds of event time.")
    var seconds = 60
    @Option(help: "With --load: the second in which ten times as many stock counts begin to come.")
    var burstFrom = 0
    @Option(help: "With --load: for how many seconds they come; 0 for no burst.")
    var burstSeconds = 0
    @Option(help: "With --load: hundredths of the planned rates.")
    var percent = 100
    @Flag(help: "With --load: from now on and as fast as time goes; a line of JSON a second.")
    var paced = false

    func validate() throws {
        if !(scale > 0 && scale <= 10_000) { throw ValidationError("--scale takes 0 to 10000") }
        if !(1...86_400).contains(seconds) { throw ValidationError("--seconds takes 1 to 86400") }
        if !(0...1000).contains(percent) { throw ValidationError("--percent takes 0 to 1000") }
        if paced && !load { throw ValidationError("--paced goes with --load") }
        if burstFrom < 0 || burstSeconds < 0 {
            throw ValidationError("--burst-from and --burst-seconds are not negative")
        }
    }

    func run() throws {
        do throws(JobFailure) {
            if load { return try generateLoad() }
            var options = SampleData.Options(root: into)
            options.seed = seed
            options.scale = scale
            let report = try SampleData.generate(options)
            print(report.table, terminator: "")
        } catch {
            print("error: \(error)", to: &standardError)
            try leave(error.exitCode)
        }
    }

    /// Milliseconds of the load that are made at a time: how long a record waits to be read at the most.
    private static let stepMillis = 20

    private func generateLoad() throws(JobFailure) {
        var options = LoadSample.Options(root: into)
        options.seed = seed
        options.seconds = seconds
        options.burstFrom = burstFrom
        options.burstSeconds = burstSeconds
        options.percent = percent
        let began = Generate.micros
        if paced { options.start = began }
        let load = try LoadSample(options)
        defer { load.close() }
        while !load.isDone {
            if paced {
                let due = began + Int64(load.millis + Generate.stepMillis) * 1000
                let now = Generate.micros
                if due > now { usleep(UInt32(due - now)) }
            }
            try load.produce(millis: paced ? Generate.stepMillis : 1000)
            if paced, load.millis % 1000 == 0 { tell(load, behind: Generate.micros - began) }
        }
        if !paced { tell(load, behind: 0) }
    }

    private static var micros: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }

    /// A line of what each topic has got; `micros` is how long the load has run.
    private func tell(_ load: LoadSample, behind micros: Int64) {
        let topics = load.counts.map {
            "\"\($0.topic)\":{\"records\":\($0.records),\"duplicates\":\($0.duplicates),\"malformed\":\($0.malformed)}"
        }.joined(separator: ",")
        let late = paced ? max(0, micros / 1000 - Int64(load.millis)) : 0
        let total = load.counts.reduce(0) { $0 + $1.records }
        print(
            "{\"seconds\":\(load.millis / 1000),\"records\":\(total),\"late_ms\":\(late),\"topics\":{\(topics)}}"
        )
        fflush(nil)
    }
}

import ArgumentParser
import Pipelines
import SampleData
import StreamRuntime

struct NexmarkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nexmark",
        abstract:
            "Make the events of the Nexmark benchmark as JSON lines: the same for the same seed.")
    @Option(help: "How many events.")
    var events: Int64 = 1_000_000
    @Option(help: "The number of the first one: a file from n on continues one of n events.")
    var from: Int64 = 0
    @Option(help: "The seed of the generator.")
    var seed: UInt64 = 1
    @Option(help: "Events in a second of event time.")
    var rate: Int64 = 10_000
    @Option(help: "How many milliseconds an event may come after a newer one.")
    var disorder: Int64 = 0
    @Option(help: "The event time of event 0, in seconds since 1970.")
    var start: Int64 = 1_781_481_540
    @Option(help: "The file to write; - for standard output.")
    var out: String
    @Option(help: "Also write the side input of query 13, as CSV, to this file.")
    var sideInput: String?

    func validate() throws {
        if !(0...1_000_000_000_000).contains(events) || !(0...1_000_000_000_000).contains(from) {
            throw ValidationError("--events and --from take 0 to 1000000000000")
        }
        if !(1...1_000_000).contains(rate) { throw ValidationError("--rate takes 1 to 1000000") }
        if !(0...3_600_000).contains(disorder) {
            throw ValidationError("--disorder takes 0 to 3600000")
        }
        if !(0...4_000_000_000).contains(start) {
            throw ValidationError("--start takes 0 to 4000000000")
        }
    }

    func run() throws {
        var options = Nexmark.Options(events: events)
        options.from = from
        options.seed = seed
        options.rate = rate
        options.disorderMicros = disorder * 1000
        options.startMicros = start * 1_000_000
        let nexmark = Nexmark(options)
        do throws(JobFailure) {
            try nexmark.write(to: out)
            if let sideInput { try nexmark.writeSideInput(to: sideInput) }
        } catch {
            print("error: \(error)", to: &standardError)
            try leave(error.exitCode)
        }
    }
}

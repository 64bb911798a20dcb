import ArgumentParser
import Pipelines

struct Keys: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make the keys that clients present to the server.",
        subcommands: [New.self])

    struct New: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a key: its secret is shown this once, its hash goes into the file.")
        @Argument(help: "Who will present it.")
        var name: String

        func run() throws { try show(KeyCommand.new(name: name)) }
    }
}

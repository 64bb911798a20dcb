import ArgumentParser
import Pipelines

struct Features: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the definitions of features, their versions and where they come from.",
        subcommands: [List.self, Show.self, ImportFeast.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List entities, feature views, on-demand views, push sources and services.")
        @OptionGroup var input: FileArgument
        @Flag(help: "Print them as JSON, with lineage.")
        var json = false

        func run() throws { try show(FeaturesCommand.list(path: input.file, json: json)) }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show one definition: features, lineage, versions.")
        @Argument(help: "The definition's name, or VIEW:FEATURE.")
        var name: String
        @Option(help: "The pipelines file.")
        var file = "pipelines.yaml"
        @Flag(help: "Print it as JSON.")
        var json = false

        func run() throws {
            try show(FeaturesCommand.show(path: file, name: name, json: json))
        }
    }

    struct ImportFeast: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "import-feast",
            abstract: "Print the definitions of a Feast registry file as a pipelines file.")
        @Argument(help: "The registry file, such as data/registry.db.")
        var registry: String
        @Option(help: "The project, when the registry holds several.")
        var project: String?

        func run() throws { try show(FeastImportCommand.run(path: registry, project: project)) }
    }
}

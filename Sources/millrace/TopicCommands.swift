import ArgumentParser
import Pipelines

struct Topics: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List, make, write and read topics: the embedded log's or a Kafka cluster's.",
        subcommands: [
            List.self, Describe.self, Create.self, Produce.self, Consume.self,
        ])

    /// Where the topics are.
    struct Place: ParsableArguments {
        @Option(help: "The pipelines file whose connection is meant.")
        var file = "pipelines.yaml"
        @Option(help: "The connection, when the file has several with topics.")
        var connection: String?
        @Option(help: "The directory of the topics, instead of a file's connection.")
        var root: String?
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Every topic with its partitions, records and bytes.")
        @OptionGroup var place: Place
        @Flag(help: "Print JSON lines.")
        var json = false

        func run() throws {
            try leave(
                TopicsCommand(file: place.file, connection: place.connection, root: place.root)
                    .list(json: json))
        }
    }

    struct Describe: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "One topic: the offsets of every partition, and what it keeps.")
        @Argument(help: "The topic.")
        var topic: String
        @OptionGroup var place: Place
        @Option(
            help:
                "A consumer group whose lag is shown; that of the file's job, where it reads the topic from Kafka, when not given."
        )
        var group: String?
        @Flag(help: "Print JSON.")
        var json = false

        func run() throws {
            try leave(
                TopicsCommand(file: place.file, connection: place.connection, root: place.root)
                    .describe(topic, group: group, json: json))
        }
    }

    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make a topic.")
        @Argument(help: "The topic.")
        var topic: String
        @OptionGroup var place: Place
        @Option(help: "Partitions.")
        var partitions = 1
        @Option(
            name: .customLong("setting"),
            help: "A setting of the topic, such as retention.ms=-1; may be repeated.")
        var settings: [String] = []

        func run() throws {
            try leave(
                TopicsCommand(file: place.file, connection: place.connection, root: place.root)
                    .create(topic, partitions: partitions, settings: settings))
        }
    }

    struct Produce: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Append the lines of standard input, one record a line.")
        @Argument(help: "The topic; on an embedded log made when it is not there.")
        var topic: String
        @OptionGroup var place: Place
        @Option(name: .customLong("key-separator"), help: "What parts a line's key from its value.")
        var keySeparator: String?
        @Option(help: "Partitions, when the topic has to be made.")
        var partitions = 1

        func run() throws {
            try leave(
                TopicsCommand(file: place.file, connection: place.connection, root: place.root)
                    .produce(topic, keySeparator: keySeparator, partitions: partitions))
        }
    }

    struct Consume: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print a topic's records.")
        @Argument(help: "The topic.")
        var topic: String
        @OptionGroup var place: Place
        @Option(help: "Only this partition.")
        var partition: Int?
        @Option(
            parsing: .unconditional,
            help: "Begin at this offset; a negative one counts back from the end.")
        var from: Int64?
        @Option(help: "Stop before this offset.")
        var to: Int64?
        @Option(help: "Stop after this many records.")
        var count: Int?
        @Flag(help: "Wait for records to come instead of stopping at the end.")
        var follow = false
        @Flag(help: "Print partition, offset, timestamp, key and value of each record as JSON.")
        var json = false

        func run() throws {
            try leave(
                TopicsCommand(file: place.file, connection: place.connection, root: place.root)
                    .consume(
                        topic, partition: partition, from: from, to: to, count: count,
                        follow: follow, json: json))
        }
    }
}

struct Checkpoints: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List and inspect checkpoints, and settle which one counts.",
        subcommands: [List.self, Inspect.self, Accept.self, Forget.self])

    struct Accept: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Tell Kafka that a checkpoint was the last one committed.",
            discussion: """
                For a job whose group's offsets have expired. Its outputs must hold what the checkpoint \
                covers and nothing more: otherwise rows are missing or doubled.
                """)
        @Argument(help: "The checkpoint's number.")
        var checkpoint: Int64
        @Option(help: "The pipelines file.")
        var file = "pipelines.yaml"
        @Option(help: "The share, of a job that is cut into shares.")
        var share: Int?

        func run() throws {
            try show(CheckpointsCommand.accept(path: file, checkpoint: checkpoint, share: share))
        }
    }

    struct Forget: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make Kafka forget what was committed, to start afresh.",
            discussion: "Remove the state directory and empty the output topics first.")
        @OptionGroup var input: FileArgument

        func run() throws { try show(CheckpointsCommand.forget(path: input.file)) }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Every checkpoint that is kept.")
        @OptionGroup var input: FileArgument
        @Option(help: "The share, of a job that is cut into shares.")
        var share: Int?
        @Flag(help: "Print JSON lines.")
        var json = false

        func run() throws {
            try show(CheckpointsCommand.list(path: input.file, share: share, json: json))
        }
    }

    struct Inspect: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "What a checkpoint holds: positions, sinks, state, files.")
        @Argument(help: "The checkpoint's number.")
        var checkpoint: Int64
        @Option(help: "The pipelines file.")
        var file = "pipelines.yaml"
        @Option(help: "The share, of a job that is cut into shares.")
        var share: Int?
        @Flag(help: "Print JSON.")
        var json = false

        func run() throws {
            try show(
                CheckpointsCommand.inspect(
                    path: file, checkpoint: checkpoint, share: share, json: json))
        }
    }
}

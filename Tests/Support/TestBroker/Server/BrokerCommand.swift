/// The commands of the control port, by which a test breaks things or asks for work that has its time.
enum BrokerCommand {
    static let help = """
        fail API CODE [TIMES [NODE]] | delay API MILLIS [TIMES [NODE]] | \
        drop API before|after [TIMES [NODE]] | clear | \
        move-leader TOPIC PARTITION NODE | move-group GROUP NODE | move-transaction ID NODE | \
        delay-markers MILLIS | freeze [NODE] | thaw [NODE] | disconnect [NODE] | \
        create TOPIC PARTITIONS [SETTING=VALUE …] | delete TOPIC | compact TOPIC | retention | \
        extent TOPIC PARTITION
        """

    /// Carries a command out: "ok", what was asked for, or "error: …".
    static func run(_ line: String, on broker: Broker) -> String {
        let words = line.split(whereSeparator: { $0 == " " || $0 == "\r" }).map(String.init)
        do throws(BrokerFailure) {
            return try answer(words, broker)
        } catch {
            return "error: \(error.description)"
        }
    }

    private static func answer(
        _ words: [String], _ broker: Broker
    ) throws(BrokerFailure) -> String {
        switch (words.first ?? "", words.count) {
        case ("fail", 3...5):
            guard let number = Int16(words[2]), let code = ErrorCode(rawValue: number) else {
                throw BrokerFailure("\(words[2]) is no error number of the protocol")
            }
            try plan(.fail(code), words, broker)
        case ("delay", 3...5):
            try plan(.delay(millis: Int64(try number(words[2]))), words, broker)
        case ("drop", 3...5):
            try plan(words[2] == "before" ? .dropBefore : .dropAfter, words, broker)
        case ("clear", 1): broker.faults.clear()
        case ("move-leader", 4):
            try broker.registry.move(try partition(words, broker), to: try node(words[3], broker))
        case ("move-group", 3):
            broker.cluster.move(.group, words[1], to: try node(words[2], broker))
        case ("move-transaction", 3):
            broker.cluster.move(.transaction, words[1], to: try node(words[2], broker))
        case ("freeze", 1...2):
            broker.freeze(true, node: words.count > 1 ? try node(words[1], broker) : nil)
        case ("thaw", 1...2):
            broker.freeze(false, node: words.count > 1 ? try node(words[1], broker) : nil)
        case ("disconnect", 1...2):
            broker.disconnect(node: words.count > 1 ? try node(words[1], broker) : nil)
        case ("create", 3...): try create(words, broker)
        case ("delete", 2): try broker.registry.delete(words[1])
        case ("delay-markers", 2):
            broker.coordinators.markerDelayMillis = Int64(try number(words[1]))
        case ("compact", 2): try broker.compact(words[1])
        case ("retention", 1): try broker.registry.applyRetention()
        case ("extent", 3):
            let log = try partition(words, broker).log
            return "\(log.start) \(log.stable) \(log.end)"
        default: throw BrokerFailure("unknown command; there are: \(help)")
        }
        return "ok"
    }

    private static func plan(
        _ fault: Faults.Fault, _ words: [String], _ broker: Broker
    ) throws(BrokerFailure) {
        guard let api = API.allCases.first(where: { "\($0)" == words[1] }) else {
            throw BrokerFailure("\(words[1]) is no request; write it as fetch or endTxn")
        }
        try broker.plan(
            fault, api, times: words.count > 3 ? Int(try number(words[3])) : 1,
            node: words.count > 4 ? try node(words[4], broker) : nil)
    }

    private static func create(_ words: [String], _ broker: Broker) throws(BrokerFailure) {
        var configuration: [String: String] = [:]
        for word in words.dropFirst(3) {
            let parts = word.split(separator: "=", maxSplits: 1)
            guard parts.count == 2 else { throw BrokerFailure("\(word) is not SETTING=VALUE") }
            configuration[String(parts[0])] = String(parts[1])
        }
        try broker.create(words[1], partitions: try number(words[2]), configuration)
    }

    private static func number(_ word: String) throws(BrokerFailure) -> Int32 {
        guard let number = Int32(word) else { throw BrokerFailure("\(word) is no number") }
        return number
    }

    private static func node(_ word: String, _ broker: Broker) throws(BrokerFailure) -> Int32 {
        try broker.checked(node: try number(word))
    }

    private static func partition(
        _ words: [String], _ broker: Broker
    ) throws(BrokerFailure) -> Partition {
        try broker.partition(words[1], try number(words[2]))
    }
}

extension Broker {
    /// Plans a fault, if the API can have it.
    func plan(
        _ fault: Faults.Fault, _ api: API, times: Int, node: Int32?
    ) throws(BrokerFailure) {
        if case .fail = fault, !FaultAnswers.apis.contains(api) {
            throw BrokerFailure(
                "an answer to \(api) has no one place for an error: drop it instead")
        }
        faults.plan(fault, for: api, times: times, node: node)
    }

    func checked(node: Int32) throws(BrokerFailure) -> Int32 {
        guard node >= 1, node <= cluster.nodes.count else {
            throw BrokerFailure("there is no node \(node); nodes are 1 to \(cluster.nodes.count)")
        }
        return node
    }

    func partition(_ topic: String, _ number: Int32) throws(BrokerFailure) -> Partition {
        guard let partition = registry.partition(topic, number) else {
            throw BrokerFailure("there is no partition \(topic)/\(number)")
        }
        return partition
    }

    func create(
        _ topic: String, partitions: Int32, _ configuration: [String: String]
    ) throws(BrokerFailure) {
        if let (_, problem) = registry.problem(
            creating: topic, partitions: partitions, configuration)
        {
            throw BrokerFailure(problem)
        }
        try registry.create(topic, partitions: partitions, configuration)
    }

    func compact(_ topic: String) throws(BrokerFailure) {
        guard let topic = registry.topics[topic] else {
            throw BrokerFailure("there is no topic \(topic)")
        }
        for partition in topic.partitions { try partition.log.compact() }
    }
}

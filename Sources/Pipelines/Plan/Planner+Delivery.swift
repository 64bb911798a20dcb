/// An output to Kafka that is to be exactly-once, because the file says so or does not say otherwise.
struct DeliveryWish {
    let connection: String
    let topic: String
    let position: Position
    /// Whether the file says so.
    let isExplicit: Bool
    /// Whether it is for dead letters, whose delivery the file cannot set.
    let isAside: Bool
}

extension Planner {
    /// Decides which outputs to Kafka are exactly-once: those of one cluster, since a transaction does
    /// not reach over two.
    func settleDeliveries() {
        let wanted = sinks.compactMap { wishes[$0.id] }
        let explicit = wanted.filter(\.isExplicit)
        let domain =
            (explicit.first ?? wanted.first { !$0.isAside } ?? wanted.first)?.connection
        for (index, sink) in sinks.enumerated() {
            guard let wish = wishes[sink.id], wish.connection != domain, let domain else {
                continue
            }
            if wish.isExplicit || (explicit.isEmpty && !wish.isAside) {
                diagnostics.report(
                    .severalClusters,
                    "exactly_once outputs go to two Kafka connections: \"\(domain)\" and \"\(wish.connection)\"",
                    at: wish.position,
                    notes: ["a transaction of Kafka does not reach over two clusters"],
                    fix:
                        "write delivery: at_least_once for the outputs of one of them, or make two files of it"
                )
            }
            sinks[index] = sink.delivering(.atLeastOnce)
        }
    }
}

extension PlannedSink {
    /// The same sink with another delivery.
    fileprivate func delivering(_ delivery: Delivery) -> PlannedSink {
        var sink = self
        sink.delivery = delivery
        return sink
    }
}

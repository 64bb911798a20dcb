import Testing

@testable import TestBroker

@Suite struct TransactionCoordinatorTests {
    private let place = TopicPartition(topic: "t", partition: 0)

    /// A coordinator with a producer whose transaction has a partition and a group.
    private func open() -> (TransactionCoordinator, TransactionCoordinator.Identity) {
        var coordinator = TransactionCoordinator()
        var actions: [TransactionAction] = []
        let identity = coordinator.initialize(
            "x", timeout: 1000, known: nil, now: 0, into: &actions)
        let added = coordinator.add(
            [place], groups: ["g"], to: "x", producer: identity.producer, epoch: identity.epoch,
            now: 5, into: &actions)
        #expect(added == .none)
        return (coordinator, identity)
    }

    @Test func `a commit is durable, then answered, then marked`() {
        var (coordinator, producer) = open()
        var actions: [TransactionAction] = []
        let id = producer.producer
        #expect(coordinator.admits(id, epoch: 0, to: place) == .none)
        #expect(
            coordinator.end("x", producer: id, epoch: 0, isCommit: true, into: &actions) == .none)
        #expect(actions == [.persist(.transaction(coordinator.records["x"]!))])
        #expect(coordinator.records["x"]?.phase == .prepareCommit)
        #expect(coordinator.admits(id, epoch: 0, to: place) == .invalidTxnState)
        // Until the markers are written the producer is asked to wait.
        #expect(
            coordinator.add([place], to: "x", producer: id, epoch: 0, now: 9, into: &actions)
                == .concurrentTransactions)
        #expect(
            coordinator.end("x", producer: id, epoch: 0, isCommit: true, into: &actions)
                == .concurrentTransactions)
        #expect(coordinator.ending == ["x"])
        actions = []
        coordinator.complete("x", into: &actions)
        #expect(
            actions == [
                .marker(place, producer: id, epoch: 0, isCommit: true),
                .groupMarker("g", producer: id, isCommit: true),
                .persist(.transaction(coordinator.records["x"]!)),
            ])
        actions = []
        #expect(
            coordinator.end("x", producer: id, epoch: 0, isCommit: true, into: &actions) == .none)
        #expect(
            coordinator.end("x", producer: id, epoch: 0, isCommit: false, into: &actions)
                == .invalidTxnState)
        #expect(actions.isEmpty)
    }

    @Test func `a new producer of the same id aborts what the older one left, and fences it`() {
        var (coordinator, older) = open()
        var actions: [TransactionAction] = []
        let first = coordinator.initialize(
            "x", timeout: 1000, known: nil, now: 9, into: &actions)
        #expect(first.error == .concurrentTransactions)
        coordinator.complete("x", into: &actions)
        #expect(
            actions.contains(.marker(place, producer: older.producer, epoch: 1, isCommit: false)))
        let newer = coordinator.initialize(
            "x", timeout: 1000, known: nil, now: 9, into: &actions)
        #expect(newer == .init(error: .none, producer: older.producer, epoch: 2))
        let id = older.producer
        #expect(
            coordinator.end("x", producer: id, epoch: 0, isCommit: true, into: &actions)
                == .producerFenced)
        #expect(
            coordinator.add([place], to: "x", producer: id, epoch: 0, now: 9, into: &actions)
                == .producerFenced)
        #expect(coordinator.admits(id, epoch: 0, to: place) == .invalidProducerEpoch)
        #expect(coordinator.admits(id, epoch: 0, toGroup: "g") == .invalidProducerEpoch)
        #expect(
            coordinator.initialize(
                "x", timeout: 1000, known: (id, 0), now: 9, into: &actions
            ).error == .producerFenced)
    }

    @Test func `a transaction that is open for too long is aborted and its producer fenced`() {
        var (coordinator, producer) = open()
        var actions: [TransactionAction] = []
        #expect(coordinator.nextDeadline == 1005)
        coordinator.advance(now: 1004, into: &actions)
        #expect(actions.isEmpty)
        coordinator.advance(now: 1005, into: &actions)
        #expect(coordinator.ending == ["x"])
        #expect(
            coordinator.end(
                "x", producer: producer.producer, epoch: 0, isCommit: true, into: &actions)
                == .producerFenced)
    }

    @Test func `an initialisation that is asked for again gives the same epoch`() {
        var coordinator = TransactionCoordinator()
        var actions: [TransactionAction] = []
        let first = coordinator.initialize(
            "x", timeout: 1000, known: nil, now: 0, into: &actions)
        let bumped = coordinator.initialize(
            "x", timeout: 1000, known: (first.producer, 0), now: 0, into: &actions)
        #expect(bumped.epoch == 1)
        let again = coordinator.initialize(
            "x", timeout: 1000, known: (first.producer, 0), now: 0, into: &actions)
        #expect(again == bumped)
    }

    @Test func `requests without a transaction or with a foreign producer are refused`() {
        var coordinator = TransactionCoordinator()
        coordinator.timeoutMax = 5000
        var actions: [TransactionAction] = []
        #expect(
            coordinator.initialize("x", timeout: 5001, known: nil, now: 0, into: &actions).error
                == .invalidTransactionTimeout)
        #expect(
            coordinator.initialize("", timeout: 1, known: nil, now: 0, into: &actions).error
                == .invalidRequest)
        #expect(
            coordinator.end("x", producer: 1, epoch: 0, isCommit: true, into: &actions)
                == .invalidProducerIdMapping)
        let mine = coordinator.initialize("x", timeout: 1, known: nil, now: 0, into: &actions)
        #expect(
            coordinator.end(
                "x", producer: mine.producer, epoch: 0, isCommit: true, into: &actions)
                == .invalidTxnState)
        #expect(
            coordinator.admits(mine.producer, epoch: 0, to: place) == .invalidTxnState)
        let plain = coordinator.initialize(nil, timeout: 0, known: nil, now: 0, into: &actions)
        #expect(plain.producer == mine.producer + 1)
        #expect(
            coordinator.admits(plain.producer, epoch: 0, to: place) == .invalidProducerIdMapping)
    }

    @Test func `when a producer's epochs are used up it gets a new id`() {
        var coordinator = TransactionCoordinator()
        var actions: [TransactionAction] = []
        coordinator.restore(
            TransactionRecord(id: "x", producer: 7, epoch: Int16.max - 1, timeout: 10))
        let next = coordinator.initialize("x", timeout: 10, known: nil, now: 0, into: &actions)
        #expect(next.producer != 7)
        #expect(next.epoch == 0)
    }
}

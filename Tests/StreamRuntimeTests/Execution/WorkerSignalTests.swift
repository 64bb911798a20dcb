import Testing

@testable import StreamRuntime

@Suite("Parking and waking workers")
struct WorkerSignalTests {
    @Test("a notice between the last look and parking is not lost")
    func noticeBeforeParking() {
        let signal = WorkerSignal()
        signal.prepare()
        signal.notify()
        #expect(!signal.park())
    }

    @Test("without a notice a worker sleeps for its time, and a notice from before counts once")
    func oldNotice() {
        let signal = WorkerSignal()
        signal.notify()
        signal.prepare()
        #expect(signal.park())
        signal.prepare()
        signal.stay()
        #expect(!signal.park())
    }

    @Test("a producer that found a ring full is woken once half of it is taken")
    func roomAgain() {
        let producer = WorkerSignal()
        let ring = Ring(slots: 8, producer: producer)
        while ring.offer(.idle) {}
        producer.prepare()
        for _ in 0..<4 { _ = ring.take() }
        // Four and more are left: the consumer has enough to do.
        #expect(producer.park())
        producer.prepare()
        _ = ring.take()
        #expect(!producer.park())
        #expect(ring.offer(.idle))
    }

    @Test("tasks of one worker wake nobody")
    func oneWorker() {
        let signal = WorkerSignal()
        let channel = Channel(producer: signal, consumer: signal)
        for _ in 0..<8 { channel.send(.idle) }
        signal.prepare()
        for _ in 0..<8 { _ = channel.ring.take() }
        #expect(signal.park())
    }
}

import Testing

@testable import TestBroker

@Suite struct ConsumerGroupTests {
    @Test func `a new member must come back with the id it is given`() {
        var harness = GroupHarness()
        let first = harness.join()
        #expect(harness.joined[first]?.error == .memberIdRequired)
        let member = harness.joined[first]?.member ?? ""
        let second = harness.join(member)
        let reply = harness.joined[second]
        #expect(reply?.error == ErrorCode.none)
        #expect(reply?.generation == 1)
        #expect(reply?.leader == member)
        #expect(reply?.members.map(\.id) == [member])
        #expect(reply?.protocolName == "sticky")
    }

    @Test func `the leader gives every member its share`() {
        var harness = GroupHarness()
        let (a, _) = harness.enter()
        let (b, joinB) = harness.enter(metadata: [2])
        #expect(harness.joined[joinB] == nil, "b waits for a")
        #expect(harness.heartbeat(a, 1) == .rebalanceInProgress)
        let joinA = harness.join(a)
        #expect(harness.joined[joinA]?.generation == 2)
        #expect(harness.joined[joinA]?.members.map(\.metadata) == [[1], [2]])
        #expect(harness.joined[joinB]?.members == [])
        let syncB = harness.sync(b, 2)
        #expect(harness.synced[syncB] == nil, "b waits for the leader")
        let syncA = harness.sync(a, 2, giving: [a: [10], b: [20]])
        #expect(harness.synced[syncA]?.assignment == [10])
        #expect(harness.synced[syncB]?.assignment == [20])
        #expect(harness.group?.phase == .stable)
        #expect(harness.heartbeat(b, 2) == .none)
        #expect(harness.heartbeat(b, 1) == .illegalGeneration)
        #expect(harness.heartbeat("nobody", 2) == .unknownMemberId)
        // A sync that is asked for again is answered the same.
        let again = harness.sync(b, 2)
        #expect(harness.synced[again]?.assignment == [20])
    }

    @Test func `members that do not come to a rebalance are out when its time is over`() {
        var harness = GroupHarness()
        let (a, _) = harness.enter()
        _ = harness.sync(a, 1, giving: [a: [1]])
        harness.now = 500
        let (b, joinB) = harness.enter()
        harness.now = 900
        #expect(harness.heartbeat(a, 1) == .rebalanceInProgress)
        for time in stride(from: Int64(1800), to: 5500, by: 900) {
            harness.advance(to: time)
            #expect(harness.heartbeat(a, 1) == .rebalanceInProgress)
        }
        #expect(harness.joined[joinB] == nil)
        harness.advance(to: 5500)
        #expect(harness.joined[joinB]?.leader == b)
        #expect(harness.heartbeat(a, 1) == .unknownMemberId)
    }

    @Test func `a member that is not heard of loses its session and the others rebalance`() {
        var harness = GroupHarness()
        let (a, _) = harness.enter()
        let (b, _) = harness.enter()
        _ = harness.join(a)
        _ = harness.sync(b, 2)
        _ = harness.sync(a, 2, giving: [a: [1], b: [2]])
        harness.now = 600
        #expect(harness.heartbeat(a, 2) == .none)
        #expect(harness.coordinator.nextDeadline == 1000)
        harness.advance(to: 1000)
        #expect(harness.heartbeat(a, 2) == .rebalanceInProgress)
        #expect(harness.group?.members.map(\.id) == [a])
        let rejoined = harness.join(a)
        #expect(harness.joined[rejoined]?.generation == 3)
    }

    @Test func `an empty group's first members can be made to wait for each other`() {
        var settings = GroupSettings()
        settings.initialDelay = 100
        var harness = GroupHarness(settings)
        let (_, joinA) = harness.enter()
        let (_, joinB) = harness.enter()
        #expect(harness.joined[joinA] == nil)
        harness.advance(to: 100)
        #expect(harness.joined[joinA]?.generation == 1)
        #expect(harness.joined[joinB]?.generation == 1)
    }

    @Test func `a static member that comes back takes its share without a rebalance`() {
        var harness = GroupHarness()
        let first = harness.join(instance: "one")
        let older = harness.joined[first]?.member ?? ""
        _ = harness.sync(older, 1, instance: "one", giving: [older: [7]])
        let second = harness.join(instance: "one", skips: true)
        let reply = harness.joined[second]
        #expect(reply?.error == ErrorCode.none)
        #expect(reply?.generation == 1)
        #expect(reply?.skipAssignment == true)
        #expect(reply?.member != older)
        let newer = reply?.member ?? ""
        let sync = harness.sync(newer, 1, instance: "one")
        #expect(harness.synced[sync]?.assignment == [7])
        // The older life is fenced, whatever it asks for.
        #expect(harness.heartbeat(older, 1, instance: "one") == .fencedInstanceId)
        let stale = harness.join(older, instance: "one")
        #expect(harness.joined[stale]?.error == .fencedInstanceId)
        let zombie = Membership(member: older, instance: "one", generation: 1)
        #expect(harness.commit(5, zombie) == .fencedInstanceId)
    }

    @Test func `a static leader of an older client comes back as a follower`() {
        var harness = GroupHarness()
        let first = harness.join(instance: "one")
        let older = harness.joined[first]?.member ?? ""
        _ = harness.sync(older, 1, instance: "one", giving: [older: [7]])
        let second = harness.join(instance: "one")
        #expect(harness.joined[second]?.leader == older)
        #expect(harness.joined[second]?.members == [])
    }

    @Test func `a member that leaves makes the others join anew`() {
        var harness = GroupHarness()
        let (a, _) = harness.enter()
        let (b, _) = harness.enter()
        _ = harness.join(a)
        _ = harness.sync(b, 2)
        _ = harness.sync(a, 2, giving: [a: [1], b: [2]])
        #expect(harness.leave(a) == .none)
        #expect(harness.leave(a) == .unknownMemberId)
        #expect(harness.heartbeat(b, 2) == .rebalanceInProgress)
        let join = harness.join(b)
        #expect(harness.joined[join]?.leader == b)
        #expect(harness.leave(b) == .none)
        #expect(harness.group?.phase == .empty)
    }

    @Test func `a sync that waits is told of a newer rebalance`() {
        var harness = GroupHarness()
        let (a, _) = harness.enter()
        let (b, _) = harness.enter()
        _ = harness.join(a)
        let syncB = harness.sync(b, 2)
        _ = harness.enter()
        #expect(harness.synced[syncB]?.error == .rebalanceInProgress)
    }

    @Test func `protocols that have nothing in common are refused`() {
        var harness = GroupHarness()
        _ = harness.enter()
        let other = harness.join(protocols: ["range"])
        #expect(harness.joined[other]?.error == .inconsistentGroupProtocol)
        let none = harness.join(protocols: [])
        #expect(harness.joined[none]?.error == .inconsistentGroupProtocol)
        let short = harness.join(session: 1)
        #expect(harness.joined[short]?.error == .invalidSessionTimeout)
    }

    @Test func `offsets are taken from members of this generation and from nobody else`() {
        var harness = GroupHarness()
        #expect(harness.commit(1) == .none, "without a group's members anyone may")
        let (a, _) = harness.enter()
        let member = Membership(member: a, instance: nil, generation: 1)
        #expect(harness.commit(2, member) == .rebalanceInProgress)
        #expect(harness.commit(2, member, producer: 9) == .none)
        _ = harness.sync(a, 1, giving: [a: [1]])
        #expect(harness.commit(3, member) == .none)
        #expect(harness.commit(4) == .unknownMemberId)
        var stale = member
        stale.generation = 0
        #expect(harness.commit(4, stale) == .illegalGeneration)
        #expect(harness.commit(4, stale, producer: 9) == .illegalGeneration)
        var actions: [GroupAction] = []
        #expect(harness.coordinator.delete("g", into: &actions) == .nonEmptyGroup)
    }

    @Test func `a broker that comes back knows members, shares and offsets`() {
        var harness = GroupHarness()
        let (a, _) = harness.enter()
        _ = harness.sync(a, 1, giving: [a: [3]])
        let member = Membership(member: a, instance: nil, generation: 1)
        #expect(harness.commit(10, member) == .none)
        #expect(harness.commit(20, member, producer: 9) == .none)
        var other = harness.reopened()
        #expect(other.heartbeat(a, 1) == .none)
        let sync = other.sync(a, 1)
        #expect(other.synced[sync]?.assignment == [3])
        let place = TopicPartition(topic: "t", partition: 0)
        #expect(other.coordinator.offsets["g"]?.committed[place]?.offset == 10)
        #expect(other.coordinator.offsets["g"]?.isUnstable(place) == true)
        var actions: [GroupAction] = []
        other.coordinator.end(producer: 9, group: "g", isCommit: true, into: &actions)
        #expect(actions.count == 1)
        #expect(other.coordinator.offsets["g"]?.committed[place]?.metadata == "checkpoint=20")
        #expect(other.coordinator.offsets["g"]?.isUnstable(place) == false)
    }

    @Test func `of two transactions that end in the other order the offsets written last count`() {
        var harness = GroupHarness()
        #expect(harness.commit(10, producer: 1) == .none)
        #expect(harness.commit(20, producer: 2) == .none)
        var actions: [GroupAction] = []
        harness.coordinator.end(producer: 2, group: "g", isCommit: true, into: &actions)
        harness.coordinator.end(producer: 1, group: "g", isCommit: true, into: &actions)
        let place = TopicPartition(topic: "t", partition: 0)
        #expect(harness.coordinator.offsets["g"]?.committed[place]?.offset == 20)
    }

    @Test func `a static member that died before it said what it gave up must cause a rebalance`() {
        var harness = GroupHarness()
        // "one" owns all; "two" comes and gets nothing until "one" has given something up.
        var one = harness.joined[harness.join(instance: "one", metadata: [0b11])]?.member ?? ""
        _ = harness.sync(one, 1, instance: "one", giving: [one: [0b11]])
        let joinTwo = harness.join(instance: "two", metadata: [0])
        _ = harness.join(one, instance: "one", metadata: [0b11])
        let two = harness.joined[joinTwo]?.member ?? ""
        _ = harness.sync(two, 2, instance: "two")
        _ = harness.sync(one, 2, instance: "one", giving: [one: [0b01], two: [0]])
        // Now "one" dies, and its next life sits down in the same seat: nobody else notices.
        one = harness.joined[harness.join(instance: "one", metadata: [0])]?.member ?? ""
        let seat = harness.sync(one, 2, instance: "one")
        #expect(harness.synced[seat]?.assignment == [0b01])
        #expect(harness.heartbeat(two, 2, instance: "two") == .none, "share 1 has no owner")
        // Whoever comes anew, and be it for a moment, makes all of them share anew.
        _ = harness.enter(metadata: [0])
        #expect(harness.heartbeat(two, 2, instance: "two") == .rebalanceInProgress)
        #expect(harness.heartbeat(one, 2, instance: "one") == .rebalanceInProgress)
    }
}

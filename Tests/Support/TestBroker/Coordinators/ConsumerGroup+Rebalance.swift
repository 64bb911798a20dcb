extension ConsumerGroup {
    /// Begins a new generation, or goes on waiting for one.
    mutating func prepare(now: Int64, into actions: inout [GroupAction]) {
        if phase == .completing {
            for index in members.indices {
                members[index].assignment = []
                if let waiting = members[index].syncing {
                    members[index].syncing = nil
                    actions.append(
                        .synced(SyncReply(error: .rebalanceInProgress), token: waiting))
                }
            }
        }
        if phase != .preparing {
            joinEarliest = phase == .empty ? now + settings.initialDelay : now
            phase = .preparing
        }
        joinLatest = max(now + (members.map(\.rebalanceTimeout).max() ?? 0), joinEarliest)
        completeIfDue(now: now, into: &actions)
    }

    private mutating func completeIfDue(now: Int64, into actions: inout [GroupAction]) {
        guard phase == .preparing else { return }
        guard members.isEmpty || now >= joinLatest || isEveryoneHere && now >= joinEarliest else {
            return
        }
        complete(now: now, into: &actions)
    }

    /// The members that have joined are the next generation; static ones stay in any case.
    private mutating func complete(now: Int64, into actions: inout [GroupAction]) {
        members.removeAll { $0.joining == nil && $0.instance == nil }
        if members.isEmpty {
            phase = .empty
            generation += 1
            leader = nil
            protocolName = nil
            actions.append(.persist(.group(snapshot)))
            return
        }
        if !members.contains(where: { $0.id == leader && $0.joining != nil }) {
            guard let next = members.first(where: { $0.joining != nil }) else {
                // Only static members that have not come back: wait for them once more.
                joinLatest = now + (members.map(\.rebalanceTimeout).max() ?? 0)
                return
            }
            leader = next.id
        }
        generation += 1
        protocolName = selectedProtocol
        phase = .completing
        syncLatest = now + (members.map(\.rebalanceTimeout).max() ?? 0)
        for index in members.indices {
            guard let token = members[index].joining else { continue }
            actions.append(.joined(joinReply(for: index), token: token))
            members[index].joining = nil
            members[index].renew(now: now)
        }
    }

    /// A member asks for its share, and says everyone's if it leads.
    mutating func sync(
        _ request: SyncRequest, token: UInt64, now: Int64, into actions: inout [GroupAction]
    ) {
        func refuse(_ code: ErrorCode) {
            actions.append(.synced(SyncReply(error: code), token: token))
        }
        let membership = Membership(
            member: request.member, instance: request.instance, generation: request.generation)
        let index: Int
        switch find(membership) {
        case .failure(let refusal): return refuse(refusal.code)
        case .success(let found): index = found
        }
        guard request.generation == generation else { return refuse(.illegalGeneration) }
        let isForeign =
            request.protocolType.map { $0 != protocolType } ?? false
            || request.protocolName.map { $0 != protocolName } ?? false
        if isForeign { return refuse(.inconsistentGroupProtocol) }
        switch phase {
        case .empty: refuse(.unknownMemberId)
        case .preparing: refuse(.rebalanceInProgress)
        case .stable:
            members[index].renew(now: now)
            actions.append(.synced(syncReply(for: index), token: token))
        case .completing:
            members[index].renew(now: now)
            if let older = members[index].syncing {
                actions.append(.synced(SyncReply(error: .rebalanceInProgress), token: older))
            }
            members[index].syncing = token
            guard request.member == leader else { return }
            assign(request.assignments, now: now, into: &actions)
        }
    }

    private mutating func assign(
        _ assignments: [SyncRequest.Assignment], now: Int64, into actions: inout [GroupAction]
    ) {
        for index in members.indices {
            let given = assignments.first { $0.member == members[index].id }
            members[index].assignment = given?.bytes ?? []
        }
        phase = .stable
        // Durable before anyone acts on it: a broker that comes back knows the same shares.
        actions.append(.persist(.group(snapshot)))
        for index in members.indices {
            guard let token = members[index].syncing else { continue }
            members[index].syncing = nil
            members[index].renew(now: now)
            actions.append(.synced(syncReply(for: index), token: token))
        }
    }

    private func syncReply(for index: Int) -> SyncReply {
        SyncReply(
            error: .none, protocolType: protocolType, protocolName: protocolName,
            assignment: members[index].assignment)
    }

    /// A member's session begins anew if it is one.
    mutating func heardOf(_ membership: Membership, now: Int64) {
        if case .success(let index) = find(membership) { members[index].renew(now: now) }
    }

    /// A member is alive; says whether it must join anew.
    mutating func heartbeat(_ membership: Membership, now: Int64) -> ErrorCode {
        switch find(membership) {
        case .failure(let refusal): return refusal.code
        case .success(let index):
            guard membership.generation == generation else { return .illegalGeneration }
            members[index].renew(now: now)
            return phase == .preparing ? .rebalanceInProgress : .none
        }
    }

    /// A member goes, or someone says so of a static one.
    mutating func leave(
        member: String, instance: String?, now: Int64, into actions: inout [GroupAction]
    ) -> ErrorCode {
        if instance == nil, let at = pending.firstIndex(where: { $0.id == member }) {
            pending.remove(at: at)
            completeIfDue(now: now, into: &actions)
            return .none
        }
        var membership = Membership(member: member, instance: instance, generation: generation)
        if member.isEmpty, let instance, let index = index(ofInstance: instance) {
            membership.member = members[index].id
        }
        switch find(membership) {
        case .failure(let refusal): return refusal.code
        case .success(let index):
            remove(index, now: now, into: &actions)
            return .none
        }
    }

    private mutating func remove(_ index: Int, now: Int64, into actions: inout [GroupAction]) {
        let gone = members.remove(at: index)
        if let token = gone.joining {
            let reply = JoinReply(error: .unknownMemberId, member: gone.id)
            actions.append(.joined(reply, token: token))
        }
        if let token = gone.syncing {
            actions.append(.synced(SyncReply(error: .unknownMemberId), token: token))
        }
        if gone.id == leader { leader = members.first?.id }
        if phase == .preparing {
            completeIfDue(now: now, into: &actions)
        } else {
            prepare(now: now, into: &actions)
        }
    }

    /// Time has passed: sessions end, and rebalances that have waited long enough complete.
    mutating func advance(now: Int64, into actions: inout [GroupAction]) {
        pending.removeAll { $0.expiry <= now }
        while let index = members.firstIndex(where: { $0.joining == nil && $0.expiry <= now }) {
            remove(index, now: now, into: &actions)
        }
        if phase == .completing, now >= syncLatest {
            members.removeAll { $0.syncing == nil && $0.instance == nil }
            if !members.contains(where: { $0.id == leader }) { leader = members.first?.id }
            prepare(now: now, into: &actions)
        }
        completeIfDue(now: now, into: &actions)
    }
}

extension ConsumerGroup {
    /// A member asks to join; the answer is an action, now or when the others have joined.
    ///
    /// - Parameter freshId: the id for a member that has none.
    mutating func join(
        _ request: JoinRequest, freshId: String, token: UInt64, now: Int64,
        into actions: inout [GroupAction]
    ) {
        if let code = refusal(of: request) {
            actions.append(.joined(JoinReply(error: code, member: request.member), token: token))
            return
        }
        if request.member.isEmpty {
            joinAsNew(request, id: freshId, token: token, now: now, into: &actions)
        } else {
            joinAsKnown(request, token: token, now: now, into: &actions)
        }
    }

    private func refusal(of request: JoinRequest) -> ErrorCode? {
        if request.protocols.isEmpty || request.protocolType.isEmpty {
            return .inconsistentGroupProtocol
        }
        let range = settings.sessionTimeoutMin...settings.sessionTimeoutMax
        guard range.contains(request.sessionTimeout) else { return .invalidSessionTimeout }
        let others = members.filter {
            $0.id != request.member && ($0.instance == nil || $0.instance != request.instance)
        }
        if others.isEmpty { return nil }
        guard others.count < settings.membersMax else { return .groupMaxSizeReached }
        let isShared = request.protocols.contains { candidate in
            others.allSatisfy { $0.protocols.contains { $0.name == candidate.name } }
        }
        return request.protocolType == protocolType && isShared ? nil : .inconsistentGroupProtocol
    }

    private mutating func joinAsNew(
        _ request: JoinRequest, id: String, token: UInt64, now: Int64,
        into actions: inout [GroupAction]
    ) {
        if let instance = request.instance {
            if let index = index(ofInstance: instance) {
                replace(index, by: request, id: id, token: token, now: now, into: &actions)
            } else {
                add(request, id: id, token: token, now: now, into: &actions)
            }
        } else if request.needsKnownMember {
            pending.append(PendingMember(id: id, expiry: now + request.sessionTimeout))
            actions.append(
                .joined(JoinReply(error: .memberIdRequired, member: id), token: token))
        } else {
            add(request, id: id, token: token, now: now, into: &actions)
        }
    }

    private mutating func joinAsKnown(
        _ request: JoinRequest, token: UInt64, now: Int64, into actions: inout [GroupAction]
    ) {
        if request.instance == nil, let at = pending.firstIndex(where: { $0.id == request.member })
        {
            pending.remove(at: at)
            add(request, id: request.member, token: token, now: now, into: &actions)
            return
        }
        let membership = Membership(
            member: request.member, instance: request.instance, generation: generation)
        switch find(membership) {
        case .failure(let refusal):
            let reply = JoinReply(error: refusal.code, member: request.member)
            actions.append(.joined(reply, token: token))
        case .success(let index):
            rejoin(index, request, token: token, now: now, into: &actions)
        }
    }

    private mutating func rejoin(
        _ index: Int, _ request: JoinRequest, token: UInt64, now: Int64,
        into actions: inout [GroupAction]
    ) {
        let isSame = members[index].protocols == request.protocols
        let isLeader = members[index].id == leader
        // A lost answer is given again; anything else begins a new generation.
        let isRepeated =
            phase == .completing && isSame || phase == .stable && isSame && !isLeader
        update(index, request, token: isRepeated ? nil : token, now: now, into: &actions)
        if isRepeated {
            actions.append(.joined(joinReply(for: index), token: token))
        } else {
            prepare(now: now, into: &actions)
        }
    }

    private mutating func add(
        _ request: JoinRequest, id: String, token: UInt64, now: Int64,
        into actions: inout [GroupAction]
    ) {
        if members.isEmpty {
            protocolType = request.protocolType
            leader = id
        }
        members.append(
            GroupMember(
                id: id, instance: request.instance, client: request.client,
                sessionTimeout: request.sessionTimeout,
                rebalanceTimeout: request.rebalanceTimeout, protocols: request.protocols,
                expiry: now + request.sessionTimeout, joining: token))
        prepare(now: now, into: &actions)
    }

    private mutating func update(
        _ index: Int, _ request: JoinRequest, token: UInt64?, now: Int64,
        into actions: inout [GroupAction]
    ) {
        members[index].sessionTimeout = request.sessionTimeout
        members[index].rebalanceTimeout = request.rebalanceTimeout
        members[index].protocols = request.protocols
        members[index].renew(now: now)
        guard let token else { return }
        if let older = members[index].joining {
            // The client gave up on its older request and asks again.
            let reply = JoinReply(error: .rebalanceInProgress, member: members[index].id)
            actions.append(.joined(reply, token: older))
        }
        members[index].joining = token
    }

    /// A new life of a static member takes the place of the older one, which is fenced.
    private mutating func replace(
        _ index: Int, by request: JoinRequest, id: String, token: UInt64, now: Int64,
        into actions: inout [GroupAction]
    ) {
        let older = members[index]
        let leaderBefore = leader
        if let waiting = older.joining {
            let reply = JoinReply(error: .fencedInstanceId, member: older.id)
            actions.append(.joined(reply, token: waiting))
        }
        if let waiting = older.syncing {
            actions.append(.synced(SyncReply(error: .fencedInstanceId), token: waiting))
        }
        if leader == older.id { leader = id }
        members[index].id = id
        members[index].client = request.client
        members[index].joining = nil
        members[index].syncing = nil
        let isQuiet = phase == .stable
        update(index, request, token: isQuiet ? nil : token, now: now, into: &actions)
        guard isQuiet else { return prepare(now: now, into: &actions) }
        guard selectedProtocol == protocolName else {
            members[index].joining = token
            return prepare(now: now, into: &actions)
        }
        // Nobody else needs to notice: the share of the older life goes on.
        actions.append(.persist(.group(snapshot)))
        var reply = joinReply(for: index)
        if request.skipsAssignment {
            reply.skipAssignment = leader == id
        } else {
            reply.members = []
            reply.leader = leaderBefore ?? ""
        }
        actions.append(.joined(reply, token: token))
    }

    func joinReply(for index: Int) -> JoinReply {
        let member = members[index]
        var reply = JoinReply(
            error: .none, generation: generation, protocolType: protocolType,
            protocolName: protocolName, leader: leader ?? "", member: member.id)
        if member.id == leader {
            reply.members = members.map {
                JoinReply.Member(
                    id: $0.id, instance: $0.instance, metadata: $0.metadata(of: protocolName))
            }
        }
        return reply
    }

    /// The assignor that all know and most prefer.
    var selectedProtocol: String? {
        guard let first = members.first else { return nil }
        let shared = first.protocols.map(\.name).filter { name in
            members.allSatisfy { $0.protocols.contains { $0.name == name } }
        }
        var best: (name: String, votes: Int)?
        for name in shared {
            let votes = members.filter { member in
                member.protocols.first { shared.contains($0.name) }?.name == name
            }.count
            if best.map({ votes > $0.votes }) ?? true { best = (name, votes) }
        }
        return best?.name
    }
}

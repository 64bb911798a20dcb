extension Coordinators {
    func findCoordinator(
        _ request: inout RequestReader, _ call: CoordinatorCall
    ) throws(WireFailure) {
        var keys: [String] = []
        var kind = CoordinatorKind.group
        if call.version < 4 { keys = [try request.string()] }
        if call.version >= 1 {
            let raw = try request.int8()
            guard let known = CoordinatorKind(rawValue: raw) else {
                throw WireFailure("a coordinator of kind \(raw)")
            }
            kind = known
        }
        if call.version >= 4 { keys = try request.strings() }
        let found = keys.map { services.nodes.coordinator(of: kind, $0) }
        call.answer(throttled: 1) { writer in
            guard call.version >= 4 else {
                writer.error(.none)
                if call.version >= 1 { writer.nullableString(nil) }
                writer.int32(found[0].id)
                writer.string(found[0].host)
                writer.int32(found[0].port)
                return
            }
            writer.array(Array(zip(keys, found))) { writer, entry in
                writer.string(entry.0)
                writer.int32(entry.1.id)
                writer.string(entry.1.host)
                writer.int32(entry.1.port)
                writer.error(.none)
                writer.nullableString(nil)
                writer.tags()
            }
        }
    }

    func joinGroup(_ request: inout RequestReader, _ call: CoordinatorCall) throws(WireFailure) {
        let group = try request.string()
        let session = Int64(try request.int32())
        let rebalance = call.version >= 1 ? Int64(try request.int32()) : session
        let member = try request.string()
        let instance = call.version >= 5 ? try request.nullableString() : nil
        let type = try request.string()
        let protocols = try request.array { (request) throws(WireFailure) in
            let known = GroupProtocol(name: try request.string(), metadata: try request.bytes())
            try request.tags()
            return known
        }
        let client = call.header.client ?? ""
        let join = JoinRequest(
            member: member, instance: instance, client: client, sessionTimeout: session,
            rebalanceTimeout: rebalance, protocolType: type, protocols: protocols,
            needsKnownMember: call.version >= 4, skipsAssignment: call.version >= 9)
        let code = refusal(.group, group, call)
        guard code == .none else {
            return answer(call, JoinReply(error: code, member: member))
        }
        let token = waitJoin { [weak self] in self?.answer(call, $0) }
        let fresh = freshMember(instance ?? client)
        var actions: [GroupAction] = []
        groups.withGroup(group) {
            $0.join(join, freshId: fresh, token: token, now: now, into: &actions)
        }
        perform(actions)
    }

    private func answer(_ call: CoordinatorCall, _ reply: JoinReply) {
        call.answer(throttled: 2) { writer in
            writer.error(reply.error)
            writer.int32(reply.generation)
            if call.version >= 7 {
                writer.nullableString(reply.protocolType)
                writer.nullableString(reply.protocolName)
            } else {
                writer.string(reply.protocolName ?? "")
            }
            writer.string(reply.leader)
            if call.version >= 9 { writer.bool(reply.skipAssignment) }
            writer.string(reply.member)
            writer.array(reply.members) { writer, member in
                writer.string(member.id)
                if call.version >= 5 { writer.nullableString(member.instance) }
                writer.bytes(member.metadata)
                writer.tags()
            }
        }
    }

    func syncGroup(_ request: inout RequestReader, _ call: CoordinatorCall) throws(WireFailure) {
        let group = try request.string()
        let generation = try request.int32()
        let member = try request.string()
        let instance = call.version >= 3 ? try request.nullableString() : nil
        let type = call.version >= 5 ? try request.nullableString() : nil
        let name = call.version >= 5 ? try request.nullableString() : nil
        let assignments = try request.array { (request) throws(WireFailure) in
            let given = SyncRequest.Assignment(
                member: try request.string(), bytes: try request.bytes())
            try request.tags()
            return given
        }
        let sync = SyncRequest(
            member: member, instance: instance, generation: generation, protocolType: type,
            protocolName: name, assignments: assignments)
        let code = refusal(.group, group, call)
        guard code == .none else { return answer(call, SyncReply(error: code)) }
        let token = waitSync { [weak self] in self?.answer(call, $0) }
        var actions: [GroupAction] = []
        groups.withGroup(group) { $0.sync(sync, token: token, now: now, into: &actions) }
        perform(actions)
    }

    private func answer(_ call: CoordinatorCall, _ reply: SyncReply) {
        call.answer(throttled: 1) { writer in
            writer.error(reply.error)
            if call.version >= 5 {
                writer.nullableString(reply.protocolType)
                writer.nullableString(reply.protocolName)
            }
            writer.bytes(reply.assignment)
        }
    }

    func heartbeat(_ request: inout RequestReader, _ call: CoordinatorCall) throws(WireFailure) {
        let group = try request.string()
        let generation = try request.int32()
        let member = try request.string()
        let instance = call.version >= 3 ? try request.nullableString() : nil
        let membership = Membership(member: member, instance: instance, generation: generation)
        var code = refusal(.group, group, call)
        if code == .none {
            code = groups.withGroup(group) { $0.heartbeat(membership, now: now) }
        }
        call.answer(throttled: 1) { $0.error(code) }
    }

    func leaveGroup(_ request: inout RequestReader, _ call: CoordinatorCall) throws(WireFailure) {
        let group = try request.string()
        var leaving: [(member: String, instance: String?)]
        if call.version < 3 {
            leaving = [(try request.string(), nil)]
        } else {
            leaving = try request.array { (request) throws(WireFailure) in
                let member = try request.string()
                let instance = try request.nullableString()
                if call.version >= 5 { _ = try request.nullableString() }
                try request.tags()
                return (member, instance)
            }
        }
        let code = refusal(.group, group, call)
        var codes: [ErrorCode] = []
        var actions: [GroupAction] = []
        if code == .none {
            for (member, instance) in leaving {
                codes.append(
                    groups.withGroup(group) {
                        $0.leave(
                            member: member, instance: instance, now: now, into: &actions)
                    })
            }
        }
        perform(actions)
        call.answer(throttled: 1) { writer in
            guard call.version >= 3 else { return writer.error(codes.first ?? code) }
            writer.error(code)
            writer.array(Array(zip(leaving, codes))) { writer, entry in
                writer.string(entry.0.member)
                writer.nullableString(entry.0.instance)
                writer.error(entry.1)
                writer.tags()
            }
        }
    }

    func describeGroups(
        _ request: inout RequestReader, _ call: CoordinatorCall
    ) throws(WireFailure) {
        let names = try request.strings()
        call.answer(throttled: 1) { writer in
            writer.array(names) { writer, name in
                let group = groups.groups[name]
                writer.error(refusal(.group, name, call))
                writer.string(name)
                writer.string(group?.phase.name ?? (groups.offsets[name] == nil ? "Dead" : "Empty"))
                writer.string(group?.protocolType ?? "")
                writer.string(group?.protocolName ?? "")
                writer.array(group?.members ?? []) { writer, member in
                    writer.string(member.id)
                    if call.version >= 4 { writer.nullableString(member.instance) }
                    writer.string(member.client)
                    writer.string("/127.0.0.1")
                    writer.bytes(member.metadata(of: group?.protocolName))
                    writer.bytes(member.assignment)
                    writer.tags()
                }
                if call.version >= 3 { writer.int32(.min) }
                writer.tags()
            }
        }
    }

    func listGroups(_ request: inout RequestReader, _ call: CoordinatorCall) throws(WireFailure) {
        let states = call.version >= 4 ? try request.strings() : []
        let names = Set(groups.groups.keys).union(groups.offsets.keys).sorted().filter {
            refusal(.group, $0, call) == .none
        }
        let listed = names.map { name in
            let group = groups.groups[name]
            return (name, group?.protocolType ?? "", group?.phase.name ?? "Empty")
        }.filter { states.isEmpty || states.contains($0.2) }
        call.answer(throttled: 1) { writer in
            writer.error(.none)
            writer.array(listed) { writer, entry in
                writer.string(entry.0)
                writer.string(entry.1)
                if call.version >= 4 { writer.string(entry.2) }
                writer.tags()
            }
        }
    }

    func deleteGroups(
        _ request: inout RequestReader, _ call: CoordinatorCall
    ) throws(WireFailure) {
        let names = try request.strings()
        var codes: [ErrorCode] = []
        var actions: [GroupAction] = []
        for name in names {
            let code = refusal(.group, name, call)
            codes.append(code == .none ? groups.delete(name, into: &actions) : code)
        }
        perform(actions)
        call.answer { writer in
            writer.array(Array(zip(names, codes))) { writer, entry in
                writer.string(entry.0)
                writer.error(entry.1)
                writer.tags()
            }
        }
    }
}

extension ConsumerGroup.Phase {
    /// The state's name in the protocol.
    var name: String {
        switch self {
        case .empty: "Empty"
        case .preparing: "PreparingRebalance"
        case .completing: "CompletingRebalance"
        case .stable: "Stable"
        }
    }
}

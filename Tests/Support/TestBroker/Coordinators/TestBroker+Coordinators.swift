extension TestBroker {
    /// Holds the markers of transactions back for a while after their end was answered, as a busy broker does.
    ///
    /// - Parameter millis: 0 ends it; what is held already comes when it was to come.
    public func holdMarkers(millis: Int64) throws(BrokerFailure) {
        try call { $0.coordinators.markerDelayMillis = millis }
    }

    /// The generation of a group and how many members it has; nil when there is no such group.
    public func group(
        _ id: String
    ) throws(BrokerFailure) -> (generation: Int32, members: Int)? {
        try call { broker in
            broker.coordinators.groups.groups[id].map { ($0.generation, $0.members.count) }
        }
    }

    /// Makes a group believe that a member got another share than it did: what a member's death between
    /// giving up and saying so leaves behind.
    public func forgeShare(
        of member: Int, in group: String, bytes: [UInt8]
    ) throws(BrokerFailure) {
        try call { broker in
            broker.coordinators.groups.withGroup(group) { $0.members[member].assignment = bytes }
        }
    }
}

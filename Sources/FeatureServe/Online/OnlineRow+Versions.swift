import Glibc
import StreamRuntime

/// The versions of a slot: the current one, and below it those that snapshots still show.
///
/// They stand by event time and by epoch alike, newest first. The first whose checkpoint counts is the
/// last that is kept: at most one checkpoint is under way, so there are no more than three, and those
/// that a crashed run left.
extension OnlineRow {
    /// Writes `version` unless what is there is newer.
    ///
    /// - Returns: whether ordinary lookups see it from now on.
    func write(
        slot index: Int, _ version: ViewVersion, payload: UnsafePointer<UInt8>?, length: Int,
        completed: UInt32
    ) -> Bool {
        let slot = slots + index
        let current = slot.pointee.version
        guard current.state != .absent else {
            set(slot: index, version, payload: payload, length: length)
            return true
        }
        guard current.eventTime <= version.eventTime else {
            // A crashed run was further on: snapshots see this one first.
            if current.epoch == ViewVersion.orphan {
                slip(below: slot, version, payload: payload, length: length)
                trim(slot: index, completed: completed)
            }
            return false
        }
        var version = version
        if current.epoch != ViewVersion.orphan {
            version.epoch = max(version.epoch, current.epoch)
            if current.epoch != version.epoch, version.epoch > completed { push(slot) }
        }
        set(slot: index, version, payload: payload, length: length)
        if slot.pointee.older != nil { trim(slot: index, completed: completed) }
        return true
    }

    /// Moves the current version below, with its bytes; `set` gives the slot new ones.
    private func push(_ slot: UnsafeMutablePointer<Slot>) {
        let node = UnsafeMutablePointer<OlderVersion>.allocate(capacity: 1)
        node.initialize(
            to: OlderVersion(
                version: slot.pointee.version, payload: slot.pointee.payload,
                payloadLength: slot.pointee.payloadLength,
                payloadCapacity: slot.pointee.payloadCapacity, next: slot.pointee.older))
        slot.pointee.older = node
        slot.pointee.payload = nil
        slot.pointee.payloadLength = 0
        slot.pointee.payloadCapacity = 0
    }

    /// Puts `version` in its place below versions of a crashed run, unless one that counts is newer.
    private func slip(
        below slot: UnsafeMutablePointer<Slot>, _ version: ViewVersion,
        payload: UnsafePointer<UInt8>?, length: Int
    ) {
        var above: UnsafeMutablePointer<OlderVersion>?
        var next = slot.pointee.older
        while let node = next, node.pointee.version.eventTime > version.eventTime {
            guard node.pointee.version.epoch == ViewVersion.orphan else { return }
            above = node
            next = node.pointee.next
        }
        var version = version
        if let below = next, below.pointee.version.epoch != ViewVersion.orphan {
            version.epoch = max(version.epoch, below.pointee.version.epoch)
        }
        // What the new one replaces: a version of its own epoch, or of a run that is gone.
        while let below = next,
            below.pointee.version.epoch == version.epoch
                || below.pointee.version.epoch == ViewVersion.orphan
        {
            next = below.pointee.next
            below.pointee.next = nil
            _ = OlderVersion.free(below)
        }
        let node = UnsafeMutablePointer<OlderVersion>.allocate(capacity: 1)
        let bytes = length > 0 ? UnsafeMutablePointer<UInt8>.allocate(capacity: length) : nil
        if let bytes, let payload { memcpy(bytes, payload, length) }
        node.initialize(
            to: OlderVersion(
                version: version, payload: bytes, payloadLength: UInt32(length),
                payloadCapacity: UInt32(length), next: next))
        if let above { above.pointee.next = node } else { slot.pointee.older = node }
    }

    /// Frees what no snapshot from `completed` on can show.
    func trim(slot index: Int, completed: UInt32) {
        let slot = slots + index
        guard slot.pointee.version.epoch > completed else {
            _ = OlderVersion.free(slot.pointee.older)
            slot.pointee.older = nil
            return
        }
        var node = slot.pointee.older
        while let this = node {
            if this.pointee.version.epoch <= completed {
                _ = OlderVersion.free(this.pointee.next)
                this.pointee.next = nil
                return
            }
            node = this.pointee.next
        }
    }

    /// Puts a version read from rest below all that are there.
    func append(
        slot index: Int, _ version: ViewVersion, payload: UnsafePointer<UInt8>, length: Int
    ) {
        let slot = slots + index
        let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: max(length, 1))
        memcpy(bytes, payload, length)
        let node = UnsafeMutablePointer<OlderVersion>.allocate(capacity: 1)
        node.initialize(
            to: OlderVersion(
                version: version, payload: bytes, payloadLength: UInt32(length),
                payloadCapacity: UInt32(max(length, 1)), next: nil))
        guard var last = slot.pointee.older else {
            slot.pointee.older = node
            return
        }
        while let next = last.pointee.next { last = next }
        last.pointee.next = node
    }
}

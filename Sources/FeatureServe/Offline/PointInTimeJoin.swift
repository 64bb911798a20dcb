import Glibc
import StreamRuntime
import Synchronization

/// Finds for every label the version of one view that serving would have given at its moment.
///
/// Versions come in any order of keys and times, each once. A version is kept at the first label of its
/// key that may see it, if it is the best there so far; when all have come, `settle` walks each key's
/// labels in the order of time and hands the best on. So the log is read once, without sorting it, and only
/// what answers a label is kept.
///
/// - Shape: of versions that a label may see, the one of the newest event time wins; of equal ones the one
///   that was written last.
/// - Note: `@unchecked Sendable` because threads that take versions at the same time have different keys.
public final class PointInTimeJoin: @unchecked Sendable {
    /// Which of a version's two times a label must have reached to see it.
    public enum Visibility: Sendable {
        /// Both: what serving could have given, and what was about the past.
        case required
        /// Only the event time: as if everything had been readable at once.
        case ignored
        /// Only the visible time: exactly what serving gave, values about the future included.
        case only
    }

    /// The best version that one place knows of.
    struct Slot {
        var eventTime: Int64
        /// The topic in the high byte, then how many versions of its partition came before.
        var sequence: UInt64
        var record: UnsafeMutablePointer<UInt8>?
        var length: UInt32
        var capacity: UInt32
    }

    let labels: LabelIndex
    let visibility: Visibility
    let layout: UInt32
    private let grace: Int64
    private let slots: UnsafeMutablePointer<Slot>
    private let otherLayouts = Atomic<Int>(0)

    /// Bytes of memory a label takes in the join besides its version.
    static let bytesEach = MemoryLayout<Slot>.stride

    /// A join of versions of `view` to `labels`.
    ///
    /// - Parameter grace: microseconds by which versions count as readable sooner than they were.
    public init(
        of view: FeatureView, to labels: LabelIndex, visibility: Visibility = .required,
        grace: Int64 = 0
    ) {
        self.grace = grace
        self.labels = labels
        self.visibility = visibility
        layout = FeatureVersion.layout(of: view.features)
        slots = .allocate(capacity: max(labels.count, 1))
        slots.initialize(
            repeating: Slot(eventTime: .min, sequence: 0, record: nil, length: 0, capacity: 0),
            count: labels.count)
    }

    deinit { slots.deallocate() }

    /// Versions left out because their features have other names or types than the view's now.
    public var otherLayoutCount: Int { otherLayouts.load(ordering: .relaxed) }

    /// Takes the version in a record's value; keeps a copy in `pool` if a label may need it.
    ///
    /// - Precondition: the value is not shorter than a version's head.
    @inline(__always)
    func take(
        key: Int, value: UnsafePointer<UInt8>, length: Int, sequence: UInt64, pool: RecordPool
    ) {
        let raw = UnsafeRawPointer(value)
        let eventTime = Int64(
            littleEndian: (raw + FeatureVersion.eventAt).loadUnaligned(as: Int64.self))
        let visibleTime = Int64(
            littleEndian: (raw + FeatureVersion.visibleAt).loadUnaligned(as: Int64.self))
        let since: Int64
        switch visibility {
        case .required: since = max(eventTime, visibleTime &- grace)
        case .ignored: since = eventTime
        case .only: since = visibleTime &- grace
        }
        let place = labels.place(of: key, notBefore: since)
        guard place < Int(labels.firsts[key &+ 1]) else { return }
        let slot = slots + place
        if slot.pointee.record != nil {
            let held = slot.pointee.eventTime
            if eventTime < held { return }
            if eventTime == held,
                !isLater(sequence, visibleTime, than: slot.pointee)
            {
                return
            }
        }
        let foundLayout = UInt32(
            littleEndian: (raw + FeatureVersion.layoutAt).loadUnaligned(as: UInt32.self))
        guard foundLayout == layout else {
            otherLayouts.wrappingAdd(1, ordering: .relaxed)
            return
        }
        if Int(slot.pointee.capacity) < length {
            let capacity = (length &+ 15) & ~15
            slot.pointee.record = pool.allocate(capacity)
            slot.pointee.capacity = UInt32(capacity)
        }
        memcpy(slot.pointee.record!, value, length)
        slot.pointee.length = UInt32(length)
        slot.pointee.eventTime = eventTime
        slot.pointee.sequence = sequence
    }

    /// Whether a version of the same event time takes the place of what `slot` holds.
    ///
    /// In one topic the order of records decides; between two, what became readable last.
    private func isLater(_ sequence: UInt64, _ visibleTime: Int64, than slot: Slot) -> Bool {
        if sequence >> 56 == slot.sequence >> 56 { return sequence > slot.sequence }
        let held = UnsafeRawPointer(slot.record! + FeatureVersion.visibleAt)
        return visibleTime >= Int64(littleEndian: held.loadUnaligned(as: Int64.self))
    }

    /// Hands what earlier labels of a key know on to later ones, once all versions have come.
    public func settle() {
        for key in 0..<labels.keyCount {
            var best: Slot?
            for place in Int(labels.firsts[key])..<Int(labels.firsts[key + 1]) {
                let slot = slots[place]
                if slot.record != nil, best.map({ wins(slot, over: $0) }) ?? true { best = slot }
                if let best { slots[place] = best }
            }
        }
    }

    private func wins(_ slot: Slot, over best: Slot) -> Bool {
        if slot.eventTime != best.eventTime { return slot.eventTime > best.eventTime }
        let visible = UnsafeRawPointer(slot.record! + FeatureVersion.visibleAt)
        return isLater(
            slot.sequence, Int64(littleEndian: visible.loadUnaligned(as: Int64.self)), than: best)
    }

    /// The record's value that answers label `label`, after `settle`; nil when there is none.
    public func record(of label: Int) -> UnsafeBufferPointer<UInt8>? {
        let slot = slots[Int(labels.places[label])]
        guard let record = slot.record else { return nil }
        return UnsafeBufferPointer(start: record, count: Int(slot.length))
    }
}

/// Memory for records that live as long as the join; one per thread.
///
/// - Note: `@unchecked Sendable` because a thread fills it and others read its records once that ended.
public final class RecordPool: @unchecked Sendable {
    private var chunks: [UnsafeMutablePointer<UInt8>] = []
    private var next: UnsafeMutablePointer<UInt8>?
    private var left = 0
    /// Bytes taken from the system.
    public private(set) var byteCount = 0

    private static let chunkBytes = 1 << 20

    /// No memory yet.
    public init() {}

    deinit { for chunk in chunks { chunk.deallocate() } }

    func allocate(_ count: Int) -> UnsafeMutablePointer<UInt8> {
        if count > left {
            let size = max(count, RecordPool.chunkBytes)
            let chunk = UnsafeMutablePointer<UInt8>.allocate(capacity: size)
            chunks.append(chunk)
            byteCount += size
            next = chunk
            left = size
        }
        let taken = next!
        next = taken + count
        left -= count
        return taken
    }
}

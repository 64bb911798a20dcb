import Glibc
import StreamRuntime

/// The places of a share of a view's entities; used behind the lock of the shard whose rows they are.
///
/// - Shape: nodes lie side by side; those of one cell are linked. Two open-addressing tables find a node by
///   its key's hash, and the first node of a cell.
final class GeoPart {
    private struct Node {
        var latitude: Double
        var longitude: Double
        var cosine: Double
        var eventTime: Int64
        var hash: Int64
        var keyStart: UInt32
        var keyLength: UInt32
        var cell: UInt32
        var next: Int32
        var previous: Int32
    }

    private struct Cell {
        var number: UInt32
        var first: Int32
    }

    private let index: GeoIndex
    private var nodes: UnsafeMutablePointer<Node>
    private var capacity = 16
    private var count = 0
    private let keys = ByteArena(capacity: 256)
    private var keyBytes = 0
    /// Positions of nodes by hash; -1 where there is none.
    private var places: UnsafeMutablePointer<Int32>
    private var placeMask = 31
    private var cells: UnsafeMutablePointer<Cell>
    private var cellMask = 31
    private var cellCount = 0
    /// Entities from which on those that have outlived the ttl are looked for.
    private var sweepAt = 64
    private var sweptAt = Int64.min / 2
    private static let sweepMicros: Int64 = 1_000_000
    private var noted = 0

    init(_ index: GeoIndex) {
        self.index = index
        nodes = .allocate(capacity: capacity)
        places = .allocate(capacity: placeMask + 1)
        places.initialize(repeating: -1, count: placeMask + 1)
        cells = .allocate(capacity: cellMask + 1)
        cells.initialize(repeating: Cell(number: 0, first: -1), count: cellMask + 1)
        noteBytes()
    }

    deinit {
        index.leave(count)
        index.note(bytes: -noted)
        nodes.deallocate()
        places.deallocate()
        cells.deallocate()
    }

    // MARK: writing

    /// Takes in that the entity's newest row is this one; nil for one that was deleted.
    ///
    /// - Parameter now: when it was written; what has outlived the ttl by then is not kept. The least number for
    ///   whenever.
    func write(
        hash: Int64, key: UnsafePointer<UInt8>, keyLength: Int, payload: UnsafePointer<UInt8>?,
        eventTime: Int64, now: Int64
    ) {
        let isOld = FeatureStatus.isExpired(
            eventMicros: eventTime, ttlMicros: index.ttlMicros, nowMicros: now)
        let known = find(hash, key, keyLength)
        guard !isOld, let payload, let place = index.place(payload) else {
            if known >= 0 { remove(known) }
            return
        }
        let cell = GeoGrid.cell(place.latitude, place.longitude)
        if known >= 0 {
            let node = nodes + known
            node.pointee.eventTime = eventTime
            node.pointee.longitude = place.longitude
            if node.pointee.latitude != place.latitude {
                node.pointee.latitude = place.latitude
                node.pointee.cosine = GeoCover.cosine(place.latitude)
            }
            if node.pointee.cell != cell {
                unlink(known)
                link(known, to: cell)
            }
            return
        }
        if count >= sweepAt { sweep(now: now) }
        if !index.enter() {
            // Not at each of many that find no room.
            let clock = now == .min ? WallClock.micros() : now
            if clock - sweptAt >= GeoPart.sweepMicros { sweep(now: clock) }
            guard index.enter() else { return index.refuse() }
        }
        if count == capacity { grow() }
        nodes[count] = Node(
            latitude: place.latitude, longitude: place.longitude,
            cosine: GeoCover.cosine(place.latitude), eventTime: eventTime, hash: hash,
            keyStart: UInt32(keys.count), keyLength: UInt32(keyLength), cell: cell, next: -1,
            previous: -1)
        keys.append(key, keyLength)
        keyBytes += keyLength
        insertPlace(hash, Int32(count))
        link(count, to: cell)
        count += 1
        noteBytes()
    }

    /// Forgets where the entity is.
    func remove(hash: Int64, key: UnsafePointer<UInt8>, keyLength: Int) {
        let known = find(hash, key, keyLength)
        if known >= 0 { remove(known) }
    }

    /// Forgets what has outlived the ttl.
    private func sweep(now: Int64) {
        sweptAt = max(now, sweptAt)
        var at = count - 1
        while at >= 0, index.ttlMicros > 0 {
            if FeatureStatus.isExpired(
                eventMicros: nodes[at].eventTime, ttlMicros: index.ttlMicros, nowMicros: now)
            {
                remove(at)
            }
            at -= 1
        }
        sweepAt = max(64, count * 2)
    }

    private func remove(_ at: Int) {
        unlink(at)
        removePlace(at)
        keyBytes -= Int(nodes[at].keyLength)
        count -= 1
        if at < count {
            // The last node takes its place.
            let last = Int32(count)
            places[position(of: last)] = Int32(at)
            nodes[at] = nodes[count]
            let node = nodes[at]
            if node.next >= 0 { nodes[Int(node.next)].previous = Int32(at) }
            if node.previous >= 0 {
                nodes[Int(node.previous)].next = Int32(at)
            } else {
                cells[cellPosition(node.cell)].first = Int32(at)
            }
        }
        index.leave()
        if keys.count > 4096, keys.count > keyBytes * 2 { compactKeys() }
    }

    private func compactKeys() {
        let kept = ByteArena(capacity: keyBytes)
        var at = 0
        while at < count {
            let start = UInt32(kept.count)
            kept.append(keys.base + Int(nodes[at].keyStart), Int(nodes[at].keyLength))
            nodes[at].keyStart = start
            at &+= 1
        }
        keys.count = 0
        keys.append(kept.base, kept.count)
    }

    private func grow() {
        let grown = UnsafeMutablePointer<Node>.allocate(capacity: capacity * 2)
        memcpy(grown, nodes, count * MemoryLayout<Node>.stride)
        nodes.deallocate()
        nodes = grown
        capacity *= 2
    }

    private func noteBytes() {
        let bytes =
            capacity * MemoryLayout<Node>.stride + keys.capacity
            + (placeMask + 1) * MemoryLayout<Int32>.stride
            + (cellMask + 1) * MemoryLayout<Cell>.stride
        if bytes != noted { index.note(bytes: bytes - noted) }
        noted = bytes
    }

    // MARK: nodes by key

    private func find(_ hash: Int64, _ key: UnsafePointer<UInt8>, _ length: Int) -> Int {
        var at = Int(truncatingIfNeeded: hash) & placeMask
        while places[at] >= 0 {
            let node = nodes + Int(places[at])
            if node.pointee.hash == hash, Int(node.pointee.keyLength) == length,
                memcmp(keys.base + Int(node.pointee.keyStart), key, length) == 0
            {
                return Int(places[at])
            }
            at = (at &+ 1) & placeMask
        }
        return -1
    }

    private func position(of node: Int32) -> Int {
        var at = Int(truncatingIfNeeded: nodes[Int(node)].hash) & placeMask
        while places[at] != node { at = (at &+ 1) & placeMask }
        return at
    }

    private func insertPlace(_ hash: Int64, _ node: Int32) {
        if (count + 1) * 3 > placeMask * 2 {
            places.deallocate()
            placeMask = placeMask * 2 + 1
            places = .allocate(capacity: placeMask + 1)
            places.initialize(repeating: -1, count: placeMask + 1)
            for known in 0..<count { put(nodes[known].hash, Int32(known)) }
        }
        put(hash, node)
    }

    private func put(_ hash: Int64, _ node: Int32) {
        var at = Int(truncatingIfNeeded: hash) & placeMask
        while places[at] >= 0 { at = (at &+ 1) & placeMask }
        places[at] = node
    }

    /// Takes a node's place out and closes the gap, so that probing still finds what lay behind it.
    private func removePlace(_ node: Int) {
        var gap = position(of: Int32(node))
        var at = (gap + 1) & placeMask
        while places[at] >= 0 {
            let home = Int(truncatingIfNeeded: nodes[Int(places[at])].hash) & placeMask
            if (at - home) & placeMask >= (at - gap) & placeMask {
                places[gap] = places[at]
                gap = at
            }
            at = (at + 1) & placeMask
        }
        places[gap] = -1
    }

    // MARK: nodes by cell

    @inline(__always)
    private func home(_ cell: UInt32) -> Int {
        Int(truncatingIfNeeded: (UInt64(cell) &* 0x9E37_79B9_7F4A_7C15) &>> 32) & cellMask
    }

    /// Where the cell is in the table, or the free place where it would be.
    @inline(__always)
    private func cellPosition(_ cell: UInt32) -> Int {
        var at = home(cell)
        while cells[at].first >= 0, cells[at].number != cell { at = (at &+ 1) & cellMask }
        return at
    }

    private func link(_ at: Int, to cell: UInt32) {
        var place = cellPosition(cell)
        let first = cells[place].first
        if first < 0 {
            if (cellCount + 1) * 3 > cellMask * 2 {
                growCells()
                place = cellPosition(cell)
            }
            cellCount += 1
        } else {
            nodes[Int(first)].previous = Int32(at)
        }
        cells[place] = Cell(number: cell, first: Int32(at))
        nodes[at].cell = cell
        nodes[at].next = first
        nodes[at].previous = -1
    }

    private func unlink(_ at: Int) {
        let node = nodes[at]
        if node.next >= 0 { nodes[Int(node.next)].previous = node.previous }
        guard node.previous < 0 else { return nodes[Int(node.previous)].next = node.next }
        let place = cellPosition(node.cell)
        cells[place].first = node.next
        if node.next < 0 { removeCell(place) }
    }

    private func removeCell(_ removed: Int) {
        cellCount -= 1
        var gap = removed
        var at = (gap + 1) & cellMask
        while cells[at].first >= 0 {
            let home = home(cells[at].number)
            if (at - home) & cellMask >= (at - gap) & cellMask {
                cells[gap] = cells[at]
                gap = at
            }
            at = (at + 1) & cellMask
        }
        cells[gap].first = -1
    }

    private func growCells() {
        let old = cells
        let count = cellMask + 1
        cellMask = count * 2 - 1
        cells = .allocate(capacity: count * 2)
        cells.initialize(repeating: Cell(number: 0, first: -1), count: count * 2)
        for at in 0..<count where old[at].first >= 0 {
            cells[cellPosition(old[at].number)] = old[at]
        }
        old.deallocate()
    }

    // MARK: finding

    /// Adds the entities within the circle that are current at `now`, as far as they may be among the nearest.
    func collect(_ cover: inout GeoCover, now: Int64, into found: NearRows) {
        let rows = cover.rows
        let columns = cover.columns
        // Where there are more cells than entities, each entity is looked at.
        if rows.count * columns.count >= count {
            var at = 0
            while at < count {
                judge(at, &cover, now, found)
                at &+= 1
            }
        } else {
            for row in rows {
                var column = columns.first
                for _ in 0..<columns.count {
                    let cell = UInt32(row &* GeoGrid.columns &+ column)
                    var at = cells[cellPosition(cell)].first
                    while at >= 0 {
                        judge(Int(at), &cover, now, found)
                        at = nodes[Int(at)].next
                    }
                    column &+= 1
                    if column == GeoGrid.columns { column = 0 }
                }
            }
        }
    }

    @inline(__always)
    private func judge(_ at: Int, _ cover: inout GeoCover, _ now: Int64, _ found: NearRows) {
        let node = nodes + at
        guard cover.mayReach(node.pointee.latitude, node.pointee.longitude),
            !FeatureStatus.isExpired(
                eventMicros: node.pointee.eventTime, ttlMicros: index.ttlMicros, nowMicros: now)
        else { return }
        let miles = cover.distance(
            node.pointee.latitude, node.pointee.longitude, node.pointee.cosine)
        guard miles <= cover.miles else { return }
        found.add(
            miles, keys.base + Int(node.pointee.keyStart), Int(node.pointee.keyLength), &cover)
    }
}

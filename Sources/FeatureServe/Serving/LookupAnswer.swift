import Codecs
import Glibc
import StreamRuntime

/// Writes an answer, column by column, out of rendered fragments.
///
/// A column whose values are all there differs from the view's other such columns in its values
/// only, so statuses and event times are written once per view and copied from then on.
struct LookupAnswer {
    private(set) var statuses = AnswerStatuses()
    private var viewTails: [Range<Int>] = []
    private var style = Compatibility.millrace
    private var details = true
    /// Whether columns' equal ends are left out, and told of in `repeats`.
    var packs = false
    /// What was left out; whole answers have nothing here.
    private(set) var repeats: [RepeatGzip.Repeat] = []
    /// Where each view's end stood last, in the whole answer, and the bytes left out so far.
    private var lastTails: [Int] = []
    private var omitted = 0

    /// Rows from which on leaving out pays.
    static let packedRowsMin = 8

    /// Forgets what the last answer left out.
    mutating func begin() {
        repeats.removeAll(keepingCapacity: true)
        omitted = 0
    }

    /// A column of no rows.
    private static let nothing: StaticString =
        ",{\"values\":[],\"statuses\":[],\"event_timestamps\":[]}"
    /// Padded as arenas are.
    private static let absent: StaticString = "null            "
    /// Twelve bytes and padding.
    private static let columnStart: StaticString = ",{\"values\":[    "
    private var aged: UInt8 { FeatureStatus.outsideMaxAge.rawValue }
    static let epoch: StaticString = "\"1970-01-01T00:00:00Z\""

    /// Appends the body for `rows` entities to `out`.
    ///
    /// - Shape: `reads` holds for each row one entry for each of the plan's views, with its place in `blocks`.
    mutating func write(
        _ plan: ServingPlan, rows: Int, keys: [Column], order: [Int],
        reads: UnsafePointer<ViewRead>, blocks: ByteArena, computed: [ComputedFeatures] = [],
        now: Int64, wantsViewNames: Bool, style: Compatibility = .millrace, details: Bool = true,
        extras: LookupExtras? = nil, store: OnlineStore, to out: ByteArena
    ) {
        self.style = style
        self.details = details
        judge(plan, rows: rows, reads: reads, now: now)
        JSONText.append("{\"results\":[", to: out)
        let first = out.count
        for key in order where style.showsKeys {
            if out.count > first { JSONText.append(",", to: out) }
            writeKey(keys[key], rows: rows, now: now, to: out)
        }
        let columns = out.count
        for column in plan.columns {
            if rows == 0 {
                JSONText.append(LookupAnswer.nothing, to: out)
                continue
            }
            if column.isComputed {
                writeComputed(computed[column.view], column.feature, rows: rows, to: out)
                continue
            }
            writeColumn(column, plan, rows: rows, reads: reads, blocks: blocks, to: out)
            guard let details = extras?.details, !details.isEmpty else { continue }
            out.count -= 1
            writeDetails(
                details, of: column, plan, store: store, rows: rows, reads: reads, now: now,
                to: out)
            JSONText.append("}", to: out)
        }
        if let near = extras?.near { writeDistances(near, to: out) }
        if columns == first {
            // Nothing stands before the first column, so its comma goes.
            out.base[first] = 0x20
        }
        JSONText.append("],\"metadata\":{\"feature_names\":[", to: out)
        for key in order where style.showsKeys {
            JSONText.append(string: plan.joinKeys[key].field.name, to: out)
            JSONText.append(",", to: out)
        }
        append(plan.columnNames, to: out)
        if extras?.near != nil {
            JSONText.append(",", to: out)
            JSONText.append(string: NearRequest.distance, to: out)
        }
        JSONText.append("]", to: out)
        if wantsViewNames {
            JSONText.append(",\"feature_view_metadata\":[", to: out)
            append(plan.viewNames, to: out)
            JSONText.append("]", to: out)
        }
        if let extras { write(extras, to: out) }
        JSONText.append("}}", to: out)
        statuses.report(plan)
    }

    /// Decides the status of every row in every view.
    private mutating func judge(
        _ plan: ServingPlan, rows: Int, reads: UnsafePointer<ViewRead>, now: Int64
    ) {
        let views = plan.views.count
        statuses.judge(plan, rows: rows, reads: reads, now: now)
        viewTails.removeAll(keepingCapacity: true)
        for _ in 0..<views { viewTails.append(0..<0) }
        if packs {
            lastTails.removeAll(keepingCapacity: true)
            for _ in 0..<views { lastTails.append(0) }
        }
    }

    private func writeKey(_ column: Column, rows: Int, now: Int64, to out: ByteArena) {
        JSONText.append("{\"values\":[", to: out)
        for row in 0..<rows {
            if row > 0 { JSONText.append(",", to: out) }
            JoinKeyReader.render(column, row, to: out)
        }
        guard details else { return JSONText.append("]}", to: out) }
        JSONText.append("],\"statuses\":[", to: out)
        for row in 0..<rows { JSONText.append(row > 0 ? ",\"PRESENT\"" : "\"PRESENT\"", to: out) }
        JSONText.append("],\"event_timestamps\":[", to: out)
        for row in 0..<rows {
            if row > 0 { JSONText.append(",", to: out) }
            if style.cutsTimes {
                JSONText.append(timestamp: now - now % 1_000_000, to: out)
            } else {
                JSONText.append(LookupAnswer.epoch, to: out)
            }
        }
        JSONText.append("]}", to: out)
    }

    /// A column that was computed for this answer; it is about no event.
    private func writeComputed(
        _ features: ComputedFeatures, _ feature: Int, rows: Int, to out: ByteArena
    ) {
        JSONText.append(",{\"values\":[", to: out)
        for row in 0..<rows {
            if row > 0 { JSONText.append(",", to: out) }
            _ = FeatureText.append(features.columns[feature], row, to: out)
        }
        guard details else { return JSONText.append("]}", to: out) }
        JSONText.append("],\"statuses\":[", to: out)
        for row in 0..<rows {
            if row > 0 { JSONText.append(",", to: out) }
            let status = FeatureStatus(rawValue: features.status(row, feature)) ?? .invalid
            JSONText.append(style.text(of: status), to: out)
        }
        JSONText.append("],\"event_timestamps\":[", to: out)
        for row in 0..<rows {
            if row > 0 { JSONText.append(",", to: out) }
            JSONText.append(LookupAnswer.epoch, to: out)
        }
        JSONText.append("]}", to: out)
    }

    private mutating func writeColumn(
        _ column: ServingPlan.OutputColumn, _ plan: ServingPlan, rows: Int,
        reads: UnsafePointer<ViewRead>, blocks: ByteArena, to out: ByteArena
    ) {
        let views = plan.views.count
        let textStart = RenderedView.textStart(
            features: plan.views[column.view].declaration.features.count)
        out.reserve(16)
        copyShort(
            LookupAnswer.columnStart.utf8Start, to: out.base + out.count, 12)
        out.count &+= 12
        let base = blocks.base
        let feature = column.feature
        let instead = column.standIn?.base ?? UnsafePointer(LookupAnswer.absent.utf8Start)
        let insteadLength = column.standIn?.count ?? 4
        let hidesAged = column.aged != .lastKnown
        var nulls = 0
        var at = out.base + out.count
        var left = out.capacity &- out.count
        var row = 0
        while row < rows {
            let read = reads[row &* views &+ column.view]
            var source = instead
            var length = insteadLength
            if hidesAged, statuses[row &* views &+ column.view] == aged {
                if column.aged == .null {
                    source = UnsafePointer(LookupAnswer.absent.utf8Start)
                    length = 4
                }
            } else if read.isPresent {
                let block = base + read.rendered
                let offsets = UnsafeRawPointer(block).assumingMemoryBound(to: UInt32.self)
                let first = offsets[feature &+ 1]
                let start = Int(first & ~RenderedView.nullBit)
                length = Int(offsets[feature &+ 2] & ~RenderedView.nullBit) &- start
                nulls &+= Int(first >> 31)
                source = UnsafePointer(block + textStart + start)
            }
            if left <= length {
                out.count = at - out.base
                out.reserve(max(length &+ 1, 1 << 16))
                at = out.base + out.count
                left = out.capacity &- out.count
            }
            copyShort(source, to: at, length)
            at[length] = 0x2C
            at += length &+ 1
            left &-= length &+ 1
            row &+= 1
        }
        out.count = at - out.base &- 1
        let tail = viewTails[column.view]
        if nulls == 0, !tail.isEmpty {
            if packs, leaveOut(tail, of: column.view, out) { return }
            out.reserve(tail.count)
            memcpy(out.base + out.count, out.base + tail.lowerBound, tail.count)
            out.count &+= tail.count
            return
        }
        guard details else {
            // Nulls are counted all the same.
            let end = out.count
            if nulls > 0 {
                writeStatuses(column, plan, rows: rows, reads: reads, blocks: blocks, to: out)
            }
            out.count = end
            return JSONText.append("]}", to: out)
        }
        let start = out.count
        writeStatuses(column, plan, rows: rows, reads: reads, blocks: blocks, to: out)
        writeTimes(column.view, plan, rows: rows, reads: reads, blocks: blocks, to: out)
        if nulls == 0 {
            viewTails[column.view] = start..<out.count
            if packs { lastTails[column.view] = start + omitted }
        }
    }

    /// Leaves a column's end out, if the one before it is near enough.
    private mutating func leaveOut(_ tail: Range<Int>, of view: Int, _ out: ByteArena) -> Bool {
        let here = out.count + omitted
        let distance = here - lastTails[view]
        lastTails[view] = here
        guard distance <= RepeatGzip.distanceMax, tail.count >= 32 else { return false }
        repeats.append(.init(at: out.count, distance: distance, source: tail))
        omitted += tail.count
        return true
    }

    /// Copies up to 64 bytes beyond the end of both sides: arenas are padded for that.
    @inline(__always)
    private func copyShort(
        _ source: UnsafePointer<UInt8>, to target: UnsafeMutablePointer<UInt8>, _ length: Int
    ) {
        guard length <= 16 else {
            memcpy(target, source, length)
            return
        }
        UnsafeMutableRawPointer(target).storeBytes(
            of: UnsafeRawPointer(source).loadUnaligned(as: SIMD16<UInt8>.self),
            as: SIMD16<UInt8>.self)
    }

    private mutating func writeStatuses(
        _ column: ServingPlan.OutputColumn, _ plan: ServingPlan, rows: Int,
        reads: UnsafePointer<ViewRead>, blocks: ByteArena, to out: ByteArena
    ) {
        let views = plan.views.count
        JSONText.append("],\"statuses\":[", to: out)
        for row in 0..<rows {
            let at = row &* views &+ column.view
            if row > 0 { JSONText.append(",", to: out) }
            var status = statuses[at]
            if reads[at].isPresent {
                let offsets = UnsafeRawPointer(blocks.base + reads[at].rendered)
                    .assumingMemoryBound(to: UInt32.self)
                if offsets[column.feature &+ 1] & RenderedView.nullBit != 0 {
                    let null = FeatureStatus.nullValue.rawValue
                    statuses.recount(view: column.view, from: status, to: null)
                    status = null
                }
            }
            let shown = FeatureStatus(rawValue: status) ?? .invalid
            JSONText.append(style.text(of: shown), to: out)
        }
    }

    private func writeTimes(
        _ view: Int, _ plan: ServingPlan, rows: Int, reads: UnsafePointer<ViewRead>,
        blocks: ByteArena, to out: ByteArena
    ) {
        let views = plan.views.count
        let textStart = RenderedView.textStart(
            features: plan.views[view].declaration.features.count)
        JSONText.append("],\"event_timestamps\":[", to: out)
        for row in 0..<rows {
            let read = reads[row &* views &+ view]
            if row > 0 { JSONText.append(",", to: out) }
            if read.isPresent {
                let block = blocks.base + read.rendered
                let end = UnsafeRawPointer(block).assumingMemoryBound(to: UInt32.self)[1]
                let length = Int(end & ~RenderedView.nullBit)
                if style.cutsTimes {
                    // Quote, nineteen characters to the second, Z, quote.
                    out.append(block + textStart, min(length, 20))
                    JSONText.append("Z\"", to: out)
                } else {
                    out.append(block + textStart, length)
                }
            } else {
                JSONText.append(LookupAnswer.epoch, to: out)
            }
        }
        JSONText.append("]}", to: out)
    }

    private func append(_ bytes: [UInt8], to out: ByteArena) {
        bytes.withUnsafeBufferPointer { _ = out.append($0.baseAddress!, $0.count) }
    }
}

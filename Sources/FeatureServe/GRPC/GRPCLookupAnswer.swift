import Glibc
import StreamRuntime

/// Writes an answer, column by column, out of values rendered before.
///
/// A column whose values are all there differs from the view's other such columns in its values only, so
/// statuses and event times are written once per view and copied from then on.
struct GRPCLookupAnswer {
    private var statuses = AnswerStatuses()
    private var tails: [Range<Int>] = []
    private let tailBytes = ByteArena(capacity: 1 << 10)
    private let column = ByteArena(capacity: 1 << 12)
    private let scratch = ByteArena(capacity: 1 << 10)

    /// Appends a `GetOnlineFeaturesResponse` for `rows` entities to `out`.
    ///
    /// - Shape: `reads` holds for each row one entry for each of the plan's views, with its place in `blocks`.
    mutating func write(
        _ asked: GRPCPlan, rows: Int, keys: [Column], order: [Int],
        reads: UnsafePointer<ViewRead>, blocks: ByteArena, computed: [ComputedFeatures],
        now: Int64, wantsViewNames: Bool, to out: ByteArena
    ) {
        let plan = asked.plan
        judge(plan, rows: rows, reads: reads, now: now)
        writeMetadata(asked, order: order, wantsViewNames: wantsViewNames, to: out)
        for key in order { writeKey(keys[key], rows: rows, to: out) }
        for (index, column) in plan.columns.enumerated() {
            if column.isComputed {
                writeComputed(computed[column.view], column.feature, rows: rows, to: out)
                continue
            }
            writeColumn(
                column, plan, standIn: asked.standIns[index], rows: rows, reads: reads,
                blocks: blocks, to: out)
        }
        ProtoWriter.tag(3, .varint, to: out)
        ProtoWriter.varint(1, to: out)
        statuses.report(plan)
    }

    private func writeMetadata(
        _ asked: GRPCPlan, order: [Int], wantsViewNames: Bool, to out: ByteArena
    ) {
        scratch.count = 0
        for key in order {
            let name = asked.plan.joinKeys[key].nameBytes
            name.withUnsafeBufferPointer { ProtoWriter.bytes(1, $0, to: scratch) }
        }
        append(asked.columnNames, to: scratch)
        column.count = 0
        ProtoWriter.bytes(
            1, UnsafeBufferPointer(start: scratch.base, count: scratch.count), to: column)
        if wantsViewNames { append(asked.viewNames, to: column) }
        ProtoWriter.bytes(1, UnsafeBufferPointer(start: column.base, count: column.count), to: out)
    }

    /// Decides the status of every row in every view.
    private mutating func judge(
        _ plan: ServingPlan, rows: Int, reads: UnsafePointer<ViewRead>, now: Int64
    ) {
        let views = plan.views.count
        statuses.judge(plan, rows: rows, reads: reads, now: now)
        tails.removeAll(keepingCapacity: true)
        for _ in 0..<views { tails.append(0..<0) }
        tailBytes.count = 0
    }

    /// A join key's column, PRESENT throughout, with the times of 1970.
    private func writeKey(_ key: Column, rows: Int, to out: ByteArena) {
        column.count = 0
        for row in 0..<rows {
            scratch.count = 0
            if key.type == .int64 {
                ProtoWriter.tag(4, .varint, to: scratch)
                ProtoWriter.varint(UInt64(bitPattern: key.int64s[row]), to: scratch)
            } else if key.type == .string {
                ProtoWriter.bytes(2, key.bytes(row), to: scratch)
            } else {
                FeastValue.append(key, row, to: scratch)
            }
            ProtoWriter.bytes(
                1, UnsafeBufferPointer(start: scratch.base, count: scratch.count), to: column)
        }
        ProtoWriter.tag(2, .lengthDelimited, to: column)
        ProtoWriter.varint(UInt64(rows), to: column)
        column.reserve(rows)
        memset(column.base + column.count, Int32(FeatureStatus.present.rawValue), rows)
        column.count += rows
        for _ in 0..<rows { ProtoWriter.bytes(3, .init(start: nil, count: 0), to: column) }
        ProtoWriter.bytes(2, UnsafeBufferPointer(start: column.base, count: column.count), to: out)
    }

    /// A column that was computed for this answer; it is about no event.
    private func writeComputed(
        _ features: ComputedFeatures, _ feature: Int, rows: Int, to out: ByteArena
    ) {
        column.count = 0
        for row in 0..<rows {
            scratch.count = 0
            FeastValue.append(features.columns[feature], row, to: scratch)
            ProtoWriter.bytes(
                1, UnsafeBufferPointer(start: scratch.base, count: scratch.count), to: column)
        }
        ProtoWriter.tag(2, .lengthDelimited, to: column)
        ProtoWriter.varint(UInt64(rows), to: column)
        column.reserve(rows)
        for row in 0..<rows {
            column.base[column.count] = features.status(row, feature)
            column.count += 1
        }
        for _ in 0..<rows { ProtoWriter.bytes(3, .init(start: nil, count: 0), to: column) }
        ProtoWriter.bytes(2, UnsafeBufferPointer(start: column.base, count: column.count), to: out)
    }

    private mutating func writeColumn(
        _ asked: ServingPlan.OutputColumn, _ plan: ServingPlan, standIn: [UInt8], rows: Int,
        reads: UnsafePointer<ViewRead>, blocks: ByteArena, to out: ByteArena
    ) {
        let views = plan.views.count
        let features = plan.views[asked.view].declaration.features.count
        let aged = FeatureStatus.outsideMaxAge.rawValue
        let base = UnsafePointer(blocks.base)
        column.count = 0
        var nulls = 0
        var row = 0
        while row < rows {
            let read = reads[row &* views &+ asked.view]
            if read.isPresent {
                let block = base + read.rendered
                let value = RenderedValues.value(block, features: features, index: asked.feature)
                if value.count == 0 { nulls &+= 1 }
                if asked.aged != .lastKnown, statuses[row &* views &+ asked.view] == aged {
                    write(asked.aged == .standIn ? standIn : [])
                } else {
                    ProtoWriter.bytes(1, value, to: column)
                }
            } else {
                write(standIn)
            }
            row &+= 1
        }
        if nulls > 0 {
            writeTail(asked, plan, rows: rows, reads: reads, blocks: blocks, to: column)
        } else {
            if tails[asked.view].isEmpty {
                let start = tailBytes.count
                writeTail(asked, plan, rows: rows, reads: reads, blocks: blocks, to: tailBytes)
                tails[asked.view] = start..<tailBytes.count
            }
            let tail = tails[asked.view]
            column.append(tailBytes.base + tail.lowerBound, tail.count)
        }
        ProtoWriter.bytes(2, UnsafeBufferPointer(start: column.base, count: column.count), to: out)
    }

    /// Appends what stands in for a value.
    private func write(_ standIn: [UInt8]) {
        standIn.withUnsafeBufferPointer { ProtoWriter.bytes(1, $0, to: column) }
    }

    /// The statuses and the event times of a column.
    private mutating func writeTail(
        _ asked: ServingPlan.OutputColumn, _ plan: ServingPlan, rows: Int,
        reads: UnsafePointer<ViewRead>, blocks: ByteArena, to arena: ByteArena
    ) {
        let views = plan.views.count
        let features = plan.views[asked.view].declaration.features.count
        ProtoWriter.tag(2, .lengthDelimited, to: arena)
        ProtoWriter.varint(UInt64(rows), to: arena)
        arena.reserve(rows)
        for row in 0..<rows {
            let at = row &* views &+ asked.view
            var status = statuses[at]
            if reads[at].isPresent,
                RenderedValues.isNull(blocks.base + reads[at].rendered, index: asked.feature)
            {
                let null = FeatureStatus.nullValue.rawValue
                statuses.recount(view: asked.view, from: status, to: null)
                status = null
            }
            arena.base[arena.count] = status
            arena.count &+= 1
        }
        for row in 0..<rows {
            let read = reads[row &* views &+ asked.view]
            let time =
                read.isPresent
                ? RenderedValues.value(
                    blocks.base + read.rendered, features: features, index: features)
                : UnsafeBufferPointer(start: nil, count: 0)
            ProtoWriter.bytes(3, time, to: arena)
        }
    }

    /// Appends an `OnlineReadResponse`: for each row its features with their reference, time and value.
    func writeConnector(
        _ plan: ServingPlan, rows: Int, reads: UnsafePointer<ViewRead>, blocks: ByteArena,
        to out: ByteArena
    ) {
        for row in 0..<rows {
            let views = plan.views.count
            ProtoWriter.message(1, to: out) {
                for column in plan.columns {
                    let view = plan.views[column.view].declaration
                    let read = reads[row &* views &+ column.view]
                    ProtoWriter.message(1, to: out) {
                        ProtoWriter.message(1, to: out) {
                            ProtoWriter.text(1, view.name, to: out)
                            ProtoWriter.text(2, view.features[column.feature].name, to: out)
                        }
                        guard read.isPresent else { return }
                        let block = blocks.base + read.rendered
                        let count = view.features.count
                        ProtoWriter.bytes(
                            2, RenderedValues.value(block, features: count, index: count), to: out)
                        ProtoWriter.bytes(
                            3,
                            RenderedValues.value(block, features: count, index: column.feature),
                            to: out)
                    }
                }
            }
        }
    }

    private func append(_ bytes: [UInt8], to arena: ByteArena) {
        bytes.withUnsafeBufferPointer {
            if let base = $0.baseAddress { arena.append(base, $0.count) }
        }
    }
}

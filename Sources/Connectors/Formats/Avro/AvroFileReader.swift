import Codecs
import Foundation
import Glibc
import StreamRuntime

/// Reads the records of one Avro object container file, each as the bytes of one value.
///
/// - Shape: a record's offset is the number of records before it in the file; its time that of the file's
///   last change. Rows carry the file's schema in a record header (`schemaName`).
/// - Source: the specification of Apache Avro 1.12, "Object Container Files".
final class AvroFileReader: PartitionReader {
    /// The record header that holds the schema, as JSON.
    static let schemaName = "avro.schema"
    /// The largest block that is read, packed or not.
    private static let blockBytesMax = 256 << 20
    private static let markBytes = 16

    let partition: Int32
    let name: String
    /// The number of records before the next one.
    private(set) var position: Int64 = 0

    private let path: String
    private var bytes: FileBytes?
    /// Bytes of the file that were read and not used yet.
    private var waiting: [UInt8] = []
    private var at = 0
    private var mark: [UInt8] = []
    private var isPacked = false
    private var program: AvroProgram?
    private var headers: [UInt8] = []
    /// The block at hand, the place of its next record, and how many are left of it.
    private var block = ByteArena(capacity: 64)
    private var next = 0
    private var left: Int64 = 0

    init(path: String, partition: Int32) {
        self.path = path
        self.partition = partition
        name = String(
            path[(path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex)...])
    }

    /// Continues at record `offset`; whole blocks before it are not unpacked.
    ///
    /// - Throws: when the file has fewer records: it was cut or replaced.
    func seek(to offset: Int64) throws(JobFailure) {
        if bytes == nil || offset < position { try start() }
        while position < offset {
            if left == 0, try !nextBlock(skipping: offset - position) { break }
            guard left > 0 else { continue }
            _ = try nextRecord()
        }
        guard position == offset else {
            throw JobFailure(
                .source,
                "the file ends at record \(position), before record \(offset) where reading was to "
                    + "continue", at: path,
                remedy: "put the file back as it was, or start without the checkpoint")
        }
    }

    /// Reads records of one block; `.ended` at the end of the file.
    func read(maxRecords: Int, maxBytes: Int) throws(JobFailure) -> ReadOutcome {
        if bytes == nil { try start() }
        while left == 0 { guard try nextBlock() else { return .ended } }
        let rows = Int(min(Int64(max(maxRecords, 1)), left, 1 << 16))
        let batch = RecordBatch(partition: partition, capacity: rows)
        let first = position
        var count = 0
        var size = 0
        while count < rows, count == 0 || size < maxBytes {
            let record = try nextRecord()
            batch.values.views[count] = record
            batch.offsets.int64s[count] = first + Int64(count)
            size += ByteView.length(record)
            count += 1
        }
        batch.values.arena = block
        batch.values.setCount(count)
        batch.offsets.setCount(count)
        batch.keys.appendNulls(count)
        batch.timestamps.int64s.update(repeating: bytes!.modifiedMicros, count: count)
        batch.timestamps.setCount(count)
        let headers = Column(.bytes, capacity: count)
        let view = self.headers.withUnsafeBufferPointer {
            headers.arena!.append($0.baseAddress!, $0.count)
        }
        for _ in 0..<count { headers.append(view: view) }
        batch.headers = headers
        return .records(batch)
    }

    // MARK: records

    /// Passes over the next record of the block.
    ///
    /// - Returns: its bytes in the block.
    private func nextRecord() throws(JobFailure) -> UInt64 {
        guard let program else { preconditionFailure("a block has a schema") }
        let start = next
        var cursor = AvroCursor(
            UnsafePointer(block.base), start: start, length: block.count - start)
        do throws(ValueProblem) {
            try program.pass(program.start, &cursor)
        } catch {
            throw damaged("record \(position): \(error.reason)")
        }
        next = cursor.at
        left -= 1
        position += 1
        guard left > 0 || next == block.count else {
            throw damaged("a block goes on behind its last record, \(position - 1)")
        }
        return ByteView.pack(start: start, length: next - start)
    }

    /// Brings the next block that is not to be skipped whole; false at the end of the file.
    private func nextBlock(skipping: Int64 = 0) throws(JobFailure) -> Bool {
        guard try fill(1) else { return false }
        let count = try long()
        let size = try long()
        guard count >= 0, size >= 0, size <= AvroFileReader.blockBytesMax else {
            throw damaged("a block says that it has \(count) records in \(size) bytes")
        }
        guard try fill(Int(size) + AvroFileReader.markBytes) else {
            throw damaged("the file ends in the middle of a block")
        }
        let end = at + Int(size)
        guard waiting[end..<(end + AvroFileReader.markBytes)].elementsEqual(mark) else {
            throw damaged("a block does not end with the file's mark")
        }
        defer { at = end + AvroFileReader.markBytes }
        if count <= skipping {
            position += count
            return true
        }
        // Batches on their way view the block before: it is never written again.
        block = try isPacked ? unpacked(at..<end) : plain(at..<end)
        next = 0
        left = count
        return true
    }

    private func plain(_ range: Range<Int>) -> ByteArena {
        let arena = ByteArena(capacity: range.count)
        waiting.withUnsafeBufferPointer {
            if !range.isEmpty { arena.append($0.baseAddress! + range.lowerBound, range.count) }
        }
        return arena
    }

    private func unpacked(_ range: Range<Int>) throws(JobFailure) -> ByteArena {
        let arena = ByteArena(capacity: range.count * 4)
        let inflater = Inflater(isRaw: true)
        var used = range.lowerBound
        do throws(CodecFailure) {
            while true {
                arena.reserve(64 << 10)
                let room = UnsafeMutableBufferPointer(
                    start: arena.base + arena.count, count: arena.capacity - arena.count)
                let progress = try waiting.withUnsafeBufferPointer {
                    (all) throws(CodecFailure) -> CodecProgress in
                    try inflater.inflate(
                        UnsafeBufferPointer(rebasing: all[used..<range.upperBound]), into: room)
                }
                used += progress.consumed
                arena.count += progress.produced
                if used == range.upperBound {
                    arena.reserve(64 << 10)
                    let more = try inflater.drain(
                        into: UnsafeMutableBufferPointer(
                            start: arena.base + arena.count, count: arena.capacity - arena.count))
                    arena.count += more
                    if more == 0 { break }
                }
                guard arena.count <= AvroFileReader.blockBytesMax else {
                    throw CodecFailure.corrupt("it is larger than 256 MiB")
                }
            }
            try inflater.finish()
        } catch {
            throw damaged("a block cannot be unpacked")
        }
        return arena
    }

    // MARK: the file

    private func start() throws(JobFailure) {
        bytes = try FileBytes(path: path)
        waiting = []
        at = 0
        position = 0
        left = 0
        guard try fill(4), waiting[0..<4].elementsEqual([0x4F, 0x62, 0x6A, 0x01]) else {
            throw JobFailure(
                .source, "the file is no Avro object container file", at: path,
                remedy: "keep other files out of the path, or declare their format")
        }
        at = 4
        var metadata: [String: [UInt8]] = [:]
        while true {
            var count = try long()
            if count == 0 { break }
            if count < 0 {
                count = -count
                _ = try long()
            }
            guard count <= 10_000 else { throw damaged("its head has \(count) entries") }
            for _ in 0..<count {
                let key = String(decoding: try text(), as: UTF8.self)
                metadata[key] = try text()
            }
        }
        guard try fill(AvroFileReader.markBytes) else { throw damaged("its head ends early") }
        mark = Array(waiting[at..<(at + AvroFileReader.markBytes)])
        at += AvroFileReader.markBytes
        let codec = metadata["avro.codec"].map { String(decoding: $0, as: UTF8.self) } ?? "null"
        guard codec == "null" || codec == "deflate" else {
            throw JobFailure(
                .source, "the file is packed with \(codec), which is not read", at: path,
                remedy: "write it with the codec deflate or null")
        }
        isPacked = codec == "deflate"
        let schema = String(decoding: metadata["avro.schema"] ?? [], as: UTF8.self)
        do throws(AvroSchema.Problem) {
            program = AvroProgram(try AvroSchema(json: schema), fields: [], columns: [])
        } catch {
            throw damaged("its schema is none: \(error.reason)")
        }
        headers = RecordHeaders.encode([.init(AvroFileReader.schemaName, Array(schema.utf8))])
    }

    /// Makes sure that `count` bytes wait; false when the file ends before the first of them.
    ///
    /// - Throws: when it ends in the midst of them.
    private func fill(_ count: Int) throws(JobFailure) -> Bool {
        guard waiting.count - at < count else { return true }
        waiting.removeFirst(at)
        at = 0
        let step = max(count, 1 << 16)
        while waiting.count < count {
            let before = waiting.count
            waiting.append(contentsOf: repeatElement(0, count: step))
            var failure: JobFailure?
            let got = waiting.withUnsafeMutableBufferPointer { room -> Int in
                do throws(JobFailure) {
                    return try bytes!.read(into: room.baseAddress! + before, step)
                } catch {
                    failure = error
                    return 0
                }
            }
            waiting.removeLast(step - got)
            if let failure { throw failure }
            if got == 0 {
                if waiting.isEmpty { return false }
                throw damaged("the file ends in the middle of a block")
            }
        }
        return true
    }

    private func byte() throws(JobFailure) -> UInt8 {
        guard try fill(1) else { throw damaged("the file ends early") }
        defer { at += 1 }
        return waiting[at]
    }

    private func long() throws(JobFailure) -> Int64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            let byte = UInt64(try byte())
            value |= (byte & 0x7F) << shift
            if byte < 0x80 { return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1) }
        }
        throw damaged("a number has more than 64 bits")
    }

    private func text() throws(JobFailure) -> [UInt8] {
        let count = try long()
        guard count >= 0, count <= 16 << 20 else { throw damaged("its head is too long") }
        guard count > 0 else { return [] }
        guard try fill(Int(count)) else { throw damaged("the file ends early") }
        defer { at += Int(count) }
        return Array(waiting[at..<(at + Int(count))])
    }

    private func damaged(_ what: String) -> JobFailure {
        JobFailure(
            .source, "the Avro file is damaged: \(what)", at: path,
            remedy: "deliver the file again whole; the records before this place were read")
    }
}

extension AvroProgram {
    private static let depthMax = 64

    /// Passes over a value of type `type`.
    func pass(_ type: Int, _ cursor: inout AvroCursor, _ depth: Int = 0) throws(ValueProblem) {
        guard depth < AvroProgram.depthMax else {
            throw ValueProblem("values lie more than \(AvroProgram.depthMax) deep in each other")
        }
        switch schema.nodes[type].kind {
        case .null: return
        case .boolean: _ = try cursor.take(1)
        case .int, .long, .enumeration: _ = try cursor.long()
        case .float: _ = try cursor.take(4)
        case .double: _ = try cursor.take(8)
        case .bytes, .string: _ = try cursor.take(try cursor.length())
        case .fixed(let size): _ = try cursor.take(size)
        case .record(let members):
            for member in members { try pass(member.type, &cursor, depth + 1) }
        case .union(let branches):
            let branch = try cursor.long()
            guard branch >= 0, branch < Int64(branches.count) else {
                throw ValueProblem(
                    "a union has \(branches.count) branches, and no number \(branch)")
            }
            try pass(branches[Int(branch)], &cursor, depth + 1)
        case .array(let element):
            while true {
                let count = try cursor.block()
                if count == 0 { return }
                for _ in 0..<count { try pass(element, &cursor, depth + 1) }
            }
        case .map(let value):
            while true {
                let count = try cursor.block()
                if count == 0 { return }
                for _ in 0..<count {
                    _ = try cursor.take(try cursor.length())
                    try pass(value, &cursor, depth + 1)
                }
            }
        }
    }
}

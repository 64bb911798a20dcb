/// What a record of a repartition topic says.
enum RepartitionRecord {
    /// Rows of one partition, each with its own place in the total order.
    case rows(ColumnBatch)
    /// A promise of an upstream share: its later rows have at least this time.
    case watermark(EventTime)
    /// The upstream share is caught up with its input.
    case idle
    /// The upstream share has no more rows.
    case end
}

/// The bytes of a record on its way from one share of a job to another.
///
/// - Shape: u8 version, u8 kind, u16 upstream share; then rows as `BatchBytes` writes them, or an i64
///   watermark, or nothing. `docs/FORMATS.md`, section "Repartition topics", states it.
enum RepartitionFormat {
    static let version: UInt8 = 1

    private enum Kind: UInt8 { case rows, watermark, idle, end }

    /// Writes a record of upstream share `share` to the emptied `bytes`.
    static func encode(_ record: RepartitionRecord, share: Int, into bytes: ByteArena) {
        bytes.count = 0
        let kind: Kind =
            switch record {
            case .rows: .rows
            case .watermark: .watermark
            case .idle: .idle
            case .end: .end
            }
        bytes.put(version)
        bytes.put(kind.rawValue)
        bytes.put(UInt8(share & 0xFF))
        bytes.put(UInt8(share >> 8))
        switch record {
        case .rows(let batch): BatchBytes.encode(batch, onto: bytes)
        case .watermark(let time): bytes.put(UInt64(bitPattern: time.micros))
        case .idle, .end: break
        }
    }

    /// Reads a record and the upstream share it is of.
    ///
    /// - Throws: when the bytes are of another version or schema, or damaged; `place` names the record.
    static func decode(
        _ bytes: UnsafeBufferPointer<UInt8>, schema: Schema, at place: @autoclosure () -> String
    ) throws(JobFailure) -> (share: Int, record: RepartitionRecord) {
        guard bytes.count >= 4, bytes[0] == version else {
            let found = bytes.isEmpty ? "no version" : "format \(bytes[0])"
            throw damaged(
                "a record between the job's shares has \(found), this program reads \(version)",
                at: place())
        }
        let share = Int(bytes[2]) | Int(bytes[3]) << 8
        let rest = UnsafeBufferPointer(rebasing: bytes[4...])
        switch Kind(rawValue: bytes[1]) {
        case .rows?:
            do throws(JobFailure) {
                return (share, .rows(try BatchBytes.decode(rest, schema: schema)))
            } catch {
                throw JobFailure(
                    error.kind, "a record between the job's shares: \(error.problem)",
                    at: place(), remedy: error.remedy)
            }
        case .watermark? where rest.count == 8:
            let word = UnsafeRawBufferPointer(rest).loadUnaligned(as: Int64.self)
            return (share, .watermark(EventTime(micros: Int64(littleEndian: word))))
        case .idle? where rest.isEmpty: return (share, .idle)
        case .end? where rest.isEmpty: return (share, .end)
        default: throw damaged("a record between the job's shares is damaged", at: place())
        }
    }

    private static func damaged(_ problem: String, at place: String) -> JobFailure {
        JobFailure(
            .corruption, problem, at: place,
            remedy: "nothing but this job may write to its repartition topics; start the job "
                + "afresh with other state and without these topics")
    }
}

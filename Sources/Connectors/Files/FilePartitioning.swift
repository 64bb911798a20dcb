import StreamRuntime

/// By what rows are spread over directories.
public struct FilePartitioning: Equatable, Sendable {
    /// A part of a row's time.
    public enum TimePart: String, CaseIterable, Sendable {
        case year, month, day, hour, minute
    }

    /// What stands one after the other in the path below the root.
    public enum Piece: Equatable, Sendable {
        /// The same in every path; `/` between directories.
        case text(String)
        /// The value of the column at this place.
        case column(Int)
        /// A part of the row's event time in UTC: 2026, 2026-01, 2026-01-31, 09, 59.
        case time(TimePart)
    }

    /// The pieces of the path.
    public let pieces: [Piece]

    /// Directories made of these pieces; none for no directories.
    public init(_ pieces: [Piece]) { self.pieces = pieces }

    /// How many directories deep the paths are.
    public var depth: Int {
        guard !pieces.isEmpty else { return 0 }
        return 1
            + pieces.reduce(0) { count, piece in
                if case .text(let text) = piece {
                    count + text.utf8.filter { $0 == 0x2F }.count
                } else {
                    count
                }
            }
    }
}

/// When a file is complete.
public struct FileRolling: Equatable, Sendable {
    /// As soon as it has this many bytes; nil for no matter how many.
    public let bytes: Int?
    /// When event time comes to the next multiple of this; nil for no matter when.
    public let everyMicros: Int64?

    /// Files that end at `bytes` or with each `everyMicros` of event time, whichever comes first.
    public init(bytes: Int?, everyMicros: Int64?) {
        self.bytes = bytes
        self.everyMicros = everyMicros
    }
}

/// Writes the directories that rows belong to.
struct PartitionPath {
    private let pieces: [FilePartitioning.Piece]
    private var text: [UInt8] = []
    private(set) var path: [UInt8] = []

    /// What stands for a row without a value, as in Hive.
    static let nothing = "__HIVE_DEFAULT_PARTITION__"

    init(_ partitioning: FilePartitioning) { pieces = partitioning.pieces }

    /// Makes `path` that of row `row`.
    mutating func make(_ columns: [Column], time: Int64, row: Int) {
        path.removeAll(keepingCapacity: true)
        for piece in pieces {
            switch piece {
            case .text(let fixed): path.append(contentsOf: fixed.utf8)
            case .column(let index): append(columns[index], row)
            case .time(let part): append(part, of: time)
            }
        }
    }

    private mutating func append(_ column: Column, _ row: Int) {
        if column.type.isBytes {
            return appendEscaped(column.bytes(row))
        }
        text.removeAll(keepingCapacity: true)
        if column.isValid(row) { column.appendValueText(row, to: &text) }
        let value = text
        value.withUnsafeBufferPointer { appendEscaped($0) }
    }

    /// A value as the name of a directory: what means something in paths as `%` and two digits.
    ///
    /// - Source: Hive's FileUtils.escapePathName.
    private mutating func appendEscaped(_ value: UnsafeBufferPointer<UInt8>) {
        if value.isEmpty { return path.append(contentsOf: PartitionPath.nothing.utf8) }
        for (place, byte) in value.enumerated() {
            if PartitionPath.isPlain(byte), byte != 0x2E || place > 0 {
                path.append(byte)
            } else {
                path.append(0x25)
                path.append(PartitionPath.digit(byte >> 4))
                path.append(PartitionPath.digit(byte & 15))
            }
        }
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case 0..<0x20, 0x22, 0x23, 0x25, 0x27, 0x2A, 0x2F, 0x3A, 0x3D, 0x3F, 0x5B, 0x5C, 0x5D, 0x5E,
            0x7B, 0x7D, 0x7F:
            false
        default: true
        }
    }

    private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x37 + value }

    private mutating func append(_ part: FilePartitioning.TimePart, of time: Int64) {
        text.removeAll(keepingCapacity: true)
        ValueText.append(timestamp: time, to: &text)
        // YYYY-MM-DD hh:mm:ss; a year of another length moves what follows.
        let dash = text.dropFirst().firstIndex(of: 0x2D) ?? 4
        switch part {
        case .year: path.append(contentsOf: text[..<dash])
        case .month: path.append(contentsOf: text[..<(dash + 3)])
        case .day: path.append(contentsOf: text[..<(dash + 6)])
        case .hour: path.append(contentsOf: text[(dash + 7)..<(dash + 9)])
        case .minute: path.append(contentsOf: text[(dash + 10)..<(dash + 12)])
        }
    }
}

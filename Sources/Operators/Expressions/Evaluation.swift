import Glibc
import StreamRuntime

/// One byte a row: 1 for the rows that take part.
final class RowMask {
    let bytes: UnsafeMutablePointer<UInt8>
    let count: Int
    /// A mask that has every row of this one; nil for that of all rows.
    private let outer: RowMask?

    init(count: Int, filledWith byte: UInt8 = 1, within outer: RowMask? = nil) {
        self.count = count
        self.outer = outer
        bytes = .allocate(capacity: max(count, 1))
        memset(bytes, Int32(byte), count)
    }

    deinit { bytes.deallocate() }

    var isEmpty: Bool { memchr(bytes, 1, count) == nil }

    /// Whether it was made of `other`, so that every row of it is one of the other's.
    func isWithin(_ other: RowMask) -> Bool {
        var mask: RowMask? = self
        while let at = mask {
            if at === other { return true }
            mask = at.outer
        }
        return false
    }
}

/// The rows that failed so far while an expression is evaluated, with the first reason for each.
final class RowFailures {
    private let count: Int
    private var failed: RowMask?
    private(set) var reasons: [(row: Int, reason: String)] = []

    init(count: Int) { self.count = count }

    var hasAny: Bool { !reasons.isEmpty }

    func add(_ row: Int, _ reason: String) {
        let mask = failed ?? RowMask(count: count, filledWith: 0)
        failed = mask
        guard mask.bytes[row] == 0 else { return }
        mask.bytes[row] = 1
        reasons.append((row, reason))
    }

    /// Lists the failures, ascending by row, and gives the result with those rows null.
    func report(
        as text: String, errors: inout RejectedRows, nulling result: Column
    ) -> Column {
        for failure in reasons.sorted(by: { $0.row < $1.row }) {
            errors.append(row: failure.row, column: text, reason: failure.reason)
        }
        return nulling(result)
    }

    /// `result` with the failed rows null.
    func nulling(_ result: Column) -> Column {
        guard let failed else { return result }
        let copy = result.copied()
        let validity = copy.ensureValidity()
        for row in 0..<count where failed.bytes[row] != 0 { validity[row] = 0 }
        return copy
    }
}

/// What a node is evaluated on: a batch, and which of its rows matter.
///
/// - Note: a node computes values for every row it likes, but reports failures of the rows of `mask`
///   only; values of other rows are never looked at.
struct Evaluation {
    let batch: ColumnBatch?
    let count: Int
    /// Nil when every row matters.
    let mask: RowMask?
    let failures: RowFailures
    /// The values of the parameters of the lambdas around the node.
    var parameters: [Column] = []
    /// What expressions that stand in several places came to.
    var shared = SharedValues()

    func masked(_ mask: RowMask?) -> Evaluation {
        Evaluation(
            batch: batch, count: count, mask: mask, failures: failures, parameters: parameters,
            shared: shared)
    }

    @inline(__always) func isActive(_ row: Int) -> Bool {
        guard let mask else { return true }
        return mask.bytes[row] != 0
    }

    /// The rows of the mask for which `truth`, a bool column, is true (or is not false, if `orNull`).
    func narrowed(to truth: Column, orNull: Bool = false) -> RowMask {
        let result = RowMask(count: count, within: mask)
        let bytes = result.bytes
        let truths = truth.bools
        memcpy(bytes, truths, count)
        if let validity = truth.validity {
            var row = 0
            if orNull {
                while row < count {
                    bytes[row] |= validity[row] ^ 1
                    row &+= 1
                }
            } else {
                while row < count {
                    bytes[row] &= validity[row]
                    row &+= 1
                }
            }
        }
        if let mask = mask?.bytes { Validity.and(bytes, mask, count) }
        return result
    }

    /// The rows of the mask that are not in `other`.
    func excluding(_ other: RowMask) -> RowMask {
        let result = RowMask(count: count, within: mask)
        let bytes = result.bytes
        let others = other.bytes
        var row = 0
        while row < count {
            bytes[row] = others[row] ^ 1
            row &+= 1
        }
        if let mask = mask?.bytes { Validity.and(bytes, mask, count) }
        return result
    }
}

/// Loops over validity bytes.
enum Validity {
    /// Keeps in `target` what is in `other` too.
    @inline(__always)
    static func and(
        _ target: UnsafeMutablePointer<UInt8>, _ other: UnsafePointer<UInt8>, _ count: Int
    ) {
        var row = 0
        while row < count {
            target[row] &= other[row]
            row &+= 1
        }
    }

    /// Gives `result` the rows that are valid in every one of `inputs`.
    static func merge(_ inputs: [Column], into result: Column, count: Int) {
        for input in inputs {
            guard let validity = input.validity else { continue }
            if let mine = result.validity {
                and(mine, validity, count)
            } else {
                memcpy(result.ensureValidity(), validity, count)
            }
        }
    }
}

extension Column {
    /// The same rows in values of their own; arenas and elements are shared.
    func copied() -> Column {
        let result = Column(type, capacity: count, arena: arena, children: children)
        memcpy(result.values, values, count * type.stride)
        if let validity { memcpy(result.ensureValidity(), validity, count) }
        result.setCount(count)
        return result
    }

    /// A column of `rows` rows that all are this column's row 0; memory of strings and lists is shared.
    func spread(_ rows: Int) -> Column {
        let result = Column(
            type, capacity: rows, arena: arena,
            children: type.stride == 0 ? children.map { $0.spread(rows) } : children)
        switch type.stride {
        case 1: memset(result.values, Int32(bools[0]), rows)
        case 8:
            let value = int64s[0]
            let target = result.int64s
            var row = 0
            while row < rows {
                target[row] = value
                row &+= 1
            }
        case 16:
            let value = decimals[0]
            let target = result.decimals
            var row = 0
            while row < rows {
                target[row] = value
                row &+= 1
            }
        default: break
        }
        if !isValid(0) { memset(result.ensureValidity(), 0, rows) }
        result.setCount(rows)
        return result
    }
}

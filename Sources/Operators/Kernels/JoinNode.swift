import Glibc
import StreamRuntime

/// Texts one after the other; null where one of them is.
final class JoinNode: ExpressionNode {
    init(_ parts: [ExpressionNode], type: ColumnType) {
        super.init(type: type, children: parts)
    }

    override func evaluate(_ evaluation: Evaluation) -> Column {
        let count = evaluation.count
        let parts = children.map { $0.operand(evaluation) }
        let result = Column(type, capacity: count)
        for part in parts where part.isConstant && !part.column.isValid(0) {
            memset(result.ensureValidity(), 0, count)
        }
        Validity.merge(
            parts.filter { !$0.isConstant }.map(\.column), into: result, count: count)
        guard let arena = result.arena else { preconditionFailure("strings have an arena") }
        let views = result.views
        lengths(parts, into: views, count, validity: result.validity)
        // Where each row's next part goes.
        let ends = UnsafeMutablePointer<Int>.allocate(capacity: max(count, 1))
        defer { ends.deallocate() }
        var total = 0
        var row = 0
        while row < count {
            let length = Int(views[row])
            views[row] = ByteView.pack(start: total, length: length)
            ends[row] = total
            total &+= length
            row &+= 1
        }
        arena.reserve(total)
        let target = arena.base
        for part in parts {
            guard let source = part.column.arena else {
                preconditionFailure("strings have an arena")
            }
            copy(part, UnsafePointer(source.base), target, ends, count, validity: result.validity)
        }
        arena.count = total
        result.setCount(count)
        return result
    }

    /// The length of each row's text; 0 for a null.
    private func lengths(
        _ parts: [(column: Column, isConstant: Bool)], into target: UnsafeMutablePointer<UInt64>,
        _ count: Int, validity: UnsafePointer<UInt8>?
    ) {
        memset(target, 0, count * 8)
        for part in parts {
            let views = part.column.views
            var row = 0
            while row < count {
                target[row] &+= views[part.isConstant ? 0 : row] &>> 32
                row &+= 1
            }
        }
        guard let validity else { return }
        var row = 0
        while row < count {
            target[row] &*= UInt64(validity[row])
            row &+= 1
        }
    }

    private func copy(
        _ part: (column: Column, isConstant: Bool), _ source: UnsafePointer<UInt8>,
        _ target: UnsafeMutablePointer<UInt8>, _ ends: UnsafeMutablePointer<Int>, _ count: Int,
        validity: UnsafePointer<UInt8>?
    ) {
        let views = part.column.views
        var row = 0
        while row < count {
            if validity == nil || validity.unsafelyUnwrapped[row] != 0 {
                let view = views[part.isConstant ? 0 : row]
                let length = ByteView.length(view)
                memcpy(target + ends[row], source + ByteView.start(view), length)
                ends[row] &+= length
            }
            row &+= 1
        }
    }
}

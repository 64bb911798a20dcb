import Glibc

extension Column {
    /// A new column of the rows at `rows`, in that order. Arenas and list elements are shared, so a
    /// string row costs eight bytes.
    public func gathered(_ rows: UnsafePointer<Int32>, count picked: Int) -> Column {
        let result = Column(viewing: self, capacity: picked)
        switch type.stride {
        case 1: pick(UInt8.self, rows, picked, into: result)
        case 8: pick(UInt64.self, rows, picked, into: result)
        case 16: pick(Int128.self, rows, picked, into: result)
        default:
            result.children = children.map { $0.gathered(rows, count: picked) }
        }
        if let validity {
            let made = UnsafeMutablePointer<UInt8>.allocate(capacity: result.capacity)
            var row = 0
            while row < picked {
                made[row] = validity[Int(rows[row])]
                row &+= 1
            }
            result.validity = made
        }
        result.count = picked
        return result
    }

    private convenience init(viewing other: Column, capacity: Int) {
        self.init(sharing: other.type, capacity: capacity, arena: other.arena)
        if case .list = other.type { children = other.children }
    }

    private convenience init(sharing type: ColumnType, capacity: Int, arena: ByteArena?) {
        self.init(bare: type, capacity: capacity)
        self.arena = arena
    }

    private func pick<Value>(
        _: Value.Type, _ rows: UnsafePointer<Int32>, _ picked: Int, into result: Column
    ) {
        let from = values.assumingMemoryBound(to: Value.self)
        let to = result.values.assumingMemoryBound(to: Value.self)
        var row = 0
        while row < picked {
            to[row] = from[Int(rows[row])]
            row &+= 1
        }
    }

    /// Appends row `row` of `other`, bytes and elements copied.
    ///
    /// - Precondition: both columns have the same type.
    public func append(from other: Column, row: Int) {
        guard other.isValid(row) else { return appendNull() }
        switch type {
        case .bool, .int64, .float64, .timestamp, .date, .decimal, .interval:
            reserve(1)
            let stride = type.stride
            memcpy(values + count * stride, other.values + row * stride, stride)
            if let validity { validity[count] = 1 }
            count += 1
        case .string, .bytes: append(other.bytes(row))
        case .list:
            let view = other.views[row]
            let start = children[0].count
            let from = ByteView.start(view)
            for element in from..<(from + ByteView.length(view)) {
                children[0].append(from: other.children[0], row: element)
            }
            appendList(from: start)
        case .structure:
            for (child, source) in zip(children, other.children) {
                child.append(from: source, row: row)
            }
            appendStructure()
        }
    }

    /// Appends every row of `other`, bytes and elements copied.
    public func append(contentsOf other: Column) {
        reserve(other.count)
        switch type {
        case .bool, .int64, .float64, .timestamp, .date, .decimal, .interval:
            if other.validity != nil || validity != nil {
                let mine = ensureValidity()
                if let theirs = other.validity {
                    memcpy(mine + count, theirs, other.count)
                } else {
                    memset(mine + count, 1, other.count)
                }
            }
            memcpy(values + count * type.stride, other.values, other.count * type.stride)
            count += other.count
        default:
            for row in 0..<other.count { append(from: other, row: row) }
        }
    }
}

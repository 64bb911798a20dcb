import StreamRuntime

/// Conversions between types.
enum CastKernels {
    /// Whether a cast from one type to another can be written.
    static func isAllowed(_ from: ColumnType, _ to: ColumnType) -> Bool {
        if from == to { return true }
        switch (from, to) {
        case (_, .string): return true
        case (.string, .list), (.string, .structure): return false
        case (.string, _): return true
        case (.bool, .int64), (.bool, .float64), (.bool, .decimal): return true
        case (.int64, .bool), (.float64, .bool), (.decimal, .bool): return true
        case (let from, let to) where from.isNumeric && to.isNumeric: return true
        case (.date, .timestamp), (.timestamp, .date): return true
        case (.list(let from), .list(let to)): return isAllowed(from, to)
        case (.structure(let from), .structure(let to)):
            return from.count == to.count
                && zip(from, to).allSatisfy { isAllowed($0.type, $1.type) }
        default: return false
        }
    }

    /// Whether some value of `from` has no exact or no value at all in `to`.
    static func canFail(_ from: ColumnType, _ to: ColumnType) -> Bool {
        switch (from, to) {
        case (_, .string), (_, .float64): return from == .string && to == .float64
        case (.bool, _), (.int64, .bool), (.float64, .bool), (.decimal, .bool): return false
        case (.timestamp, .date), (.date, .timestamp): return false
        case (.int64, .decimal(let precision, let scale)): return precision - scale < 19
        case (.decimal(let fromPrecision, let fromScale), .decimal(let precision, let scale)):
            return precision - scale < fromPrecision - fromScale
                || (scale < fromScale && precision - scale <= fromPrecision - fromScale)
        case (.list(let from), .list(let to)): return canFail(from, to)
        default: return true
        }
    }

    /// A node that gives `node`'s values in `type`.
    static func node(_ node: ExpressionNode, as type: ColumnType) -> ExpressionNode {
        guard node.type != type else { return node }
        return KernelNode(type: type, [node], canFail: canFail(node.type, type)) { call in
            cast(call.arguments[0], to: type, call)
        }.folded
    }

    /// A node that gives `node`'s values in `type`, and null where one has none; a row that fails in `node`
    /// still fails.
    static func attempt(_ node: ExpressionNode, as type: ColumnType) -> ExpressionNode {
        guard node.type != type else { return node }
        return KernelNode(type: type, [node], canFail: false) { call in
            let failures = RowFailures(count: call.count)
            let inner = Evaluation(
                batch: call.evaluation.batch, count: call.count, mask: call.evaluation.mask,
                failures: failures, parameters: call.evaluation.parameters)
            return failures.nulling(
                cast(
                    call.arguments[0], to: type,
                    KernelCall(
                        arguments: call.arguments, count: call.count, type: type, evaluation: inner)
                ))
        }.folded
    }

    static func cast(_ source: Column, to type: ColumnType, _ call: KernelCall) -> Column {
        if source.type == type { return source }
        switch (source.type, type) {
        case (_, .string): return text(source, call)
        case (.string, .bytes): return blob(source, call)
        case (.string, _): return parsed(source, type, call)
        case (.list(let from), .list(let to)): return list(source, from, to, call)
        case (.structure, .structure(let fields)): return structure(source, fields, type, call)
        default: return number(source, type, call)
        }
    }

    private static func failure(_ source: Column, _ row: Int, _ type: ColumnType) -> String {
        var text = source.valueText(row)
        if text.count > 40 { text = text.prefix(37) + "..." }
        if source.type == .string { text = "'\(text)'" }
        switch source.type {
        case .string: return "\(text) is not a valid \(type)"
        default: return "\(text) is out of the range of \(type)"
        }
    }

    private static func text(_ source: Column, _ call: KernelCall) -> Column {
        let (result, live) = call.result(.string)
        guard let arena = result.arena else { preconditionFailure("strings have an arena") }
        var bytes: [UInt8] = []
        for row in 0..<call.count {
            guard live[row] != 0 else {
                result.views[row] = 0
                continue
            }
            bytes.removeAll(keepingCapacity: true)
            source.appendValueText(row, to: &bytes)
            bytes.withUnsafeBufferPointer { bytes in
                result.views[row] = bytes.baseAddress.map { arena.append($0, bytes.count) } ?? 0
            }
        }
        return result
    }

    private static func blob(_ source: Column, _ call: KernelCall) -> Column {
        let (result, live) = call.result(.bytes)
        guard let arena = result.arena else { preconditionFailure("bytes have an arena") }
        for row in 0..<call.count {
            result.views[row] = 0
            guard live[row] != 0 else { continue }
            let bytes = source.bytes(row)
            let start = arena.count
            arena.reserve(bytes.count)
            var at = 0
            while at < bytes.count {
                var byte = bytes[at]
                if byte == UInt8(ascii: "\\") {
                    guard at + 3 < bytes.count, bytes[at + 1] == UInt8(ascii: "x"),
                        let high = hexDigit(bytes[at + 2]), let low = hexDigit(bytes[at + 3])
                    else {
                        call.fail(row, live, failure(source, row, .bytes))
                        break
                    }
                    byte = high << 4 | low
                    at += 3
                }
                arena.base[arena.count] = byte
                arena.count += 1
                at += 1
            }
            result.views[row] = ByteView.pack(start: start, length: arena.count - start)
        }
        return result
    }

    static func hexDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 48...57: byte - 48
        case 65...70: byte - 55
        case 97...102: byte - 87
        default: nil
        }
    }

    private static func parsed(
        _ source: Column, _ type: ColumnType, _ call: KernelCall
    ) -> Column {
        let (result, live) = call.result(type)
        for row in 0..<call.count where live[row] != 0 {
            if !parse(source.bytes(row), into: result, row) {
                call.fail(row, live, failure(source, row, type))
            }
        }
        return result
    }

    private static func parse(
        _ bytes: UnsafeBufferPointer<UInt8>, into result: Column, _ row: Int
    ) -> Bool {
        switch result.type {
        case .bool:
            guard let value = NumberText.bool(bytes) else { return false }
            result.bools[row] = value ? 1 : 0
        case .int64:
            guard let value = NumberText.int64(bytes) else { return false }
            result.int64s[row] = value
        case .float64:
            guard let value = NumberText.double(bytes) else { return false }
            result.float64s[row] = value
        case .decimal(let precision, let scale):
            guard let value = NumberText.decimal(bytes, scale: scale),
                value.magnitude < Decimals.powers[precision].magnitude
            else { return false }
            result.decimals[row] = value
        case .timestamp:
            guard let value = TimeText.timestamp(bytes) else { return false }
            result.int64s[row] = value
        case .date:
            guard let value = TimeText.date(bytes) else { return false }
            result.int64s[row] = value
        case .interval:
            guard let value = IntervalText.parse(bytes) else { return false }
            result.intervals[row] = value
        default: return false
        }
        return true
    }

    private static func number(
        _ source: Column, _ type: ColumnType, _ call: KernelCall
    ) -> Column {
        if let widened = WideningKernels.widened(source, type, call) { return widened }
        let (result, live) = call.result(type)
        let limit: Int128
        var scale = 0
        if case .decimal(let precision, let digits) = type {
            limit = Decimals.powers[precision]
            scale = digits
        } else {
            limit = .max
        }
        for row in 0..<call.count where live[row] != 0 {
            var fits = true
            switch (source.type, type) {
            case (.bool, .int64): result.int64s[row] = Int64(source.bools[row])
            case (.bool, .float64): result.float64s[row] = Double(source.bools[row])
            case (.bool, .decimal):
                result.decimals[row] = Int128(source.bools[row]) * Decimals.powers[scale]
                fits = result.decimals[row] < limit
            case (.int64, .bool): result.bools[row] = source.int64s[row] != 0 ? 1 : 0
            case (.float64, .bool): result.bools[row] = source.float64s[row] != 0 ? 1 : 0
            case (.decimal, .bool): result.bools[row] = source.decimals[row] != 0 ? 1 : 0
            case (.int64, .float64): result.float64s[row] = Double(source.int64s[row])
            case (.int64, .decimal):
                let (value, overflow) = Int128(source.int64s[row])
                    .multipliedReportingOverflow(by: Decimals.powers[scale])
                result.decimals[row] = value
                fits = !overflow && value.magnitude < limit.magnitude
            case (.float64, .int64):
                let value = source.float64s[row].rounded(.toNearestOrEven)
                fits = value >= -0x1p63 && value < 0x1p63
                result.int64s[row] = fits ? Int64(value) : 0
            case (.float64, .decimal):
                let value = (source.float64s[row] * Double(Decimals.powers[scale])).rounded()
                fits = value.magnitude < Double(limit)
                result.decimals[row] = fits ? Int128(value) : 0
            case (.decimal(_, let from), .int64):
                let value = Decimals.rounded(
                    source.decimals[row], droppingDigits: Decimals.powers[from])
                fits = value >= Int128(Int64.min) && value <= Int128(Int64.max)
                result.int64s[row] = Int64(truncatingIfNeeded: value)
            case (.decimal(_, let from), .float64):
                result.float64s[row] = Decimals.double(source.decimals[row], scale: from)
            case (.decimal(_, let from), .decimal):
                fits = rescale(source.decimals[row], from, scale, limit, &result.decimals[row])
            case (.date, .timestamp):
                let (value, overflow) = source.int64s[row]
                    .multipliedReportingOverflow(by: CivilDate.microsPerDay)
                result.int64s[row] = value
                fits = !overflow
            case (.timestamp, .date):
                result.int64s[row] = CivilDate.day(ofMicros: source.int64s[row])
            default: preconditionFailure("the binder allows only casts there are")
            }
            if !fits { call.fail(row, live, failure(source, row, type)) }
        }
        return result
    }

    @inline(__always)
    private static func rescale(
        _ value: Int128, _ from: Int, _ to: Int, _ limit: Int128, _ target: inout Int128
    ) -> Bool {
        if to >= from {
            let (scaled, overflow) = value.multipliedReportingOverflow(
                by: Decimals.powers[to - from])
            target = scaled
            return !overflow && scaled.magnitude < limit.magnitude
        }
        target = Decimals.rounded(value, droppingDigits: Decimals.powers[from - to])
        return target.magnitude < limit.magnitude
    }

    private static func list(
        _ source: Column, _ from: ColumnType, _ to: ColumnType, _ call: KernelCall
    ) -> Column {
        // Elements are cast on their own; a failing element fails the rows whose list holds it.
        let failures = RowFailures(count: source.children[0].count)
        let elements = source.children[0]
        let inner = Evaluation(
            batch: nil, count: elements.count, mask: nil, failures: failures)
        let values = cast(
            elements, to: to,
            KernelCall(arguments: [elements], count: elements.count, type: to, evaluation: inner))
        let result = Column(.list(to), capacity: call.count, arena: nil, children: [values])
        let live = result.ensureValidity()
        Validity.merge([source], into: result, count: call.count)
        for row in 0..<call.count { result.views[row] = source.views[row] }
        result.setCount(call.count)
        guard failures.hasAny else { return result }
        var reasons: [Int: String] = [:]
        for failure in failures.reasons { reasons[failure.row] = failure.reason }
        for row in 0..<call.count where live[row] != 0 && call.evaluation.isActive(row) {
            let start = ByteView.start(source.views[row])
            for element in start..<(start + ByteView.length(source.views[row])) {
                if let reason = reasons[element] { call.fail(row, live, reason) }
            }
        }
        return result
    }

    private static func structure(
        _ source: Column, _ fields: [Field], _ type: ColumnType, _ call: KernelCall
    ) -> Column {
        let children = zip(source.children, fields).map { child, field in
            cast(
                child, to: field.type,
                KernelCall(
                    arguments: [child], count: call.count, type: field.type,
                    evaluation: call.evaluation))
        }
        let result = Column(type, capacity: call.count, arena: nil, children: children)
        Validity.merge([source], into: result, count: call.count)
        result.setCount(call.count)
        return result
    }
}

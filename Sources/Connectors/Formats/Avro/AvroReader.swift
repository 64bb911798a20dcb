import StreamRuntime

/// Runs a program over records: reads their values into the columns of a batch.
///
/// - Note: bound to the columns of one batch at a time; used by one thread.
final class AvroReader {
    let program: AvroProgram
    private var columns: [Column] = []
    private let text: RecordText
    private static let depthMax = 64

    /// A reader into `columns`, whose texts are views into the arena of `text`.
    init(_ program: AvroProgram, into columns: [Column], text: RecordText) {
        self.program = program
        self.text = text
        for slot in program.slots {
            self.columns.append(
                slot.parent < 0
                    ? columns[slot.index] : self.columns[slot.parent].children[slot.index])
        }
    }

    /// Appends the row of the record at `start` of the text.
    ///
    /// - Throws: when the bytes are no such record or a value does not fit; the columns then hold parts
    ///   of a row, which must be cut off.
    /// - Returns: where the record ends.
    @discardableResult
    func append(start: Int, length: Int, row: Int) throws(ValueProblem) -> Int {
        var cursor = AvroCursor(UnsafePointer(text.arena.base), start: start, length: length)
        try run(program.root, &cursor, 0)
        for (index, (_, field)) in program.fields.enumerated() {
            let column = columns[index]
            if column.count == row { column.appendNull() }
            if field.isRequired, !column.isValid(row) {
                throw ValueProblem("is missing", field: field.name)
            }
        }
        return cursor.at
    }

    /// The columns of its fields.
    var batchColumns: [Column] { Array(columns.prefix(program.fields.count)) }

    /// Where the member `name` of the record at `start` begins.
    func start(of name: String, start: Int, length: Int) throws(ValueProblem) -> Int {
        var cursor = AvroCursor(UnsafePointer(text.arena.base), start: start, length: length)
        guard case .record(let members) = program.schema.nodes[program.schema.root].kind else {
            throw ValueProblem("is no record")
        }
        for member in members {
            if member.name == name { return cursor.at }
            try run(program.skip(member.type), &cursor, 0)
        }
        throw ValueProblem("has no member \"\(name)\"")
    }

    /// Whether the value at `start` is one, and not the null of a union.
    func isPresent(start: Int, length: Int) throws(ValueProblem) -> Bool {
        let node = program.schema.nodes[program.start]
        guard case .union(let branches) = node.kind else { return node.kind != .null }
        var cursor = AvroCursor(UnsafePointer(text.arena.base), start: start, length: length)
        let branch = try cursor.long()
        guard branch >= 0, branch < Int64(branches.count) else { return true }
        return program.schema.nodes[branches[Int(branch)]].kind != .null
    }

    /// Appends a row without any value.
    func appendMissing(row: Int) throws(ValueProblem) {
        for (index, (_, field)) in program.fields.enumerated() {
            guard !field.isRequired else { throw ValueProblem("is missing", field: field.name) }
            if columns[index].count == row { columns[index].appendNull() }
        }
    }

    private func below(_ operation: AvroOperation, _ index: Int) -> Int {
        program.links[operation.first &+ index]
    }

    private func run(
        _ number: Int, _ cursor: inout AvroCursor, _ depth: Int
    ) throws(ValueProblem) {
        let operation = program.operations[number]
        switch operation.action {
        case .nothing: return
        case .skipNumber: _ = try cursor.long()
        case .skipBytes: _ = try cursor.take(try cursor.length())
        case .skipFixed: _ = try cursor.take(operation.number)
        case .boolean:
            let byte = cursor.base[try cursor.take(1)]
            guard byte < 2 else { throw problem(operation, "is neither true nor false") }
            columns[operation.slot].append(byte == 1)
        case .long: columns[operation.slot].append(try cursor.long())
        case .longToDouble: columns[operation.slot].append(Double(try cursor.long()))
        case .float:
            columns[operation.slot].append(Double(Float(bitPattern: try cursor.word32())))
        case .double: columns[operation.slot].append(Double(bitPattern: try cursor.word64()))
        case .text:
            let length = try cursor.length()
            let start = try cursor.take(length)
            guard isUTF8(cursor.base + start, length) else {
                throw problem(operation, "is not UTF-8")
            }
            columns[operation.slot].append(view: ByteView.pack(start: start, length: length))
        case .bytes:
            let length = try cursor.length()
            let start = try cursor.take(length)
            columns[operation.slot].append(view: ByteView.pack(start: start, length: length))
        case .null: columns[operation.slot].appendNull()
        case .timestamp:
            let written = try cursor.long()
            columns[operation.slot].append(try timestamp(written, operation))
        default:
            guard depth < AvroReader.depthMax else {
                throw ValueProblem("values lie more than \(AvroReader.depthMax) deep in each other")
            }
            try runNested(operation, &cursor, depth &+ 1)
        }
    }

    private func runNested(
        _ operation: AvroOperation, _ cursor: inout AvroCursor, _ depth: Int
    ) throws(ValueProblem) {
        switch operation.action {
        case .record:
            var index = 0
            while index < operation.count {
                try run(below(operation, index), &cursor, depth)
                index &+= 1
            }
        case .union:
            let branch = try cursor.long()
            guard branch >= 0, branch < Int64(operation.count) else {
                throw ValueProblem(
                    "a union has \(operation.count) branches, and no number \(branch)")
            }
            try run(below(operation, Int(branch)), &cursor, depth)
        case .again:
            // Only the place: where the bytes are may change on the way.
            let (at, elements) = (cursor.at, cursor.elements)
            for index in 0..<operation.count {
                cursor.at = at
                cursor.elements = elements
                try run(below(operation, index), &cursor, depth)
            }
        case .skipArray:
            while true {
                let count = try cursor.block()
                if count == 0 { return }
                for _ in 0..<count { try run(below(operation, 0), &cursor, depth) }
            }
        case .skipMap:
            while true {
                let count = try cursor.block()
                if count == 0 { return }
                for _ in 0..<count {
                    _ = try cursor.take(try cursor.length())
                    try run(below(operation, 0), &cursor, depth)
                }
            }
        case .list: try readList(operation, &cursor, depth)
        case .mapList: try readMap(operation, &cursor, depth)
        case .structure: try readStructure(operation, &cursor, depth)
        default: try runRare(operation, &cursor)
        }
    }

    private func readList(
        _ operation: AvroOperation, _ cursor: inout AvroCursor, _ depth: Int
    ) throws(ValueProblem) {
        let start = columns[operation.number].count
        while true {
            let count = try cursor.block()
            if count == 0 { break }
            for _ in 0..<count { try run(below(operation, 0), &cursor, depth) }
        }
        columns[operation.slot].appendList(from: start)
    }

    private func readMap(
        _ operation: AvroOperation, _ cursor: inout AvroCursor, _ depth: Int
    ) throws(ValueProblem) {
        let pairs = columns[operation.number]
        let start = pairs.count
        while true {
            let count = try cursor.block()
            if count == 0 { break }
            for _ in 0..<count {
                try run(below(operation, 0), &cursor, depth)
                try run(below(operation, 1), &cursor, depth)
                pairs.appendStructure()
            }
        }
        columns[operation.slot].appendList(from: start)
    }

    private func readStructure(
        _ operation: AvroOperation, _ cursor: inout AvroCursor, _ depth: Int
    ) throws(ValueProblem) {
        let column = columns[operation.slot]
        let row = column.count
        for index in 0..<operation.count { try run(below(operation, index), &cursor, depth) }
        // Members that the writer does not have.
        for index in operation.number..<(operation.number + operation.precision)
        where columns[index].count == row { columns[index].appendNull() }
        column.appendStructure()
    }

    // MARK: single values

    private func runRare(
        _ operation: AvroOperation, _ cursor: inout AvroCursor
    ) throws(ValueProblem) {
        switch operation.action {
        case .longToDecimal:
            let written = Int128(try cursor.long())
            columns[operation.slot].append(try decimal(written, operation))
        case .decimalBytes:
            let length = try cursor.length()
            let unscaled = try integer(cursor.base + cursor.take(length), length, operation)
            columns[operation.slot].append(try decimal(unscaled, operation))
        case .decimalFixed:
            let length = program.operations[below(operation, 0)].number
            let unscaled = try integer(cursor.base + cursor.take(length), length, operation)
            columns[operation.slot].append(try decimal(unscaled, operation))
        case .fixed:
            let start = try cursor.take(operation.number)
            columns[operation.slot].append(
                view: ByteView.pack(start: start, length: operation.number))
        case .date:
            let days = try cursor.long()
            guard days >= TimeText.dateMin, days <= TimeText.dateMax else {
                throw problem(operation, "\(days) is outside the years 0001 to 9999")
            }
            columns[operation.slot].append(days)
        case .dateToTimestamp:
            let days = try cursor.long()
            guard days >= TimeText.dateMin, days <= TimeText.dateMax else {
                throw problem(operation, "\(days) is outside the years 0001 to 9999")
            }
            columns[operation.slot].append(days * 86_400_000_000)
        case .symbol:
            let symbol = try cursor.long()
            guard symbol >= 0, symbol < Int64(operation.precision) else {
                throw problem(operation, "the enum has no symbol of number \(symbol)")
            }
            append(Array(program.texts[operation.number + Int(symbol)].utf8), operation, &cursor)
        case .uuid:
            let start = try cursor.take(16)
            append(AvroReader.uuid(cursor.base + start), operation, &cursor)
        case .parsed:
            let length = try cursor.length()
            let start = try cursor.take(length)
            do throws(ValueProblem) {
                try TextValue.append(
                    cursor.base + start, length, unit: program.slots[operation.slot].unit,
                    named: true, to: columns[operation.slot])
            } catch { throw problem(operation, error.reason) }
        case .mismatch: throw problem(operation, program.texts[operation.number])
        default: preconditionFailure("every action is run")
        }
    }

    /// Appends text that is not in the record; the arena may move.
    private func append(
        _ made: [UInt8], _ operation: AvroOperation, _ cursor: inout AvroCursor
    ) {
        text.makeRoom(made.count)
        let arena = text.arena
        columns[operation.slot].arena = arena
        let view = made.withUnsafeBufferPointer { arena.append($0.baseAddress!, $0.count) }
        columns[operation.slot].append(view: view)
        var moved = AvroCursor(UnsafePointer(arena.base), start: cursor.at, length: cursor.left)
        moved.elements = cursor.elements
        cursor = moved
    }

    private static func uuid(_ bytes: UnsafePointer<UInt8>) -> [UInt8] {
        let digits = Array("0123456789abcdef".utf8)
        var made: [UInt8] = []
        for index in 0..<16 {
            if [4, 6, 8, 10].contains(index) { made.append(0x2D) }
            made += [digits[Int(bytes[index] >> 4)], digits[Int(bytes[index] & 15)]]
        }
        return made
    }

    /// A number of any length in two's complement, high bytes first.
    private func integer(
        _ bytes: UnsafePointer<UInt8>, _ length: Int, _ operation: AvroOperation
    ) throws(ValueProblem) -> Int128 {
        var value: Int128 = length > 0 && bytes[0] >= 0x80 ? -1 : 0
        let sign = UInt8(truncatingIfNeeded: value)
        for index in 0..<length {
            if length - index > 16 {
                // Bytes in front may only repeat the sign.
                guard bytes[index] == sign else { throw problem(operation, beyond(operation)) }
                continue
            }
            if length - index == 16, bytes[index] >= 0x80, value == 0 {
                throw problem(operation, beyond(operation))
            }
            if length - index == 16, bytes[index] < 0x80, value == -1 {
                throw problem(operation, beyond(operation))
            }
            value = value << 8 | Int128(bytes[index])
        }
        return value
    }

    private func beyond(_ operation: AvroOperation) -> String {
        "is beyond the range of \(program.slots[operation.slot].type)"
    }

    /// Moves the point of a number by `number` digits, exactly.
    private func decimal(
        _ written: Int128, _ operation: AvroOperation
    ) throws(ValueProblem) -> Int128 {
        var value = written
        var digits = operation.number
        while digits > 0, value != 0 {
            let (product, overflows) = value.multipliedReportingOverflow(by: 10)
            guard !overflows else { throw problem(operation, beyond(operation)) }
            value = product
            digits -= 1
        }
        while digits < 0, value != 0 {
            let (quotient, rest) = value.quotientAndRemainder(dividingBy: 10)
            guard rest == 0 else {
                throw problem(
                    operation,
                    "would have to be rounded to be \(program.slots[operation.slot].type)")
            }
            value = quotient
            digits += 1
        }
        var limit: Int128 = 1
        for _ in 0..<min(operation.precision, 38) { limit *= 10 }
        guard value < limit, value > -limit else {
            throw problem(operation, beyond(operation))
        }
        return value
    }

    private func timestamp(
        _ written: Int64, _ operation: AvroOperation
    ) throws(ValueProblem) -> Int64 {
        var micros = written
        var overflows = false
        switch operation.number {
        case 3: (micros, overflows) = written.multipliedReportingOverflow(by: 1000)
        case 6: (micros, overflows) = written.multipliedReportingOverflow(by: 1_000_000)
        case -3: micros = written / 1000 - (written % 1000 < 0 ? 1 : 0)
        default: break
        }
        guard !overflows, micros >= TimeText.timestampMin, micros <= TimeText.timestampMax else {
            throw problem(operation, "\(written) is outside the years 0001 to 9999")
        }
        return micros
    }

    private func problem(_ operation: AvroOperation, _ reason: String) -> ValueProblem {
        var slot = operation.slot
        guard slot >= 0 else { return ValueProblem(reason) }
        var names: [String] = []
        while slot >= program.fields.count {
            let parent = program.slots[slot].parent
            if case .structure(let fields) = program.slots[parent].type {
                names.insert(fields[program.slots[slot].index].name, at: 0)
            }
            slot = parent
        }
        names.insert(program.fields[slot].field.name, at: 0)
        return ValueProblem(reason, field: names.joined(separator: "."))
    }
}

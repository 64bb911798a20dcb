import StreamRuntime

extension FeastValue {
    /// Appends the Value that is `bytes` to `column`, as a value of the column's type.
    ///
    /// Numbers of another width are taken where nothing is lost (int32 for int64, float for double, a whole
    /// double for int64), and texts where Feast keeps text: json and uuid for string, text for decimal.
    /// - Throws: when the bytes are no Value, or one of another type; nothing was appended, except that a
    ///   list's elements may have been: clear the column then.
    public static func read(
        _ bytes: UnsafeBufferPointer<UInt8>, into column: Column
    ) throws(FeastProblem) {
        var reader = ProtoReader(bytes)
        var found: ProtoReader?
        while try reader.next() {
            if reader.number <= 48 { found = reader }
        }
        guard let found, found.number != 19 else { return column.appendNull() }
        if case .list(let element) = column.type {
            let start = column.children[0].count
            guard try readList(found, element, into: column.children[0]) else {
                throw mismatch(found.number, column.type)
            }
            return column.appendList(from: start)
        }
        guard try readScalar(found.number, found.word, found.body, into: column) else {
            throw mismatch(found.number, column.type)
        }
    }

    private static func mismatch(_ number: Int, _ type: ColumnType) -> FeastProblem {
        FeastProblem("\(names[number] ?? "a value of an unknown kind") where \(type) is declared")
    }

    private static let names: [Int: String] = [
        1: "bytes_val", 2: "string_val", 3: "int32_val", 4: "int64_val", 5: "double_val",
        6: "float_val", 7: "bool_val", 8: "unix_timestamp_val", 11: "bytes_list_val",
        12: "string_list_val", 13: "int32_list_val", 14: "int64_list_val", 15: "double_list_val",
        16: "float_list_val", 17: "bool_list_val", 18: "unix_timestamp_list_val", 20: "map_val",
        21: "map_list_val", 32: "json_val", 34: "struct_val", 42: "list_val", 43: "set_val",
        44: "decimal_val", 45: "decimal_list_val", 47: "scalar_map_val",
        48: "zoned_timestamp_val",
    ]

    /// Appends a scalar given as field `number`; false when the column's type does not take it.
    private static func readScalar(
        _ number: Int, _ word: UInt64, _ body: UnsafeBufferPointer<UInt8>, into column: Column
    ) throws(FeastProblem) -> Bool {
        let whole = Int64(bitPattern: word)
        switch (column.type, number) {
        case (.bool, 7): column.append(word != 0)
        case (.int64, 3), (.int64, 4), (.int64, 7), (.int64, 8): column.append(whole)
        case (.int64, 5), (.int64, 6):
            guard let exact = Int64(exactly: real(number, word)) else { return false }
            column.append(exact)
        case (.float64, 5), (.float64, 6): column.append(real(number, word))
        case (.float64, 3), (.float64, 4): column.append(Double(whole))
        case (.timestamp, 8), (.timestamp, 4), (.timestamp, 3):
            try append(seconds: whole, to: column)
        case (.timestamp, 48):
            var message = ProtoReader(body)
            var seconds: Int64 = 0
            while try message.next() {
                if message.number == 1 { seconds = Int64(bitPattern: message.word) }
            }
            try append(seconds: seconds, to: column)
        case (.date, 8), (.date, 4):
            column.append(whole / 86_400 - (whole % 86_400 < 0 ? 1 : 0))
        case (.date, 2):
            guard let days = CivilTime.days(body) else { return false }
            column.append(days)
        case (.decimal(let precision, let scale), 44), (.decimal(let precision, let scale), 2):
            column.append(try DecimalText.read(body, precision: precision, scale: scale))
        case (.decimal(let precision, let scale), 3), (.decimal(let precision, let scale), 4):
            column.append(try decimal("\(whole)", precision, scale))
        case (.decimal(let precision, let scale), 5), (.decimal(let precision, let scale), 6):
            column.append(try decimal("\(real(number, word))", precision, scale))
        case (.string, 2), (.string, 32), (.string, 36), (.string, 37), (.string, 44),
            (.bytes, 1), (.bytes, 2):
            column.append(body)
        default: return false
        }
        return true
    }

    private static func decimal(
        _ text: String, _ precision: Int, _ scale: Int
    ) throws(FeastProblem) -> Int128 {
        let result = Array(text.utf8).withUnsafeBufferPointer { bytes in
            Result { () throws(FeastProblem) -> Int128 in
                try DecimalText.read(bytes, precision: precision, scale: scale)
            }
        }
        return try result.get()
    }

    private static func append(seconds: Int64, to column: Column) throws(FeastProblem) {
        let (micros, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000)
        guard !overflow else { throw FeastProblem("a time beyond the year 294247") }
        column.append(micros)
    }

    private static func real(_ number: Int, _ word: UInt64) -> Double {
        number == 6
            ? Double(Float(bitPattern: UInt32(truncatingIfNeeded: word)))
            : Double(bitPattern: word)
    }

    /// The field of the elements of the list or set that is field `number`; nil when it is neither.
    private static func elementField(_ number: Int) -> Int? {
        switch number {
        case 11...18: number - 10
        case 22...29: number - 21
        case 33, 38...41, 45, 46: 2
        default: nil
        }
    }

    /// Appends the elements of a list or a set; false when they do not fit.
    private static func readList(
        _ found: ProtoReader, _ type: ColumnType, into elements: Column
    ) throws(FeastProblem) -> Bool {
        var message = ProtoReader(found.body)
        if found.number == 42 || found.number == 43 {
            while try message.next() {
                if message.number == 1 { try read(message.body, into: elements) }
            }
            return true
        }
        guard let field = elementField(found.number) else { return false }
        while try message.next() {
            guard message.number == 1 else { continue }
            if message.wire != .lengthDelimited || field <= 2 {
                guard try readScalar(field, message.word, message.body, into: elements) else {
                    return false
                }
                continue
            }
            var packed = ProtoReader(message.body)
            while let word = field == 5
                ? try packed.packedFixed(8)
                : field == 6 ? try packed.packedFixed(4) : try packed.packedVarint()
            {
                guard try readScalar(field, word, message.body, into: elements) else {
                    return false
                }
            }
        }
        return true
    }
}

/// Decimals as Python and SQL write them.
enum DecimalText {
    /// The unscaled value of `text` at `scale`.
    ///
    /// - Throws: when it is no number, or has digits that the type would lose.
    static func read(
        _ text: UnsafeBufferPointer<UInt8>, precision: Int, scale: Int
    ) throws(FeastProblem) -> Int128 {
        func fault() -> FeastProblem {
            FeastProblem(
                "\"\(String(decoding: text.prefix(64), as: UTF8.self))\" where "
                    + "decimal(\(precision),\(scale)) is declared")
        }
        var at = 0
        let isNegative = at < text.count && text[at] == 0x2D
        if at < text.count, text[at] == 0x2D || text[at] == 0x2B { at += 1 }
        var value: Int128 = 0
        var places = 0
        var digits = 0
        var hasPoint = false
        var exponent = 0
        while at < text.count {
            let byte = text[at]
            at += 1
            if byte == 0x2E, !hasPoint {
                hasPoint = true
            } else if byte &- 0x30 < 10 {
                digits += 1
                guard value < Int128.max / 10 - 9 else { throw fault() }
                value = value * 10 + Int128(byte - 0x30)
                if hasPoint { places += 1 }
            } else if byte | 0x20 == 0x65, digits > 0 {
                let rest = String(decoding: text[at...], as: UTF8.self)
                guard let power = Int(rest), abs(power) < 100 else { throw fault() }
                exponent = power
                at = text.count
            } else {
                throw fault()
            }
        }
        guard digits > 0 else { throw fault() }
        var shift = scale - places + exponent
        while shift < 0 {
            guard value % 10 == 0 else { throw fault() }
            value /= 10
            shift += 1
        }
        while shift > 0, value != 0 {
            guard value < Int128.max / 10 else { throw fault() }
            value *= 10
            shift -= 1
        }
        var limit: Int128 = 1
        for _ in 0..<min(precision, 38) { limit *= 10 }
        guard value < limit else { throw fault() }
        return isNegative ? -value : value
    }
}

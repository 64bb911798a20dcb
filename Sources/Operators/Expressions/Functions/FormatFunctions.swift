import Glibc
import StreamRuntime

/// `format` and `printf`.
enum FormatFunctions {
    static let all: [ScalarFunction] = [
        function(
            "format", "format(text, x, …)",
            "The text with each {} replaced by an argument; {1:>8.2f} names one and its shape.",
            "format('{} costs {:.2f}', 'tea', 2.5)", "tea costs 2.50", .braces),
        function(
            "printf", "printf(text, x, …)",
            "The text with each % specifier replaced by an argument.",
            "printf('%s: %05d', 'id', 42)", "id: 00042", .percents),
    ]

    /// Appends one row's text; the reason it returns says why it cannot.
    private static func write(
        _ known: TextFormat?, _ call: KernelCall, _ row: Int, _ style: TextFormat.Style,
        to arena: ByteArena
    ) -> String? {
        do throws(TextFormat.Misfit) {
            var format = known
            if format == nil {
                format = try TextFormat(Array(call.arguments[0].bytes(row)), style)
            }
            try format?.write(call.arguments[1...], row, to: arena)
            return nil
        } catch {
            return error.reason
        }
    }

    private static func function(
        _ name: String, _ signature: String, _ meaning: String, _ example: String,
        _ result: String, _ style: TextFormat.Style
    ) -> ScalarFunction {
        ScalarFunction(name, signature, meaning, example, result) {
            (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 1...100, signature)
            let text = try Coercion.implicit(
                arguments[0].node, as: .string, at: arguments[0].range)
            var nodes = [text]
            for argument in arguments.dropFirst() {
                switch argument.node.type {
                case .int64, .float64, .bool, .string:
                    let type = Coercion.common([argument.node]) ?? argument.node.type
                    let isNull = (argument.node as? ConstantNode)?.literal == .null
                    nodes.append(
                        try Coercion.implicit(
                            argument.node,
                            as: isNull ? .string : (type.isNumeric ? argument.node.type : type),
                            at: argument.range))
                case .decimal: nodes.append(CastKernels.node(argument.node, as: .float64))
                default: nodes.append(CastKernels.node(argument.node, as: .string))
                }
            }
            var known: TextFormat?
            if let constant = text as? ConstantNode, !constant.isNull {
                do throws(TextFormat.Misfit) {
                    known = try TextFormat(Array(constant.value.bytes(0)), style)
                } catch {
                    throw ExpressionError(error.reason, at: arguments[0].range)
                }
            }
            let constant = known
            return KernelNode(type: .string, nodes) { call in
                call.buildText { row, arena in
                    write(constant, call, row, style, to: arena)
                }
            }.folded
        }
    }
}

/// A text with places for values, read once.
///
/// - Source: the forms of Python's `str.format` and C's `printf`, as DuckDB takes them.
struct TextFormat {
    enum Style {
        case braces
        case percents
    }

    struct Misfit: Error {
        let reason: String
    }

    /// The shape of one value.
    struct Shape {
        var argument = 0
        var fill: UInt8 = 32
        /// `<`, `>`, `^` or nothing.
        var align: UInt8 = 0
        var plus: UInt8 = 0
        var isAlternate = false
        var isZeroFilled = false
        /// Whether the bits of a whole number are shown, not its sign.
        var isUnsigned = false
        var width = 0
        var precision = -1
        /// The mark between groups of three digits; 0 for none.
        var thousands: UInt8 = 0
        /// The letter that says how; 0 for what fits the value.
        var letter: UInt8 = 0
    }

    private enum Part {
        case text([UInt8])
        case value(Shape)
    }

    private var parts: [Part] = []

    init(_ bytes: [UInt8], _ style: Style) throws(Misfit) {
        switch style {
        case .braces: try readBraces(bytes)
        case .percents: try readPercents(bytes)
        }
    }

    private static let invalid = Misfit(reason: "the format is not valid")

    private mutating func readBraces(_ bytes: [UInt8]) throws(Misfit) {
        var text: [UInt8] = []
        var at = 0
        var next = 0
        while at < bytes.count {
            let byte = bytes[at]
            at += 1
            guard byte == UInt8(ascii: "{") || byte == UInt8(ascii: "}") else {
                text.append(byte)
                continue
            }
            if at < bytes.count, bytes[at] == byte {
                text.append(byte)
                at += 1
                continue
            }
            guard byte == UInt8(ascii: "{") else { throw TextFormat.invalid }
            guard let end = bytes[at...].firstIndex(of: UInt8(ascii: "}")) else {
                throw TextFormat.invalid
            }
            var reader = ShapeReader(Array(bytes[at..<end]))
            let index = reader.number()
            var shape = Shape()
            shape.argument = index ?? next
            if index == nil { next += 1 }
            if reader.accept(UInt8(ascii: ":")) { reader.readBraces(&shape) }
            guard reader.isAtEnd else { throw TextFormat.invalid }
            parts.append(.text(text))
            parts.append(.value(shape))
            text = []
            at = end + 1
        }
        parts.append(.text(text))
    }

    private mutating func readPercents(_ bytes: [UInt8]) throws(Misfit) {
        var text: [UInt8] = []
        var at = 0
        var next = 0
        while at < bytes.count {
            let byte = bytes[at]
            at += 1
            guard byte == UInt8(ascii: "%") else {
                text.append(byte)
                continue
            }
            if at < bytes.count, bytes[at] == byte {
                text.append(byte)
                at += 1
                continue
            }
            var reader = ShapeReader(bytes, at: at)
            var shape = Shape()
            let before = reader.at
            if let index = reader.number(), reader.accept(UInt8(ascii: "$")) {
                shape.argument = index - 1
            } else {
                reader.at = before
                shape.argument = next
                next += 1
            }
            reader.readPercents(&shape)
            guard shape.letter != 0 else { throw TextFormat.invalid }
            parts.append(.text(text))
            parts.append(.value(shape))
            text = []
            at = reader.at
        }
        parts.append(.text(text))
    }

    /// Appends the text with the values of one row.
    func write(_ values: ArraySlice<Column>, _ row: Int, to arena: ByteArena) throws(Misfit) {
        for part in parts {
            switch part {
            case .text(let bytes): for byte in bytes { arena.add(byte) }
            case .value(let shape):
                let index = values.startIndex + shape.argument
                guard shape.argument >= 0, index < values.endIndex else {
                    throw Misfit(reason: "the format has no argument \(shape.argument + 1)")
                }
                for byte in try shape.text(values[index], row) { arena.add(byte) }
            }
        }
    }
}

/// Reads the letters between a brace or percent sign and what ends it.
private struct ShapeReader {
    private let bytes: [UInt8]
    var at: Int

    init(_ bytes: [UInt8], at: Int = 0) {
        self.bytes = bytes
        self.at = at
    }

    var isAtEnd: Bool { at >= bytes.count }
    private func peek(_ ahead: Int = 0) -> UInt8 {
        at + ahead < bytes.count ? bytes[at + ahead] : 0
    }

    mutating func accept(_ byte: UInt8) -> Bool {
        guard peek() == byte else { return false }
        at += 1
        return true
    }

    mutating func number() -> Int? {
        var value: Int?
        while Lexer.isDigit(peek()), (value ?? 0) < 100_000 {
            value = (value ?? 0) * 10 + Int(peek() - 48)
            at += 1
        }
        return value
    }

    private func isAlign(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "<") || byte == UInt8(ascii: ">") || byte == UInt8(ascii: "^")
    }

    mutating func readBraces(_ shape: inout TextFormat.Shape) {
        if isAlign(peek(1)) {
            shape.fill = peek()
            shape.align = peek(1)
            at += 2
        } else if isAlign(peek()) {
            shape.align = peek()
            at += 1
        }
        if peek() == UInt8(ascii: "+") || peek() == 32 || peek() == UInt8(ascii: "-") {
            shape.plus = peek() == UInt8(ascii: "-") ? 0 : peek()
            at += 1
        }
        shape.isAlternate = accept(UInt8(ascii: "#"))
        shape.isZeroFilled = accept(UInt8(ascii: "0"))
        shape.width = number() ?? 0
        if accept(UInt8(ascii: ".")) { shape.precision = number() ?? 0 }
        readEnd(&shape)
    }

    mutating func readPercents(_ shape: inout TextFormat.Shape) {
        shape.align = UInt8(ascii: ">")
        shape.isUnsigned = true
        while true {
            switch peek() {
            case UInt8(ascii: "-"): shape.align = UInt8(ascii: "<")
            case UInt8(ascii: "+"), 32: shape.plus = peek()
            case UInt8(ascii: "#"): shape.isAlternate = true
            case UInt8(ascii: "0"): shape.isZeroFilled = true
            case UInt8(ascii: ","): shape.thousands = peek()
            default:
                shape.width = number() ?? 0
                if accept(UInt8(ascii: ".")) { shape.precision = number() ?? 0 }
                while peek() == UInt8(ascii: "l") || peek() == UInt8(ascii: "h") { at += 1 }
                return readEnd(&shape)
            }
            at += 1
        }
    }

    /// The mark between thousands and the letter.
    private mutating func readEnd(_ shape: inout TextFormat.Shape) {
        if peek() == UInt8(ascii: "t") {
            shape.thousands = peek(1)
            at += 2
        } else if [",", "_", "'"].contains(Unicode.Scalar(peek())) {
            shape.thousands = peek()
            at += 1
        }
        if peek() | 0x20 >= 97, peek() | 0x20 <= 122 {
            shape.letter = peek()
            at += 1
        }
    }
}

extension TextFormat.Shape {
    private func misfit(_ what: String) -> TextFormat.Misfit {
        TextFormat.Misfit(
            reason:
                "\"\(Character(Unicode.Scalar(letter)))\" in a format does not go with \(what)")
    }

    /// The value of a row in this shape.
    func text(_ column: Column, _ row: Int) throws(TextFormat.Misfit) -> [UInt8] {
        switch column.type {
        case .int64: return try whole(column.int64s[row])
        case .float64: return try double(column.float64s[row])
        case .bool:
            guard letter == 0 || letter == UInt8(ascii: "s") else {
                return try whole(Int64(column.bools[row]))
            }
            return padded(Array((column.bools[row] != 0 ? "true" : "false").utf8), "<")
        default:
            guard letter == 0 || letter == UInt8(ascii: "s") else { throw misfit("a text") }
            var bytes = column.bytes(row)
            if precision >= 0 {
                bytes = UnsafeBufferPointer(
                    rebasing: bytes[Characters.slice(bytes, 0..<precision)])
            }
            return padded(Array(bytes), "<")
        }
    }

    private func whole(_ value: Int64) throws(TextFormat.Misfit) -> [UInt8] {
        let radix: Int
        var prefix: [UInt8] = []
        switch Unicode.Scalar(letter) {
        case "\0", "d", "i", "u": radix = 10
        case "x", "X":
            radix = 16
            if isAlternate { prefix = [48, letter] }
        case "b", "B":
            radix = 2
            if isAlternate { prefix = [48, letter] }
        case "o":
            radix = 8
            if isAlternate { prefix = [48] }
        case "c":
            guard let small = UInt32(exactly: value), let scalar = Unicode.Scalar(small) else {
                throw misfit("the number \(value)")
            }
            return padded(Array(String(Character(scalar)).utf8), "<")
        default: throw misfit("a whole number")
        }
        let isCapital = letter == UInt8(ascii: "X")
        let showsBits = isUnsigned && (radix != 10 || letter == UInt8(ascii: "u"))
        let magnitude = showsBits ? UInt64(bitPattern: value) : value.magnitude
        var digits = Array(String(magnitude, radix: radix, uppercase: isCapital).utf8)
        if thousands != 0 { digits = grouped(digits) }
        return signed(value < 0 && !showsBits, prefix, digits)
    }

    private func double(_ value: Double) throws(TextFormat.Misfit) -> [UInt8] {
        var digits: [UInt8]
        switch Unicode.Scalar(letter) {
        case "\0" where precision < 0: digits = Array(ValueText.of(abs(value)).utf8)
        case "\0": digits = printed(abs(value), UInt8(ascii: "g"))
        case "e", "E", "f", "F", "g", "G": digits = printed(abs(value), letter)
        case "n": digits = printed(abs(value), UInt8(ascii: "g"))
        default: throw misfit("a floating-point number")
        }
        if thousands != 0 {
            let point = digits.firstIndex(of: UInt8(ascii: ".")) ?? digits.count
            digits = grouped(Array(digits[..<point])) + digits[point...]
        }
        return signed(value.sign == .minus && !value.isNaN, [], digits)
    }

    private func printed(_ value: Double, _ letter: UInt8) -> [UInt8] {
        let form = "%.*" + String(Character(Unicode.Scalar(letter)))
        var buffer = [CChar](repeating: 0, count: 400)
        let length = withVaList([Int32(precision < 0 ? 6 : precision), value]) {
            vsnprintf(&buffer, buffer.count, form, $0)
        }
        return buffer.prefix(min(Int(length), buffer.count - 1)).map { UInt8(bitPattern: $0) }
    }

    private func grouped(_ digits: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { result.append(thousands) }
            result.append(digit)
        }
        return result
    }

    private func signed(_ isNegative: Bool, _ prefix: [UInt8], _ digits: [UInt8]) -> [UInt8] {
        var head: [UInt8] = isNegative ? [UInt8(ascii: "-")] : (plus == 0 ? [] : [plus])
        head += prefix
        if isZeroFilled, align == 0 || align == UInt8(ascii: ">") {
            let zeros = max(0, width - head.count - digits.count)
            return head + [UInt8](repeating: 48, count: zeros) + digits
        }
        return padded(head + digits, ">")
    }

    private func padded(_ bytes: [UInt8], _ usual: Unicode.Scalar) -> [UInt8] {
        let characters = bytes.count { $0 & 0xC0 != 0x80 }
        let missing = max(0, width - characters)
        guard missing > 0 else { return bytes }
        let side = align == 0 ? UInt8(ascii: usual) : align
        let before =
            side == UInt8(ascii: "<") ? 0 : (side == UInt8(ascii: "^") ? missing / 2 : missing)
        return [UInt8](repeating: fill, count: before) + bytes
            + [UInt8](repeating: fill, count: missing - before)
    }
}

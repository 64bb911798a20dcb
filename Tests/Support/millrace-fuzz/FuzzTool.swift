import Glibc

/// Answers questions of the differential fuzzer in bulk: `millrace-fuzz expressions` or
/// `millrace-fuzz pipelines`, a question a line on standard input, answers on standard output.
@main
struct FuzzTool {
    static let usage = """
        usage: millrace-fuzz expressions | pipelines
        Reads questions from standard input, as scripts/fuzz writes them, and answers each.

        """

    static func main() {
        switch CommandLine.arguments.dropFirst().first {
        case "expressions": ExpressionCases().run()
        case "pipelines": PipelineCases.run()
        default:
            Cells.refuse(usage)
        }
        Cells.flush()
    }
}

/// Lines of cells apart by tabs, in which \t, \n and \\ are written so and \N has no value.
enum Cells {
    /// What is not written yet; one thread only asks and answers.
    private nonisolated(unsafe) static var waiting: [UInt8] = []

    static func flush() {
        var start = 0
        while start < waiting.count {
            let count = waiting[start...].withUnsafeBytes {
                Glibc.write(1, $0.baseAddress, $0.count)
            }
            guard count > 0 else { exit(1) }
            start += count
        }
        waiting.removeAll(keepingCapacity: true)
    }

    static func refuse(_ text: String) -> Never {
        let bytes = Array(text.utf8)
        _ = Glibc.write(2, bytes, bytes.count)
        exit(2)
    }

    static func read() -> [String?]? {
        guard let line = readLine() else { return nil }
        return line.split(separator: "\t", omittingEmptySubsequences: false).map(unescaped)
    }

    private static func unescaped(_ cell: Substring) -> String? {
        if cell == "\\N" { return nil }
        guard cell.utf8.contains(UInt8(ascii: "\\")) else { return String(cell) }
        var bytes: [UInt8] = []
        var isEscaped = false
        for byte in cell.utf8 {
            if isEscaped {
                switch byte {
                case UInt8(ascii: "t"): bytes.append(9)
                case UInt8(ascii: "n"): bytes.append(10)
                case UInt8(ascii: "r"): bytes.append(13)
                default: bytes.append(byte)
                }
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func write(_ cells: [String]) {
        for (index, cell) in cells.enumerated() {
            if index > 0 { waiting.append(9) }
            for byte in cell.utf8 {
                switch byte {
                case 9: waiting += [UInt8(ascii: "\\"), UInt8(ascii: "t")]
                case 10: waiting += [UInt8(ascii: "\\"), UInt8(ascii: "n")]
                case 13: waiting += [UInt8(ascii: "\\"), UInt8(ascii: "r")]
                case UInt8(ascii: "\\"): waiting += [byte, byte]
                default: waiting.append(byte)
                }
            }
        }
        waiting.append(10)
        if waiting.count > 1 << 16 { flush() }
    }
}

/// A pipelines file as it was read: its name and its lines, for messages that quote them.
struct SourceText: Sendable {
    let file: String
    let text: String
    private let lines: [[Unicode.Scalar]]

    init(file: String, text: String) {
        self.file = file
        self.text = text
        var lines: [[Unicode.Scalar]] = [[]]
        for scalar in text.unicodeScalars where scalar != "\r" {
            if scalar == "\n" {
                lines.append([])
            } else {
                lines[lines.count - 1].append(scalar)
            }
        }
        self.lines = lines
    }

    var lineCount: Int { lines.count }

    /// The scalars of line `number`, counted from 1, without its end; empty beyond the file.
    func line(_ number: Int) -> [Unicode.Scalar] {
        number >= 1 && number <= lines.count ? lines[number - 1] : []
    }
}

/// A stretch of one line of the file: what a message points at.
///
/// - Units: `line` and `column` count from 1, in Unicode scalars, as YAML marks do.
struct Position: Equatable, Sendable {
    let line: Int
    let column: Int
    let length: Int

    init(line: Int, column: Int, length: Int = 1) {
        self.line = line
        self.column = column
        self.length = max(length, 1)
    }
}

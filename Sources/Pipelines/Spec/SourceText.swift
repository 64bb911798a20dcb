/// A pipelines file as it was read: its name and its lines, for messages that quote them.
struct SourceText: Sendable {
    let file: String
    let text: String
    /// Which file of a set it is: 0 for the one a command was given.
    let ordinal: Int
    /// The files that this one includes, by their ordinals less one.
    var included: [SourceText] = []
    private let lines: [[Unicode.Scalar]]

    init(file: String, text: String, ordinal: Int = 0) {
        self.file = file
        self.ordinal = ordinal
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

    /// The file of the set that `position` is in.
    func holder(of position: Position) -> SourceText {
        position.file == ordinal || position.file > included.count
            ? self : included[position.file - 1]
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
    /// The ordinal of the file it is in.
    let file: Int

    init(line: Int, column: Int, length: Int = 1, file: Int = 0) {
        self.file = file
        self.line = line
        self.column = column
        self.length = max(length, 1)
    }
}

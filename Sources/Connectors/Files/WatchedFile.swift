import StreamRuntime

/// What is known of a file of a watched directory whose records were taken.
struct WatchedFile: Equatable {
    let name: String
    /// The file's number in its file system, its bytes and when it was changed, when it was last looked into.
    var inode: UInt64
    var bytes: Int64
    var modifiedMicros: Int64
    /// The hash of those bytes.
    var hash: Int64
    /// Lines that were read of it.
    var lines: Int64
    /// Lines to go back when it grows: 1 when its last line did not end.
    var unended: Int64
    /// Whether its content had been read under another name.
    var isRepeat: Bool

    /// A line of the ledger.
    var text: String {
        [
            FileNameText.encode(name), "\(inode)", "\(bytes)", "\(modifiedMicros)", "\(hash)",
            "\(lines)", "\(unended)", isRepeat ? "repeat" : "read",
        ].joined(separator: "\t")
    }

    /// Reads a line of the ledger; nil when it is none.
    init?(_ text: Substring) {
        let words = text.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
        guard words.count == 8, let inode = UInt64(words[1]), let bytes = Int64(words[2]),
            let modified = Int64(words[3]), let hash = Int64(words[4]), let lines = Int64(words[5]),
            let unended = Int64(words[6])
        else { return nil }
        self.init(
            name: FileNameText.decode(words[0]), inode: inode, bytes: bytes,
            modifiedMicros: modified, hash: hash, lines: lines, unended: unended,
            isRepeat: words[7] == "repeat")
    }

    init(
        name: String, inode: UInt64, bytes: Int64, modifiedMicros: Int64, hash: Int64,
        lines: Int64, unended: Int64, isRepeat: Bool
    ) {
        self.name = name
        self.inode = inode
        self.bytes = bytes
        self.modifiedMicros = modifiedMicros
        self.hash = hash
        self.lines = lines
        self.unended = unended
        self.isRepeat = isRepeat
    }
}

/// Names of files in lines of text: tabs, line ends and percent signs are escaped.
enum FileNameText {
    static func encode(_ name: String) -> String {
        name.replacing("%", with: "%25").replacing("\t", with: "%09").replacing("\n", with: "%0A")
            .replacing("\r", with: "%0D")
    }

    static func decode(_ text: String) -> String {
        text.replacing("%0D", with: "\r").replacing("%0A", with: "\n").replacing("%09", with: "\t")
            .replacing("%25", with: "%")
    }
}

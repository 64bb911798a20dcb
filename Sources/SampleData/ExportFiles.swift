import Glibc
import StreamRuntime

/// Stock exports as shops send them: CSV in several dialects.
enum ExportFiles {
    struct File {
        let number: Int
        let at: Int64
        var rows: [[String]] = []
        var isResent = false

        init(number: Int, at: Int64) {
            self.number = number
            self.at = at
        }

        var store: String { SampleText.store(number == 0 ? 1 : 3 + number * 5) }

        var name: String {
            let time = SampleText.time(at, digits: 6)
            let hour = time.dropFirst(11).prefix(2)
            let minute = time.dropFirst(14).prefix(2)
            return "\(store)-\(hour)\(minute)\(isResent ? "-resent" : "").csv"
        }

        var hasMark: Bool { number % 3 == 1 }
        var lineEnd: String { number % 2 == 0 ? "\n" : "\r\n" }
    }

    static let descriptions = [
        "Milk 1 l", "Beans, \"baked\" 400 g", "Rice 5 kg", "Crème fraîche 200 g", "Gift card",
        "Basket\nspring, mixed", "", "  padded  ", "00123",
    ]

    static func write(_ files: [File], to directory: String) throws(JobFailure) {
        var path = ""
        for part in directory.split(separator: "/", omittingEmptySubsequences: false) {
            path += part + "/"
            if path != "/" { mkdir(path, 0o755) }
        }
        for file in files {
            var text = file.hasMark ? "\u{FEFF}" : ""
            text += "store_id,sku,description,on_hand,counted_at" + file.lineEnd
            for row in file.rows {
                text += row.map(quoted).joined(separator: ",") + file.lineEnd
            }
            try write(Array(text.utf8), to: directory + "/" + file.name)
        }
    }

    private static func quoted(_ field: String) -> String {
        guard field.contains(where: { $0 == "," || $0 == "\"" || $0 == "\n" || $0 == " " }) else {
            return field
        }
        var text = "\""
        for character in field {
            if character == "\"" { text += "\"" }
            text.append(character)
        }
        return text + "\""
    }

    private static func write(_ bytes: [UInt8], to path: String) throws(JobFailure) {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        var written = 0
        while file >= 0, written < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(file, $0.baseAddress! + written, bytes.count - written)
            }
            if count <= 0 { break }
            written += count
        }
        let reason = String(cString: strerror(errno))
        if file >= 0 { close(file) }
        guard written == bytes.count else {
            throw JobFailure(
                .environment, "the file cannot be written: \(reason)", at: path,
                remedy: "make the directory writable and see that its disk has room")
        }
    }
}

import Glibc
import StreamRuntime

extension Nexmark {
    /// Writes the events to a file, one line each.
    ///
    /// - Throws: when the file cannot be written.
    public func write(to path: String) throws(JobFailure) {
        let file = path == "-" ? 1 : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        defer { if file > 2 { close(file) } }
        guard file >= 0 else { throw Nexmark.unwritable(path) }
        var lines = NexmarkLines(capacity: 1 << 20)
        defer { lines.deallocate() }
        var place = options.from
        let end = options.from + options.events
        while place < end {
            let count = min(2048, end - place)
            lines.removeAll()
            append(first: place, count: count, to: &lines)
            place += count
            try Nexmark.write(lines.bytes, lines.count, to: file, path)
        }
    }

    /// Writes the bounded side of query 13 to a file: a CSV line for each key from 0 to 9,999 with a value,
    /// which it has since 2000-01-01.
    ///
    /// - Throws: when the file cannot be written.
    public func writeSideInput(to path: String) throws(JobFailure) {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        defer { if file >= 0 { close(file) } }
        guard file >= 0 else { throw Nexmark.unwritable(path) }
        var random = SampleRandom(seed: options.seed ^ 0x510E_527F_ADE6_82D1)
        var lines = NexmarkLines(capacity: 1 << 19)
        defer { lines.deallocate() }
        lines.append("key,value,since\n")
        for key in 0..<10_000 {
            lines.reserve(96)
            lines.append(Int64(key))
            lines.append(",")
            lines.appendWord(&random, shorterThan: 20, special: 0x5F)
            lines.append(",2000-01-01 00:00:00\n")
        }
        try Nexmark.write(lines.bytes, lines.count, to: file, path)
    }

    private static func write(
        _ bytes: UnsafePointer<UInt8>, _ count: Int, to file: Int32, _ path: String
    ) throws(JobFailure) {
        var done = 0
        while done < count {
            let written = Glibc.write(file, bytes + done, count - done)
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { throw unwritable(path) }
            done += written
        }
    }

    private static func unwritable(_ path: String) -> JobFailure {
        JobFailure(
            .environment, "\(path) cannot be written: \(String(cString: strerror(errno)))",
            at: path, remedy: "name a file in a directory that exists, with room on its disk")
    }
}

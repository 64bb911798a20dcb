import Glibc
import StreamRuntime

/// Standard output and standard error, written through at once; a reader that has gone is no failure.
enum Terminal {
    static func print(_ text: String) {
        write(text, to: STDOUT_FILENO)
    }

    static func error(_ text: String) {
        write(text, to: STDERR_FILENO)
    }

    private static func write(_ text: String, to descriptor: Int32) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard written > 0 else { return }
            rest = rest.dropFirst(written)
        }
    }
}

extension Terminal {
    /// Writes a line of bytes to standard output as they are.
    static func line(_ bytes: [UInt8]) throws(JobFailure) {
        var rest = (bytes + [10])[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes {
                Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count)
            }
            guard written > 0 else {
                throw JobFailure(
                    .environment, "standard output is closed: \(String(cString: strerror(errno)))",
                    at: "output", remedy: "read it to the end")
            }
            rest = rest.dropFirst(written)
        }
    }
}

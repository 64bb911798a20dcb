import Glibc

extension StateBackend {
    /// Makes `live` a working copy of the state in `checkpoint`, whatever it held before.
    ///
    /// Sorted files never change and are linked; the few small files that the database writes to
    /// are copied, so that the checkpoint stays as it is.
    public static func fill(_ live: String, from checkpoint: String?) throws(JobFailure) {
        guard FileTree.remove(live) else { throw FileTree.failure("cannot be emptied", live) }
        try FileTree.makeDirectory(live)
        guard let checkpoint else { return }
        for name in FileTree.names(checkpoint) {
            let from = checkpoint + "/" + name
            let to = live + "/" + name
            if name.hasSuffix(".sst") {
                if link(from, to) == 0 { continue }
                guard errno == EXDEV || errno == EMLINK || errno == EPERM else {
                    throw FileTree.failure("cannot be linked", from)
                }
            }
            try FileTree.copy(from, to: to)
        }
    }
}

extension FileTree {
    /// Copies a file.
    static func copy(_ from: String, to: String) throws(JobFailure) {
        let source = open(from, O_RDONLY | O_CLOEXEC)
        guard source >= 0 else { throw failure("cannot be read", from) }
        defer { close(source) }
        let target = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard target >= 0 else { throw failure("cannot be written", to) }
        defer { close(target) }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            let got = Glibc.read(source, buffer.baseAddress!, buffer.count)
            if got == 0 { return }
            guard got > 0 else { throw failure("cannot be read", from) }
            var put = 0
            while put < got {
                let wrote = Glibc.write(target, buffer.baseAddress! + put, got - put)
                guard wrote > 0 else { throw failure("cannot be written", to) }
                put += wrote
            }
        }
    }
}

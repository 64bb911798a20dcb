import Glibc

extension CheckpointStore {
    /// Makes a checkpoint that was made elsewhere one of this directory, in place of one of its number.
    ///
    /// - Parameter fill: puts its files into a directory, whole and on disk.
    func install(
        _ manifest: CheckpointManifest, fill: (_ directory: String) throws(JobFailure) -> Void
    ) throws(JobFailure) {
        let state = try begin(manifest.checkpoint)
        let draft = String(state.dropLast("/state".count))
        let target = directory + "/checkpoints/\(manifest.checkpoint)"
        do throws(JobFailure) {
            try FileTree.makeDirectory(state)
            try fill(state)
            try files.write(ManifestFormat.encode(manifest), to: draft + "/manifest")
            try files.syncDirectory(draft)
        } catch {
            _ = FileTree.remove(draft)
            throw error
        }
        guard FileTree.remove(target) else { throw FileTree.failure("cannot be removed", target) }
        try files.rename(draft, to: target)
        try files.syncDirectory(directory + "/checkpoints")
    }

    /// Links a sorted file of another checkpoint of this directory, if one has it by name and size.
    ///
    /// - Returns: false when none has. The contents are the caller's to check.
    func borrow(_ file: CheckpointManifest.File, to path: String) -> Bool {
        guard file.name.hasSuffix(".sst") else { return false }
        for number in numbers() {
            let there = state(of: number) + "/" + file.name
            guard FileTree.size(there).map(Int64.init) == file.bytes,
                let (checksum, _) = try? FileTree.checksum(there, sync: false),
                checksum == file.checksum
            else { continue }
            if link(there, path) == 0 { return true }
        }
        return false
    }

    /// Removes checkpoints that do not count: those after `checkpoint`.
    func forget(newerThan checkpoint: Int64) throws(JobFailure) {
        for number in numbers() where number > checkpoint {
            let path = directory + "/checkpoints/\(number)"
            guard FileTree.remove(path) else { throw FileTree.failure("cannot be removed", path) }
        }
    }
}

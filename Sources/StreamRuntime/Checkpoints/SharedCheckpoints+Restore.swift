import Synchronization

extension SharedCheckpoints {
    /// Brings the checkpoint of identity `id` into `store`, from files that are there already and whole,
    /// and for the rest from the archive.
    ///
    /// - Throws: of kind corruption when one of its objects is missing or damaged.
    func fetch(_ id: String, into store: CheckpointStore) throws(JobFailure) {
        let archived = try manifest(id)
        state.withLock { $0.hasFetched = true }
        try store.install(archived.manifest) { (directory) throws(JobFailure) in
            for file in archived.manifest.files {
                let path = directory + "/" + file.name
                if let bytes = archived.small[file.name] {
                    try SystemFiles().write(bytes, to: path)
                } else if !store.borrow(file, to: path) {
                    guard try self.archive.download(self.fileName(file), to: path) else {
                        throw self.damaged(id, "its file \(file.name) is missing")
                    }
                }
                let (checksum, bytes) = try FileTree.checksum(path, sync: true)
                guard checksum == file.checksum, bytes == file.bytes else {
                    throw self.damaged(id, "its file \(file.name) has changed (checksum)")
                }
            }
        }
    }

    /// Finds the checkpoint that counts, for a job whose checkpoints count by a claim, and makes `store`
    /// agree: what counts is there, and nothing newer.
    ///
    /// - Returns: why newer checkpoints than the one that counts were passed over.
    func reconcile(_ store: CheckpointStore) throws(JobFailure) -> [JobFailure] {
        let claims = try claims()
        try refuseTransactional(after: claims.first ?? 0)
        guard !claims.isEmpty else {
            try adopt(store)
            return []
        }
        var skipped: [JobFailure] = []
        for number in claims {
            do throws(JobFailure) {
                guard let id = try claimed(number) else { continue }
                try store.forget(newerThan: number)
                try take(number, id, store)
                // A damaged checkpoint gives its number free.
                for passed in claims where passed > number {
                    try archive.remove(claimName(passed))
                }
                return skipped
            } catch {
                guard error.kind == .corruption else { throw error }
                skipped.append(error)
            }
        }
        throw JobFailure(
            .corruption,
            "none of the \(claims.count) checkpoints in the store is whole; the newest: "
                + (skipped.first?.problem ?? "its claim is gone"), at: place + scope,
            remedy: "restore the objects from a copy; or remove all of them to start afresh, which "
                + "reads all input again")
    }

    /// Makes `store` ready for a job whose transaction has committed nothing that it remembers.
    ///
    /// - Throws: when the archive proves that it had committed something.
    func reconcileUncommitted(_ store: CheckpointStore) throws(JobFailure) -> [JobFailure] {
        let claims = try claims()
        var proven: Int64 = 0
        for (_, id) in try manifests() {
            proven = max(proven, try manifest(id).manifest.committedBefore ?? 0)
        }
        guard proven <= claims.first ?? 0 else {
            throw CheckpointStore.forgotten(proven, at: place + scope)
        }
        return claims.isEmpty ? [] : try reconcile(store)
    }

    /// Checkpoints that a transaction had to commit count for nothing where there is none.
    private func refuseTransactional(after newest: Int64) throws(JobFailure) {
        for (number, id) in try manifests() where number > newest {
            guard let manifest = try? manifest(id).manifest, manifest.committedBefore ?? 0 > 0
            else { continue }
            throw JobFailure(
                .checkpoint,
                "the store's checkpoints (\(id)) count only by the Kafka transactions of the job, "
                    + "which it has no more", at: place + scope,
                remedy: "let the job write exactly once as before; or give it a store of its own, "
                    + "which starts afresh")
        }
    }

    private func take(
        _ number: Int64, _ id: String, _ store: CheckpointStore
    ) throws(JobFailure) {
        if let local = try? store.read(number), local.id == id,
            (try? store.inspect(number)) != nil
        {
            return
        }
        try fetch(id, into: store)
    }

    /// Notes what a checkpoint that counts has in the archive already.
    ///
    /// Nothing is taken for granted: a local checkpoint may be whole while its objects are not.
    func remember(_ manifest: CheckpointManifest) throws(JobFailure) {
        guard !manifest.id.isEmpty, try archive.read(manifestName(manifest.id)) != nil else {
            return
        }
        let there = Dictionary(
            try archive.list("\(scope)files/").objects.map { ($0.name, $0.bytes) },
            uniquingKeysWith: { $1 })
        var present: Set<String> = []
        for file in manifest.files where there[fileName(file)] == file.bytes {
            present.insert(fileName(file))
        }
        let files = objects(manifest)
        state.withLock { state in
            state.present = present.intersection(files)
            state.kept = [
                Known(checkpoint: manifest.checkpoint, id: manifest.id, files: files)
            ]
        }
    }

    /// Puts the newest whole local checkpoint into an archive that has none of this job yet.
    private func adopt(_ store: CheckpointStore) throws(JobFailure) {
        guard var local = try store.newestWhole().manifest else { return }
        if local.id.isEmpty { local.id = CheckpointManifest.identity(local.checkpoint) }
        try publish(local, from: store.state(of: local.checkpoint))
        try claim(local)
    }
}

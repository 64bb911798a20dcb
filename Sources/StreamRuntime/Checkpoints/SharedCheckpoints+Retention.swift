import Synchronization

extension SharedCheckpoints {
    /// Requests that one checkpoint spends on forgetting others.
    private static let removalsMax = 64
    /// How long a listing is trusted: a process that was stopped in between must not act on it.
    private static let trustNanos: Int64 = 60_000_000_000

    /// Forgets what is older than the last checkpoints. What cannot be removed now is left for later.
    func prune() {
        let old = state.withLock { state in
            let old = Array(state.kept.prefix(max(0, state.kept.count - retained)))
            state.kept.removeFirst(old.count)
            return old
        }
        let now = SharedCheckpoints.nanos()
        for known in old {
            // Manifests go first: no manifest may name a file that is gone.
            guard remove(manifestName(known.id)) else { continue }
            if usesClaims { _ = remove(claimName(known.checkpoint)) }
            state.withLock { state in
                let named = state.kept.reduce(into: Set<String>()) { $0.formUnion($1.files) }
                state.obsolete += known.files.subtracting(named).sorted()
            }
        }
        let isDue = state.withLock { state in
            state.sweptNanos.map { now - $0 > self.graceMillis * 1_000_000 } ?? true
        }
        if isDue { sweep() }
        removeObsolete(since: now)
    }

    private func removeObsolete(since began: Int64) {
        let batch = state.withLock { state in
            let batch = Array(state.obsolete.prefix(SharedCheckpoints.removalsMax))
            state.obsolete.removeFirst(batch.count)
            return batch
        }
        for name in batch {
            guard isTrusted(since: began) else { return }
            let isNamed = state.withLock { state in
                state.present.contains(name) || state.sent[name] != nil
                    || state.kept.contains { $0.files.contains(name) }
            }
            if !isNamed { _ = remove(name) }
        }
    }

    private func isTrusted(since began: Int64) -> Bool {
        SharedCheckpoints.nanos() - began < SharedCheckpoints.trustNanos
    }

    private func remove(_ name: String) -> Bool { (try? archive.remove(name)) != nil }

    /// Looks for what earlier runs left: checkpoints older than the last ones, proposals that never came
    /// to count, and files that no manifest names. All of the latter two only once they are old, for
    /// another process may be about to need them.
    private func sweep() {
        let began = SharedCheckpoints.nanos()
        guard let newest = state.withLock({ $0.kept.last }),
            let listing = try? archive.list(manifestName("")),
            let files = try? archive.list("\(scope)files/"),
            let claims = try? claims()
        else { return }
        let kept = state.withLock { Set($0.kept.map(\.id)) }
        let floor = newest.checkpoint - Int64(retained) + 1
        let prefix = manifestName("")
        var named = state.withLock { state in
            state.kept.reduce(into: state.present) { $0.formUnion($1.files) }
        }
        for object in listing.objects {
            let id = String(object.name.dropFirst(prefix.count))
            guard let number = Int64(id.prefix { $0 != "-" }), !kept.contains(id) else { continue }
            let isOld = listing.nowMillis - object.writtenMillis > graceMillis
            if number < floor && (isOld || claims.contains(number)) {
                guard isTrusted(since: began), remove(object.name) else { return }
                continue
            }
            // What cannot be read may name anything: then nothing is removed.
            guard let archived = try? manifest(id) else { return }
            named.formUnion(objects(archived.manifest))
        }
        for number in claims where number < floor {
            guard isTrusted(since: began) else { return }
            _ = remove(claimName(number))
        }
        for object in files.objects
        where files.nowMillis - object.writtenMillis > graceMillis && !named.contains(object.name) {
            let isSent = state.withLock { $0.sent[object.name] != nil }
            guard !isSent else { continue }
            guard isTrusted(since: began) else { return }
            _ = remove(object.name)
        }
        state.withLock { $0.sweptNanos = began }
    }
}

import StreamRuntime

/// The checkpoints of a job, in its state directory and in the store that other machines reach.
struct FoundCheckpoints {
    /// A checkpoint in one place or both.
    struct Listing {
        let checkpoint: Int64
        /// What tells it from others of its number; empty when it cannot be read.
        let id: String
        let manifest: Result<CheckpointManifest, JobFailure>
        /// "directory", "store" or both; empty when there is no store.
        var place = ""
    }

    /// nil when this machine has no state directory, which is no error where there is a store.
    let local: CheckpointStore?
    let shared: SharedCheckpoints?
    private let directory: String

    /// The checkpoints of a plan's job, or of one of its shares.
    ///
    /// - Throws: when a job in shares is meant and the share is not named, or there is none of that number.
    init(_ plan: JobPlan, share: Int? = nil) throws(JobFailure) {
        try plan.check(share: share)
        directory = plan.settings.stateDirectory + (share.map { "/shares/\($0)" } ?? "")
        shared = try CheckpointArchives.open(plan.settings.checkpointStore).map {
            SharedCheckpoints(
                $0, scope: CheckpointArchives.scope(job: plan.name, share: share),
                job: share.map { "\(plan.name)/\($0)" } ?? plan.name)
        }
        do throws(JobFailure) { local = try CheckpointStore(reading: directory) } catch {
            guard shared != nil else { throw error }
            local = nil
        }
    }

    /// The directory and the store.
    var places: String { directory + (shared.map { " and \($0.place)" } ?? "") }

    /// Every checkpoint, the newest first.
    func listings() throws(JobFailure) -> [Listing] {
        var listings = (local?.list() ?? []).map { listing in
            Listing(
                checkpoint: listing.checkpoint,
                id: (try? listing.manifest.get().id) ?? "", manifest: listing.manifest,
                place: shared == nil ? "" : "directory")
        }
        for other in try shared?.list() ?? [] {
            if let same = listings.firstIndex(where: { $0.id == other.id && !$0.id.isEmpty }) {
                listings[same].place = "directory, store"
            } else {
                listings.append(
                    Listing(
                        checkpoint: other.checkpoint, id: other.id, manifest: other.manifest,
                        place: "store"))
            }
        }
        return listings.sorted {
            $0.checkpoint == $1.checkpoint ? $0.id < $1.id : $0.checkpoint > $1.checkpoint
        }
    }

    /// A checkpoint whose files have been looked at.
    func inspect(_ checkpoint: Int64) throws(JobFailure) -> CheckpointManifest {
        if let shared, local?.list().contains(where: { $0.checkpoint == checkpoint }) != true,
            let found = try shared.list().first(where: { $0.checkpoint == checkpoint })
        {
            return try shared.inspect(found.id)
        }
        guard let local else {
            throw JobFailure(
                .checkpoint, "there is no checkpoint \(checkpoint)", at: places,
                remedy: "\"millrace checkpoints list\" shows which there are")
        }
        return try local.inspect(checkpoint)
    }
}

extension JobPlan {
    /// Refuses a share that the job does not have, and none where it has some.
    func check(share: Int?) throws(JobFailure) {
        guard let shares = settings.shares else {
            guard let share else { return }
            throw JobFailure(
                .request, "the job has no share \(share): it is not cut into shares", at: name,
                remedy: "leave --share out")
        }
        guard let share, (0..<shares).contains(share) else {
            throw JobFailure(
                .request,
                share.map { "the job has no share \($0)" }
                    ?? "the job is cut into shares, each with checkpoints of its own", at: name,
                remedy: "name one of its shares: --share 0 to \(shares - 1)")
        }
    }
}

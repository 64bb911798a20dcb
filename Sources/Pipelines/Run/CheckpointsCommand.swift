import StreamRuntime

/// `millrace checkpoints`.
public enum CheckpointsCommand {
    /// Every checkpoint of the file's job, or of one of its shares, here and in its store, the newest first.
    public static func list(path: String, share: Int? = nil, json: Bool) -> CommandOutput {
        withCheckpoints(path, share) { (found) throws(JobFailure) in
            let listings = try found.listings()
            if json {
                return JSONText.array(listings.map(summary)).text
            }
            var heads = ["checkpoint", "written", "state bytes", "files", "is whole"]
            if found.shared != nil { heads += ["is in", "identity"] }
            var table = TextTable(heads)
            for listing in listings {
                var cells: [String]
                switch listing.manifest {
                case .success(let manifest):
                    cells = [
                        "\(listing.checkpoint)", moment(manifest.createdMillis),
                        Grouped.text(manifest.stateBytes), "\(manifest.files.count)", "yes",
                    ]
                case .failure(let failure):
                    cells = ["\(listing.checkpoint)", "", "", "", "no: \(failure.problem)"]
                }
                if found.shared != nil { cells += [listing.place, listing.id] }
                table.append(cells)
            }
            return listings.isEmpty ? "no checkpoints in \(found.places)\n" : table.rendered()
        }
    }

    /// What checkpoint `checkpoint` holds: the one here, or else the one in the store.
    public static func inspect(
        path: String, checkpoint: Int64, share: Int? = nil, json: Bool
    ) -> CommandOutput {
        withCheckpoints(path, share) { (found) throws(JobFailure) in
            let manifest = try found.inspect(checkpoint)
            return json ? details(manifest).text : text(manifest)
        }
    }

    private static func withCheckpoints(
        _ path: String, _ share: Int?, _ body: (FoundCheckpoints) throws(JobFailure) -> String
    ) -> CommandOutput {
        switch PlanReader.read(path: path) {
        case .failure(let output): return output
        case .success(let plan):
            do throws(JobFailure) {
                return CommandOutput(
                    text: try body(try FoundCheckpoints(plan, share: share)), exitCode: 0)
            } catch {
                return CommandOutput(text: "error: \(error)\n", exitCode: error.exitCode)
            }
        }
    }

    private static func moment(_ millis: Int64) -> String {
        var text: [UInt8] = []
        ValueText.append(timestamp: millis * 1000, to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    private static func summary(_ listing: FoundCheckpoints.Listing) -> JSONText {
        let place: [(String, JSONText)] =
            listing.place.isEmpty
            ? [] : [("is_in", .string(listing.place)), ("identity", .string(listing.id))]
        switch listing.manifest {
        case .success(let manifest):
            return .object(
                [
                    ("checkpoint", .integer(Int(listing.checkpoint))), ("whole", .boolean(true)),
                    ("written", .string(moment(manifest.createdMillis))),
                    ("state_bytes", .integer(Int(manifest.stateBytes))),
                    ("files", .integer(manifest.files.count)),
                ] + place)
        case .failure(let failure):
            return .object(
                [
                    ("checkpoint", .integer(Int(listing.checkpoint))), ("whole", .boolean(false)),
                    ("problem", .string(failure.problem)),
                ] + place)
        }
    }

    private static func details(_ manifest: CheckpointManifest) -> JSONText {
        let positions = manifest.positions.sorted { $0.key < $1.key }.map {
            position(named: $0.key, $0.value)
        }
        let states = manifest.states.records.map(state)
        let files = manifest.files.map { file in
            JSONText.object([("name", .string(file.name)), ("bytes", .integer(Int(file.bytes)))])
        }
        return .object([
            ("checkpoint", .integer(Int(manifest.checkpoint))), ("job", .string(manifest.job)),
            ("fingerprint", .string(manifest.fingerprint)),
            ("written", .string(moment(manifest.createdMillis))),
            ("positions", .array(positions)), ("sinks", .strings(manifest.tokens.keys.sorted())),
            ("idleness", .array((decisions(manifest)?.idleness ?? []).map(idleness))),
            ("states", .array(states)), ("files", .array(files)),
        ])
    }

    private static func position(named name: String, _ bytes: [UInt8]) -> JSONText {
        let position = SourcePosition(bytes)
        let newest: JSONText = newest(position).map { .string($0) } ?? .null
        return .object([
            ("partition", .string(name)), ("offset", .integer(Int(position?.offset ?? -1))),
            ("newest_event_time", newest),
        ])
    }

    private static func decisions(_ manifest: CheckpointManifest) -> EpochDecisions? {
        EpochDecisions(bytes: manifest.decisions)
    }

    private static func idleness(_ decision: EpochDecisions.Idleness) -> JSONText {
        .object([
            ("partition", .string(decision.partition)),
            ("offset", .integer(Int(decision.offset))),
            ("newest_event_time", time(decision.newest).map { .string($0) } ?? .null),
            ("announced", time(decision.announced).map { .string($0) } ?? .null),
            ("is_idle", .boolean(decision.isIdle)),
        ])
    }

    private static func state(_ record: StateRegistry.Record) -> JSONText {
        .object([
            ("state", .string(record.address)), ("number", .integer(Int(record.number))),
            ("fixed_bytes", .integer(record.fixedBytes)), ("blobs", .integer(record.blobs)),
            ("version", .integer(record.version)),
        ])
    }

    private static func text(_ manifest: CheckpointManifest) -> String {
        var text =
            "checkpoint \(manifest.checkpoint) of job \(manifest.job), written "
            + "\(moment(manifest.createdMillis)), \(Grouped.text(manifest.stateBytes)) bytes of state\n\n"
        var positions = TextTable(["partition", "next offset", "newest event time"])
        for (name, bytes) in manifest.positions.sorted(by: { $0.key < $1.key }) {
            let position = SourcePosition(bytes)
            positions.append([
                name, position.map { Grouped.text($0.offset) } ?? "?", newest(position) ?? "-",
            ])
        }
        var states = TextTable(["state", "number", "fixed bytes", "byte strings", "version"])
        for record in manifest.states.records {
            states.append([
                record.address, "\(record.number)", "\(record.fixedBytes)", "\(record.blobs)",
                "\(record.version)",
            ])
        }
        text += positions.rendered() + "\n"
        if let decisions = decisions(manifest), !decisions.idleness.isEmpty {
            var table = TextTable([
                "idle partition", "at offset", "newest event time", "event time reached", "ended",
            ])
            for decision in decisions.idleness {
                table.append([
                    decision.partition, Grouped.text(decision.offset),
                    time(decision.newest) ?? "-", time(decision.announced) ?? "-",
                    decision.isIdle ? "" : "yes",
                ])
            }
            text += table.rendered() + "\n"
        }
        text += states.rendered()
        return text + "\nsinks: " + manifest.tokens.keys.sorted().joined(separator: ", ") + "\n"
    }

    private static func newest(_ position: SourcePosition?) -> String? {
        position.flatMap { time($0.newest) }
    }

    private static func time(_ micros: Int64) -> String? {
        guard micros != .min else { return nil }
        var text: [UInt8] = []
        ValueText.append(timestamp: micros, to: &text)
        return String(decoding: text, as: UTF8.self)
    }
}

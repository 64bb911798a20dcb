import StreamRuntime

extension Lookup {
    /// What `store` answers for one row of keys and request values, by features of stored and on-demand
    /// views.
    ///
    /// - Parameters:
    ///   - references: the features, as VIEW:FEATURE.
    ///   - inputs: keys and request values by name, each as JSON.
    ///   - nowMicros: the time ages are judged by.
    /// - Returns: the values in the order of `references`, called VIEW__FEATURE.
    public static func inStore(
        _ store: OnlineStore, references: [String], inputs: [(name: String, json: String)],
        nowMicros: Int64
    ) throws(JobFailure) -> [Value] {
        let arena = ByteArena()
        JSONText.append("{\"full_feature_names\":true,\"features\":[", to: arena)
        for (index, reference) in references.enumerated() {
            if index > 0 { JSONText.append(",", to: arena) }
            JSONText.append(string: reference, to: arena)
        }
        JSONText.append("],\"entities\":{", to: arena)
        for (index, input) in inputs.enumerated() {
            if index > 0 { JSONText.append(",", to: arena) }
            JSONText.append(string: input.name, to: arena)
            JSONText.append(":[", to: arena)
            for byte in input.json.utf8 { JSONText.append(byte: byte, to: arena) }
            JSONText.append("]", to: arena)
        }
        JSONText.append("}}", to: arena)
        let engine = LookupEngine(store: store, metrics: MetricsRegistry(), now: { nowMicros })
        let answer = ByteArena()
        let status = engine.answer(
            UnsafeBufferPointer(start: arena.base, count: arena.count), into: answer)
        let body = [UInt8](UnsafeBufferPointer(start: answer.base, count: answer.count))
        let parsed = body.withUnsafeBufferPointer { bytes in
            Result { () throws(JSONFault) -> [Value] in
                try values(bytes, nowMicros: nowMicros, skipping: 0)
            }
        }
        guard status == 200, case .success(let values) = parsed else {
            throw JobFailure(
                .request,
                "the lookup was answered \(status): " + String(decoding: body, as: UTF8.self),
                at: "online store", remedy: "give every key and request value, of its type")
        }
        return references.compactMap { reference in
            let name = reference.replacing(":", with: "__", maxReplacements: 1)
            return values.first { $0.feature == name }
        }
    }
}

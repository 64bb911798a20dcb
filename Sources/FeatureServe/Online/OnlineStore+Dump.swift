import StreamRuntime

extension OnlineStore {
    /// Every row as text, in key order: what two runs over the same log must agree on.
    ///
    /// - Shape: one line for each view of each row: entity, key in hexadecimal, view, event time, and the
    ///   values by name; deleted views say so. Visible times are left out: they differ from run to run.
    public func dump() throws(JobFailure) -> [String] {
        try sync()
        var lines: [String] = []
        for table in tables {
            let arena = ByteArena()
            try forEachRow(of: table) { (key, row) in
                let hex = key.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }
                    .joined()
                for (index, view) in table.views.enumerated() {
                    let slot = row.slots[index]
                    guard slot.state != .absent else { continue }
                    let head = "\(table.entity.name) \(hex) \(view.name)"
                    guard slot.state == .value, let payload = slot.payload else {
                        lines.append("\(head) \(slot.eventTime) deleted")
                        continue
                    }
                    arena.count = 0
                    _ = RenderedView.append(
                        payload: payload, eventMicros: slot.eventTime, features: view.features,
                        to: arena)
                    lines.append("\(head) \(slot.eventTime) " + OnlineStore.text(arena, view))
                }
            }
        }
        return lines
    }

    private static func text(_ block: ByteArena, _ view: FeatureView) -> String {
        let start = RenderedView.textStart(features: view.features.count)
        let offsets = UnsafeRawPointer(block.base).assumingMemoryBound(to: UInt32.self)
        return view.features.enumerated().map { index, feature in
            let from = Int(offsets[index + 1] & ~RenderedView.nullBit)
            let to = Int(offsets[index + 2] & ~RenderedView.nullBit)
            let bytes = UnsafeBufferPointer(start: block.base + start + from, count: to - from)
            return "\(feature.name)=\(String(decoding: bytes, as: UTF8.self))"
        }.joined(separator: " ")
    }
}

import StreamRuntime

/// Options as header fields say them, one a field.
extension LookupOptions {
    /// Takes the field `name` (without the prefix of our own).
    ///
    /// - Returns: what is wrong with it; nil when it was taken.
    mutating func take(_ name: Substring, _ value: String) -> String? {
        switch name {
        case "as-of":
            if let seconds = Double(value), abs(seconds) < 1e12 {
                asOf = Int64((seconds * 1e6).rounded())
            } else {
                asOf = Array(value.utf8).withUnsafeBufferPointer { CivilTime.micros($0) }
            }
            return asOf == nil ? "write 2026-11-21T09:30:00Z, or seconds since 1970" : nil
        case "consistency":
            wantsSnapshot = value == "snapshot"
            return wantsSnapshot || value == "latest" ? nil : "write latest or snapshot"
        case "wait-for":
            // A topic's name may have slashes, the numbers have none.
            let parts = value.split(separator: "/", omittingEmptySubsequences: false)
            guard parts.count >= 3, let offset = Int64(parts[parts.count - 1]), offset >= 0,
                let partition = Int32(parts[parts.count - 2]), partition >= 0
            else { return "write TOPIC/PARTITION/OFFSET" }
            var found = wait ?? Wait()
            found.topic = parts.dropLast(2).joined(separator: "/")
            found.partition = partition
            found.offset = offset
            wait = found
            return found.topic.isEmpty ? "write TOPIC/PARTITION/OFFSET" : nil
        case "wait-ms":
            guard let millis = LookupOptions.millis(value) else {
                return "write milliseconds from 1 to \(LookupOptions.millisMax)"
            }
            var found = wait ?? Wait()
            found.deadlineMillis = millis
            wait = found
            return nil
        case "deadline-ms":
            deadlineMillis = LookupOptions.millis(value)
            return deadlineMillis == nil
                ? "write milliseconds from 1 to \(LookupOptions.millisMax)" : nil
        default:
            return
                "there are millrace-as-of, -consistency, -wait-for, -wait-ms and -deadline-ms"
        }
    }

    private static func millis(_ text: String) -> Int64? {
        Int64(text).flatMap { (1...millisMax).contains($0) ? $0 : nil }
    }
}

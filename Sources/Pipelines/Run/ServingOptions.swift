import FeatureServe
import Glibc
import StreamRuntime

/// How a plan's features are served, made from its settings when it runs.
enum ServingOptions {
    /// What all lanes share: the host, the keys, TLS, the bounds.
    ///
    /// - Throws: when a file that the settings name cannot be read.
    static func make(_ settings: JobSettings) throws(JobFailure) -> FeatureServer.Options {
        var options = FeatureServer.Options()
        options.host = settings.serveHost
        options.access = try rules(settings.serving)
        options.tls = settings.serving.tls
        if let bytes = settings.serving.requestBytesMax { options.limits.bodyBytes = bytes }
        return options
    }

    private static func rules(_ serving: PlannedServing) throws(JobFailure) -> AccessRules {
        var keys: [AccessKey] = []
        for key in serving.keys {
            keys.append(
                AccessKey(
                    name: key.name, digest: try digest(key), reads: key.reads, writes: key.writes,
                    ingests: key.ingests, isAdmin: key.isAdmin, perSecond: key.perSecond))
        }
        return AccessRules(keys: keys)
    }

    private static func digest(_ key: PlannedServing.Key) throws(JobFailure) -> [UInt8] {
        if let digest = key.digest { return digest }
        let path = key.hashFile ?? ""
        var text = ""
        if let file = fopen(path, "r") {
            var line = [CChar](repeating: 0, count: 256)
            if fgets(&line, Int32(line.count), file) != nil {
                text = String(
                    decoding: line.prefix { $0 > 0x20 }.map { UInt8(bitPattern: $0) },
                    as: UTF8.self)
            }
            fclose(file)
        }
        guard let digest = AccessKey.digest(from: text) else {
            throw JobFailure(
                .environment, "the file with the hash of key \"\(key.name)\" does not hold one",
                at: path,
                remedy:
                    "put sha256: and 64 hexadecimal digits in it, as millrace keys new prints them"
            )
        }
        return digest
    }
}

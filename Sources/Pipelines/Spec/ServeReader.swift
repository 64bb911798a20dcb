import FeatureServe

/// Reads what `job.serve` says of lanes, keys and TLS.
struct ServeReader {
    let diagnostics: Diagnostics

    /// The serving that `node` declares, and the views and streams that its keys name.
    func read(
        _ node: SpecNode
    ) -> (serving: PlannedServing, views: [Located<String>], streams: [Located<String>]) {
        var serving = PlannedServing()
        var views: [Located<String>] = []
        var streams: [Located<String>] = []
        serving.grpcPort = node["grpc"]?["port"]?.integer
        serving.requestBytesMax = node["max_request"]?.text.flatMap(SpecScalars.size)
        if let tls = node["tls"], let certificate = tls["certificate"]?.text,
            let key = tls["key"]?.text
        {
            serving.tls = TLSServer.Files(
                certificate: certificate, key: key, clientAuthority: tls["client_ca"]?.text)
        }
        var names: Set<String> = []
        for item in node["keys"]?.items ?? [] {
            guard let key = read(key: item, &views, &streams) else { continue }
            if !names.insert(key.name).inserted {
                diagnostics.report(
                    .repeatedName, "two keys are called \"\(key.name)\"", at: item.position,
                    fix: "give one of them another name")
            }
            serving.keys.append(key)
        }
        if let host = node["host"], let text = host.text, node["keys"] == nil,
            !ServeReader.isLoopback(text)
        {
            diagnostics.report(
                .badValue, "without keys features are not served on \"\(text)\"", at: host.position,
                fix:
                    "declare keys under job.serve (millrace keys new NAME makes one), or listen on "
                    + "127.0.0.1")
        }
        return (serving, views, streams)
    }

    private func read(
        key node: SpecNode, _ views: inout [Located<String>], _ streams: inout [Located<String>]
    ) -> PlannedServing.Key? {
        guard let name = node["name"]?.text else { return nil }
        var digest: [UInt8]?
        if let hash = node["hash"], let text = hash.text {
            digest = AccessKey.digest(from: text)
            if digest == nil {
                diagnostics.report(
                    .badValue, "the hash of key \"\(name)\" is no SHA-256", at: hash.position,
                    fix: "write sha256: and 64 hexadecimal digits, as millrace keys new prints it")
            }
        }
        var perSecond: Int?
        if let rate = node["rate"], let text = rate.text {
            perSecond = ServeReader.rate(text)
            if perSecond == nil {
                diagnostics.report(
                    .badValue, "\"\(text)\" is no rate", at: rate.position,
                    fix: "write requests in a second, such as 1000/s")
            }
        }
        return PlannedServing.Key(
            name: name, digest: digest, hashFile: node["hash_file"]?.text,
            reads: rights(node["views"]?["read"], &views),
            writes: rights(node["views"]?["write"], &views),
            isAdmin: node["admin"]?.text?.lowercased() == "true", perSecond: perSecond,
            ingests: rights(node["ingest"], &streams))
    }

    private func rights(
        _ node: SpecNode?, _ views: inout [Located<String>]
    ) -> AccessKey.Views {
        guard let node else { return .some([]) }
        var names: Set<String> = []
        for item in node.oneOrMore {
            guard let name = item.text else { continue }
            if name == "*" { return .all }
            names.insert(name)
            views.append(Located(value: name, position: item.position))
        }
        return .some(names)
    }

    /// Requests in a second, of `1000/s`.
    static func rate(_ text: String) -> Int? {
        guard text.hasSuffix("/s"), let number = Int(text.dropLast(2)),
            (1...1_000_000_000).contains(number)
        else { return nil }
        return number
    }

    /// Whether only this machine reaches `host`.
    static func isLoopback(_ host: String) -> Bool {
        host == "localhost" || host == "::1" || host.hasPrefix("127.")
    }
}

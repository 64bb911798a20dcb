import FeatureServe

/// `millrace keys`.
public enum KeyCommand {
    /// A new key called `name`: its secret, and what to write into the pipelines file.
    public static func new(name: String) -> CommandOutput {
        let secret = AccessKey.newSecret()
        let digest = Array(secret.utf8).withUnsafeBufferPointer { AccessKey.digest(of: $0) }
        let text = """
            The secret of \(name), which is not kept anywhere and not shown again:

              \(secret)

            Clients send it as "Authorization: Bearer SECRET" or "x-api-key: SECRET". In the pipelines file:

              job:
                serve:
                  keys:
                    - {name: \(name), hash: "\(AccessKey.text(of: digest))", views: {read: ["*"]}}

            """
        return CommandOutput(text: text, exitCode: 0)
    }
}

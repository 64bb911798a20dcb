import HTTP
import StreamRuntime
import Testing

@testable import ObjectStore

/// The examples of "Authenticating Requests: Using the Authorization Header (AWS Signature Version 4)"
/// in Amazon's API reference of S3: key AKIAIOSFODNN7EXAMPLE, bucket examplebucket, us-east-1,
/// 2013-05-24T00:00:00Z.
@Suite struct S3SignatureTests {
    private static let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    private let signature = S3Signature(
        credentials: S3Credentials(
            accessKey: "AKIAIOSFODNN7EXAMPLE",
            secretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), region: "us-east-1")

    private struct Example {
        let method: String
        let path: String
        var query: [(name: String, value: String)] = []
        var headers: [(name: String, value: String)] = []
        var digest = S3SignatureTests.empty
        let names: String
        let signature: String
    }

    private static let examples = [
        Example(
            method: "GET", path: "/test.txt", headers: [("range", "bytes=0-9")],
            names: "host;range;x-amz-content-sha256;x-amz-date",
            signature: "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
        Example(
            method: "PUT", path: "/test%24file.text",
            headers: [
                ("date", "Fri, 24 May 2013 00:00:00 GMT"),
                ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ],
            digest: "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
            names: "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
            signature: "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
        Example(
            method: "GET", path: "/", query: [("lifecycle", "")],
            names: "host;x-amz-content-sha256;x-amz-date",
            signature: "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        Example(
            method: "GET", path: "/", query: [("prefix", "J"), ("max-keys", "2")],
            names: "host;x-amz-content-sha256;x-amz-date",
            signature: "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ]

    @Test func `requests are signed as Amazon's examples are`() {
        for example in S3SignatureTests.examples {
            let subject = S3Signature.Subject(
                method: example.method, path: example.path, query: example.query,
                headers: example.headers + [
                    ("host", "examplebucket.s3.amazonaws.com"),
                    ("x-amz-content-sha256", example.digest), ("x-amz-date", "20130524T000000Z"),
                ], bodyDigest: example.digest)
            #expect(
                signature.authorization(subject, moment: "20130524T000000Z")
                    == "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"
                    + "aws4_request, SignedHeaders=\(example.names), "
                    + "Signature=\(example.signature)")
        }
    }

    @Test func `digests are those of RFC 4231`() {
        let cases: [([UInt8], String, String)] = [
            (
                [UInt8](repeating: 0x0B, count: 20), "Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
            ),
            (
                Array("Jefe".utf8), "what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
            ),
            (
                [UInt8](repeating: 0xAA, count: 131),
                "Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
            ),
        ]
        for (key, message, digest) in cases {
            #expect(Digest.hexadecimal(Digest.hmac(key: key, Array(message.utf8))) == digest)
        }
        #expect(Digest.hexadecimal(Digest.sha256([])) == S3SignatureTests.empty)
    }

    @Test func `moments are read and written in the forms of S3`() {
        #expect(S3Time.compact(millis: 1_369_353_600_000) == "20130524T000000Z")
        #expect(S3Time.compact(millis: 1_709_210_096_789) == "20240229T123456Z")
        #expect(S3Time.millis(iso: "2024-02-29T12:34:56.789Z") == 1_709_210_096_789)
        #expect(S3Time.millis(iso: "2024-02-29T12:34:56Z") == 1_709_210_096_000)
        #expect(S3Time.millis(iso: "yesterday") == nil)
        #expect(S3Time.millis(header: "Fri, 24 May 2013 00:00:00 GMT") == 1_369_353_600_000)
        #expect(S3Time.millis(header: "soon") == nil)
    }

    @Test func `elements of XML are found, with their references put in`() {
        let text =
            "<R><Key>a&amp;b&#x41;&#66;</Key><Keys>x</Keys><Key/><E a=\"1\">&lt;&odd;</E></R>"
        #expect(XMLText.elements("Key", in: text[...]) == ["a&amp;b&#x41;&#66;", ""])
        #expect(XMLText.text("Key", in: text[...]) == "a&bAB")
        #expect(XMLText.text("E", in: text[...]) == "<&odd;")
        #expect(XMLText.text("None", in: text[...]) == nil)
        #expect(XMLText.elements("R", in: "<R><R") == [])
    }

    @Test func `an address and the environment make settings`() throws {
        let environment = [
            "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:1/",
        ]
        let settings = try S3Settings(address: "s3://shop/a/b", environment: environment)
        #expect(settings.bucket == "shop")
        #expect(settings.prefix == "a/b/")
        #expect(settings.region == "eu-west-1")
        #expect(settings.root == "http://127.0.0.1:1/shop")
        #expect("\(settings)".contains("secret\"") == false)
        let keys = S3Credentials(accessKey: "other", secretKey: "s")
        let own = try S3Settings(
            address: "s3://shop", region: "us-west-2", credentials: keys, environment: [:])
        #expect(own.root == "https://shop.s3.us-west-2.amazonaws.com")
        #expect(own.prefix == "")
        var failure = #expect(throws: JobFailure.self) {
            try S3Settings(address: "s3://", environment: environment)
        }
        #expect(failure?.remedy == "write s3://BUCKET/PREFIX")
        failure = #expect(throws: JobFailure.self) {
            try S3Settings(address: "s3://shop", environment: ["AWS_ACCESS_KEY_ID": "id"])
        }
        #expect(failure?.remedy.contains("AWS_SECRET_ACCESS_KEY") == true)
    }
}

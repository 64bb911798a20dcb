import Foundation
import HTTP
import StreamRuntime
import Synchronization
import TestHTTP
import Testing

@testable import ObjectStore

@Suite struct ArchiveTests {
    @Test func `a directory keeps the contract of archives`() throws {
        let scratch = try scratchDirectory()
        defer { try? FileManager.default.removeItem(atPath: scratch) }
        try ArchiveContract(
            archive: try FileArchive(directory: scratch + "/archive"), scratch: scratch
        ).check()
    }

    @Test func `a directory that is gone is not taken for an empty archive`() throws {
        let scratch = try scratchDirectory()
        let archive = try FileArchive(directory: scratch + "/archive")
        try FileManager.default.removeItem(atPath: scratch)
        #expect(throws: JobFailure.self) { try archive.list("") }
        #expect(throws: JobFailure.self) { try archive.read("a") }
        #expect(throws: JobFailure.self) { try archive.create("a", []) }
    }

    @Test(.enabled(if: MotoServer.python != nil, "\(MotoServer.comment)"))
    func `a bucket keeps the contract of archives`() throws {
        let scratch = try scratchDirectory()
        defer { try? FileManager.default.removeItem(atPath: scratch) }
        for (bucket, prefix, partBytes) in [
            ("whole", "", Int64(1) << 20), ("prefixed", "some/pre fix", 1 << 20),
        ] {
            let settings = try motoSettings(bucket, prefix: prefix, partBytes: partBytes)
            try ArchiveContract(archive: S3Bucket(settings), scratch: scratch).check()
        }
    }

    @Test(.enabled(if: MotoServer.python != nil, "\(MotoServer.comment)"))
    func `a large file is sent in parts`() throws {
        let scratch = try scratchDirectory()
        defer { try? FileManager.default.removeItem(atPath: scratch) }
        // moto, as S3, takes no part below 5 MiB but the last.
        let bucket = S3Bucket(try motoSettings("parts", prefix: "p", partBytes: 5 << 20))
        let data = Data((UInt8(0)..<11).flatMap { [UInt8](repeating: $0, count: 1 << 20) })
        try data.write(to: URL(fileURLWithPath: scratch + "/from"))
        try bucket.upload(scratch + "/from", as: "large")
        #expect(try bucket.size("large") == Int64(data.count))
        #expect(try bucket.size("none") == nil)
        #expect(try bucket.download("large", to: scratch + "/to"))
        #expect(try Data(contentsOf: URL(fileURLWithPath: scratch + "/to")) == data)
    }

    @Test(.enabled(if: MotoServer.python != nil, "\(MotoServer.comment)"))
    func `a bucket that is not there is named, with what to do`() throws {
        let settings = try motoSettings("present")
        var missing = settings
        missing.bucket = "absent"
        let bucket = S3Bucket(missing)
        for attempt in [
            { _ = try bucket.list("") }, { _ = try bucket.read("a") },
            { _ = try bucket.create("a", []) },
        ] as [() throws -> Void] {
            let failure = #expect(throws: JobFailure.self) { try attempt() }
            #expect(failure?.problem.contains("NoSuchBucket") == true)
            #expect(failure?.remedy.contains("make the bucket absent") == true)
            #expect(failure?.recovery == .stopAndAsk)
        }
    }
}

private func motoSettings(
    _ bucket: String, prefix: String = "", partBytes: Int64 = 16 << 20
) throws -> S3Settings {
    let server = try #require(MotoServer.shared)
    _ = try HTTPClient().send(
        HTTPRequest(.put, "\(server.url)/\(bucket)", body: .bytes([])))
    return S3Settings(
        bucket: bucket, prefix: prefix, endpoint: server.url,
        credentials: S3Credentials(accessKey: "AKID", secretKey: "secret"), partBytes: partBytes)
}

/// What goes wrong between a bucket and its client, played by a server of the test.
@Suite struct S3FaultTests {
    private typealias Answer = TestHTTPServer.Answer

    private func bucket(
        _ server: TestHTTPServer, tries: Int = 3, partBytes: Int64 = 16 << 20
    ) -> S3Bucket {
        var http = HTTPSettings()
        http.totalMillis = 2000
        let settings = S3Settings(
            bucket: "b", prefix: "p", endpoint: server.url,
            credentials: S3Credentials(accessKey: "AKID", secretKey: "secret"), http: http,
            retry: RetryPolicy(tries: tries, firstMillis: 1, longestMillis: 1),
            partBytes: partBytes)
        return S3Bucket(settings, client: HTTPClient(http, pause: { _ in })) { 1_369_353_600_000 }
    }

    private static func error(_ status: Int, _ code: String) -> Answer {
        .whole(
            status: status,
            body: Array("<Error><Code>\(code)</Code><Message>Said.</Message></Error>".utf8))
    }

    private func scripted(_ answers: [Answer]) -> TestHTTPServer {
        let left = Mutex(answers)
        return TestHTTPServer { _ in left.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] } }
    }

    @Test func `an object is read although the server falters`() throws {
        let whole = Answer.whole(status: 200, body: [1, 2, 3])
        for fault in [
            S3FaultTests.error(500, "InternalError"), S3FaultTests.error(503, "SlowDown"), .torn,
            .cut(status: 200, body: [1, 2, 3], after: 1),
        ] as [Answer] {
            let server = scripted([fault, fault, whole])
            defer { server.stop() }
            #expect(try bucket(server).read("a") == [1, 2, 3])
            #expect(server.requests.count == 3)
            #expect(Set(server.requests.map(\.target)) == ["/b/p/a"])
        }
    }

    @Test func `a server that falters for too long is an error that may be tried again`() throws {
        let cases: [(Answer, JobFailure.Recovery, String)] = [
            (S3FaultTests.error(503, "SlowDown"), .retry(afterMillis: 5000), "SlowDown"),
            (.torn, .retry(afterMillis: 5000), "does not answer"),
            (S3FaultTests.error(403, "SignatureDoesNotMatch"), .stopAndAsk, "secret (AWS_ACCESS"),
            (S3FaultTests.error(403, "AccessDenied"), .stopAndAsk, "let the key AKID list"),
            (S3FaultTests.error(403, "RequestTimeTooSkewed"), .stopAndAsk, "clock"),
            (S3FaultTests.error(301, "PermanentRedirect"), .stopAndAsk, "region"),
            (.whole(status: 404, body: Array("no page".utf8)), .stopAndAsk, "server of S3's API"),
        ]
        for (answer, recovery, words) in cases {
            let server = scripted([answer])
            defer { server.stop() }
            let failure = #expect(throws: JobFailure.self) { try bucket(server).read("a") }
            #expect(failure?.recovery == recovery)
            #expect("\(failure!)".contains(words), "\(failure!)")
            #expect("\(failure!)".contains("s3://b/p/a"))
        }
    }

    @Test func `an object made by a try whose answer was lost counts as made`() throws {
        // The first try made the object and was torn; the second finds it there.
        for (there, made) in [([1, 2] as [UInt8], true), ([9], false)] {
            let server = scripted([
                .torn, S3FaultTests.error(412, "PreconditionFailed"),
                .whole(status: 200, body: there),
            ])
            defer { server.stop() }
            #expect(try bucket(server).create("m", [1, 2]) == made)
            #expect(server.requests[0].headers["if-none-match"] == "*")
            #expect(server.requests.map(\.method) == ["PUT", "PUT", "GET"])
        }
        let server = scripted([
            S3FaultTests.error(409, "ConditionalRequestConflict"), .whole(status: 200),
        ])
        defer { server.stop() }
        #expect(try bucket(server).create("m", [1, 2]))
    }

    @Test func `an upload in parts that fails is given up, and its parts with it`() throws {
        let scratch = try scratchDirectory()
        defer { try? FileManager.default.removeItem(atPath: scratch) }
        try Data(repeating: 7, count: 250).write(to: URL(fileURLWithPath: scratch + "/f"))
        let begun = Answer.whole(
            status: 200, body: Array("<R><UploadId>u&amp;1</UploadId></R>".utf8))
        let part = Answer.whole(status: 200, headers: ["ETag": "\"t\""])
        let late = Answer.whole(
            status: 200, body: Array("<Error><Code>InternalError</Code></Error>".utf8))
        let cases: [([Answer], [String])] = [
            (
                [begun, part, S3FaultTests.error(403, "AccessDenied"), .whole(status: 204)],
                ["POST", "PUT", "PUT", "DELETE"]
            ),
            (
                [begun, part, part, part, late, .whole(status: 404), .whole(status: 204)],
                ["POST", "PUT", "PUT", "PUT", "POST", "HEAD", "DELETE"]
            ),
        ]
        for (answers, methods) in cases {
            let server = scripted(answers)
            defer { server.stop() }
            #expect(throws: JobFailure.self) {
                try bucket(server, partBytes: 100).upload(scratch + "/f", as: "f")
            }
            #expect(server.requests.map(\.method) == methods)
            #expect(server.requests.last?.target == "/b/p/f?uploadId=u%261")
        }
        let server = scripted([begun, part, .torn, part, part, .whole(status: 200)])
        defer { server.stop() }
        try bucket(server, partBytes: 100).upload(scratch + "/f", as: "f")
        let parts = server.requests.filter { $0.method == "PUT" }
        #expect(parts.map(\.body.count) == [100, 100, 100, 50])
        #expect(parts.last?.target == "/b/p/f?partNumber=3&uploadId=u%261")
    }

    @Test func `every body travels with its digest, and the signature covers it`() throws {
        let server = scripted([.whole(status: 200)])
        defer { server.stop() }
        _ = try bucket(server).create("x y", Array("Welcome to Amazon S3.".utf8))
        let request = server.requests[0]
        #expect(request.target == "/b/p/x%20y")
        #expect(
            request.headers["x-amz-content-sha256"]
                == "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072")
        #expect(request.headers["x-amz-date"] == "20130524T000000Z")
        let signature = try #require(request.headers["authorization"])
        #expect(
            signature.contains(
                "SignedHeaders=host;if-none-match;x-amz-content-sha256;x-amz-date,"))
    }

    @Test func `a long listing comes in pages`() throws {
        func page(_ names: [String], next: String?) -> Answer {
            let entries = names.map {
                "<Contents><Key>p/\($0)</Key><Size>1</Size>"
                    + "<LastModified>2013-05-24T00:00:00.000Z</LastModified></Contents>"
            }
            let more = next.map {
                "<IsTruncated>true</IsTruncated><NextContinuationToken>\($0)"
                    + "</NextContinuationToken>"
            }
            return .whole(
                status: 200, headers: ["Date": "Fri, 24 May 2013 00:00:07 GMT"],
                body: Array("<R>\(entries.joined())\(more ?? "")</R>".utf8))
        }
        let server = scripted([page(["c", "a"], next: "t/1"), page(["b"], next: nil)])
        defer { server.stop() }
        let listing = try bucket(server).list("x")
        #expect(listing.objects.map(\.name) == ["a", "b", "c"])
        #expect(listing.nowMillis == 1_369_353_607_000)
        #expect(listing.objects[0].writtenMillis == 1_369_353_600_000)
        #expect(
            server.requests.map(\.target) == [
                "/b/?list-type=2&prefix=p%2Fx",
                "/b/?continuation-token=t%2F1&list-type=2&prefix=p%2Fx",
            ])
    }

    @Test func `a listing that makes no sense is an error`() throws {
        let server = scripted([
            .whole(status: 200, body: Array("<R><Contents><Key>p/a</Key></Contents></R>".utf8))
        ])
        defer { server.stop() }
        #expect(throws: JobFailure.self) { try bucket(server).list("") }
    }
}

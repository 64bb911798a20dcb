import Foundation
import HTTP
import Testing

/// `openssl s_server` on a free port, with certificates made for the occasion.
private final class TLSServer {
    let directory: String
    let port: Int
    private let process = Process()

    static let program = ["/usr/bin/openssl", "/usr/local/bin/openssl"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    init(_ program: String, asksForCertificate: Bool) throws {
        directory = NSTemporaryDirectory() + "millrace-tls-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        let made = Process()
        made.executableURL = URL(fileURLWithPath: program)
        made.arguments = [
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", "\(directory)/key", "-out", "\(directory)/certificate", "-days", "2",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
        ]
        made.standardError = FileHandle.nullDevice
        try made.run()
        made.waitUntilExit()
        process.executableURL = made.executableURL
        process.arguments =
            [
                "s_server", "-accept", "127.0.0.1:0", "-www", "-cert", "\(directory)/certificate",
                "-key", "\(directory)/key",
            ]
            + (asksForCertificate
                ? ["-Verify", "1", "-verify_return_error", "-CAfile", "\(directory)/certificate"]
                : [])
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        // The program says "ACCEPT 127.0.0.1:PORT" when it is ready.
        var said = ""
        var found: Int?
        while found == nil {
            let bytes = output.fileHandleForReading.availableData
            if bytes.isEmpty { break }
            said += String(decoding: bytes, as: UTF8.self)
            for line in said.split(separator: "\n").dropLast(said.hasSuffix("\n") ? 0 : 1)
            where line.hasPrefix("ACCEPT") {
                found = line.split(separator: ":").last.flatMap { Int($0) }
            }
        }
        port = try #require(found)
    }

    deinit {
        // It inherits blocked signals from a thread of the tests, so that SIGTERM would not reach it.
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        try? FileManager.default.removeItem(atPath: directory)
    }
}

@Suite(
    .enabled(if: TLSServer.program != nil, "openssl's command is not installed"))
struct TLSTests {
    @Test func `a server is trusted by the file of its authority, and not without`() throws {
        let server = try TLSServer(TLSServer.program!, asksForCertificate: false)
        let request = HTTPRequest(.get, "https://127.0.0.1:\(server.port)/")
        let failure = #expect(throws: HTTPFailure.self) { try HTTPClient().send(request) }
        #expect(failure?.kind == .tls)
        #expect(failure?.isPassing == false)
        var settings = HTTPSettings()
        settings.authorityFile = server.directory + "/certificate"
        #expect(try HTTPClient(settings).send(request).status == 200)
    }

    @Test func `a server that asks for a certificate gets this client's`() throws {
        let server = try TLSServer(TLSServer.program!, asksForCertificate: true)
        let request = HTTPRequest(.get, "https://127.0.0.1:\(server.port)/")
        var settings = HTTPSettings()
        settings.authorityFile = server.directory + "/certificate"
        #expect(throws: HTTPFailure.self) { try HTTPClient(settings).send(request) }
        settings.certificateFile = server.directory + "/certificate"
        settings.keyFile = server.directory + "/key"
        #expect(try HTTPClient(settings).send(request).status == 200)
    }
}

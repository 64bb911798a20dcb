import Foundation
import Glibc

/// Takes TLS off connections and passes them on to a port of the loopback: a script of Python, which has a
/// library for it, with a certificate made for the occasion.
///
/// - Shape: `certificate` is its own authority; it is for localhost and 127.0.0.1.
public final class TLSFront {
    /// The port that speaks TLS.
    public let port: Int32
    /// The file of the certificate, which clients are to trust.
    public var certificate: String { directory + "/certificate" }
    private let directory: String
    private let process = Process()
    private let input = Pipe()

    private static let openssl = ["/usr/bin/openssl", "/usr/local/bin/openssl"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }
    private static let python: Bool = {
        let probe = Process()
        probe.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        probe.arguments = ["python3", "-c", "import ssl, asyncio"]
        probe.standardOutput = FileHandle.nullDevice
        probe.standardError = FileHandle.nullDevice
        guard (try? probe.run()) != nil else { return false }
        probe.waitUntilExit()
        return probe.terminationStatus == 0
    }()

    /// Whether the programs it needs are there.
    public static var isAvailable: Bool { openssl != nil && python }

    private static let script = """
        import asyncio, ssl, sys, threading, os
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1], sys.argv[2])
        target = []
        async def pump(reader, writer):
            try:
                while data := await reader.read(65536):
                    writer.write(data)
                    await writer.drain()
            except Exception:
                pass
            finally:
                writer.close()
        async def serve(reader, writer):
            try:
                onward = await asyncio.open_connection("127.0.0.1", target[0])
            except Exception:
                return writer.close()
            await asyncio.gather(pump(reader, onward[1]), pump(onward[0], writer))
        async def main():
            server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
            print(server.sockets[0].getsockname()[1], flush=True)
            def listen():
                target.append(int(sys.stdin.readline()))
                sys.stdin.read()
                os._exit(0)
            threading.Thread(target=listen, daemon=True).start()
            await server.serve_forever()
        asyncio.run(main())
        """

    /// Listens; until `lead` is called, clients wait.
    ///
    /// - Throws: when a program does not start.
    public init() throws {
        directory = NSTemporaryDirectory() + "millrace-front-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        let made = Process()
        made.executableURL = URL(fileURLWithPath: TLSFront.openssl ?? "openssl")
        made.arguments = [
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", "\(directory)/key", "-out", "\(directory)/certificate", "-days", "2",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
        ]
        made.standardError = FileHandle.nullDevice
        try made.run()
        made.waitUntilExit()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            "python3", "-c", TLSFront.script, directory + "/certificate", directory + "/key",
        ]
        let output = Pipe()
        process.standardOutput = output
        process.standardInput = input
        process.standardError = FileHandle.nullDevice
        try process.run()
        var said = ""
        while !said.contains("\n") {
            let bytes = output.fileHandleForReading.availableData
            if bytes.isEmpty { break }
            said += String(decoding: bytes, as: UTF8.self)
        }
        guard let found = Int32(said.split(separator: "\n").first ?? "") else {
            throw CocoaError(.executableLoad)
        }
        port = found
    }

    /// Passes connections on to this port from now on.
    public func lead(to port: Int32) {
        input.fileHandleForWriting.write(Data("\(port)\n".utf8))
    }

    deinit {
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        try? FileManager.default.removeItem(atPath: directory)
    }
}

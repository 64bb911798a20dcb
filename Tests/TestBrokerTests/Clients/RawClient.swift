import Glibc
import Testing

@testable import TestBroker

/// A client that says exactly what it is told to, for what librdkafka would never say.
final class RawClient {
    private let descriptor: Int32
    private var correlation: Int32 = 0

    init(port: Int32) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var patience = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(
            descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience,
            socklen_t(MemoryLayout<timeval>.size))
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(code == 0)
    }

    deinit { close(descriptor) }

    func send(bytes: [UInt8]) { _ = Glibc.send(descriptor, bytes, bytes.count, 0) }

    /// Sends a request without waiting for the answer.
    func send(_ api: Int16, version: Int16, _ body: (inout ResponseWriter) -> Void) {
        let isFlexible = API(rawValue: api).map { version >= $0.firstFlexible } ?? false
        correlation += 1
        var request = ResponseWriter(isFlexible: false)
        request.int16(api)
        request.int16(version)
        request.int32(correlation)
        request.nullableString("raw")
        if isFlexible { request.int8(0) }
        var rest = ResponseWriter(isFlexible: isFlexible)
        body(&rest)
        request.raw(rest.flatBytes)
        var frame = ResponseWriter(isFlexible: false)
        frame.bytes(request.flatBytes)
        send(bytes: frame.flatBytes)
    }

    /// The next answer: its number and its body; nil when the broker has closed the connection.
    func receive() -> (correlation: Int32, body: [UInt8])? {
        guard let size = take(4), let frame = take(Int(number(size))) else { return nil }
        return (number(frame), Array(frame[4...]))
    }

    private func number(_ bytes: [UInt8]) -> Int32 {
        bytes.withUnsafeBytes { Int32(bigEndian: $0.loadUnaligned(as: Int32.self)) }
    }

    private func take(_ count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        var got = 0
        while got < count {
            let more = bytes.withUnsafeMutableBytes {
                recv(descriptor, $0.baseAddress! + got, count - got, 0)
            }
            if more <= 0 { return nil }
            got += more
        }
        return bytes
    }

    /// Sends a request and reads the answer's body.
    func ask<Answer>(
        _ api: API, version: Int16, _ body: (inout ResponseWriter) -> Void,
        _ read: (inout RequestReader) throws -> Answer
    ) throws -> Answer {
        send(api.rawValue, version: version, body)
        let answer = try #require(receive())
        return try answer.body.withUnsafeBytes { bytes in
            var reader = RequestReader(bytes, isFlexible: version >= api.firstFlexible)
            // The header of the answer has tagged fields too.
            try reader.tags()
            let result = try read(&reader)
            try reader.tags()
            #expect(reader.remaining == 0)
            return result
        }
    }

    /// Sends a batch; the error and the offset that come back.
    func produce(_ topic: String, _ batch: [UInt8]) throws -> (ErrorCode?, Int64) {
        send(API.produce.rawValue, version: 7) { body in
            body.nullableString(nil)
            body.int16(-1)
            body.int32(1000)
            body.array([topic]) { body, topic in
                body.string(topic)
                body.array([batch]) { body, batch in
                    body.int32(0)
                    body.bytes(batch)
                }
            }
        }
        let answer = try #require(receive())
        return try answer.body.withUnsafeBytes { bytes in
            var reader = RequestReader(bytes, isFlexible: false)
            _ = try reader.int32()
            _ = try reader.string()
            _ = (try reader.int32(), try reader.int32())
            return (ErrorCode(rawValue: try reader.int16()), try reader.int64())
        }
    }

    /// Asks for records of partition 0 without waiting for the answer.
    func fetch(_ topic: String, from offset: Int64, waitMillis: Int32, bytesMin: Int32 = 1) {
        send(API.fetch.rawValue, version: 4) { body in
            body.int32(-1)
            body.int32(waitMillis)
            body.int32(bytesMin)
            body.int32(1 << 20)
            body.int8(0)
            body.array([topic]) { body, topic in
                body.string(topic)
                body.array([offset]) { body, offset in
                    body.int32(0)
                    body.int64(offset)
                    body.int32(1 << 20)
                }
            }
        }
    }

    /// The answer to `fetch`: its error and how many bytes of records it has.
    func fetched() throws -> (ErrorCode?, Int32) {
        let answer = try #require(receive())
        return try answer.body.withUnsafeBytes { bytes in
            var reader = RequestReader(bytes, isFlexible: false)
            _ = (try reader.int32(), try reader.int32(), try reader.string())
            _ = (try reader.int32(), try reader.int32())
            let code = ErrorCode(rawValue: try reader.int16())
            _ = (try reader.int64(), try reader.int64(), try reader.int32())
            return (code, try reader.int32())
        }
    }
}

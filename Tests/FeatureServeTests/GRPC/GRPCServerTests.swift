import Codecs
import NIOCore
import StreamRuntime
import Testing

@testable import FeatureServe

/// The gRPC server over real sockets on the loopback; messages as Feast's own classes encode them.
@Suite struct GRPCServerTests {
    private func serving(
        limits: ServerLimits = ServerLimits(), access: AccessRules = .open,
        now: Int64 = Shop.noon, _ body: (GRPCAsk, OnlineStore, GRPCServer) throws -> Void
    ) throws {
        let store = try Shop.store()
        try Shop.write(
            [.init(user: 1, orders: 5, spend: 2.5, city: nil, at: Shop.noon)], to: store)
        let metrics = MetricsRegistry()
        let writes = WriteQueue(
            store: store,
            targets: WriteTargets(
                pushSources: ["clicks": ["user_counters"]], views: ["user_counters"]),
            metrics: metrics)
        defer { writes.stop() }
        var options = FeatureServer.Options()
        options.port = 0
        options.threads = 1
        options.limits = limits
        options.access = access
        let server = GRPCServer(
            store: store, metrics: metrics, options: options, writes: writes, now: { now })
        let port = try server.start()
        defer { server.stop(graceMillis: 200) }
        let ask = try GRPCAsk(port: port)
        defer { ask.close() }
        try body(ask, store, server)
    }

    private static let lookup = "/feast.serving.ServingService/GetOnlineFeatures"
    private static let request =
        "12460a17757365725f636f756e746572733a6f72646572735f31680a17757365725f636f756e746572733a7370656e645f"
        + "3234680a12757365725f636f756e746572733a636974791a130a07757365725f696412080a0220010a021802"
    private static let answer =
        "0a270a250a07757365725f69640a096f72646572735f31680a097370656e645f3234680a046369747912100a0220010a02"
        + "2002120201011a001a0012140a0220050a00120201031a0608c0f6a1d7061a00121b0a092900000000000004400a00"
        + "120201031a0608c0f6a1d7061a0012120a000a00120202031a0608c0f6a1d7061a001801"
    private static let service =
        "0a0566726175641a0f0a07757365725f696412040a02200120013001"
    private static let serviceAnswer =
        "0a550a340a07757365725f69640a18757365725f636f756e746572735f5f7370656e645f3234680a0f757365725f6d6f6e"
        + "65795f5f766970120f0a0d757365725f636f756e74657273120c0a0a757365725f6d6f6e657912090a022001120101"
        + "1a0012160a092900000000000004401201011a0608c0f6a1d70612070a001201031a001801"

    @Test(arguments: [lookup, "/GrpcFeatureServer/GetOnlineFeatures"])
    func `a lookup is answered as Feast's own classes would encode it, int32 keys included`(
        path: String
    ) throws {
        try serving { (ask, _, _) throws in
            for _ in 0..<2 {
                let answer = try ask.call(path, unhex(Self.request))
                #expect(answer.httpStatus == "200")
                #expect(answer.status == "0", "\(answer.message)")
                #expect(answer.body == unhex(Self.answer))
            }
        }
    }

    @Test func `a service, full names and the views' names are answered as Feast encodes them`()
        throws
    {
        try serving { (ask, _, _) throws in
            let answer = try ask.call(Self.lookup, unhex(Self.service))
            #expect(answer.body == unhex(Self.serviceAnswer), "\(answer.message)")
        }
    }

    @Test func `a value older than its ttl is given and flagged`() throws {
        try serving(now: Shop.noon + 3601 * Shop.second) { (ask, _, _) throws in
            let expected = Self.answer.replacing("120201031a06", with: "120204031a06")
            let answer = try ask.call(Self.lookup, unhex(Self.request))
            #expect(answer.body == unhex(expected))
        }
    }

    @Test func `Feast's Go server reads entity keys through the connector`() throws {
        let request =
            "0a0d0a07757365725f6964120220010a0d0a07757365725f696412022009120d757365725f636f756e746572731a04"
            + "636974791a096f72646572735f3168"
        let expected =
            "0a4d0a210a150a0d757365725f636f756e74657273120463697479120608c0f6a1d7061a000a280a1a0a0d75736572"
            + "5f636f756e7465727312096f72646572735f3168120608c0f6a1d7061a0220050a370a170a150a0d757365725f636f"
            + "756e746572731204636974790a1c0a1a0a0d757365725f636f756e7465727312096f72646572735f3168"
        try serving { (ask, _, _) throws in
            let answer = try ask.call("/grpc.connector.OnlineStore/OnlineRead", unhex(request))
            #expect(answer.body == unhex(expected), "\(answer.message)")
        }
    }

    @Test
    func `a pushed row is readable when the push is answered, and an older one changes nothing`()
        throws
    {
        let push =
            "1206636c69636b7322066f6e6c696e652a0b0a046369747912039801002a190a0f6576656e745f74696d657374616d"
            + "70120640c0f6a1d7062a0f0a096f72646572735f3168120218032a160a097370656e645f323468120929000000000000"
            + "f83f2a0d0a07757365725f696412022007"
        let write =
            "0a0d0a046369747912054bc3b66c6e0a0c0a07637265617465641201780a260a0f6576656e745f74696d657374616d"
            + "701213323032362d31312d30325431323a30303a30300a0e0a096f72646572735f31681201340a0e0a097370656e645f"
            + "3234681201320a0c0a07757365725f6964120138120d757365725f636f756e74657273"
        try serving { (ask, store, _) throws in
            #expect(try ask.call("/GrpcFeatureServer/Push", unhex(push)).body == [8, 1])
            #expect(
                try ask.call("/GrpcFeatureServer/WriteToOnlineStore", unhex(write)).body == [8, 1])
            let older = write.replacing("31323a30303a3030", with: "31313a30303a3030")
                .replacing("1201340a0e", with: "1201390a0e")
            #expect(
                try ask.call("/GrpcFeatureServer/WriteToOnlineStore", unhex(older)).status == "0")
            let read = Shop.ask(
                store,
                "{\"features\":[\"user_counters:orders_1h\",\"user_counters:spend_24h\","
                    + "\"user_counters:city\"],\"entities\":{\"user_id\":[7,8]}}"
            ).body
            for values in ["[3,4]", "[1.5,2.0]", "[null,\"Köln\"]"] {
                #expect(read.contains("{\"values\":\(values)"), "\(values) in \(read)")
            }
        }
    }

    @Test func `what cannot be answered is said by gRPC's codes`() throws {
        try serving { (ask, _, _) throws in
            func proto(_ write: (ByteArena) -> Void) -> [UInt8] {
                let arena = ByteArena()
                write(arena)
                return Array(UnsafeBufferPointer(start: arena.base, count: arena.count))
            }
            func features(_ names: String..., key: String = "user_id", value: [UInt8] = [0x20, 1])
                -> [UInt8]
            {
                proto { arena in
                    ProtoWriter.message(2, to: arena) {
                        for name in names { ProtoWriter.text(1, name, to: arena) }
                    }
                    ProtoWriter.message(3, to: arena) {
                        ProtoWriter.text(1, key, to: arena)
                        ProtoWriter.message(2, to: arena) {
                            value.withUnsafeBufferPointer { ProtoWriter.bytes(1, $0, to: arena) }
                        }
                    }
                }
            }
            let table: [(path: String, message: [UInt8], code: String, says: String)] = [
                (Self.lookup, features("ghost:x"), "5", "ghost"),
                (Self.lookup, features("user_counters:ghost"), "5", "ghost"),
                (Self.lookup, proto { ProtoWriter.text(1, "nobody", to: $0) }, "5", "nobody"),
                (Self.lookup, proto { ProtoWriter.text(1, "fraud", to: $0) }, "3", "entities"),
                (Self.lookup, features("user_counters:city", key: "other"), "5", "user_id"),
                (Self.lookup, features("user_counters:city", value: []), "3", "null"),
                (
                    Self.lookup, features("user_counters:city", value: [0x12, 1, 0x78]), "3",
                    "string_val where int64 is declared"
                ),
                (Self.lookup, features(), "3", "No features"),
                (Self.lookup, features("no reference"), "3", "view:feature"),
                (Self.lookup, [0x12, 0xFF], "3", "cut short"),
                (Self.lookup, [0x0B], "3", "wire type"),
                (
                    "/GrpcFeatureServer/Push", proto { ProtoWriter.text(2, "ghost", to: $0) }, "3",
                    "ghost"
                ),
                (
                    "/GrpcFeatureServer/Push", proto { ProtoWriter.text(4, "moon", to: $0) }, "3",
                    "moon"
                ),
                (
                    "/GrpcFeatureServer/WriteToOnlineStore",
                    proto { ProtoWriter.text(2, "ghost", to: $0) }, "5", "ghost"
                ),
                (
                    "/GrpcFeatureServer/WriteToOnlineStore",
                    proto { ProtoWriter.text(2, "user_money", to: $0) }, "3", "pipeline"
                ),
                (
                    "/GrpcFeatureServer/WriteToOnlineStore",
                    proto { arena in
                        ProtoWriter.message(1, to: arena) {
                            ProtoWriter.text(1, "user_id", to: arena)
                            ProtoWriter.text(2, "x", to: arena)
                        }
                        ProtoWriter.text(2, "user_counters", to: arena)
                    }, "3", "orders_1h, spend_24h, city, event_timestamp"
                ),
                ("/nothing/Here", [], "12", "/nothing/Here"),
                ("/grpc.health.v1.Health/Check", [0x0A, 1, 0x78], "5", "x"),
            ]
            for row in table {
                let answer = try ask.call(row.path, row.message)
                #expect(answer.status == row.code, "\(row): \(answer.message)")
                #expect(answer.message.contains(row.says), "\(row): \(answer.message)")
            }
        }
    }

    @Test func `frames may cut a message anywhere, and gzip is read`() throws {
        try serving { (ask, _, _) throws in
            let message = unhex(Self.request)
            let framed = GRPCAsk.framed(message)
            let pieces = stride(from: 0, to: framed.count, by: 7).map {
                Array(framed[$0..<min($0 + 7, framed.count)])
            }
            #expect(try ask.send(Self.lookup, pieces).body == unhex(Self.answer))
            var packed: [UInt8] = []
            let deflater = Deflater()
            message.withUnsafeBufferPointer { deflater.deflate($0, into: &packed) }
            deflater.finish(into: &packed)
            let zipped = GRPCAsk.framed(packed, flag: 1)
            #expect(
                try ask.send(Self.lookup, [zipped], [("grpc-encoding", "gzip")]).body
                    == unhex(Self.answer))
            #expect(try ask.send(Self.lookup, [zipped]).status == "13")
            let broken = GRPCAsk.framed(Array(packed.dropLast(12)) + [1, 2, 3], flag: 1)
            #expect(
                try ask.send(Self.lookup, [broken], [("grpc-encoding", "gzip")]).status == "13")
            let other = try ask.send(Self.lookup, [zipped], [("grpc-encoding", "zstd")])
            #expect(other.status == "12")
            #expect(other.accepted == "identity,gzip")
            #expect(try ask.send(Self.lookup, [framed + [0]]).status == "3")
            #expect(try ask.send(Self.lookup, [[0, 0]]).status == "3")
            #expect(
                try ask.send(Self.lookup, [framed], type: "application/json").httpStatus == "415")
        }
    }

    @Test func `messages beyond the limit are refused before they are all there`() throws {
        var limits = ServerLimits()
        limits.bodyBytes = 1000
        try serving(limits: limits) { (ask, _, _) throws in
            let large = [UInt8](repeating: 0, count: 2000)
            #expect(try ask.call(Self.lookup, large).status == "8")
            let announced = try ask.send(Self.lookup, [[0, 0, 0, 16, 0]], ends: false)
            #expect(announced.status == "8")
            var packed: [UInt8] = []
            let deflater = Deflater()
            large.withUnsafeBufferPointer { deflater.deflate($0, into: &packed) }
            deflater.finish(into: &packed)
            let zipped = GRPCAsk.framed(packed, flag: 1)
            #expect(
                try ask.send(Self.lookup, [zipped], [("grpc-encoding", "gzip")]).status == "8")
            #expect(try ask.call(Self.lookup, unhex(Self.request)).status == "0")
        }
    }

    @Test func `a call whose time is over is not answered`() throws {
        try serving { (ask, _, _) throws in
            let late = try ask.call(Self.lookup, unhex(Self.request), [("grpc-timeout", "0n")])
            #expect(late.status == "4")
            let fine = try ask.call(Self.lookup, unhex(Self.request), [("grpc-timeout", "20S")])
            #expect(fine.status == "0")
            #expect(
                try ask.call(Self.lookup, unhex(Self.request), [("grpc-timeout", "soon")]).status
                    == "3")
        }
        let table: [(String, Int64?)] = [
            ("1n", 1), ("2u", 2000), ("3m", 3_000_000), ("4S", 4_000_000_000),
            ("1M", 60_000_000_000), ("1H", 3_600_000_000_000), ("99999999H", .max / 4),
            ("123456789S", nil), ("S", nil), ("-1S", nil), ("1s", nil), ("", nil),
        ]
        for (text, nanos) in table { #expect(GRPCHead.timeout(text) == nanos, "\(text)") }
    }

    @Test func `health is told, watched, and changes when the server stops`() throws {
        try serving { (ask, _, server) throws in
            #expect(try ask.call("/grpc.health.v1.Health/Check", []).body == [8, 1])
            #expect(
                String(
                    decoding: try ask.call(
                        "/feast.serving.ServingService/GetFeastServingInfo", []
                    ).body.dropFirst(2), as: UTF8.self) == "0.67.0")
            let watch = try ask.begin("/grpc.health.v1.Health/Watch", [GRPCAsk.framed([])])
            // Of the calls of one connection the first has begun when the second is answered.
            #expect(try ask.call("/grpc.health.v1.Health/Check", []).status == "0")
            server.stop(graceMillis: 500)
            let answer = try watch.wait()
            #expect(answer.bodies == GRPCAsk.framed([8, 1]) + GRPCAsk.framed([8, 2]))
            #expect(answer.status == "14")
        }
    }

    @Test func `with keys declared a call needs one, and the right to what it asks for`() throws {
        func key(_ secret: String) -> [UInt8] {
            Array(secret.utf8).withUnsafeBufferPointer { AccessKey.digest(of: $0) }
        }
        let rules = AccessRules(keys: [
            AccessKey(name: "scoring", digest: key("one"), reads: .some(["user_counters"])),
            AccessKey(name: "loader", digest: key("two"), writes: .all),
            AccessKey(name: "slow", digest: key("three"), reads: .all, perSecond: 1),
        ])
        try serving(access: rules) { (ask, _, _) throws in
            func code(_ message: String, _ field: (String, String)?) throws -> String {
                try ask.call(Self.lookup, unhex(message), field.map { [$0] } ?? []).status
            }
            #expect(try code(Self.request, nil) == "16")
            #expect(try code(Self.request, ("x-api-key", "four")) == "16")
            #expect(try code(Self.request, ("x-api-key", "one")) == "0")
            #expect(try code(Self.request, ("authorization", "Bearer one")) == "0")
            #expect(try code(Self.service, ("x-api-key", "one")) == "7")
            #expect(try code(Self.request, ("x-api-key", "two")) == "7")
            #expect(try code(Self.request, ("x-api-key", "three")) == "0")
            #expect(try code(Self.request, ("x-api-key", "three")) == "8")
            #expect(try ask.call("/grpc.health.v1.Health/Check", []).status == "0")
            let push = unhex(
                "1206636c69636b732a0b0a046369747912039801002a190a0f6576656e745f74696d657374616d"
                    + "70120640c0f6a1d7062a0f0a096f72646572735f3168120218032a160a097370656e645f3234681209"
                    + "29000000000000f83f2a0d0a07757365725f696412022007")
            let path = "/GrpcFeatureServer/Push"
            #expect(try ask.call(path, push, [("x-api-key", "one")]).status == "7")
            #expect(try ask.call(path, push, [("x-api-key", "two")]).status == "0")
        }
    }
}

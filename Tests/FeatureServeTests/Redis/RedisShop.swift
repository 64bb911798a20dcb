import Glibc
import StreamRuntime
import Synchronization

@testable import FeatureServe

/// A shop whose store is asked in the protocol of Redis.
final class RedisShop {
    let store: OnlineStore
    let hashes: HashStore
    let engine: RESPEngine
    let session: RESPSession
    let directory: String

    init(
        readOnly: Set<String> = [], password: String? = nil, access: AccessRules = .open,
        rows: any OnlineRows = MemoryRows()
    ) throws {
        directory = RedisShop.temporary()
        store = try Shop.store(rows)
        let box = Clock()
        self.box = box
        hashes = try HashStore(path: directory, now: { box.micros.load(ordering: .relaxed) })
        let shared = try RESPShared(
            store: store, hashes: hashes, project: "lab", readOnly: readOnly, password: password,
            access: access, metrics: MetricsRegistry(), now: { box.micros.load(ordering: .relaxed) }
        )
        engine = RESPEngine(shared)
        session = RESPSession(id: 1, host: "127.0.0.1", isAdmitted: shared.isOpen)
    }

    final class Clock: Sendable { let micros = Atomic<Int64>(Shop.noon) }
    let box: Clock

    deinit { _ = RedisShop.discard(directory) }

    static func discard(_ directory: String) -> Bool { system("rm -rf '\(directory)'") == 0 }

    static func temporary() -> String {
        var template = Array("/tmp/millrace-resp-XXXXXX".utf8CString)
        return String(cString: mkdtemp(&template))
    }

    /// The bytes of a command.
    static func bytes(_ arguments: [[UInt8]]) -> [UInt8] {
        var bytes = Array("*\(arguments.count)\r\n".utf8)
        for argument in arguments {
            bytes += Array("$\(argument.count)\r\n".utf8) + argument + [0x0D, 0x0A]
        }
        return bytes
    }

    /// What the engine answers to raw bytes.
    func raw(_ bytes: [UInt8]) -> [UInt8] {
        engine.out.count = 0
        bytes.withUnsafeBufferPointer { bytes in
            var at = 0
            while at < bytes.count {
                let used = engine.step(bytes.baseAddress! + at, bytes.count - at, session)
                if used == 0 { break }
                at += used
            }
        }
        return Array(UnsafeBufferPointer(start: engine.out.base, count: engine.out.count))
    }

    /// What the engine answers to a command, ends of lines written as `|`, other bytes not printable as dots.
    func ask(_ arguments: [UInt8]...) -> String { ask(arguments) }

    func ask(_ text: String) -> String {
        ask(text.split(separator: " ").map { Array($0.utf8) })
    }

    func ask(_ arguments: [[UInt8]]) -> String { RedisShop.text(raw(RedisShop.bytes(arguments))) }

    static func text(_ bytes: [UInt8]) -> String {
        var text = ""
        for byte in bytes where byte != 0x0A {
            text +=
                byte == 0x0D
                ? "|" : byte < 0x20 || byte > 0x7E ? "." : String(Character(Unicode.Scalar(byte)))
        }
        return text
    }

    /// The key of a user in Feast's layout.
    static func user(_ id: Int64, project: String = "lab") -> [UInt8] {
        let keys = FeastEntityKey(entity: Shop.user, project: project)!
        return appended { arena in
            keys.append([column(.int64) { $0.append(id) }], 0, to: arena)
        }
    }

    static func field(_ feature: String) -> [UInt8] {
        FeastField.name(view: "user_counters", feature: feature)
    }
    static let time = FeastField.time(view: "user_counters")
    static func stamp(_ seconds: Int64) -> [UInt8] {
        appended { FeastTimestamp.append(micros: seconds * 1_000_000, to: $0) }
    }
    static func value(_ number: Int64) -> [UInt8] {
        appended { arena in
            FeastValue.append(column(.int64) { $0.append(number) }, 0, to: arena)
        }
    }
    static func value(_ text: String) -> [UInt8] {
        appended { arena in
            FeastValue.append(column(.string) { $0.append(text) }, 0, to: arena)
        }
    }
}

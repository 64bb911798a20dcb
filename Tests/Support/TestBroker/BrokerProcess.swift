import Glibc

/// A test broker in a process of its own, which can be killed and started again.
///
/// - Shape: to be used by one thread at a time; the process ends with this object at the latest.
public final class BrokerProcess {
    /// The addresses to give to a client; the same after each `start`.
    public private(set) var bootstrap = ""
    private let executable: String
    private let options: [String]
    private var ports: [Int32]
    private var controlPort: Int32 = 0
    private var process: pid_t = 0

    /// Starts a broker over what a directory holds.
    ///
    /// - Parameters:
    ///   - executable: the built product "test-broker"; nil: the one beside this program.
    ///   - autoCreatePartitions: partitions of topics made because a client asks for them.
    /// - Throws: when it does not start.
    public init(
        executable: String? = nil, directory: String, nodes: Int = 1,
        autoCreatePartitions: Int? = nil
    ) throws(BrokerFailure) {
        self.executable = executable ?? BrokerProcess.beside("test-broker")
        options =
            ["--dir", directory, "--nodes", String(nodes)]
            + (autoCreatePartitions.map { ["--auto-create", String($0)] } ?? [])
        ports = [Int32](repeating: 0, count: nodes)
        try start()
    }

    deinit { kill() }

    /// A program in the directory of the one that runs.
    private static func beside(_ name: String) -> String {
        var path = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &path, path.count)
        let bytes = path[..<max(count, 0)].map { UInt8(bitPattern: $0) }
        return String(decoding: bytes, as: UTF8.self).split(
            separator: "/", omittingEmptySubsequences: false
        ).dropLast().joined(separator: "/") + "/" + name
    }

    /// Starts the broker again after `kill`, on the same ports.
    ///
    /// - Throws: when it does not start, or another program has taken one of the ports.
    public func start() throws(BrokerFailure) {
        precondition(process == 0, "the broker is running")
        var pipe: [Int32] = [0, 0]
        guard Glibc.pipe(&pipe) == 0 else { throw BrokerFailure("make", "a pipe", errno) }
        for end in pipe { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        defer { close(pipe[0]) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, pipe[1], 1)
        defer { posix_spawn_file_actions_destroy(&actions) }
        let given =
            options + [
                "--ports", ports.map(String.init).joined(separator: ","), "--control-port",
                String(controlPort),
            ]
        var arguments = ([executable] + given).map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        let code = posix_spawn(&process, executable, &actions, nil, &arguments, environ)
        close(pipe[1])
        guard code == 0 else {
            process = 0
            throw BrokerFailure("start", executable, code)
        }
        do throws(BrokerFailure) {
            bootstrap = try line(pipe[0], after: "listening ")
            ports = bootstrap.split(separator: ",").compactMap {
                $0.split(separator: ":").last.flatMap { Int32($0) }
            }
            controlPort =
                Int32(try line(pipe[0], after: "control ").split(separator: ":").last ?? "") ?? 0
        } catch {
            kill()
            throw error
        }
    }

    private func line(_ descriptor: Int32, after word: String) throws(BrokerFailure) -> String {
        var bytes: [UInt8] = []
        var byte: UInt8 = 0
        while read(descriptor, &byte, 1) == 1, byte != UInt8(ascii: "\n") { bytes.append(byte) }
        let text = String(decoding: bytes, as: UTF8.self)
        guard text.hasPrefix(word) else {
            throw BrokerFailure("\(executable) ended without having started")
        }
        return String(text.dropFirst(word.count))
    }

    /// Ends the process at once (SIGKILL); a second time does nothing.
    public func kill() {
        guard process != 0 else { return }
        _ = Glibc.kill(process, SIGKILL)
        var status: Int32 = 0
        waitpid(process, &status, 0)
        process = 0
    }

    /// Stops the process where it stands (SIGSTOP) or lets it go on.
    public func pause(_ isPaused: Bool) {
        if process != 0 { _ = Glibc.kill(process, isPaused ? SIGSTOP : SIGCONT) }
    }

    /// Sends one line to the control port.
    ///
    /// - Returns: the line that comes back: "ok" or what was asked for.
    /// - Throws: what the broker has against the command, or when it cannot be reached.
    @discardableResult
    public func command(_ text: String) throws(BrokerFailure) -> String {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(controlPort).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0 ? 0 : errno
            }
        }
        guard code == 0 else { throw BrokerFailure("reach", "the control port", code) }
        let bytes = Array((text + "\n").utf8)
        _ = send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        let answer = try line(descriptor, after: "")
        if answer.isEmpty { throw BrokerFailure("the broker did not answer \(text)") }
        if answer.hasPrefix("error: ") { throw BrokerFailure(String(answer.dropFirst(7))) }
        return answer
    }
}

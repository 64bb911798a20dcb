import Foundation
import Testing

@testable import StreamRuntime

@Suite struct ProgramMemoryTests {
    /// Kilobytes of file pages that the process has.
    private static func fileKilobytes() throws -> Int {
        let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("RssFile:") })
        return try #require(line.split(separator: " ").compactMap { Int($0) }.first)
    }

    @Test func `pages of the start go, and the program goes on`() throws {
        let before = try Self.fileKilobytes()
        let text = (0..<100).map(String.init).joined(separator: ",")
        ProgramMemory.releaseStart()
        let after = try Self.fileKilobytes()
        #expect(after < before * 9 / 10, "\(before) KB before, \(after) KB after")
        #expect(text.split(separator: ",").compactMap { Int($0) }.reduce(0, +) == 4950)
    }
}

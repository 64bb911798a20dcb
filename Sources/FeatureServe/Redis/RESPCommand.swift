/// The arguments of one command of the Redis protocol, found in the bytes of a connection; used again for
/// every command.
final class RESPCommand {
    /// How parsing went.
    enum Outcome: Equatable {
        /// The command takes this many bytes; `count` of 0 is an empty line.
        case whole(Int)
        /// More bytes must come first.
        case partial
        /// The bytes are no command; the connection cannot go on.
        case broken(String)
    }

    /// The most arguments of a command.
    static let argumentsMax = 1 << 20

    private(set) var count = 0
    private var base: UnsafePointer<UInt8>?
    private var bounds: [(start: Int, length: Int)] = []

    /// Argument `index`; lent until the bytes move.
    @inline(__always)
    subscript(_ index: Int) -> UnsafeBufferPointer<UInt8> {
        let bound = bounds[index]
        return UnsafeBufferPointer(start: base.map { $0 + bound.start }, count: bound.length)
    }

    /// A copy of argument `index`.
    func bytes(_ index: Int) -> [UInt8] { Array(self[index]) }

    /// Argument `index` as text.
    func text(_ index: Int) -> String { String(decoding: self[index], as: UTF8.self) }

    /// Argument `index` as a whole number, or nil.
    func integer(_ index: Int) -> Int? { index < count ? Int(text(index)) : nil }

    /// Where the raw bytes of the arguments from `index` on begin.
    func rawStart(_ index: Int) -> Int {
        let previous = bounds[index - 1]
        return previous.start + previous.length + 2
    }

    /// Finds the arguments of the command that begins at `bytes`.
    func parse(_ bytes: UnsafePointer<UInt8>, _ available: Int, bytesMax: Int) -> Outcome {
        base = bytes
        count = 0
        bounds.removeAll(keepingCapacity: true)
        guard available > 0 else { return .partial }
        guard bytes[0] == 0x2A else { return parseInline(bytes, available) }
        var at = 1
        guard let arguments = RESPCommand.number(bytes, available, &at) else {
            return at < 0
                ? .broken("invalid multibulk length") : partial(available, bytesMax: bytesMax)
        }
        guard arguments <= RESPCommand.argumentsMax else {
            return .broken("invalid multibulk length")
        }
        if arguments <= 0 { return .whole(at) }
        while count < arguments {
            guard at < available else { return partial(available, bytesMax: bytesMax) }
            guard bytes[at] == 0x24 else {
                return .broken("expected '$', got '\(Character(Unicode.Scalar(bytes[at])))'")
            }
            at += 1
            guard let length = RESPCommand.number(bytes, available, &at) else {
                return at < 0
                    ? .broken("invalid bulk length") : partial(available, bytesMax: bytesMax)
            }
            guard length >= 0, length <= bytesMax else { return .broken("invalid bulk length") }
            guard available - at >= length + 2 else {
                return at + length > bytesMax
                    ? .broken("the command is too large") : partial(available, bytesMax: bytesMax)
            }
            bounds.append((at, length))
            count += 1
            at += length + 2
        }
        return .whole(at)
    }

    private func partial(_ available: Int, bytesMax: Int) -> Outcome {
        available > bytesMax ? .broken("the command is too large") : .partial
    }

    /// A line typed by hand: words between blanks.
    private func parseInline(_ bytes: UnsafePointer<UInt8>, _ available: Int) -> Outcome {
        var end = 0
        while end < available, bytes[end] != 0x0A { end += 1 }
        guard end < available else {
            return available > 1 << 16 ? .broken("too big inline request") : .partial
        }
        let last = end > 0 && bytes[end - 1] == 0x0D ? end - 1 : end
        var at = 0
        while at < last {
            while at < last, bytes[at] == 0x20 { at += 1 }
            let start = at
            while at < last, bytes[at] != 0x20 { at += 1 }
            if at > start {
                bounds.append((start, at - start))
                count += 1
            }
        }
        return .whole(end + 1)
    }

    /// The number on the line at `at`, which moves behind the line.
    ///
    /// - Returns: nil when the line is not whole; and when it is no number, then `at` is -1.
    @inline(__always)
    static func number(
        _ bytes: UnsafePointer<UInt8>, _ available: Int, _ at: inout Int
    ) -> Int? {
        var value = 0
        var index = at
        let isNegative = index < available && bytes[index] == 0x2D
        if isNegative { index &+= 1 }
        let first = index
        while index < available, bytes[index] &- 0x30 < 10, index &- first < 10 {
            value = value &* 10 &+ Int(bytes[index] &- 0x30)
            index &+= 1
        }
        guard index &+ 1 < available else {
            if index < available, bytes[index] != 0x0D { at = -1 }
            return nil
        }
        guard index > first, bytes[index] == 0x0D, bytes[index &+ 1] == 0x0A else {
            at = -1
            return nil
        }
        at = index &+ 2
        return isNegative ? -value : value
    }
}

import Glibc
import StreamRuntime

/// Addresses of the Internet.
enum NetworkFunctions {
    static let all: [ScalarFunction] = [
        ScalarFunction(
            "ip_prefix", "ip_prefix(address, bits, bits6)",
            "The network that the first bits of an address stand for; of an IPv6 address bits6, twice the bits if not given.",
            "ip_prefix('203.0.113.77', 24)", "203.0.113.0/24",
            [
                Overload([.string, .int64], canFail: true, .string) { call in
                    let bits = call.arguments[1].int64s
                    return call.buildText { row, arena in
                        let wide = bits[row].multipliedReportingOverflow(by: 2)
                        return prefix(
                            call.arguments[0].bytes(row), bits[row],
                            wide.overflow ? -1 : wide.partialValue, arena)
                    }
                },
                Overload([.string, .int64, .int64], canFail: true, .string) { call in
                    call.buildText { row, arena in
                        prefix(
                            call.arguments[0].bytes(row), call.arguments[1].int64s[row],
                            call.arguments[2].int64s[row], arena)
                    }
                },
            ])
    ]

    /// Appends the network to `arena`; the reason when there is none.
    private static func prefix(
        _ address: UnsafeBufferPointer<UInt8>, _ bits: Int64, _ bits6: Int64, _ arena: ByteArena
    ) -> String? {
        // INET6_ADDRSTRLEN, with the byte that ends the text.
        let longest = 46
        guard address.count < longest, !address.contains(0) else {
            return "ip_prefix of a text that is no address"
        }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: longest) { text in
            for index in 0..<address.count { text[index] = CChar(bitPattern: address[index]) }
            text[address.count] = 0
            let isWide = address.contains(UInt8(ascii: ":"))
            let family = isWide ? AF_INET6 : AF_INET
            let size = isWide ? 16 : 4
            let length = isWide ? bits6 : bits
            guard length >= 0, length <= Int64(size * 8) else {
                return "ip_prefix of \(length) bits, where an address has \(size * 8)"
            }
            return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 16) { bytes in
                guard inet_pton(family, text.baseAddress!, bytes.baseAddress!) == 1 else {
                    return "ip_prefix of a text that is no address"
                }
                for index in 0..<size {
                    let kept = max(0, min(8, Int(length) - index * 8))
                    bytes[index] &= kept == 0 ? 0 : 0xFF << UInt8(8 - kept)
                }
                inet_ntop(family, bytes.baseAddress!, text.baseAddress!, socklen_t(longest))
                for character in text {
                    if character == 0 { break }
                    arena.add(UInt8(bitPattern: character))
                }
                arena.add(UInt8(ascii: "/"))
                for digit in String(length).utf8 { arena.add(digit) }
                return nil
            }
        }
    }
}

/// Text as a JSON string.
public enum JSONQuoting {
    /// Appends `text` in quotes, with what JSON wants escaped and nothing else.
    ///
    /// - Precondition: `text` is valid UTF-8.
    public static func append(_ text: UnsafeBufferPointer<UInt8>, to bytes: inout [UInt8]) {
        bytes.append(0x22)
        var at = 0
        while at < text.count {
            let byte = text[at]
            at &+= 1
            if byte >= 0x20 && byte != 0x22 && byte != 0x5C {
                bytes.append(byte)
                continue
            }
            bytes.append(0x5C)
            switch byte {
            case 0x22, 0x5C: bytes.append(byte)
            case 0x0A: bytes.append(UInt8(ascii: "n"))
            case 0x0D: bytes.append(UInt8(ascii: "r"))
            case 0x09: bytes.append(UInt8(ascii: "t"))
            default:
                bytes.append(contentsOf: "u00".utf8)
                bytes.append(digit(byte >> 4))
                bytes.append(digit(byte & 15))
            }
        }
        bytes.append(0x22)
    }

    @inline(__always)
    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") - 10 + value
    }
}

import TestBroker
import Testing

@Suite struct ScramTests {
    private func hex(_ bytes: [UInt8]) -> String {
        bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }

    @Test func `digests are those of the standard's examples`() {
        #expect(
            hex(SHA2.sha512.digest(Array("abc".utf8)))
                == "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                + "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f")
        #expect(
            hex(SHA2.sha512.digest([]))
                == "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
                + "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e")
        // RFC 4231, test case 2.
        let words = Array("what do ya want for nothing?".utf8)
        #expect(
            hex(SHA2.sha256.code(words, key: Array("Jefe".utf8)))
                == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        #expect(
            hex(SHA2.sha512.code(words, key: Array("Jefe".utf8)))
                == "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
                + "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737")
    }

    /// The exchange of RFC 7677, section 3.
    @Test func `the exchange is that of the specification, to the letter`() {
        let salt: [UInt8] = [
            0x5B, 0x6D, 0x99, 0x68, 0x9D, 0x12, 0x35, 0x8E, 0xEC, 0xA0, 0x4B, 0x14, 0x12, 0x36,
            0xFA, 0x81,
        ]
        let first = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
        let proof = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        func exchange(_ password: String, _ last: String) -> ScramServer.Answer {
            var server = ScramServer(
                .sha256, passwords: ["user": password], salt: salt,
                nonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")
            let answer = server.receive(first)
            #expect(answer == .more("r=\(nonce),s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"))
            return server.receive(last)
        }
        #expect(
            exchange("pencil", "c=biws,r=\(nonce),p=\(proof)")
                == .known("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="))
        #expect(exchange("pen", "c=biws,r=\(nonce),p=\(proof)") == .refused)
        #expect(exchange("pencil", "c=biws,r=\(nonce)x,p=\(proof)") == .refused)
        #expect(exchange("pencil", "c=biws,r=\(nonce)") == .refused)
    }
}

import Catalog
import Testing

/// Addresses from text to bytes and back.
@Suite struct InetTextTests {
    @Test(
        arguments: [
            ("127.0.0.1", [127, 0, 0, 1]),
            ("0.0.0.0", [0, 0, 0, 0]),
            ("255.255.255.255", [255, 255, 255, 255]),
            ("::", [UInt8](repeating: 0, count: 16)),
            ("::1", [UInt8](repeating: 0, count: 15) + [1]),
            ("1::", [0, 1] + [UInt8](repeating: 0, count: 14)),
            ("2001:db8::ff00:42:8329", [32, 1, 13, 184, 0, 0, 0, 0, 0, 0, 255, 0, 0, 66, 131, 41]),
            ("1:2:3:4:5:6:7:8", [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8]),
            ("1:0:3:4:5:6:7:8", [0, 1, 0, 0, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8]),
            ("::ffff:10.0.0.1", [UInt8](repeating: 0, count: 10) + [255, 255, 10, 0, 0, 1]),
            ("1:0:0:2::3", [0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3]),
        ] as [(String, [UInt8])]
    )
    func `canonical text and its bytes stand for each other`(text: String, bytes: [UInt8]) {
        #expect(InetText.bytes(of: text) == bytes)
        #expect(InetText.text(of: bytes) == text)
    }

    @Test(arguments: [
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        ("0:0:1::", "0:0:1::"),
        ("1::2:0:0:0:3", "1:0:0:2::3"),
        ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
        ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"),
        ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
        ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
    ])
    func `other spellings become canonical`(text: String, canonical: String) throws {
        let bytes = try #require(InetText.bytes(of: text))
        #expect(InetText.text(of: bytes) == canonical)
    }

    @Test(arguments: [
        "", "localhost", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.", "1..3.4",
        "-1.2.3.4",
        ":", ":::", "1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "::1::",
        "1::2::3",
        "12345::", "g::", "fe80::1%eth0", "1:", ":1", "1:2:3:4:5:6:7:", "::1.2.3", "1.2.3.4::",
        "+1::",
        "1:2:3:4:5:6:7:1.2.3.4",
    ])
    func `what is no address is refused`(text: String) {
        #expect(InetText.bytes(of: text) == nil)
    }

    @Test func `only 4 and 16 bytes are an address`() {
        for count in 0...20 where count != 4 && count != 16 {
            #expect(InetText.text(of: [UInt8](repeating: 1, count: count)) == nil)
        }
    }
}

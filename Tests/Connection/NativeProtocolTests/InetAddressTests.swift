import NativeProtocol
import Testing

struct InetAddressTests {
    @Test(arguments: [
        ("127.0.0.1", "7f000001", "127.0.0.1"),
        ("0.0.0.0", "00000000", "0.0.0.0"),
        ("255.255.255.255", "ffffffff", "255.255.255.255"),
        ("::", "00000000000000000000000000000000", "::"),
        ("::1", "00000000000000000000000000000001", "::1"),
        ("2001:DB8::", "20010db8000000000000000000000000", "2001:db8::"),
        ("2001:db8:0:0:1:0:0:1", "20010db8000000000001000000000001", "2001:db8::1:0:0:1"),
        ("1:0:2:3:4:5:6:7", "00010000000200030004000500060007", "1:0:2:3:4:5:6:7"),
        ("1:2:3:4:5:6:7::", "00010002000300040005000600070000", "1:2:3:4:5:6:7:0"),
        ("::ffff:10.0.0.1", "00000000000000000000ffff0a000001", "::ffff:10.0.0.1"),
        ("1:2:3:4:5:6:1.2.3.4", "00010002000300040005000601020304", "1:2:3:4:5:6:102:304"),
    ]) func `text and bytes agree`(text: String, bytes: String, canonical: String) throws {
        let address = try #require(InetAddress(text))
        #expect(address.bytes == hex(bytes))
        #expect(address.description == canonical)
        #expect(InetAddress(bytes: hex(bytes)) == address)
        #expect(InetAddress(canonical) == address)
    }

    @Test(arguments: [
        "", "localhost", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1..2.3", "1.2.3.4 ",
        "-1.2.3.4",
        ":", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "g::", "::+1",
        "::-1",
        "1.2.3.4::", "::1.2.3", "fe80::1%eth0", "1:2:3:4:5:6:7:8::", "::1.2.3.4:5",
        "1:2:3:4:5:6:7:1.2.3.4",
    ]) func `other texts are no addresses`(text: String) {
        #expect(InetAddress(text) == nil)
    }

    @Test func `other sizes are no addresses`() {
        for count in [0, 1, 3, 5, 15, 17] {
            #expect(InetAddress(bytes: Array(repeating: 1, count: count)) == nil)
        }
    }
}

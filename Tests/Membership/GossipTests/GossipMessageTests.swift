import ByteCoding
import Gossip
import Testing
import TokenPlacement

/// The codec: exact bytes, both ways, and what it refuses.
@Suite struct GossipMessageTests {
    static let messages: [GossipMessage] = [
        GossipMessage(.ping(ProbeSequence(0)), incarnation: Incarnation(clamping: 0)),
        GossipMessage(.ack(ProbeSequence(.max)), incarnation: .max),
        GossipMessage(
            .pingRequest(ProbeSequence(3), target: NodeID(high: .max, low: 1)),
            incarnation: Incarnation(clamping: 1_700_000_000_000),
            updates: [update("b", .alive, 1), update("c", .suspect, 2), update("d", .dead, 3)]
        ),
        GossipMessage(
            .ping(ProbeSequence(4)),
            incarnation: Incarnation(clamping: 9),
            updates: (0..<64).map { number in
                MemberUpdate(
                    node: NodeID(high: number, low: ~number),
                    incarnation: Incarnation(clamping: number << 20),
                    claim: .dead
                )
            }
        ),
    ]

    @Test(arguments: messages)
    func `a message survives its encoding`(message: GossipMessage) throws {
        #expect(try GossipMessage(decoding: message.encoded) == message)
    }

    @Test func `the bytes are the documented ones`() {
        let message = GossipMessage(
            .pingRequest(ProbeSequence(0x0102), target: NodeID(high: 0x0A, low: 0x0B)),
            incarnation: Incarnation(clamping: 0x0304),
            updates: [update("c", .suspect, 5)]
        )
        let expected: [UInt8] =
            [2] + [0, 0, 0, 0, 0, 0, 1, 2] + [0, 0, 0, 0, 0, 0, 3, 4]
            + [0, 0, 0, 0, 0, 0, 0, 0x0A] + [0, 0, 0, 0, 0, 0, 0, 0x0B] + [1]
            + [0, 0, 0, 0, 0, 0, 0, 0] + [0, 0, 0, 0, 0, 0, 0, 3]
            + [0, 0, 0, 0, 0, 0, 0, 5] + [2]
        #expect(message.encoded == expected)
    }

    @Test(arguments: messages)
    func `a message cut at any byte is refused as truncated`(message: GossipMessage) {
        let bytes = message.encoded
        for length in 0..<bytes.count {
            do {
                _ = try GossipMessage(decoding: Array(bytes[..<length]))
                Issue.record("\(length) of \(bytes.count) bytes were accepted")
            } catch .truncated {
            } catch {
                Issue.record("\(length) of \(bytes.count) bytes: \(error)")
            }
        }
    }

    @Test func `bytes behind the end are refused`() {
        let bytes = Self.messages[0].encoded + [0]
        #expect(throws: ByteDecodingError.self) { try GossipMessage(decoding: bytes) }
    }

    @Test func `a reader stands behind the message that it read`() throws {
        var writer = ByteWriter()
        for message in Self.messages { message.encode(into: &writer) }
        var reader = ByteReader(writer.bytes)
        for message in Self.messages {
            #expect(try GossipMessage(decoding: &reader) == message)
        }
        #expect(reader.isAtEnd)
    }

    @Test func `an unknown kind is refused`() {
        for kind: UInt8 in [0, 4, 255] {
            var bytes = Self.messages[0].encoded
            bytes[0] = kind
            #expect(
                throws: ByteDecodingError.invalid(
                    what: "gossip kind \(kind): 1 (ping), 2 (ping-request) or 3 (ack) is expected"
                )
            ) { try GossipMessage(decoding: bytes) }
        }
    }

    @Test func `an unknown claim is refused`() {
        for claim: UInt8 in [0, 4, 255] {
            var bytes = Self.messages[2].encoded
            bytes[bytes.count - 1] = claim
            #expect(
                throws: ByteDecodingError.invalid(
                    what: "gossip claim \(claim): 1 (alive), 2 (suspect) or 3 (dead) is expected"
                )
            ) { try GossipMessage(decoding: bytes) }
        }
    }

    @Test func `an update more than the limit is refused before it is read`() {
        var bytes = Self.messages[3].encoded
        bytes[17] = 65
        #expect(
            throws: ByteDecodingError.overLimit(what: "gossip update count", limit: 64, actual: 65)
        ) { try GossipMessage(decoding: bytes) }
    }

    @Test func `an incarnation over the greatest one is refused`() {
        var bytes = Self.messages[0].encoded
        bytes[9] = 0x80
        #expect(throws: ByteDecodingError.self) { try GossipMessage(decoding: bytes) }
    }

    @Test func `noise is refused or is a message, but never a crash`() {
        var random = XorShift(seed: 42)
        var refused = 0
        for _ in 0..<20_000 {
            let length = Int(random.next() % 120)
            var bytes = (0..<length).map { _ in UInt8(truncatingIfNeeded: random.next() >> 11) }
            if length > 0 { bytes[0] &= 3 }
            guard let message = try? GossipMessage(decoding: bytes) else {
                refused += 1
                continue
            }
            #expect(message.encoded == bytes)
        }
        #expect(refused > 19_000)
    }
}

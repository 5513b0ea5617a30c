import ByteCoding
import Catalog
import PeerMessages
import Testing
import TokenPlacement

struct PeerCodingTests {
    @Test(arguments: RandomMessages.Kind.allCases)
    func `every kind of message comes back as it was sent`(kind: RandomMessages.Kind) throws {
        for seed in 0..<200 {
            var messages = RandomMessages(seed: UInt64(seed))
            let envelope = messages.envelope(kind)
            let decoded = try PeerEnvelope(decoding: envelope.encoded())
            #expect(decoded == envelope, "seed \(seed)")
        }
    }

    /// Gossip and model bytes have no end of their own: the frame is their end.
    @Test(arguments: RandomMessages.Kind.allCases)
    func `a message that is cut anywhere is refused`(kind: RandomMessages.Kind) {
        for seed in 0..<20 {
            var messages = RandomMessages(seed: UInt64(seed))
            let bytes = messages.envelope(kind).encoded()
            let isOpenEnded = kind == .gossip || kind == .modelBytes
            for length in 0..<(isOpenEnded ? 17 : bytes.count) {
                #expect(throws: ByteDecodingError.self, "seed \(seed), \(length) bytes") {
                    try PeerEnvelope(decoding: Array(bytes[..<length]))
                }
            }
        }
    }

    @Test(arguments: RandomMessages.Kind.allCases)
    func `bytes behind a message are refused`(kind: RandomMessages.Kind) {
        guard kind != .gossip, kind != .modelBytes else { return }
        for seed in 0..<20 {
            var messages = RandomMessages(seed: UInt64(seed))
            let bytes = messages.envelope(kind).encoded() + [0]
            #expect(throws: ByteDecodingError.self) { try PeerEnvelope(decoding: bytes) }
        }
    }

    @Test(arguments: RandomMessages.Kind.allCases)
    func `damaged bytes are refused or read, and what is read can be sent on`(
        kind: RandomMessages.Kind
    ) throws {
        var refused = 0
        for seed in 0..<400 {
            var messages = RandomMessages(seed: UInt64(seed))
            var bytes = messages.envelope(kind).encoded()
            for _ in 0...messages.count(3) {
                // The kind stays, so that it is this kind's decoding that meets the damage.
                guard bytes.count > 1 else { break }
                let place = 1 + messages.count(bytes.count - 1)
                bytes[place] = UInt8(truncatingIfNeeded: messages.random.next())
            }
            if let decoded = try? PeerEnvelope(decoding: bytes) {
                let again = try PeerEnvelope(decoding: decoded.encoded())
                // Bit by bit, because a score may have become NaN.
                #expect(again.encoded() == decoded.encoded())
            } else {
                refused += 1
            }
        }
        let takesAnything: Set<RandomMessages.Kind> = [
            .gossip, .modelBytes, .fetchLog, .awaitEpoch, .done, .fetchModel,
        ]
        #expect(takesAnything.contains(kind) || refused > 0)
    }

    @Test func `noise never traps`() {
        var messages = RandomMessages(seed: 99)
        var read = 0
        for _ in 0..<20_000 {
            var bytes = [UInt8(messages.count(30))]
            bytes += messages.bytes() + messages.bytes() + messages.bytes()
            if (try? PeerEnvelope(decoding: bytes)) != nil { read += 1 }
        }
        #expect(read > 0)
    }

    @Test func `a hostile count is refused before memory is taken for it`() {
        // What stands before the count: the envelope, and in a read its table and time.
        let kinds = [
            (UInt8(3), 0), (11, 0), (12, 12), (22, 0), (23, 0), (18, 12), (19, 24), (26, 1),
            (27, 0), (30, 0), (31, 0), (32, 0),
        ]
        for (kind, fixedBytes) in kinds {
            let header = [kind] + [UInt8](repeating: 0, count: 16 + fixedBytes)
            let body = [UInt8](repeating: 0xFF, count: 9) + [1]
            #expect(throws: ByteDecodingError.self) {
                try PeerEnvelope(decoding: header + body + [0, 0, 0])
            }
        }
    }

    @Test func `counts of another node never overflow`() {
        var counts = ScoreCounts()
        counts.rows = .max
        counts.batch = 1
        counts.add(counts)
        #expect(counts.rows == .max)
        #expect(counts.batch == 2)
    }

    @Test func `an unknown kind of message is named`() {
        let bytes = [UInt8(99)] + [UInt8](repeating: 0, count: 16)
        #expect(throws: ByteDecodingError.invalid(what: "message kind 99")) {
            try PeerEnvelope(decoding: bytes)
        }
    }

    @Test func `a kind of failure that a newer node knows is an ordinary failure`() throws {
        let envelope = PeerEnvelope(
            epoch: .zero,
            correlation: 1,
            message: .failed(PeerFailure(code: .disconnected, text: "why"))
        )
        var bytes = envelope.encoded()
        bytes[17] = 200
        #expect(
            try PeerEnvelope(decoding: bytes).message
                == .failed(PeerFailure(code: .failed, text: "why"))
        )
    }

    @Test func `a greater limit than can be sent is the greatest that can`() throws {
        let request = ScoreRequest(
            table: TableID(1),
            model: try #require(ModelHash([UInt8](repeating: 1, count: 32))),
            modelName: ModelName(keyspace: "ks", name: "model"),
            arguments: [],
            order: .descending,
            limit: .max,
            columns: [],
            nowSeconds: 0,
            groups: []
        )
        let bytes = PeerEnvelope(epoch: .zero, correlation: 1, message: .score(request)).encoded()
        guard case .score(let decoded) = try PeerEnvelope(decoding: bytes).message else {
            Issue.record("not a score request")
            return
        }
        #expect(decoded.limit == Int(UInt32.max))
    }

    /// The layout itself, so that it does not change unseen.
    @Test func `a read request has these bytes`() {
        let request = ReadRequest(
            table: TableID(7),
            nowSeconds: 258,
            groups: [
                ReadRequest.Group(
                    mode: .digest,
                    partitions: [PartitionRef(token: Token(-1), key: [0xAA, 0xBB])]
                )
            ]
        )
        let envelope = PeerEnvelope(
            epoch: Epoch(3),
            correlation: 4,
            message: .read(request)
        )
        #expect(
            envelope.encoded() == [
                12,  // read
                0, 0, 0, 0, 0, 0, 0, 3,  // epoch
                0, 0, 0, 0, 0, 0, 0, 4,  // correlation
                0, 0, 0, 7,  // table
                0, 0, 0, 0, 0, 0, 1, 2,  // now
                1,  // groups
                1,  // digest
                1,  // partitions
                0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,  // token
                2, 0xAA, 0xBB,  // key
            ]
        )
    }
}

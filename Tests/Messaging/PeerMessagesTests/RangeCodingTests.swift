import ByteCoding
import Catalog
import PeerMessages
import Storage
import Testing
import TokenPlacement

struct RangeCodingTests {
    private let header = [UInt8](repeating: 0, count: 16)
    private let allOnes = [UInt8](repeating: 0xFF, count: 8)

    private func body(_ message: PeerMessage) -> [UInt8] {
        let bytes = PeerEnvelope(epoch: .zero, correlation: 0, message: message).encoded()
        return [bytes[0]] + bytes[17...]
    }

    private func decode(_ bytes: [UInt8]) throws -> PeerMessage {
        try PeerEnvelope(decoding: [bytes[0]] + header + bytes[1...]).message
    }

    // MARK: Layouts

    @Test func `the classes of traffic have these numbers`() {
        #expect(TrafficClass.allCases.map(\.rawValue) == [1, 2, 3, 4])
        #expect(TrafficClass.hints.rawValue == 4)
    }

    @Test func `a mutation has these bytes: a hint's value`() {
        let mutation = Mutation(
            table: TableID(7),
            partition: PartitionRef(token: Token(-2), key: [0xAA]),
            operand: [1, 2, 3]
        )
        #expect(
            mutation.encoded == [
                0, 0, 0, 7,  // table
                0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE,  // token
                1, 0xAA,  // key
                3, 1, 2, 3,  // operand
            ]
        )
    }

    @Test func `a stored batch has these bytes: an entry of the batch log`() throws {
        let batch = StoredBatch(
            id: NodeID(high: 1, low: 2),
            createdMicros: 258,
            mutations: [
                Mutation(
                    table: TableID(7),
                    partition: PartitionRef(token: Token(-1), key: []),
                    operand: [9]
                )
            ]
        )
        let bytes: [UInt8] = [
            0, 0, 0, 0, 0, 0, 0, 1,  // id
            0, 0, 0, 0, 0, 0, 0, 2,
            0, 0, 0, 0, 0, 0, 1, 2,  // created
            1,  // mutations
            0, 0, 0, 7,  // table
            0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,  // token
            0,  // key
            1, 9,  // operand
        ]
        #expect(batch.encoded == bytes)
        #expect(try StoredBatch(decoding: bytes) == batch)
        #expect(body(.storeBatch(batch)) == [19] + bytes)
    }

    @Test func `a scan and its page have these bytes`() {
        let request = ScanRequest(
            table: TableID(7),
            nowSeconds: 258,
            tokens: Token(-1)...Token(1),
            after: PartitionRef(token: Token(0), key: [0xAA]),
            rowsMax: 3,
            bytesMax: 4
        )
        #expect(
            body(.scan(request)) == [
                17,
                0, 0, 0, 7,  // table
                0, 0, 0, 0, 0, 0, 1, 2,  // now
                0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,  // first token
                0, 0, 0, 0, 0, 0, 0, 1,  // last token
                1,  // has a start
                0, 0, 0, 0, 0, 0, 0, 0, 1, 0xAA,  // the start
                0, 0, 0, 3,  // rows
                0, 0, 0, 4,  // bytes
                0,  // not for a rebuild
            ]
        )
        let row = ScannedRow(partition: PartitionRef(token: Token(1), key: [0xAA]), row: [5, 6])
        #expect(
            body(.page(ScanPage(rows: [row], isComplete: true))) == [
                26,
                1,  // it ends with the tokens
                0,  // it is not partial
                1,  // rows
                0, 0, 0, 0, 0, 0, 0, 1, 1, 0xAA,  // partition
                2, 5, 6,  // row
            ]
        )
    }

    @Test func `a page that covers a token has these bytes, and no other end is read`() throws {
        let page = ScanPage(rows: [], isComplete: false, coveredTo: Token(-2))
        let bytes: [UInt8] = [
            26,
            2,  // it covers a token
            0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE,  // the token
            0,  // it is not partial
            0,  // rows
        ]
        #expect(body(.page(page)) == bytes)
        #expect(try decode(bytes) == .page(page))
        #expect(throws: ByteDecodingError.self) { try decode([26, 3, 0]) }
    }

    @Test func `a rebuild's request and the page of a replica that is rebuilt too say so`() throws {
        let request = ScanRequest(
            table: TableID(7),
            nowSeconds: 258,
            tokens: Token(-1)...Token(1),
            after: nil,
            rowsMax: 3,
            bytesMax: 4,
            isForRebuild: true
        )
        #expect(body(.scan(request)).last == 1)
        #expect(try decode(body(.scan(request))) == .scan(request))
        let page = ScanPage(rows: [], isComplete: true, isPartial: true)
        #expect(body(.page(page)) == [26, 1, 1, 0])
        #expect(try decode([26, 1, 1, 0]) == .page(page))
        #expect(throws: ByteDecodingError.self) { try decode([26, 1, 2, 0]) }
    }

    @Test func `range digests and their request have these bytes`() {
        let request = RangeDigestRequest(
            table: TableID(7),
            nowSeconds: 2,
            ranges: [Token(0)...Token(1)]
        )
        #expect(
            body(.rangeDigests(request)) == [
                18,
                0, 0, 0, 7,  // table
                0, 0, 0, 0, 0, 0, 0, 2,  // now
                1,  // ranges
                0, 0, 0, 0, 0, 0, 0, 0,  // first token
                0, 0, 0, 0, 0, 0, 0, 1,  // last token
            ]
        )
        #expect(
            body(.digests([RangeDigest(digest: RowDigest(high: 1, low: 2), rowCount: 3)])) == [
                27,
                1,  // digests
                0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2,  // digest
                3,  // rows
            ]
        )
    }

    @Test func `marks and notes have these bytes`() {
        let mark = DirtyMark(
            table: TableID(7),
            slice: 8,
            target: NodeID(high: 1, low: 2),
            sinceSeconds: 9
        )
        #expect(
            body(.noteDirty([mark])) == [
                30,
                1,  // marks
                0, 0, 0, 7,  // table
                0, 0, 0, 8,  // slice
                0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2,  // target
                0, 0, 0, 0, 0, 0, 0, 9,  // since
            ]
        )
        let note = RepairNote(table: TableID(7), slice: 8, startedSeconds: 9)
        #expect(
            body(.noteRepaired([note])) == [
                31, 1, 0, 0, 0, 7, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 9,
            ]
        )
        #expect(
            body(.removeBatches([NodeID(high: 1, low: 2)])) == [
                32, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2,
            ]
        )
    }

    // MARK: On their own

    @Test func `mutations and batches come back as they were stored`() throws {
        for seed in 0..<200 {
            var messages = RandomMessages(seed: UInt64(seed))
            let mutation = messages.mutation()
            #expect(try Mutation(decoding: mutation.encoded) == mutation)
            let batch = messages.storedBatch()
            #expect(try StoredBatch(decoding: batch.encoded) == batch)
        }
    }

    @Test func `stored mutations and batches that are cut, too long or damaged never trap`() {
        var refused = 0
        for seed in 0..<60 {
            var messages = RandomMessages(seed: UInt64(seed))
            let mutation = messages.mutation().encoded
            let batch = messages.storedBatch().encoded
            for length in mutation.indices {
                #expect(throws: ByteDecodingError.self) {
                    try Mutation(decoding: Array(mutation[..<length]))
                }
            }
            for length in batch.indices {
                #expect(throws: ByteDecodingError.self) {
                    try StoredBatch(decoding: Array(batch[..<length]))
                }
            }
            #expect(throws: ByteDecodingError.self) { try Mutation(decoding: mutation + [0]) }
            #expect(throws: ByteDecodingError.self) { try StoredBatch(decoding: batch + [0]) }
            for _ in 0..<50 {
                var damaged = batch
                damaged[messages.count(damaged.count)] = UInt8(messages.count(256))
                do {
                    let read = try StoredBatch(decoding: damaged)
                    #expect(try StoredBatch(decoding: read.encoded) == read)
                } catch { refused += 1 }
            }
        }
        #expect(refused > 0)
    }

    // MARK: Hostile

    @Test func `a token range that ends before it begins is refused`() throws {
        let request = ScanRequest(
            table: TableID(1),
            nowSeconds: 0,
            tokens: Token(5)...Token(5),
            after: nil,
            rowsMax: 1,
            bytesMax: 1
        )
        var bytes = body(.scan(request))
        #expect(try decode(bytes) == .scan(request))
        bytes.replaceSubrange(13..<21, with: [0, 0, 0, 0, 0, 0, 0, 6])
        #expect(throws: ByteDecodingError.self) { try decode(bytes) }
    }

    @Test func `ranges that overlap or do not ascend are refused`() throws {
        func bytes(_ ranges: [(UInt8, UInt8)]) -> [UInt8] {
            var bytes = [18] + [UInt8](repeating: 0, count: 12) + [UInt8(ranges.count)]
            for (first, last) in ranges {
                bytes += [0, 0, 0, 0, 0, 0, 0, first, 0, 0, 0, 0, 0, 0, 0, last]
            }
            return bytes
        }
        guard case .rangeDigests(let request) = try decode(bytes([(1, 2), (3, 3)])) else {
            Issue.record("not a request for digests")
            return
        }
        #expect(request.ranges == [Token(1)...Token(2), Token(3)...Token(3)])
        for wrong in [[(1, 3), (3, 4)], [(3, 4), (1, 2)], [(2, 1)]] as [[(UInt8, UInt8)]] {
            #expect(throws: ByteDecodingError.self) { try decode(bytes(wrong)) }
        }
    }

    @Test func `greater limits than can be sent are the greatest that can`() throws {
        let request = ScanRequest(
            table: TableID(1),
            nowSeconds: 0,
            tokens: Token.minimum...Token(.max),
            after: nil,
            rowsMax: .max,
            bytesMax: -1
        )
        guard case .scan(let decoded) = try decode(body(.scan(request))) else {
            Issue.record("not a scan")
            return
        }
        #expect(decoded.rowsMax == Int(UInt32.max))
        #expect(decoded.bytesMax == 0)
    }

    @Test func `a row count beyond all numbers is clamped`() throws {
        let huge = [27, 1] + allOnes + allOnes + [UInt8](repeating: 0xFF, count: 9) + [1]
        guard case .digests(let digests) = try decode(huge) else {
            Issue.record("not digests")
            return
        }
        #expect(digests.map(\.rowCount) == [Int.max])
    }
}

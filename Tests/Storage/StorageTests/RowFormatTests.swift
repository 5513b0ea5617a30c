import Catalog
import Storage
import Testing

@Suite struct RowFormatTests {
    /// Bytes that are read are the one encoding of what they mean; others throw.
    private func readsOrThrows(_ bytes: [UInt8]) -> Bool {
        guard let row = try? Row(decoding: bytes) else { return false }
        #expect(row.encoded() == bytes)
        return true
    }

    @Test func `rows survive the way to bytes and back`() throws {
        var generator = RowGenerator(seed: 11)
        for round in 0..<4000 {
            let row = generator.row()
            let bytes = row.encoded()
            let decoded = try Row(decoding: bytes)
            #expect(RowModel([decoded]) == RowModel([row]), "round \(round)")
            #expect(decoded.encoded() == bytes, "round \(round)")
            var shuffled = row
            shuffled.cells.shuffle(using: &generator.random)
            shuffled.collectionDeletions.shuffle(using: &generator.random)
            #expect(shuffled.encoded() == bytes, "round \(round)")
        }
    }

    @Test func `parts for the same cell become one, as merging would have it`() throws {
        var builder = RowBuilder(timestamp: at(5))
        builder.set(column(1), to: [1])
        builder.set(column(1), to: [3])
        builder.set(column(1), to: [2])
        builder.set(column(0), to: [0])
        let row = try Row(decoding: builder.encoded())
        #expect(row.cells.map(\.content) == [.live([0]), .live([3])])
    }

    @Test func `every prefix of a row is read exactly or refused`() {
        var generator = RowGenerator(seed: 12)
        for _ in 0..<300 {
            let bytes = generator.row().encoded()
            for count in 0..<bytes.count { _ = readsOrThrows(Array(bytes.prefix(count))) }
            #expect(readsOrThrows(bytes))
        }
    }

    @Test func `flipped bits and noise are read exactly or refused`() {
        var generator = RowGenerator(seed: 13)
        var read = 0
        for _ in 0..<20000 {
            var bytes = generator.row().encoded()
            for _ in 0...generator.random.below(3) {
                bytes[generator.random.below(bytes.count)] ^= 1 << UInt8(generator.random.below(8))
            }
            if readsOrThrows(bytes) { read += 1 }
            let noise: [UInt8] = [1, UInt8(generator.random.below(8))]
            _ = readsOrThrows(noise + generator.random.bytes(atMost: 24))
            _ = readsOrThrows(generator.random.bytes(atMost: 24))
        }
        #expect(read > 500, "the property must not hold because nothing was ever read")
    }

    @Test func `fifty features share timestamp and expiry`() throws {
        let expiry = Expiry(timeToLiveSeconds: 86400, nowSeconds: 1_700_000_000)
        var insert = RowBuilder(timestamp: at(1_700_000_000_000_000), expiry: expiry)
        insert.insertMarker()
        for id in 0..<50 { insert.set(column(UInt32(id)), to: [0, 0, 0, UInt8(id)]) }
        // Header 2, timestamp 8, expiry 5, time to live 3; a cell: head 1, length 1, value 4.
        #expect(insert.encoded().count == 18 + 50 * 6)
        #expect(try Row(decoding: insert.encoded()).cells.count == 50)
    }

    @Test(
        arguments: [
            ("no bytes", [], "header"),
            ("an unknown flag", [1, 8], "unknown flags"),
            ("an expiry without marker", [1, 4], "an expiry of no marker"),
            ("a number that could be shorter", [1, 2, 0x82, 0], "row marker"),
            ("a marker at its deletion's timestamp", [1, 3, 2, 2, 0], "row deletion covers"),
            ("an unknown kind", [1, 0, 0x45, 0], "unknown kind"),
            ("a live cell with seconds", [1, 0, 0x50, 0], "live cell with seconds"),
            ("a timestamp of its own that is none", [1, 0, 0x48, 0, 0], "timestamp"),
            ("a covered cell", [1, 1, 2, 2, 0x40, 0], "row deletion covers"),
            ("a covered element", [1, 0, 0x44, 0x20, 0, 0], "collection's deletion covers"),
            ("the same cell twice", [1, 0, 0x40, 0, 0x00, 0], "out of order"),
            ("elements out of order", [1, 0, 0x60, 1, 7, 0, 0x20, 1, 6, 0], "out of order"),
            ("a value longer than the row", [1, 0, 0x40, 2, 9], "cell value"),
            ("a column beyond 32 bits", [1, 0, 0xC0, 0x80, 0x80, 0x80, 0x80, 8, 0], "column id"),
        ] as [(String, [UInt8], String)]
    )
    func `malformed rows are refused by name`(
        what: String,
        bytes: [UInt8],
        expected: String
    ) {
        do {
            _ = try RowView(validating: bytes)
            Issue.record("\(what) was read")
        } catch {
            #expect("\(error)".contains(expected), "\(what): \(error)")
        }
    }
}

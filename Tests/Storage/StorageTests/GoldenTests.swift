import Catalog
import Foundation
import Storage
import Testing
import TokenPlacement

/// Bytes that must never change: what is on disks was written so.
@Suite struct GoldenTests {
    private static let folder = URL(filePath: #filePath)
        .deletingLastPathComponent().appending(path: "Golden")

    private static func golden(_ name: String) throws -> [UInt8] {
        let text = try String(contentsOf: folder.appending(path: name + ".hex"), encoding: .utf8)
        let digits = text.split(separator: "\n")
            .map { $0.prefix { $0 != "#" } }.joined()
            .filter { !$0.isWhitespace }
        var bytes: [UInt8] = []
        var rest = digits[...]
        while !rest.isEmpty {
            bytes.append(try #require(UInt8(rest.prefix(2), radix: 16)))
            rest = rest.dropFirst(2)
        }
        return bytes
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        bytes.map { String(format: "%02x", $0) }.joined(separator: " ")
    }

    static let written = WriteTimestamp(1_700_000_000_000_000)
    static let deletedSeconds: Int64 = 1_700_000_000

    static var rows: [(name: String, row: Row)] {
        let expiry = Expiry(atSeconds: 1_700_086_400, timeToLiveSeconds: 86_400)
        let later = WriteTimestamp(written.microseconds + 1)
        var insert = RowBuilder(timestamp: written)
        insert.insertMarker()
        insert.set(column(1), to: Array("Heat".utf8))
        insert.set(column(2), to: [0x3F, 0x80, 0, 0])
        insert.set(column(3), to: [])
        var expiringInsert = RowBuilder(timestamp: written, expiry: expiry)
        expiringInsert.insertMarker()
        expiringInsert.set(column(1), to: [1])
        expiringInsert.set(column(2), to: [2])
        var delete = RowBuilder(timestamp: written)
        delete.deleteRow(deletionSeconds: deletedSeconds)
        var collection = RowBuilder(timestamp: written)
        collection.clearCollection(column(4), deletionSeconds: deletedSeconds)
        collection.set(column(4), element: Array("drama".utf8), to: [])
        collection.set(column(4), element: Array("crime".utf8), to: [9])
        collection.delete(column(4), element: [], deletionSeconds: deletedSeconds + 1)
        let merged = Row(
            marker: RowMarker(timestamp: later, expiry: expiry),
            deletion: Deletion(timestamp: written, deletionSeconds: deletedSeconds),
            cells: [
                Cell(column: column(0), timestamp: later, content: .live([7])),
                Cell(
                    column: column(1),
                    timestamp: WriteTimestamp(.max),
                    content: .expired(atSeconds: deletedSeconds)
                ),
                Cell(
                    column: column(2),
                    timestamp: later,
                    content: .deleted(deletionSeconds: deletedSeconds)
                ),
                Cell(
                    column: column(200),
                    timestamp: later,
                    content: .deleted(deletionSeconds: deletedSeconds - 3)
                ),
                Cell(
                    column: column(.max),
                    timestamp: later,
                    content: .expiring(Array(repeating: 5, count: 130), expiry)
                ),
            ]
        )
        return [
            ("row-empty", Row()), ("row-insert", insert.row),
            ("row-insert-expiring", expiringInsert.row), ("row-delete", delete.row),
            ("row-collection", collection.row), ("row-merged", merged),
        ]
    }

    static var keys: [(name: String, key: RowKey)] {
        [
            ("key-int", RowKey(table: TableID(5), partitionKey: [0, 0, 0, 1])),
            (
                "key-token-ends",
                RowKey(table: TableID(0x0102_0304), token: .minimum, partitionKey: [])
            ),
            (
                "key-escaped",
                RowKey(table: TableID(.max), token: Token(.max), partitionKey: [0, 0xFF, 0, 0, 1])
            ),
        ]
    }

    @Test func `rows are written and read as ever`() throws {
        for (name, row) in Self.rows {
            let golden = try Self.golden(name)
            let bytes = row.encoded()
            #expect(bytes == golden, "\(name) is now \(Self.hex(bytes))")
            #expect(RowModel([try Row(decoding: golden)]) == RowModel([row]), "\(name)")
        }
    }

    @Test func `keys are written and read as ever`() throws {
        for (name, key) in Self.keys {
            let golden = try Self.golden(name)
            #expect(key.encoded == golden, "\(name) is now \(Self.hex(key.encoded))")
            #expect(try RowKey(decoding: golden) == key, "\(name)")
        }
        let composite = try Self.golden("partition-key-composite")
        let values: [[UInt8]] = [Array("ml".utf8), [], [0, 0, 0, 7]]
        #expect(try PartitionKeyCoding.encode(values) == composite)
        #expect(try PartitionKeyCoding.decode(composite, columnCount: 3) == values)
    }

    @Test func `the envelope of damaged writes is written and read as ever`() throws {
        let golden = try Self.golden("row-damaged")
        let operands = [try Self.golden("row-insert"), [2, 0], [], [2]]
        let bytes = RowMerge.merge(operands)
        #expect(bytes == golden, "row-damaged is now \(Self.hex(bytes))")
        #expect(throws: RowFormatError.damaged(operands: 3)) { try RowView(validating: golden) }
    }

    @Test func `digests are computed as ever`() throws {
        func digest(_ name: String, now: Int64) throws -> [UInt8] {
            try RowView(validating: try Self.golden(name))
                .digest(nowSeconds: now, gcGraceSeconds: 864_000).bytes
        }
        let now = Self.deletedSeconds + 100_000
        let digests = [
            RowDigest.absent.bytes, try digest("row-insert", now: now),
            try digest("row-insert-expiring", now: now), try digest("row-merged", now: now),
        ]
        let golden = try Self.golden("digests")
        let bytes = digests.flatMap(\.self)
        #expect(bytes == golden, "digests is now \(Self.hex(bytes))")
    }

    @Test func `every golden file is compared`() throws {
        let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
            .filter { $0.hasSuffix(".hex") }.map { String($0.dropLast(4)) }
        let compared =
            Self.rows.map(\.name) + Self.keys.map(\.name)
            + ["partition-key-composite", "row-damaged", "digests"]
        #expect(files.sorted() == compared.sorted())
    }
}

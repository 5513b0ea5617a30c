import Catalog
import Storage
import Testing

@Suite struct RowDigestTests {
    private func digest(_ bytes: [UInt8], now: Int64, grace: Int32 = 1000) throws -> RowDigest {
        try RowView(validating: bytes).digest(nowSeconds: now, gcGraceSeconds: grace)
    }

    @Test func `digests are equal exactly if what matters is equal`() throws {
        var generator = RowGenerator(seed: 31)
        var equal = 0
        for round in 0..<6000 {
            let rows = (0...generator.random.below(3)).map { _ in generator.row() }
            var others = rows
            switch generator.random.below(3) {
            case 0: others.shuffle(using: &generator.random)
            case 1: others.removeLast()
            default: others.append(generator.row())
            }
            let now = Int64(generator.random.below(80))
            let grace = Int32(generator.random.below(40))
            let left = RowModel(rows).canonical(nowSeconds: now, gcGraceSeconds: Int64(grace))
            let right = RowModel(others).canonical(nowSeconds: now, gcGraceSeconds: Int64(grace))
            let leftDigest = try digest(
                RowMerge.merge(rows.map { $0.encoded() }),
                now: now,
                grace: grace
            )
            let rightDigest = try digest(
                RowMerge.merge(others.map { $0.encoded() }),
                now: now,
                grace: grace
            )
            #expect((leftDigest == rightDigest) == (left == right), "round \(round)")
            if left == right { equal += 1 }
        }
        #expect(equal > 1500 && equal < 4500, "both sides must be tried; equal: \(equal)")
    }

    @Test func `sweeping any replica at any time changes neither digests nor winners`() throws {
        // A sweep that purges nothing (without a grace period) may be mixed with merging at will.
        var generator = RowGenerator(seed: 32)
        for round in 0..<4000 {
            let rows = (0...generator.random.below(4)).map { _ in generator.row().encoded() }
            let now = Int64(generator.random.below(60))
            var swept: [UInt8] = RowMerge.emptyRow
            for row in rows.shuffled(using: &generator.random) {
                swept = RowMerge.merge([swept, row])
                guard generator.random.chance(50) else { continue }
                let earlier = Int64(generator.random.below(Int(now) + 1))
                swept = try RowView(validating: swept)
                    .canonicalBytes(nowSeconds: earlier, gcGraceSeconds: nil)
            }
            let expected = RowMerge.merge(rows)
            for grace: Int32 in [0, 20, .max] {
                #expect(
                    try digest(swept, now: now, grace: grace)
                        == digest(expected, now: now, grace: grace),
                    "round \(round)"
                )
            }
        }
    }

    @Test func `a canonical row is canonical, and stays so until the clock moves`() throws {
        var generator = RowGenerator(seed: 33)
        for _ in 0..<2000 {
            let bytes = generator.row().encoded()
            let now = Int64(generator.random.below(80))
            let once = try RowView(validating: bytes)
                .canonicalBytes(nowSeconds: now, gcGraceSeconds: 15)
            let view = try RowView(validating: once)
            #expect(view.canonicalBytes(nowSeconds: now, gcGraceSeconds: 15) == once)
            #expect(try digest(once, now: now, grace: 15) == digest(bytes, now: now, grace: 15))
        }
    }

    @Test func `an expired value no longer matters, that there was one does`() throws {
        let cell = rowOfCell(5, expiring([1], at: 100))
        let swept = rowOfCell(5, .expired(atSeconds: 100))
        #expect(try digest(cell, now: 99) != digest(swept, now: 99))
        #expect(try digest(cell, now: 100) == digest(swept, now: 100))
        #expect(try digest(cell, now: 100) != .absent)
        #expect(try digest(cell, now: 1100) != .absent)
        #expect(try digest(cell, now: 1101) == .absent)
    }

    @Test func `tombstones matter until the grace period has passed`() throws {
        var delete = RowBuilder(timestamp: at(5))
        delete.deleteRow(deletionSeconds: 100)
        var collection = RowBuilder(timestamp: at(5))
        collection.deleteCollection(column(3), deletionSeconds: 100)
        let cell = rowOfCell(5, .deleted(deletionSeconds: 100))
        for bytes in [delete.encoded(), collection.encoded(), cell] {
            #expect(try digest(bytes, now: 1100) != .absent)
            #expect(try digest(bytes, now: 1101) == .absent)
            #expect(try digest(bytes, now: .max) == .absent)
            #expect(try digest(bytes, now: .min, grace: .max) != .absent)
        }
        // A replica that never saw an old deletion and still has the row must disagree.
        let row = rowOfCell(4, .live([1]))
        let deleted = RowMerge.merge([row, delete.encoded()])
        #expect(try digest(row, now: 5000) != digest(deleted, now: 5000))
    }

    @Test func `a tombstone matters until its timestamp is past the grace period too`() throws {
        // Deleted at 2000 by a coordinator whose clock said 100.
        var delete = RowBuilder(timestamp: at(2_000_000_000))
        delete.deleteRow(deletionSeconds: 100)
        let cell = rowOfCell(2_000_000_000, .deleted(deletionSeconds: 100))
        for bytes in [delete.encoded(), cell] {
            #expect(try digest(bytes, now: 1101) != .absent)
            #expect(try digest(bytes, now: 3000) != .absent)
            #expect(try digest(bytes, now: 3001) == .absent)
            // What a sweep purges, the digests of that second and all later ones ignore.
            for purge in 2000...2003 as ClosedRange<Int64> {
                let outcome = try RowSweep.sweep(
                    bytes,
                    nowSeconds: purge + 1000,
                    purgeBeforeSeconds: purge
                )
                #expect((outcome == .removed) == (purge > 2000))
                guard outcome == .removed else { continue }
                #expect(try digest(bytes, now: purge + 1000) == .absent)
            }
        }
        let future = rowOfCell(.max, .deleted(deletionSeconds: 100))
        #expect(try digest(future, now: 1_000_000) != .absent)
    }

    @Test func `an absent row and an empty one are the same`() throws {
        #expect(try digest(RowMerge.emptyRow, now: 0) == .absent)
    }

    @Test func `a combined digest depends on the order and the number`() {
        let one = RowDigest(high: 1, low: 2)
        let two = RowDigest(high: 3, low: 4)
        let combined = [[], [one], [two], [one, two], [two, one], [one, two, .absent]]
            .map { RowDigest.combine($0) }
        #expect(Set(combined).count == combined.count)
        #expect(RowDigest.combine([one, two]) == RowDigest.combine([one, two]))
        #expect(one.bytes == [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2])
        #expect("\(one)" == "00000000000000010000000000000002")
    }
}

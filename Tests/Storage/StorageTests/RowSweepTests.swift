import Catalog
import Storage
import Testing

@Suite struct RowSweepTests {
    /// What a sweep leaves, as bytes; an empty row where nothing is left.
    private func swept(_ row: [UInt8], now: Int64, purge: Int64) throws -> [UInt8] {
        switch try RowSweep.sweep(row, nowSeconds: now, purgeBeforeSeconds: purge) {
        case .unchanged: return row
        case .rewritten(let bytes):
            #expect(bytes != row)
            return bytes
        case .removed: return RowMerge.emptyRow
        }
    }

    @Test func `a sweep never changes what a read at or after its second sees`() throws {
        var generator = RowGenerator(seed: 61)
        var changed = 0
        for round in 0..<4000 {
            let row = generator.row().encoded()
            let now = Int64(generator.random.below(80))
            let purge = generator.random.chance(10) ? .max : Int64(generator.random.below(80))
            let left = try swept(row, now: now, purge: purge)
            if left != row { changed += 1 }
            let before = RowModel([try Row(decoding: row)])
            let after = RowModel([try Row(decoding: left)])
            for second in [now, now + 1, now + Int64(generator.random.below(60)), .max] {
                #expect(
                    before.exists(nowSeconds: second) == after.exists(nowSeconds: second),
                    "round \(round)"
                )
                for slot in before.cells.keys {
                    #expect(
                        before.liveValue(slot, nowSeconds: second)
                            == after.liveValue(slot, nowSeconds: second),
                        "round \(round)"
                    )
                }
            }
        }
        #expect(changed > 1000 && changed < 4000, "both must be tried; changed: \(changed)")
    }

    @Test func `it leaves exactly what the model says, the second of purging included`() throws {
        var generator = RowGenerator(seed: 62)
        for round in 0..<4000 {
            let row = generator.row().encoded()
            let now = Int64(generator.random.below(80))
            let purge = now - Int64(generator.random.below(50))
            let expected = RowModel([try Row(decoding: row)])
                .canonical(nowSeconds: now, gcGraceSeconds: now - purge)
            let left = try Row(decoding: try swept(row, now: now, purge: purge))
            #expect(RowModel([left]) == expected, "round \(round)")
        }
    }

    @Test func `a tombstone goes once it is older than the purge time, and not before`() throws {
        let cell = rowOfCell(5, .deleted(deletionSeconds: 100))
        let expired = rowOfCell(5, .expired(atSeconds: 100))
        var delete = RowBuilder(timestamp: at(5))
        delete.deleteRow(deletionSeconds: 100)
        var collection = RowBuilder(timestamp: at(5))
        collection.deleteCollection(column(3), deletionSeconds: 100)
        for row in [cell, expired, delete.encoded(), collection.encoded()] {
            for purge: Int64 in [.min, 0, 99, 100] {
                #expect(
                    try RowSweep.sweep(row, nowSeconds: 5000, purgeBeforeSeconds: purge)
                        == .unchanged
                )
            }
            for purge: Int64 in [101, .max] {
                #expect(
                    try RowSweep.sweep(row, nowSeconds: 5000, purgeBeforeSeconds: purge)
                        == .removed
                )
                // What lies in the future by this clock stays, whatever the purge time.
                #expect(
                    try RowSweep.sweep(row, nowSeconds: 99, purgeBeforeSeconds: purge)
                        == .unchanged
                )
            }
        }
    }

    @Test func `what was written behind the purge time stays, however old its second is`() throws {
        func tombstones(_ timestamp: Int64) -> [[UInt8]] {
            var delete = RowBuilder(timestamp: at(timestamp))
            delete.deleteRow(deletionSeconds: 100)
            var collection = RowBuilder(timestamp: at(timestamp))
            collection.deleteCollection(column(3), deletionSeconds: 100)
            let expiry = Expiry(atSeconds: 100, timeToLiveSeconds: 0)
            return [
                rowOfCell(timestamp, .deleted(deletionSeconds: 100)),
                rowOfCell(timestamp, .expired(atSeconds: 100)), delete.encoded(),
                collection.encoded(),
                Row(marker: RowMarker(timestamp: at(timestamp), expiry: expiry)).encoded(),
            ]
        }
        for row in tombstones(4_000_000_000) {
            for purge: Int64 in [101, 3999, 4000] {
                #expect(
                    try RowSweep.sweep(row, nowSeconds: 5000, purgeBeforeSeconds: purge)
                        == .unchanged
                )
            }
            #expect(
                try RowSweep.sweep(row, nowSeconds: 5000, purgeBeforeSeconds: 4001) == .removed
            )
        }
        // A timestamp that no clock reaches keeps its tombstone for good.
        for row in tombstones(.max) {
            #expect(
                try RowSweep.sweep(row, nowSeconds: 5000, purgeBeforeSeconds: 5000) == .unchanged
            )
        }
        // An expired value goes all the same: that takes nothing from the order of merging.
        #expect(
            try RowSweep.sweep(
                rowOfCell(4_000_000_000, expiring([1], at: 100)),
                nowSeconds: 5000,
                purgeBeforeSeconds: 4000
            ) == .rewritten(rowOfCell(4_000_000_000, .expired(atSeconds: 100)))
        )
    }

    @Test func `an expired cell keeps its place, and a live one its value`() throws {
        let row = rowOfCell(5, expiring([1, 2, 3], at: 100))
        #expect(
            try RowSweep.sweep(row, nowSeconds: 99, purgeBeforeSeconds: .max) == .unchanged
        )
        #expect(
            try RowSweep.sweep(row, nowSeconds: 100, purgeBeforeSeconds: 50)
                == .rewritten(rowOfCell(5, .expired(atSeconds: 100)))
        )
        let live = rowOfCell(5, .live([1]))
        #expect(
            try RowSweep.sweep(live, nowSeconds: .max, purgeBeforeSeconds: .max) == .unchanged
        )
        #expect(
            try RowSweep.sweep(RowMerge.emptyRow, nowSeconds: 0, purgeBeforeSeconds: .min)
                == .removed
        )
    }

    @Test func `digests do not see a sweep that purges behind the grace period`() throws {
        var generator = RowGenerator(seed: 63)
        for round in 0..<4000 {
            let row = generator.row().encoded()
            let grace = Int32(generator.random.below(40))
            let now = Int64(generator.random.below(80))
            let purge = now - Int64(grace) - Int64(generator.random.below(20))
            let left = try swept(row, now: now, purge: purge)
            let later = now + Int64(generator.random.below(40))
            #expect(
                try RowView(validating: left).digest(nowSeconds: later, gcGraceSeconds: grace)
                    == RowView(validating: row).digest(nowSeconds: later, gcGraceSeconds: grace),
                "round \(round)"
            )
        }
    }

    @Test func `sweeping twice is sweeping once`() throws {
        var generator = RowGenerator(seed: 64)
        for _ in 0..<2000 {
            let row = generator.row().encoded()
            let now = Int64(generator.random.below(80))
            let purge = Int64(generator.random.below(80))
            let left = try swept(row, now: now, purge: purge)
            #expect(try swept(left, now: now, purge: purge) == left)
        }
    }

    @Test func `sweeping commutes with merging newer writes`() throws {
        var generator = RowGenerator(seed: 65)
        var tried = 0
        for round in 0..<4000 {
            let older = generator.row()
            guard older.timestamps.allSatisfy({ $0.microseconds < 100 }) else { continue }
            tried += 1
            let newer = (0...generator.random.below(2)).map { _ in
                generator.row().with { 1000 + ($0.microseconds & 7) }.encoded()
            }
            let now = Int64(generator.random.below(80))
            let purge = Int64(generator.random.below(80))
            let early = try swept(older.encoded(), now: now, purge: purge)
            let sweptFirst = RowMerge.merge([early] + newer)
            let sweptLast = RowMerge.merge([older.encoded()] + newer)
            #expect(
                try swept(sweptFirst, now: now, purge: purge)
                    == swept(sweptLast, now: now, purge: purge),
                "round \(round)"
            )
        }
        #expect(tried > 2000)
    }

    @Test func `what cannot be decoded is an error`() throws {
        #expect(throws: RowFormatError.unknownVersion(42)) {
            try RowSweep.sweep([42], nowSeconds: 0, purgeBeforeSeconds: 0)
        }
        #expect(throws: RowFormatError.damaged(operands: 1)) {
            let row = RowMerge.merge([[42], RowMerge.emptyRow])
            _ = try RowSweep.sweep(row, nowSeconds: 0, purgeBeforeSeconds: 0)
        }
    }
}

extension Row {
    /// All its timestamps.
    fileprivate var timestamps: [WriteTimestamp] {
        [marker?.timestamp, deletion?.timestamp].compactMap { $0 }
            + collectionDeletions.map(\.deletion.timestamp) + cells.map(\.timestamp)
    }

    /// The row with other timestamps.
    fileprivate func with(_ timestamp: (WriteTimestamp) -> Int64) -> Row {
        var row = self
        row.marker = marker.map {
            RowMarker(timestamp: at(timestamp($0.timestamp)), expiry: $0.expiry)
        }
        row.deletion = deletion.map {
            Deletion(timestamp: at(timestamp($0.timestamp)), deletionSeconds: $0.deletionSeconds)
        }
        for index in row.collectionDeletions.indices {
            row.collectionDeletions[index].deletion.timestamp = at(
                timestamp(collectionDeletions[index].deletion.timestamp)
            )
        }
        for index in row.cells.indices {
            row.cells[index].timestamp = at(timestamp(cells[index].timestamp))
        }
        return row
    }
}

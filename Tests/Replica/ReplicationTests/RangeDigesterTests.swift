import Catalog
import PeerMessages
import Replication
import Storage
import Testing
import TokenPlacement

@Suite struct RangeDigesterTests {
    private static let nowSeconds: Int64 = 10_000
    private static let gcGraceSeconds: Int32 = 1_000
    private static let range = tokens(0...1_023)

    private static func request(_ ranges: [ClosedRange<Token>]) -> RangeDigestRequest {
        RangeDigestRequest(table: testTable, nowSeconds: nowSeconds, ranges: ranges)
    }

    private static func digests(
        _ replica: ReplicaModel,
        _ ranges: [ClosedRange<Token>],
        pageRows: Int = 50
    ) throws -> [RangeDigest] {
        try replica.digests(
            request(ranges),
            gcGraceSeconds: gcGraceSeconds,
            pageRows: pageRows
        )
    }

    private static func tree(_ replica: ReplicaModel) throws -> MerkleTree {
        tree(try digests(replica, MerkleTree.ranges(of: range, depth: 5)))
    }

    private static func tree(_ leaves: [RangeDigest]) -> MerkleTree {
        MerkleTree(tokens: range, depth: 5, leaves: leaves)
    }

    /// A replica with rows at random tokens, several of which share one.
    private static func replica(seed: UInt64, rows: Int = 120) -> ReplicaModel {
        var random = CacheRandom(seed: seed)
        var replica = ReplicaModel()
        for number in 0..<rows {
            let place = partition(Int64(random.below(1_024)), "n\(number)-")
            replica.rows[place] = versionRow(random.below(50), bytes: random.below(5))
        }
        return replica
    }

    // MARK: Equal and different data

    @Test(arguments: 0..<5 as Range<UInt64>)
    func `equal writes in any order and batches make equal trees`(seed: UInt64) throws {
        var random = CacheRandom(seed: seed)
        let writes = (0..<300).map { number in
            Mutation(
                table: testTable,
                partition: partition(Int64(random.below(100))),
                operand: columnRow(
                    random.below(4),
                    timestamp: number % 40,
                    value: [UInt8(number % 7)]
                )
            )
        }
        let first = try ReplicaModel.writing(writes)
        let (tree, root) = (try Self.tree(first), try Self.digests(first, [Self.range]))
        for _ in 0..<4 {
            let other = try ReplicaModel.writing(writes.shuffled(using: &random))
            let otherTree = try Self.tree(other)
            #expect(otherTree.differences(tree) == [])
            #expect(otherTree.root == tree.root)
            #expect(try Self.digests(other, [Self.range]) == root)
        }
    }

    @Test(arguments: 0..<3 as Range<UInt64>)
    func `a change of any one row shows in its leaf and in no other`(seed: UInt64) throws {
        var random = CacheRandom(seed: seed)
        let replica = Self.replica(seed: seed)
        let ranges = MerkleTree.ranges(of: Self.range, depth: 5)
        let before = try Self.digests(replica, ranges)
        let tree = Self.tree(before)
        for partition in replica.sorted.map(\.key).shuffled(using: &random).prefix(12) {
            let leaf = try #require(ranges.firstIndex { $0.contains(partition.token) })
            var changed: [ReplicaModel] = []
            for row in [nil, versionRow(99), deletedRow(timestamp: 99, atSeconds: 9_999)] {
                changed.append(replica)
                changed[changed.count - 1].rows[partition] = row
            }
            // The same row under another key.
            changed.append(replica)
            changed[3].rows[partition] = nil
            let twin = PartitionRef(token: partition.token, key: partition.key + [1])
            changed[3].rows[twin] = replica.rows[partition]
            for other in changed {
                let after = try Self.digests(other, ranges)
                #expect(before.indices.filter { before[$0] != after[$0] } == [leaf])
                #expect(Self.tree(after).differences(tree) == [ranges[leaf]])
                #expect(Self.tree(after).root != tree.root)
            }
        }
    }

    @Test func `rows that change places make another digest`() throws {
        var left = ReplicaModel()
        left.rows[partition(1)] = versionRow(1)
        left.rows[partition(2)] = versionRow(2)
        var right = ReplicaModel()
        right.rows[partition(1)] = versionRow(2)
        right.rows[partition(2)] = versionRow(1)
        #expect(try Self.digests(left, [Self.range]) != Self.digests(right, [Self.range]))
    }

    @Test func `an empty range has no rows, and the digest of all empty ranges`() throws {
        let empty = try Self.digests(ReplicaModel(), [tokens(0...5), tokens(9...12)])
        #expect(empty.map(\.rowCount) == [0, 0])
        #expect(empty[0] == empty[1])
        let full = try Self.digests(Self.replica(seed: 1), [Self.range])
        #expect(full[0].digest != empty[0].digest)
        #expect(full[0].rowCount == 120)
        #expect(try Self.digests(ReplicaModel(), []) == [])
    }

    @Test func `tables with the same rows have the same digest`() throws {
        let replica = Self.replica(seed: 3)
        let other = RangeDigestRequest(
            table: TableID(9),
            nowSeconds: Self.nowSeconds,
            ranges: [Self.range]
        )
        #expect(
            try replica.digests(other, gcGraceSeconds: Self.gcGraceSeconds)
                == Self.digests(replica, [Self.range])
        )
    }

    // MARK: Canonical rows

    /// Rows that mean the same as of the request's second.
    @Test(
        arguments: [
            // Expired with its value, and swept.
            (
                expiringRow(timestamp: 5, atSeconds: 9_500) as [UInt8]?,
                sweptRow(timestamp: 5, atSeconds: 9_500) as [UInt8]?
            ),
            // Just expired.
            (
                expiringRow(timestamp: 5, atSeconds: 10_000),
                sweptRow(timestamp: 5, atSeconds: 10_000)
            ),
            // A deletion behind the grace period, and none.
            (deletedRow(timestamp: 5, atSeconds: 8_999), nil),
            (deletedRow(timestamp: 5, atSeconds: 8_999), RowMerge.emptyRow),
            // Expired behind the grace period, swept or not, and none.
            (expiringRow(timestamp: 5, atSeconds: 8_999), nil),
            (sweptRow(timestamp: 5, atSeconds: 8_999), nil),
            (wholeRowDeleted(timestamp: 5, atSeconds: 8_999), nil),
            // The same cells in another order.
            (
                Row(cells: [liveCell(1, 5), liveCell(2, 6)]).encoded(),
                Row(cells: [liveCell(2, 6), liveCell(1, 5)]).encoded()
            ),
            // With a covered cell beside its deletion, which is left out.
            (
                RowMerge.merge([columnRow(1, timestamp: 3, value: [8]), versionRow(4)]),
                versionRow(4)
            ),
        ]
    )
    func `what sweeping, expiry and encoding change is not seen`(
        left: [UInt8]?,
        right: [UInt8]?
    ) throws {
        var (one, other) = (Self.replica(seed: 4), Self.replica(seed: 4))
        one.rows[partition(77, "canonical")] = left
        other.rows[partition(77, "canonical")] = right
        #expect(try Self.tree(one).differences(Self.tree(other)) == [])
        #expect(try Self.digests(one, [Self.range]) == Self.digests(other, [Self.range]))
    }

    /// Rows that do not.
    @Test(
        arguments: [
            (deletedRow(timestamp: 5, atSeconds: 9_000) as [UInt8]?, nil as [UInt8]?),
            (expiringRow(timestamp: 5, atSeconds: 9_000), nil),
            (
                expiringRow(timestamp: 5, atSeconds: 10_001),
                sweptRow(timestamp: 5, atSeconds: 10_001)
            ),
            (wholeRowDeleted(timestamp: 5, atSeconds: 9_000), nil),
            (deletedRow(timestamp: 5, atSeconds: 9_500), sweptRow(timestamp: 5, atSeconds: 9_500)),
            (
                deletedRow(timestamp: 5, atSeconds: 9_500),
                deletedRow(timestamp: 5, atSeconds: 9_501)
            ),
            (versionRow(4), versionRow(5)),
            (versionRow(4), versionRow(4, bytes: 2)),
        ]
    )
    func `what a read or a later merge could tell apart is seen`(
        left: [UInt8]?,
        right: [UInt8]?
    ) throws {
        var (one, other) = (Self.replica(seed: 4), Self.replica(seed: 4))
        one.rows[partition(77, "canonical")] = left
        other.rows[partition(77, "canonical")] = right
        #expect(try Self.tree(one).differences(Self.tree(other)).count == 1)
    }

    @Test(arguments: 0..<10 as Range<UInt64>)
    func `a sweep within the rules changes no digest`(seed: UInt64) throws {
        var random = CacheRandom(seed: seed)
        var replica = ReplicaModel()
        for number in 0..<150 {
            replica.rows[partition(Int64(random.below(1_024)), "n\(number)-")] =
                randomRow(&random, around: Self.nowSeconds, gcGraceSeconds: Self.gcGraceSeconds)
        }
        var swept = replica
        let now = Self.nowSeconds - Int64(random.below(100))
        let purgeBefore = now - Int64(Self.gcGraceSeconds) - Int64(random.below(100))
        var changed = 0
        for (partition, row) in replica.rows {
            switch try RowSweep.sweep(row, nowSeconds: now, purgeBeforeSeconds: purgeBefore) {
            case .unchanged: continue
            case .rewritten(let left): swept.rows[partition] = left
            case .removed: swept.rows[partition] = nil
            }
            changed += 1
        }
        #expect(changed > 10)
        #expect(try Self.tree(swept).differences(Self.tree(replica)) == [])
    }

    // MARK: Ranges and pages

    @Test(arguments: [1, 2, 3, 7, 50, 1_000])
    func `the size of pages changes nothing`(pageRows: Int) throws {
        let replica = Self.replica(seed: 5)
        // Neighbours, gaps, and a range behind all rows.
        let ranges = [
            tokens(0...99), tokens(100...100), tokens(101...400), tokens(450...451),
            tokens(452...900), tokens(1_500...1_600),
        ]
        let together = try Self.digests(replica, ranges, pageRows: pageRows)
        for (range, digest) in zip(ranges, together) {
            #expect(try Self.digests(replica, [range]) == [digest])
            #expect(digest.rowCount == replica.rows.keys.count { range.contains($0.token) })
        }
    }

    @Test func `neighbouring ranges are scanned as one`() throws {
        var digester = RangeDigester(
            Self.request([tokens(0...9), tokens(10...19), tokens(30...39)]),
            gcGraceSeconds: 0
        )
        #expect(digester.nextScan == RowKey.sliceRange(table: testTable, tokens: tokens(0...19)))
        #expect(!digester.isDone)
        try digester.add(StoreScan(entries: [], isComplete: true))
        #expect(digester.digests.count == 2)
        #expect(digester.nextScan == RowKey.sliceRange(table: testTable, tokens: tokens(30...39)))
        try digester.add(StoreScan(entries: [], isComplete: true))
        #expect(digester.nextScan == nil)
        #expect(digester.isDone)
        #expect(digester.digests.count == 3)
    }

    @Test func `the ends of the ring are ranges like others`() throws {
        var replica = ReplicaModel()
        for token in [.min, .min + 1, -1, 0, .max] as [Int64] {
            replica.rows[partition(token)] = versionRow(1)
        }
        let ranges = [
            tokens(.min...(.min)), tokens((.min + 1)...(-1)), tokens(0...(.max - 1)),
            tokens(.max...(.max)),
        ]
        #expect(try Self.digests(replica, ranges).map(\.rowCount) == [1, 2, 1, 1])
        #expect(try Self.digests(replica, [tokens(.min...(.max))]).map(\.rowCount) == [5])
    }

    @Test func `a store's run is bounded, and goes on where it ended`() throws {
        let replica = Self.replica(seed: 6)
        let store = ModelBackend()
        var writes = StoreWrites()
        for (partition, row) in replica.rows { writes.merge(row, into: storeKey(partition)) }
        try store.write([writes], synced: true)
        let ranges = MerkleTree.ranges(of: Self.range, depth: 3)
        let expected = try Self.digests(replica, ranges)
        var digester = RangeDigester(
            Self.request(ranges),
            gcGraceSeconds: Self.gcGraceSeconds
        )
        var runs = 1
        while try !digester.run(in: store, rowsMax: 30) { runs += 1 }
        #expect(digester.digests == expected)
        #expect((4...6).contains(runs))
        let bytes = replica.rows.reduce(0) { $0 + storeKey($1.key).count + $1.value.count }
        #expect(digester.bytesRead == bytes)

        var byBytes = RangeDigester(
            Self.request(ranges),
            gcGraceSeconds: Self.gcGraceSeconds
        )
        runs = 1
        let rowBytesMax = 64
        while try !byBytes.run(in: store, rowsMax: .max, bytesMax: bytes / 10) {
            #expect(byBytes.bytesRead <= runs * (bytes / 10 + rowBytesMax))
            runs += 1
        }
        #expect(byBytes.digests == expected)
        #expect(byBytes.bytesRead == bytes)
        #expect((8...11).contains(runs))
    }

    @Test func `a row or key that cannot be read is an error, not a difference`() throws {
        for entry in [
            StoredRow(key: storeKey(partition(5)), row: [99]),
            StoredRow(key: [0, 0, 0, 7, 1], row: versionRow(1)),
        ] {
            var digester = RangeDigester(Self.request([Self.range]), gcGraceSeconds: 0)
            #expect(throws: StorageError.self) {
                try digester.add(StoreScan(entries: [entry], isComplete: true))
            }
        }
        var digester = RangeDigester(Self.request([Self.range]), gcGraceSeconds: 0)
        #expect(throws: StorageError.self) {
            try digester.add(StoreScan(entries: [], isComplete: false))
        }
    }
}

extension ReplicaModel {
    fileprivate static func writing(_ writes: [Mutation]) throws -> ReplicaModel {
        var replica = ReplicaModel()
        for write in writes { replica.write([write]) }
        return replica
    }
}

/// What a sweep leaves of ``expiringRow(timestamp:atSeconds:)``.
private func sweptRow(timestamp: Int, atSeconds: Int64) -> [UInt8] {
    Row(
        cells: [
            Cell(
                column: ColumnID(1),
                timestamp: WriteTimestamp(Int64(timestamp)),
                content: .expired(atSeconds: atSeconds)
            )
        ]
    ).encoded()
}

private func wholeRowDeleted(timestamp: Int, atSeconds: Int64) -> [UInt8] {
    Row(
        deletion: Deletion(
            timestamp: WriteTimestamp(Int64(timestamp)),
            deletionSeconds: atSeconds
        )
    ).encoded()
}

private func liveCell(_ column: UInt32, _ value: UInt8) -> Cell {
    Cell(column: ColumnID(column), timestamp: WriteTimestamp(9), content: .live([value]))
}

import Catalog
import NodeCore
import PeerMessages
import Replication
import Storage
import Testing
import TokenPlacement

/// What other replicas get of this one's rows for repair and rebuilding.
struct ReplicaRangeTests {
    private let node: FakeNode

    init() throws { node = try FakeNode(owners: [FakeNode.a], factor: 1) }

    private func scan(_ slice: Int, isForRebuild: Bool) -> Result<ScanPage, PeerFailure>? {
        var found: Result<ScanPage, PeerFailure>?
        node.replica.scan(
            ScanRequest(
                table: node.table.id,
                nowSeconds: 1000,
                tokens: FakeNode.tokens(slice),
                after: nil,
                rowsMax: 100,
                bytesMax: 1 << 20,
                isForRebuild: isForRebuild
            )
        ) { found = $0 }
        node.loop.runPools()
        return found
    }

    private func failure<Value>(_ result: Result<Value, PeerFailure>?) -> PeerFailure? {
        if case .failure(let failure)? = result { failure } else { nil }
    }

    // MARK: Rebuilding

    @Test func `who rebuilds a slice too gets what there is, and is told`() throws {
        let slice = SliceID(node.table.id, 2)
        try node.store(FakeNode.partitions(3, in: 2).map { ($0, FakeNode.row(10)) })
        #expect(try scan(2, isForRebuild: true)?.get().isPartial == false)
        node.replica.health.set(.rebuilding, slice)
        #expect(failure(scan(2, isForRebuild: false))?.code == .unreadable)
        let page = try scan(2, isForRebuild: true)?.get()
        #expect(page?.rows.count == 3)
        #expect(page?.isPartial == true)
        #expect(page?.isComplete == true)
        node.replica.health.set(.purging, slice)
        #expect(failure(scan(2, isForRebuild: true))?.code == .unreadable)
    }

    // MARK: Digests

    private func digests(
        for asker: NodeID = FakeNode.b,
        _ found: @escaping (Result<[RangeDigest], PeerFailure>) -> Void
    ) {
        let request = RangeDigestRequest(
            table: node.table.id,
            nowSeconds: 1000,
            ranges: [FakeNode.tokens(2)]
        )
        node.replica.digests(request, for: asker, completion: found)
    }

    @Test func `digests are read step by step, within the rate`() throws {
        try node.store(FakeNode.partitions(20, in: 2).map { ($0, FakeNode.row(100)) })
        var results: [Result<[RangeDigest], PeerFailure>] = []
        digests { results.append($0) }
        node.loop.runPools()
        let expected = try #require(try results.first?.get())
        #expect(expected.map(\.rowCount) == [20])

        node.replica.digestRate = SharedRate(bytesPerSecond: 500)
        node.replica.digestRowsMax = 4
        digests { results.append($0) }
        node.loop.runPools()
        #expect(results.count == 1, "the rate is used up behind the first step")
        var seconds = 0
        while results.count == 1, seconds < 60 {
            node.loop.advance(.seconds(1))
            node.loop.runPools()
            seconds += 1
        }
        #expect(try results.last?.get() == expected)
        #expect((3...8).contains(seconds), "about 2,500 bytes at 500 a second: \(seconds)")
    }

    @Test func `who asks for digests once more waits for the former ones no longer`() throws {
        try node.store(FakeNode.partitions(20, in: 2).map { ($0, FakeNode.row(100)) })
        node.replica.digestRate = SharedRate(bytesPerSecond: 500)
        node.replica.digestRowsMax = 4
        var results: [String: Result<[RangeDigest], PeerFailure>] = [:]
        digests { results["first"] = $0 }
        digests(for: FakeNode.c) { results["other"] = $0 }
        node.loop.runPools()
        digests { results["second"] = $0 }
        for _ in 0..<60 {
            node.loop.advance(.seconds(1))
            node.loop.runPools()
        }
        #expect(failure(results["first"])?.text.contains("other digests since") == true)
        #expect(try results["second"]?.get().map(\.rowCount) == [20])
        #expect(try results["other"]?.get().map(\.rowCount) == [20])
    }

    @Test func `who asks for digests on another loop waits for the former ones no longer`() throws {
        let other = try FakeNode(owners: [FakeNode.a], factor: 1)
        other.replica.digestTurns = node.replica.digestTurns
        try node.store(FakeNode.partitions(20, in: 2).map { ($0, FakeNode.row(100)) })
        node.replica.digestRate = SharedRate(bytesPerSecond: 500)
        node.replica.digestRowsMax = 4
        var first: Result<[RangeDigest], PeerFailure>?
        digests { first = $0 }
        node.loop.runPools()
        let request = RangeDigestRequest(
            table: node.table.id,
            nowSeconds: 1000,
            ranges: [FakeNode.tokens(2)]
        )
        other.replica.digests(request, for: FakeNode.b) { _ in }
        node.loop.advance(.seconds(5))
        node.loop.runPools()
        #expect(failure(first)?.code == .failed)
    }

    @Test func `digests of a slice that is given up while it is read are refused`() throws {
        try node.store(FakeNode.partitions(20, in: 2).map { ($0, FakeNode.row(100)) })
        node.replica.digestRate = SharedRate(bytesPerSecond: 500)
        node.replica.digestRowsMax = 4
        var results: [Result<[RangeDigest], PeerFailure>] = []
        digests { results.append($0) }
        node.loop.runPools()
        node.replica.health.set(.purging, SliceID(node.table.id, 2))
        node.loop.advance(.seconds(5))
        node.loop.runPools()
        #expect(results.map { failure($0)?.code } == [.unreadable])
    }
}

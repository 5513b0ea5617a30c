import Catalog
import Coordination
import NodeCore
import PeerMessages
import Storage
import Testing
import TokenPlacement

/// Reads and scans as the coordinator's shell drives their machines.
struct CoordinatedReadTests {
    private typealias PageResult = Result<ScanMachine.Page, CoordinationError>

    private let a = FakeNode.a
    private let b = FakeNode.b
    private let c = FakeNode.c
    private let all = Token(.min)...Token(.max)

    private func scan(
        _ node: FakeNode,
        rowsMax: Int = 100,
        _ completion: @escaping (PageResult) -> Void
    ) {
        let request = ScanPageRequest(
            table: node.table,
            position: ScanPosition(ranges: [all]),
            rowsMax: rowsMax,
            consistency: .one,
            nowSeconds: 1000
        )
        node.coordinator.scan(request, completion: completion)
    }

    private func absent(_ count: Int = 1) -> ReadGroupReply {
        let digests = [RowDigest](repeating: .absent, count: count)
        return ReadGroupReply(digest: RowDigest.combine(digests), rows: [])
    }

    @Test func `a page of a scan is answered once, and its room given back once`() throws {
        let node = try FakeNode(owners: [b, c], factor: 1)
        var results: [PageResult] = []
        scan(node, rowsMax: 1) { results.append($0) }
        #expect(node.coordinator.load.bytes > 0, "an estimate counts against the bound")
        let empty = PeerMessage.page(ScanPage(rows: [], isComplete: true))
        node.loop.sent[0].reply(empty)
        node.loop.sent[1].reply(empty)
        // By now several runs are read at a time.
        guard case .scan(let asked) = node.loop.sent[2].message else {
            Issue.record("no scan: \(node.loop.sent[2].message)")
            return
        }
        let partition = PartitionRef(token: asked.tokens.lowerBound, key: [1])
        let row = ScannedRow(partition: partition, row: FakeNode.row(1))
        node.loop.sent[2].reply(.page(ScanPage(rows: [row], isComplete: true)))
        #expect(results.count == 1)
        #expect(node.loop.sent.count > 4)
        for late in node.loop.sent[3...] { late.fail(.disconnected) }
        node.loop.advance(.seconds(60))
        #expect(results.count == 1)
        #expect(try results[0].get().rows == [row])
        #expect(node.coordinator.load == (0, 0))
    }

    @Test func `a scan speculates in every round, by latencies of its own`() throws {
        let node = try FakeNode(owners: [b, c], factor: 2)
        var count = 0
        for number in 0..<64 {
            scan(node) { _ in count += 1 }
            node.loop.advance(.milliseconds(10))
            node.loop.sent[number].reply(.page(ScanPage(rows: [], isComplete: true)))
        }
        #expect(count == 64)
        var results: [PageResult] = []
        let first = node.loop.sent.count
        scan(node) { results.append($0) }
        let asked = node.loop.sent[first].node
        node.loop.advance(.milliseconds(50))
        #expect(node.loop.sent.count == first + 2, "far before half of the time-out")
        let other = node.loop.sent[first + 1].node
        #expect(other != asked)
        let row = ScannedRow(
            partition: PartitionRef(token: Token(5), key: [1]),
            row: FakeNode.row(1)
        )
        node.loop.sent[first + 1].reply(.page(ScanPage(rows: [row], isComplete: false)))
        #expect(node.loop.sent.count == first + 3)
        #expect(node.loop.sent[first + 2].node == other, "the slow one is not asked first again")
        node.loop.advance(.milliseconds(50))
        #expect(node.loop.sent.count == first + 4)
        #expect(node.loop.sent[first + 3].node == asked)
        node.loop.sent[first + 3].reply(.page(ScanPage(rows: [], isComplete: true)))
        #expect(try results.map { try $0.get().rows } == [[row]])
    }

    @Test func `a node that waits for its own disk asks others first`() throws {
        let node = try FakeNode(owners: [a, b], factor: 2)
        node.loop.store.needDisk(everyNthRead: 1)
        let partition = FakeNode.partitions(1, in: 0)
        var results: [[[UInt8]?]] = []
        func read(_ consistency: ConsistencyLevel) {
            node.coordinator.read(
                partition,
                of: node.table,
                consistency: consistency,
                nowSeconds: 1000
            ) { results.append((try? $0.get()) ?? []) }
        }
        for number in 0..<10 {
            read(.all)
            node.loop.advance(.milliseconds(1))
            // Rows, since the other one may be asked for them: then this node gives the digest.
            node.loop.sent[number].reply(
                .rows([ReadGroupReply(digest: absent().digest, rows: [nil])])
            )
            node.loop.advance(.milliseconds(50))
            node.loop.runPools()
        }
        #expect(results == [[[UInt8]?]](repeating: [nil], count: 10))
        read(.one)
        #expect(node.loop.sent.count == 11, "the other one is asked")
        node.loop.sent[10].reply(.rows([ReadGroupReply(digest: .absent, rows: [nil])]))
        #expect(results.count == 11)
        #expect(node.coordinator.load == (0, 0))
    }

    @Test func `what a replica lacks goes to it message by message`() throws {
        let node = try FakeNode(owners: [b, c], factor: 2)
        let partitions = FakeNode.partitions(3, in: 0)
        let row = FakeNode.row(600 << 10)
        var results: [Result<[[UInt8]?], CoordinationError>] = []
        node.coordinator.read(
            partitions,
            of: node.table,
            consistency: .all,
            nowSeconds: 1000
        ) { results.append($0) }
        let digest = try RowView(validating: row).digest(nowSeconds: 1000, gcGraceSeconds: 0)
        let full = ReadGroupReply(
            digest: RowDigest.combine([digest, digest, digest]),
            rows: [row, row, row]
        )
        node.loop.sent[0].reply(.rows([full]))
        #expect(node.coordinator.load.bytes == 3 * row.count, "what is held counts")
        node.loop.sent[1].reply(.rows([absent(3)]))
        var lacking = absent(3)
        lacking.rows = [nil, nil, nil]
        node.loop.sent[2].reply(.rows([lacking]))
        for number in 3...5 {
            #expect(node.loop.sent.count == number + 1, "one behind the other")
            guard case .write(let mutations) = node.loop.sent[number].message else {
                Issue.record("no write: \(node.loop.sent[number].message)")
                return
            }
            #expect(mutations.map(\.partition) == [partitions[number - 3]])
            #expect(results.isEmpty, "it counts once all of it is written")
            node.loop.sent[number].reply(.done)
        }
        #expect(try results.map { try $0.get() } == [[row, row, row]])
        #expect(node.coordinator.load == (0, 0))
    }
}

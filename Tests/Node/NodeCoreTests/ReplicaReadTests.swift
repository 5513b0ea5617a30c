import Catalog
import NodeCore
import PeerMessages
import Replication
import Storage
import Testing
import TokenPlacement

/// What a replica gives of its own rows: within bounds, and never from where it may not read.
struct ReplicaReadTests {
    private let node: FakeNode

    init() throws { node = try FakeNode(owners: [FakeNode.a], factor: 1) }

    private func page(_ slices: ClosedRange<Int>) -> Result<ScanPage, PeerFailure>? {
        let first = FakeNode.tokens(slices.lowerBound).lowerBound
        let last = FakeNode.tokens(slices.upperBound).upperBound
        var found: Result<ScanPage, PeerFailure>?
        node.replica.scan(
            ScanRequest(
                table: node.table.id,
                nowSeconds: 1000,
                tokens: first...last,
                after: nil,
                rowsMax: 100,
                bytesMax: 1 << 20
            )
        ) { found = $0 }
        node.loop.runPools()
        return found
    }

    private func failure<Value>(_ result: Result<Value, PeerFailure>?) -> PeerFailure? {
        if case .failure(let failure)? = result { failure } else { nil }
    }

    /// One row in each slice.
    private func fill() throws -> [PartitionRef] {
        let partitions = (0..<FakeNode.sliceCount).map { FakeNode.partitions(1, in: $0)[0] }
        try node.store(partitions.map { ($0, FakeNode.row(10)) })
        return partitions
    }

    // MARK: Pages

    @Test func `a page covers the tokens before a slice that may not be read`() throws {
        let partitions = try fill()
        #expect(try page(1...6)?.get().rows.map(\.partition) == Array(partitions[1...6]))
        node.replica.health.set(.rebuilding, SliceID(node.table.id, 4))
        let cut = try page(1...6)?.get()
        #expect(cut?.rows.map(\.partition) == Array(partitions[1...3]))
        #expect(cut?.isComplete == false)
        #expect(cut?.coveredTo == FakeNode.tokens(3).upperBound)
        #expect(failure(page(4...6))?.code == .unreadable)
        #expect(try page(5...6)?.get().isComplete == true)
    }

    @Test func `what was read of a slice that is given up meanwhile does not count`() throws {
        let partitions = try fill()
        var found: Result<ScanPage, PeerFailure>?
        node.replica.scan(
            ScanRequest(
                table: node.table.id,
                nowSeconds: 1000,
                tokens: Token(.min)...Token(.max),
                after: nil,
                rowsMax: 100,
                bytesMax: 1 << 20
            )
        ) { found = $0 }
        node.replica.health.set(.purging, SliceID(node.table.id, 2))
        node.loop.runPools()
        #expect(try found?.get().rows.map(\.partition) == Array(partitions[0...1]))
        #expect(try found?.get().coveredTo == FakeNode.tokens(1).upperBound)
    }

    @Test func `damage is told of the slice that it is in`() throws {
        _ = try fill()
        var suspects: [Token] = []
        node.replica.corruptionFound = { _, token, _ in suspects.append(token) }
        node.loop.store.damage(
            RowKey.sliceRange(table: node.table.id, tokens: FakeNode.tokens(5))
        )
        #expect(failure(page(1...6))?.code == .failed)
        #expect(suspects == [FakeNode.tokens(5).lowerBound])
        #expect(try page(1...4)?.get().rows.count == 4)
    }

    @Test func `a row that cannot be decoded fails the page and is named`() throws {
        let partitions = try fill()
        try node.store([(partitions[3], [0xFF, 0xFF, 0xFF])])
        var suspects: [Token] = []
        node.replica.corruptionFound = { _, token, _ in suspects.append(token) }
        let found = failure(page(1...6))
        #expect(found?.code == .failed)
        #expect(suspects == [partitions[3].token])
        #expect(found?.text.contains("\(partitions[3].token)") == true)
    }

    // MARK: Rows

    private func read(_ partitions: [PartitionRef]) -> Result<[ReadGroupReply], PeerFailure>? {
        var found: Result<[ReadGroupReply], PeerFailure>?
        let group = ReadRequest.Group(mode: .rows, partitions: partitions)
        node.replica.read(
            ReadRequest(table: node.table.id, nowSeconds: 1000, groups: [group])
        ) { found = $0 }
        node.loop.runPools()
        return found
    }

    @Test(arguments: [false, true])
    func `of many keys that are read at once only what is damaged is reported`(
        isUnreadable: Bool
    ) throws {
        let partitions = try fill()
        var suspects: [Token] = []
        node.replica.corruptionFound = { _, token, _ in suspects.append(token) }
        node.loop.store.needDisk(everyNthRead: 1)
        node.loop.store.damage(
            RowKey.sliceRange(table: node.table.id, tokens: FakeNode.tokens(5)),
            isUnreadable: isUnreadable
        )
        #expect(failure(read(partitions))?.code == .failed)
        #expect(suspects == [partitions[5].token])
    }

    @Test func `keys are read one by one for one failed read at a time`() throws {
        let partitions = try fill()
        var suspects: [Token] = []
        node.replica.corruptionFound = { _, token, _ in suspects.append(token) }
        node.loop.store.needDisk(everyNthRead: 1)
        node.loop.store.damage(
            RowKey.sliceRange(table: node.table.id, tokens: FakeNode.tokens(5))
        )
        let request = ReadRequest(
            table: node.table.id,
            nowSeconds: 1000,
            groups: [ReadRequest.Group(mode: .rows, partitions: partitions)]
        )
        var codes: [PeerFailure.Code?] = []
        for _ in 0..<3 { node.replica.read(request) { codes.append(failure($0)?.code) } }
        node.loop.runPools()
        #expect(codes == [.failed, .failed, .failed])
        #expect(suspects == [partitions[5].token])
        #expect(failure(read(partitions))?.code == .failed)
        #expect(suspects.count == 2, "the next one that fails is looked at again")
    }

    @Test func `a row that cannot be decoded is reported by its digest`() throws {
        let partitions = try fill()
        try node.store([(partitions[3], [0xFF, 0xFF, 0xFF])])
        var suspects: [Token] = []
        node.replica.corruptionFound = { _, token, _ in suspects.append(token) }
        var found: Result<[ReadGroupReply], PeerFailure>?
        node.replica.read(
            ReadRequest(
                table: node.table.id,
                nowSeconds: 1000,
                groups: [ReadRequest.Group(mode: .digest, partitions: partitions)]
            )
        ) { found = $0 }
        node.loop.runPools()
        #expect(failure(found)?.code == .failed)
        #expect(suspects == [partitions[3].token])
    }

    @Test(arguments: [0, 1])
    func `rows with too many bytes are refused, in memory and on disk`(diskReads: Int) throws {
        let partitions = FakeNode.partitions(5, in: 0)
        let row = FakeNode.row(100)
        try node.store(partitions.map { ($0, row) })
        node.loop.store.needDisk(everyNthRead: diskReads)
        node.replica.readBytesMax = 5 * row.count
        #expect(try read(partitions)?.get()[0].rows == [row, row, row, row, row])
        node.replica.readBytesMax -= 1
        #expect(failure(read(partitions))?.code == .invalid)
        #expect(failure(read(partitions))?.text.contains("\(5 * row.count - 1)") == true)
        #expect(try read(Array(partitions[..<4]))?.get()[0].rows.count == 4)
    }

    @Test func `many rows come from the disk step by step, in their order`() throws {
        let partitions = FakeNode.partitions(1300, in: 0)
        let rows = partitions.indices.map { FakeNode.row($0 % 50) }
        try node.store(Array(zip(partitions, rows)))
        node.loop.store.needDisk(everyNthRead: 1)
        #expect(try read(partitions)?.get()[0].rows == rows.map { $0 })
    }

    @Test func `rows of a slice that is given up while they are read are refused`() throws {
        let partitions = FakeNode.partitions(1, in: 2)
        node.loop.store.needDisk(everyNthRead: 1)
        var found: Result<[ReadGroupReply], PeerFailure>?
        let group = ReadRequest.Group(mode: .rows, partitions: partitions)
        node.replica.read(
            ReadRequest(table: node.table.id, nowSeconds: 1000, groups: [group])
        ) { found = $0 }
        node.replica.health.set(.purging, SliceID(node.table.id, 2))
        node.loop.runPools()
        #expect(failure(found)?.code == .unreadable)
    }
}

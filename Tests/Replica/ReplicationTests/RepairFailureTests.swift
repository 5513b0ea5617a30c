import PeerMessages
import Replication
import Storage
import Testing
import TokenPlacement

/// Nodes that fail, answer late or answer nonsense.
@Suite struct RepairFailureTests {
    /// Three replicas with 100 rows, of which each lacks others.
    private static func diverged() -> [ReplicaModel] {
        var replicas = [ReplicaModel](repeating: spreadRows(100), count: 3)
        for index in 0..<60 { replicas[index % 3].rows[spread(index, of: 100)] = nil }
        return replicas
    }

    private static func isOpen(_ rig: RepairRig, _ kind: Kind) -> Bool {
        rig.open.contains { kind.matches($0.action) && $0.action.node == node(2) }
    }

    enum Kind: CaseIterable {
        case digests, leaves, page, write, note

        func matches(_ action: RepairMachine.Action) -> Bool {
            switch (self, action) {
            case (.digests, .requestDigests(_, let request)): request.ranges.count == 1
            case (.leaves, .requestDigests(_, let request)): request.ranges.count > 1
            case (.page, .requestPage), (.write, .write), (.note, .sendNote): true
            default: false
            }
        }
    }

    @Test(arguments: Kind.allCases)
    func `without one of three the others are made equal, and nobody counts it`(
        kind: Kind
    ) throws {
        var rig = RepairRig(Self.diverged())
        rig.start()
        while !Self.isOpen(rig, kind) { try rig.step() }
        let index = try #require(
            rig.open.firstIndex { kind.matches($0.action) && $0.action.node == node(2) }
        )
        rig.fail(index)
        try rig.run(down: [node(2)])
        #expect(rig.outcome == .incomplete(missing: [node(2)]))
        #expect(rig.notes[node(1)] == nil)
        #expect(rig.notes[node(2)] == nil)
        #expect(try rig.canonical(node(1)) == rig.canonical(node(3)))
        #expect(rig.violations == [])
        #expect(rig.machine.bufferedBytes == 0)
        // Later, with all of them.
        var next = rig.again()
        try next.run()
        #expect(next.outcome == .repaired)
        #expect(try next.differences().versions == 0)
    }

    @Test(arguments: Kind.allCases)
    func `with one left alone the repair ends at once`(kind: Kind) throws {
        var rig = RepairRig(Self.diverged())
        rig.start()
        while !Self.isOpen(rig, kind) { try rig.step() }
        rig.fail(node(3))
        let isOpen = rig.history.count
        rig.fail(node(2))
        // While notes are on their way nobody is needed any more, but the outcome is the same.
        if rig.outcome == nil { try rig.run(down: nodesDown) }
        let missing = kind == .note ? nodes(2...3) : rig.missing
        #expect(rig.outcome == .incomplete(missing: missing))
        #expect(missing.contains(node(2)))
        #expect(rig.notes[node(1)] == nil)
        #expect(rig.history.count >= isOpen)
        #expect(rig.machine.isFinished)
        #expect(rig.violations == [])
    }

    private var nodesDown: Set<NodeID> { Set(nodes(2...3)) }

    @Test func `the coordinator's own disk may fail as well`() throws {
        var rig = RepairRig(Self.diverged())
        try rig.run(down: [node(1)])
        #expect(rig.outcome == .incomplete(missing: [node(1)]))
        #expect(try rig.canonical(node(2)) == rig.canonical(node(3)))
        #expect(rig.notes == [:])
    }

    @Test func `what comes behind the end is ignored`() throws {
        var rig = RepairRig(Self.diverged())
        try rig.run()
        for number in 1...3 {
            rig.deliver(.digests([]), from: node(number))
            rig.deliver(.page(ScanPage(rows: [], isComplete: true)), from: node(number))
            rig.deliver(.written, from: node(number))
            rig.deliver(.noted, from: node(number))
            rig.deliver(.resumed, from: node(number))
            rig.fail(node(number))
        }
        #expect(rig.violations == [])
        #expect(rig.outcome == .repaired)
    }

    @Test func `what nobody was asked for is ignored`() throws {
        var rig = RepairRig(Self.diverged())
        rig.start()
        let before = rig.history
        rig.deliver(.digests([RangeDigest(digest: .absent, rowCount: 0)]), from: node(9))
        rig.deliver(.page(ScanPage(rows: [], isComplete: true)), from: node(2))
        rig.deliver(.written, from: node(2))
        rig.deliver(.noted, from: node(2))
        rig.deliver(.resumed, from: node(1))
        rig.fail(node(9))
        #expect(rig.history == before)
        // A digest that comes twice counts once.
        try rig.execute(1)
        let reply = try #require(rig.open[1].reply)
        rig.deliver(1)
        rig.deliver(reply, from: node(2))
        rig.fail(node(2))
        #expect(rig.history == before)
        try rig.run()
        #expect(rig.outcome == .repaired)
        #expect(try rig.differences().versions == 0)
    }

    @Test func `a late answer of a node that was given up is ignored`() throws {
        var rig = RepairRig(Self.diverged())
        rig.start()
        while !Self.isOpen(rig, .page) { try rig.step() }
        let index = try #require(
            rig.open.firstIndex { $0.action.isPageRequest && $0.action.node == node(2) }
        )
        try rig.execute(index)
        let late = try #require(rig.open[index].reply)
        rig.fail(index)
        let history = rig.history
        rig.deliver(late, from: node(2))
        #expect(rig.history == history)
        try rig.run()
        #expect(rig.outcome == .incomplete(missing: [node(2)]))
    }

    @Test(arguments: [0, 2, 100])
    func `a wrong number of digests is no answer`(count: Int) throws {
        var rig = RepairRig(Self.diverged())
        rig.start()
        let wrong = RangeDigest(digest: .absent, rowCount: 0)
        rig.deliver(1, .digests(Array(repeating: wrong, count: count)))
        try rig.run()
        #expect(rig.outcome == .incomplete(missing: [node(2)]))
        #expect(try rig.canonical(node(1)) == rig.canonical(node(3)))
    }

    @Test func `a page that cannot be is no answer, and its rows go nowhere`() throws {
        let good = ScannedRow(partition: spread(50, of: 100), row: versionRow(9))
        let before = ScannedRow(partition: repaired(-1), row: versionRow(9))
        let damaged = ScannedRow(partition: spread(50, of: 100), row: [99, 1, 2])
        for rows in [[before], [good, good], [damaged], []] {
            var replicas = [ReplicaModel](repeating: spreadRows(100), count: 3)
            replicas[0].rows = [:]
            var settings = RepairSettings()
            settings.writeRowsMax = 1
            var rig = RepairRig(replicas, settings: settings)
            rig.start()
            while !Self.isOpen(rig, .page) { try rig.step() }
            let index = try #require(
                rig.open.firstIndex { $0.action.isPageRequest && $0.action.node == node(2) }
            )
            rig.deliver(index, .page(ScanPage(rows: rows, isComplete: !rows.isEmpty)))
            try rig.run()
            #expect(rig.outcome == .incomplete(missing: [node(2)]))
            #expect(try rig.canonical(node(1)) == rig.canonical(spreadRows(100)))
            #expect(rig.replicas[node(3)] == spreadRows(100))
            #expect(rig.notes == [:])
        }
    }

    @Test func `rows of one page repeated by the next are no answer`() throws {
        var settings = RepairSettings()
        settings.pageRowsMax = 5
        var rig = RepairRig([ReplicaModel(), spreadRows(16), spreadRows(16)], settings: settings)
        rig.start()
        while !Self.isOpen(rig, .page) { try rig.step() }
        let index = try #require(
            rig.open.firstIndex { $0.action.isPageRequest && $0.action.node == node(2) }
        )
        try rig.execute(index)
        let page = try #require(rig.open[index].reply)
        rig.deliver(index)
        while !Self.isOpen(rig, .page) { try rig.step() }
        let next = try #require(
            rig.open.firstIndex { $0.action.isPageRequest && $0.action.node == node(2) }
        )
        rig.deliver(next, page)
        try rig.run()
        #expect(rig.outcome == .incomplete(missing: [node(2)]))
        #expect(try rig.canonical(node(1)) == rig.canonical(spreadRows(16)))
    }

    @Test func `a member that fails while the rate is waited for is left out`() throws {
        var settings = RepairSettings()
        settings.pageRowsMax = 3
        settings.writeRowsMax = 2
        settings.bytesPerSecond = 100
        var rig = RepairRig([ReplicaModel(), spreadRows(16), spreadRows(16)], settings: settings)
        rig.start()
        while !(rig.open.contains { $0.action.isWait } && rig.open.contains { $0.action.isWrite }) {
            let index = try #require(
                rig.open.firstIndex { !$0.action.isWrite && !$0.action.isWait }
                    ?? rig.open.indices.first
            )
            try rig.execute(index)
            rig.deliver(index)
        }
        let pages = rig.history.count { $0.isPageRequest }
        let write = try #require(rig.open.firstIndex { $0.action.isWrite })
        rig.fail(write)
        #expect(rig.history.count { $0.isPageRequest } == pages)
        try rig.run()
        #expect(rig.outcome == .incomplete(missing: [node(1)]))
        #expect(rig.violations == [])
    }
}

extension RepairRig {
    /// The nodes that the outcome says did not take part.
    fileprivate var missing: [NodeID] {
        if case .incomplete(let missing) = outcome { missing } else { [] }
    }
}

import Catalog
import Coordination
import PeerMessages
import Storage
import Testing
import TokenPlacement

/// Reads, scans and scores at EACH_QUORUM: east has the nodes 1, 3 and 5, west 2, 4 and 6.
struct EachQuorumReadTests {
    private static let east = [1, 3, 5].map { Fixture.id($0) }
    private static let west = [2, 4, 6].map { Fixture.id($0) }

    private let old = Fixture.row(10, 1)
    private let new = Fixture.row(20, 2)

    private func view(alive: [UInt64] = [1, 2, 3, 4, 5, 6]) -> ClusterView {
        Fixture.view(
            nodes: 6,
            .networkTopology([
                DatacenterFactor(datacenter: "east", factor: 3),
                DatacenterFactor(datacenter: "west", factor: 3),
            ]),
            datacenters: ["east", "west"],
            alive: alive.map { Fixture.id($0) }
        )
    }

    private func groups(_ view: ClusterView) throws -> [KeyGroup] {
        try view.group([PartitionRef(key: [1])], keyspace: "ks", consistency: .eachQuorum)
    }

    private func reader() throws -> ReadMachine {
        ReadMachine(
            keyCount: 1,
            groups: try groups(view()),
            consistency: .eachQuorum,
            nowSeconds: Fixture.nowSeconds,
            gcGraceSeconds: Fixture.gcGraceSeconds
        )
    }

    private static func isQuorumOfEach(_ nodes: some Collection<NodeID>) -> Bool {
        nodes.count(where: east.contains) >= 2 && nodes.count(where: west.contains) >= 2
    }

    // MARK: Whom to ask

    @Test func `a majority of each datacenter is asked first, the own node before all`() throws {
        let group = try groups(view())[0]
        #expect(group.required == 4)
        #expect(group.candidates.count == 6)
        #expect(group.candidates[0] == Fixture.a)
        #expect(Self.isQuorumOfEach(group.candidates.prefix(4)))
    }

    @Test func `a datacenter that lacks its majority makes it unavailable`() throws {
        let view = view(alive: [1, 3, 5, 6])
        let error = CoordinationError.unavailable(consistency: .eachQuorum, required: 2, alive: 1)
        #expect(throws: error) { try groups(view) }
        let runs = try view.runs(
            of: [Token.minimum...Token(.max)],
            keyspace: "ks",
            consistency: .eachQuorum
        )
        var machine = scanner(runs)
        var actions: [ScanMachine.Action] = []
        machine.start(&actions)
        #expect(actions == [.fail(error)])
    }

    @Test func `without datacenters EACH_QUORUM is QUORUM`() throws {
        let view = Fixture.view(nodes: 3, .simple(factor: 3))
        let group = try groups(view)[0]
        #expect(group.required == 2)
        #expect(group.datacenters.isEmpty)
    }

    // MARK: Reads

    @Test func `more of one datacenter do not make up for another`() throws {
        var machine = try reader()
        var actions: [ReadMachine.Action] = []
        machine.start(&actions)
        let asked = Self.asked(actions)
        let slow = try #require(asked.last { Self.west.contains($0.node) })
        actions = []
        for ask in asked where ask.request != slow.request {
            machine.rowsReceived(
                request: ask.request,
                replies: [try Fixture.reply([new], ask.mode)],
                actions: &actions
            )
        }
        #expect(actions == [])
        var late = machine
        late.timedOut(&actions)
        let count = AnswerCount(consistency: .eachQuorum, received: 3, required: 4)
        #expect(actions == [.fail(.readTimeout(count, dataPresent: true))])
        actions = []
        machine.speculate(&actions)
        let spare = try #require(Self.asked(actions).first)
        #expect(Self.west.contains(spare.node))
        machine.rowsReceived(
            request: spare.request,
            replies: [try Fixture.reply([new], spare.mode)],
            actions: &actions
        )
        #expect(actions.last == .answer([new]))
    }

    private struct Ask {
        var request: Int
        var node: NodeID
        var mode: ReadRequest.Mode
    }

    private static func asked(_ actions: [ReadMachine.Action]) -> [Ask] {
        actions.compactMap { action in
            guard case .read(let request, let node, let parts) = action else { return nil }
            return Ask(request: request, node: node, mode: parts[0].mode)
        }
    }

    /// Up to one replica of each datacenter, which does not do what it should.
    private struct Trouble {
        enum Kind: CaseIterable {
            case fails, hangs, failsToRepair, hangsInRepair
        }

        let nodes: [NodeID]
        let kind: Kind

        init(_ random: inout SplitMix) {
            nodes = [east, west].compactMap { nodes in
                Bool.random(using: &random) ? nodes.randomElement(using: &random) : nil
            }
            kind = Kind.allCases.randomElement(using: &random) ?? .fails
        }

        func fails(_ node: NodeID, isRepair: Bool) -> Bool {
            nodes.contains(node) && (kind == .fails || isRepair && kind == .failsToRepair)
        }

        func hangs(_ node: NodeID, isRepair: Bool) -> Bool {
            nodes.contains(node) && (kind == .hangs || isRepair && kind == .hangsInRepair)
        }

        /// Whether somebody may lose patience before nothing else can happen: once is all.
        var allowsImpatience: Bool { kind != .hangsInRepair }
    }

    /// Six replicas, some of them stale, some in trouble; answers come in any order, and somebody
    /// loses patience at any moment.
    @Test(arguments: UInt64(1)...600)
    func `an answer has seen, and repaired, a majority of each datacenter`(seed: UInt64) throws {
        var random = SplitMix(state: seed)
        let trouble = Trouble(&random)
        var rows: [NodeID: [UInt8]] = [:]
        for node in Self.east + Self.west {
            rows[node] = Int.random(in: 0..<3, using: &random) == 0 ? old : new
        }
        var machine = try reader()
        var open: [ReadMachine.Action] = []
        var heard: Set<NodeID> = []
        machine.start(&open)
        while !open.isEmpty || !machine.isFinished {
            var actions: [ReadMachine.Action] = []
            guard let index = open.indices.randomElement(using: &random) else {
                machine.speculate(&open)
                try #require(!open.isEmpty, "it waits for ever")
                continue
            }
            if trouble.allowsImpatience, Int.random(in: 0..<4, using: &random) == 0 {
                machine.speculate(&actions)
            }
            switch open.remove(at: index) {
            case .read(_, let node, _) where trouble.hangs(node, isRepair: false): break
            case .repair(_, let node, _) where trouble.hangs(node, isRepair: true): break
            case .read(let request, let node, _) where trouble.fails(node, isRepair: false),
                .repair(let request, let node, _) where trouble.fails(node, isRepair: true):
                let failure = Fixture.failure(.failed)
                machine.requestFailed(request: request, failure, actions: &actions)
            case .read(let request, let node, let parts):
                let reply = try Fixture.reply([rows[node]], parts[0].mode)
                heard.insert(node)
                machine.rowsReceived(request: request, replies: [reply], actions: &actions)
            case .repair(let request, let node, let repairs):
                for repair in repairs { rows[node] = repair.operand }
                machine.repairAcknowledged(request: request, actions: &actions)
            case .answer(let answered):
                #expect(Self.isQuorumOfEach(heard))
                let holders = rows.filter { $0.value == answered[0] }.keys
                #expect(Self.isQuorumOfEach(holders))
                open = []
                continue
            case .fail(let error):
                Issue.record("\(error)")
                open = []
                continue
            }
            open += actions
            // The answer stands once it is given: what is under way then does not count.
            if let answer = actions.last, machine.isFinished { open = [answer] }
        }
        #expect(machine.isFinished)
    }

    // MARK: Scans

    private func scanner(_ runs: [ScanRun]) -> ScanMachine {
        ScanMachine(
            table: TableID(1),
            position: ScanPosition(ranges: runs.map(\.tokens)),
            runs: runs,
            consistency: .eachQuorum,
            nowSeconds: Fixture.nowSeconds,
            gcGraceSeconds: Fixture.gcGraceSeconds,
            limits: ScanMachine.Limits(
                rowsMax: 100,
                bytesMax: 1 << 20,
                requestRowsMax: 100,
                requestBytesMax: 1 << 16
            )
        )
    }

    /// As with reads, over one run of tokens with one row.
    @Test(arguments: UInt64(1)...600)
    func `a page has seen, and repaired, a majority of each datacenter`(seed: UInt64) throws {
        var random = SplitMix(state: seed)
        let trouble = Trouble(&random)
        var rows: [NodeID: [UInt8]] = [:]
        for node in Self.east + Self.west {
            rows[node] = Int.random(in: 0..<3, using: &random) == 0 ? old : new
        }
        let partition = PartitionRef(token: Token(5), key: [1])
        let group = try groups(view())[0]
        let run = ScanRun(
            tokens: Token(0)...Token(9),
            candidates: group.candidates,
            required: group.required,
            datacenters: group.datacenters
        )
        var machine = scanner([run])
        var open: [ScanMachine.Action] = []
        var heard: Set<NodeID> = []
        machine.start(&open)
        while !open.isEmpty || !machine.isFinished {
            var actions: [ScanMachine.Action] = []
            guard let index = open.indices.randomElement(using: &random) else {
                machine.speculate(&open)
                try #require(!open.isEmpty, "it waits for ever")
                continue
            }
            if trouble.allowsImpatience, Int.random(in: 0..<4, using: &random) == 0 {
                machine.speculate(&actions)
            }
            switch open.remove(at: index) {
            case .scan(_, let node, _) where trouble.hangs(node, isRepair: false): break
            case .repair(_, let node, _) where trouble.hangs(node, isRepair: true): break
            case .scan(let request, let node, _) where trouble.fails(node, isRepair: false),
                .repair(let request, let node, _) where trouble.fails(node, isRepair: true):
                let failure = Fixture.failure(.failed)
                machine.requestFailed(request: request, failure, actions: &actions)
            case .scan(let request, let node, _):
                heard.insert(node)
                let row = ScannedRow(partition: partition, row: rows[node] ?? [])
                let page = ScanPage(rows: [row], isComplete: true, coveredTo: nil)
                machine.pageReceived(request: request, page: page, actions: &actions)
            case .repair(let request, let node, let repairs):
                for repair in repairs { rows[node] = repair.row }
                machine.repairAcknowledged(request: request, actions: &actions)
            case .answer(let page):
                #expect(Self.isQuorumOfEach(heard))
                let holders = rows.filter { $0.value == page.rows.first?.row }.keys
                #expect(Self.isQuorumOfEach(holders))
                open = []
                continue
            case .fail(let error):
                Issue.record("\(error)")
                open = []
                continue
            }
            open += actions
            if let answer = actions.last, machine.isFinished { open = [answer] }
        }
        #expect(machine.isFinished)
    }

    // MARK: Scores

    @Test func `a majority of each datacenter vouches for a score`() throws {
        var machine = ScoreMachine(
            partitions: [PartitionRef(key: [1])],
            groups: try groups(view()),
            order: .descending,
            limit: 1,
            consistency: .eachQuorum
        )
        var actions: [ScoreMachine.Action] = []
        machine.start(&actions)
        guard case .score(let scoring, Fixture.a, _)? = actions.first else {
            Issue.record("the own node scores: \(actions)")
            return
        }
        let digest = RowDigest(high: 1, low: 1)
        var vouchers: [(request: Int, node: NodeID)] = actions.compactMap { action in
            guard case .digest(let request, let node, _) = action else { return nil }
            return (request, node)
        }
        #expect(Self.isQuorumOfEach([Fixture.a] + vouchers.map(\.node)))
        actions = []
        let reply = ScoreReply(rows: [], digests: [digest], counts: ScoreCounts())
        machine.scored(request: scoring, reply: reply, bytes: 1, actions: &actions)
        // One of the west fails: the third of the west takes its place, not one of the east.
        let lost = try #require(vouchers.firstIndex { Self.west.contains($0.node) })
        let failed = vouchers.remove(at: lost)
        machine.requestFailed(
            request: failed.request,
            Fixture.failure(.failed),
            actions: &actions
        )
        guard case .digest(let request, let spare, _)? = actions.first else {
            Issue.record("no spare is asked: \(actions)")
            return
        }
        #expect(Self.west.contains(spare))
        vouchers.append((request, spare))
        for voucher in vouchers {
            #expect(!machine.isFinished)
            machine.digestsReceived(
                request: voucher.request,
                digests: [digest],
                actions: &actions
            )
        }
        #expect(machine.isFinished)
    }
}

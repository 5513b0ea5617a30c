import Catalog
import ClusterLog
import Testing
import TokenPlacement

/// Who decides, who follows, and what each must do, as transcripts.
@Suite struct ClusterLogMachineTests {
    typealias Action = ClusterLogMachine.Action

    /// Runs one event and returns what it asks for.
    private func run(
        _ machine: inout ClusterLogMachine,
        _ event: (inout ClusterLogMachine, inout [Action]) -> Void
    ) -> [Action] {
        var actions: [Action] = []
        event(&machine, &actions)
        return actions
    }

    /// Actions in a line each, as short as can be.
    private func lines(_ actions: [Action]) -> [String] {
        func epochs(_ entries: [LogEntry]) -> String {
            "\(entries.first?.epoch.value ?? 0)...\(entries.last?.epoch.value ?? 0)"
        }
        return actions.map { action in
            switch action {
            case .persist(let entries): "persist \(epochs(entries))"
            case .publish(let state): "publish \(state.epoch)"
            case .answer(let ticket, .success(let epoch)): "answer \(ticket): epoch \(epoch)"
            case .answer(let ticket, .failure(let error)): "answer \(ticket): \(error)"
            case .send(let entries, let node): "send \(epochs(entries)) to \(node.low)"
            case .fetch(let epoch, let node): "fetch after \(epoch) from \(node.low)"
            }
        }
    }

    /// Reports every `persist` as done until nothing is asked for any more.
    private func settle(_ machine: inout ClusterLogMachine, _ actions: [Action]) -> [Action] {
        var all = actions
        var pending = actions[...]
        while let action = pending.popFirst() {
            guard case .persist(let entries) = action, let last = entries.last else { continue }
            let more = run(&machine) { $0.entriesPersisted(through: last.epoch, actions: &$1) }
            all += more
            pending += more
        }
        return all
    }

    private func propose(
        _ machine: inout ClusterLogMachine,
        _ change: ClusterChange,
        _ ticket: UInt64
    ) -> [Action] {
        run(&machine) { $0.changeProposed(change, ticket: ticket, actions: &$1) }
    }

    private func founder(expected: Int = 1) throws -> ClusterLogMachine {
        var machine = try ClusterLogMachine(node: Fixture.id(1), entries: [])
        let founding = Fixture.founding(expected: expected)
        _ = settle(
            &machine,
            run(&machine) { $0.foundingRequested(founding, ticket: 1, actions: &$1) }
        )
        return machine
    }

    private func log(of machine: ClusterLogMachine) -> [LogEntry] {
        var actions: [Action] = []
        machine.entriesRequested(after: .zero, by: Fixture.id(9), actions: &actions)
        guard case .send(let entries, _)? = actions.first else { return [] }
        return entries
    }

    // MARK: Founding and owners

    @Test func `one node founds, is answered once written, and owns the ring`() throws {
        var machine = try ClusterLogMachine(node: Fixture.id(1), entries: [])
        #expect(run(&machine) { $0.started(actions: &$1) }.isEmpty)
        let first = run(&machine) {
            $0.foundingRequested(Fixture.founding(), ticket: 7, actions: &$1)
        }
        #expect(lines(first) == ["persist 1...1"])
        #expect(machine.state == ClusterState())
        #expect(
            lines(settle(&machine, first)) == [
                "persist 1...1", "publish 1", "answer 7: epoch 1", "persist 2...2", "publish 2",
            ]
        )
        #expect(machine.state.slices?.owners == [NodeID](repeating: Fixture.id(1), count: 16))
    }

    @Test func `owners follow by themselves once the expected nodes are registered`() throws {
        var machine = try founder(expected: 3)
        #expect(machine.state.epoch == Epoch(1))
        #expect(
            lines(settle(&machine, propose(&machine, .registerNode(Fixture.node(2)), 2))) == [
                "persist 2...2", "publish 2", "send 2...2 to 2", "answer 2: epoch 2",
            ]
        )
        #expect(machine.state.slices == nil)
        #expect(
            lines(settle(&machine, propose(&machine, .registerNode(Fixture.node(3)), 3))) == [
                "persist 3...3", "publish 3", "send 3...3 to 2", "send 3...3 to 3",
                "answer 3: epoch 3",
                "persist 4...4", "publish 4", "send 4...4 to 2", "send 4...4 to 3",
            ]
        )
        #expect(machine.state.slices?.nodes == [1, 2, 3].map { Fixture.id($0) })
    }

    @Test func `owners stand before what waited behind the last registration`() throws {
        var machine = try founder(expected: 2)
        let writing = propose(&machine, .registerNode(Fixture.node(2)), 2)
        #expect(propose(&machine, .registerNode(Fixture.node(3)), 3).isEmpty)
        _ = settle(&machine, writing)
        let kinds = log(of: machine).map(\.change)
        #expect(kinds.count == 4)
        guard case .assignOwners = kinds[2] else { Issue.record("\(kinds[2])"); return }
        #expect(kinds[3] == .registerNode(Fixture.node(3)))
    }

    @Test func `a node that comes back unchanged makes no entry`() throws {
        var machine = try founder()
        let again = propose(&machine, .registerNode(Fixture.node(1)), 5)
        #expect(lines(again) == ["answer 5: epoch 2"])
    }

    @Test func `a second founding is refused`() throws {
        var machine = try ClusterLogMachine(node: Fixture.id(1), entries: [])
        let first = run(&machine) {
            $0.foundingRequested(Fixture.founding(), ticket: 1, actions: &$1)
        }
        for ticket in [2, 3] as [UInt64] {
            let refused = run(&machine) {
                $0.foundingRequested(Fixture.founding(), ticket: ticket, actions: &$1)
            }
            #expect(lines(refused) == ["answer \(ticket): the cluster is founded already"])
            _ = settle(&machine, first)
        }
        #expect(
            lines(propose(&machine, .found(Fixture.founding()), 4))
                == ["answer 4: the cluster is founded already"]
        )
    }

    @Test func `a node whose founding was refused still follows another's cluster`() throws {
        var machine = try ClusterLogMachine(node: Fixture.id(2), entries: [])
        let refused = run(&machine) {
            $0.foundingRequested(Fixture.founding(slices: 3), ticket: 1, actions: &$1)
        }
        #expect(lines(refused).first?.contains("power of two") == true)
        let seen = run(&machine) {
            $0.epochSeen(Epoch(4), from: Fixture.id(1), now: .zero, actions: &$1)
        }
        #expect(lines(seen) == ["fetch after 0 from 1"])
    }

    @Test func `a founder that crashed before the owners were written assigns them`() throws {
        let entries = Fixture.log([
            .found(Fixture.founding(expected: 2)), .registerNode(Fixture.node(2)),
        ])
        var machine = try ClusterLogMachine(node: Fixture.id(1), entries: entries)
        let started = run(&machine) { $0.started(actions: &$1) }
        #expect(
            lines(settle(&machine, started)) == ["persist 3...3", "publish 3", "send 3...3 to 2"]
        )
        #expect(machine.state.slices != nil)

        var other = try ClusterLogMachine(node: Fixture.id(1), entries: entries)
        let proposed = propose(&other, .registerNode(Fixture.node(2)), 8)
        #expect(
            lines(settle(&other, proposed)) == [
                "persist 3...3", "publish 3", "send 3...3 to 2", "answer 8: epoch 3",
            ]
        )
    }

    // MARK: Deciding

    @Test func `proposals are decided one after the other, in their order`() throws {
        var machine = try founder()
        let first = propose(&machine, .createKeyspace(Fixture.keyspace("a")), 10)
        #expect(lines(first) == ["persist 3...3"])
        #expect(propose(&machine, .createTable(Fixture.table("a", "t")), 11).isEmpty)
        #expect(propose(&machine, .createKeyspace(Fixture.keyspace("a")), 12).isEmpty)
        #expect(propose(&machine, .createKeyspace(Fixture.keyspace("b")), 13).isEmpty)
        #expect(
            lines(settle(&machine, first)) == [
                "persist 3...3", "publish 3", "answer 10: epoch 3",
                "persist 4...4", "publish 4", "answer 11: epoch 4",
                "answer 12: keyspace a exists already",
                "persist 5...5", "publish 5", "answer 13: epoch 5",
            ]
        )
        let ballots = Set(log(of: machine).map(\.ballot))
        #expect(ballots == [Ballot(round: 1, node: Fixture.id(1))])
    }

    @Test func `a report for another epoch changes nothing`() throws {
        var machine = try founder()
        _ = propose(&machine, .createKeyspace(Fixture.keyspace("a")), 10)
        for epoch in [0, 2, 4] as [UInt64] {
            let none = run(&machine) {
                $0.entriesPersisted(through: Epoch(epoch), actions: &$1)
            }
            #expect(none.isEmpty)
        }
        #expect(machine.state.epoch == Epoch(2))
    }

    @Test func `the queue is bounded`() throws {
        var machine = try founder()
        _ = propose(&machine, .createKeyspace(Fixture.keyspace("a")), 1)
        for ticket in 0..<UInt64(ClusterLogMachine.queueCountMax) {
            #expect(propose(&machine, .dropKeyspace("x"), ticket).isEmpty)
        }
        let refused = propose(&machine, .dropKeyspace("x"), 9999)
        #expect(
            lines(refused) == [
                "answer 9999: 1024 changes of the cluster wait already; try again later"
            ]
        )
    }

    @Test func `a failed write is told to all who wait, and the next one may succeed`() throws {
        var machine = try founder()
        _ = propose(&machine, .createKeyspace(Fixture.keyspace("a")), 10)
        _ = propose(&machine, .createKeyspace(Fixture.keyspace("b")), 11)
        let failed = run(&machine) { $0.persistFailed("disk full", actions: &$1) }
        #expect(
            lines(failed) == [
                "answer 10: the cluster log cannot be written: disk full",
                "answer 11: the cluster log cannot be written: disk full",
            ]
        )
        #expect(machine.state.epoch == Epoch(2))
        #expect(
            lines(settle(&machine, propose(&machine, .createKeyspace(Fixture.keyspace("b")), 12)))
                == ["persist 3...3", "publish 3", "answer 12: epoch 3"]
        )
    }

    @Test func `owners that could not be written are assigned with the next proposal`() throws {
        var machine = try ClusterLogMachine(node: Fixture.id(1), entries: [])
        _ = run(&machine) { $0.foundingRequested(Fixture.founding(), ticket: 1, actions: &$1) }
        _ = run(&machine) { $0.entriesPersisted(through: Epoch(1), actions: &$1) }
        #expect(run(&machine) { $0.persistFailed("disk full", actions: &$1) }.isEmpty)
        _ = settle(&machine, propose(&machine, .registerNode(Fixture.node(1)), 2))
        #expect(machine.state.slices != nil)
    }

    @Test func `a founding that could not be written may be tried again`() throws {
        var machine = try ClusterLogMachine(node: Fixture.id(1), entries: [])
        for ticket in [1, 2] as [UInt64] {
            let first = run(&machine) {
                $0.foundingRequested(Fixture.founding(), ticket: ticket, actions: &$1)
            }
            #expect(lines(first) == ["persist 1...1"])
            let failed = run(&machine) { $0.persistFailed("no disk", actions: &$1) }
            #expect(
                lines(failed) == ["answer \(ticket): the cluster log cannot be written: no disk"]
            )
        }
    }

    @Test func `a change that could not be read back is never written`() throws {
        func nested(_ depth: Int) -> CQLType { depth == 0 ? .int : .list(nested(depth - 1)) }
        var machine = try founder()
        _ = settle(&machine, propose(&machine, .createKeyspace(Fixture.keyspace("a")), 1))
        let table = Fixture.table("a", "t", type: nested(9))
        let refused = lines(propose(&machine, .createTable(table), 2))
        #expect(refused.count == 1)
        #expect(refused.first?.hasPrefix("answer 2: the change could not be read back") == true)
    }

    @Test func `only the founder decides`() throws {
        let entries = Fixture.log(Fixture.history)
        var follower = try ClusterLogMachine(node: Fixture.id(2), entries: entries)
        #expect(
            lines(propose(&follower, .dropKeyspace("ml"), 4))
                == ["answer 4: this node does not decide"]
        )
        var again = try ClusterLogMachine(node: Fixture.id(1), entries: entries)
        #expect(lines(propose(&again, .dropKeyspace("ml"), 4)) == ["persist 14...14"])
        let seen = run(&again) {
            $0.epochSeen(Epoch(99), from: Fixture.id(2), now: .zero, actions: &$1)
        }
        #expect(seen.isEmpty)
    }

    // MARK: Following

    @Test func `a follower fetches when it sees a later epoch, and not twice`() throws {
        var machine = try ClusterLogMachine(
            node: Fixture.id(2),
            entries: Array(Fixture.log(Fixture.history).prefix(3))
        )
        func see(_ epoch: UInt64, from peer: UInt64, at now: Duration) -> [String] {
            lines(
                run(&machine) {
                    $0.epochSeen(Epoch(epoch), from: Fixture.id(peer), now: now, actions: &$1)
                }
            )
        }
        #expect(see(3, from: 1, at: .zero) == [])
        #expect(see(2, from: 1, at: .zero) == [])
        #expect(see(4, from: 1, at: .zero) == ["fetch after 3 from 1"])
        #expect(see(5, from: 3, at: .milliseconds(1999)) == [])
        #expect(see(5, from: 3, at: .seconds(2)) == ["fetch after 3 from 3"])
    }

    @Test func `entries count once they are written`() throws {
        let entries = Fixture.log(Fixture.history)
        var machine = try ClusterLogMachine(node: Fixture.id(2), entries: [])
        let received = run(&machine) {
            $0.entriesReceived(Array(entries[..<5]), from: Fixture.id(1), now: .zero, actions: &$1)
        }
        #expect(received == [.persist(Array(entries[..<5]))])
        #expect(machine.state == ClusterState())
        let meanwhile = run(&machine) {
            $0.entriesReceived(entries, from: Fixture.id(1), now: .zero, actions: &$1)
            $0.epochSeen(Epoch(12), from: Fixture.id(1), now: .zero, actions: &$1)
        }
        #expect(meanwhile.isEmpty)
        let written = run(&machine) { $0.entriesPersisted(through: Epoch(5), actions: &$1) }
        #expect(lines(written) == ["publish 5"])
        #expect(try machine.state == Fixture.state(Array(Fixture.history[..<5])))
    }

    @Test func `gaps make it ask, duplicates do nothing, overlaps give what is new`() throws {
        let entries = Fixture.log(Fixture.history)
        var machine = try ClusterLogMachine(node: Fixture.id(2), entries: Array(entries[..<3]))
        func receive(_ range: Range<Int>) -> [String] {
            lines(
                run(&machine) {
                    $0.entriesReceived(
                        Array(entries[range]),
                        from: Fixture.id(1),
                        now: .zero,
                        actions: &$1
                    )
                }
            )
        }
        #expect(receive(0..<3) == [])
        #expect(receive(0..<0) == [])
        #expect(receive(5..<6) == ["fetch after 3 from 1"])
        #expect(machine.state.epoch == Epoch(3))
        #expect(receive(1..<6) == ["persist 4...6"])
    }

    @Test func `entries that do not fit are left, and not asked for again at once`() throws {
        var entries = Fixture.log(Fixture.history)
        entries[4].change = .createTable(Fixture.table("nobody", "t"))
        var machine = try ClusterLogMachine(node: Fixture.id(2), entries: Array(entries[..<3]))
        let received = run(&machine) {
            $0.entriesReceived(Array(entries[3...]), from: Fixture.id(1), now: .zero, actions: &$1)
        }
        #expect(lines(settle(&machine, received)) == ["persist 4...4", "publish 4"])
        let again = run(&machine) {
            $0.entriesReceived(
                Array(entries[4...]),
                from: Fixture.id(1),
                now: .seconds(3),
                actions: &$1
            )
            $0.epochSeen(Epoch(12), from: Fixture.id(1), now: .seconds(4), actions: &$1)
        }
        #expect(again.isEmpty)
        let later = run(&machine) {
            $0.epochSeen(Epoch(12), from: Fixture.id(3), now: .seconds(5), actions: &$1)
        }
        #expect(lines(later) == ["fetch after 4 from 3"])
    }

    @Test func `a follower whose disk fails asks again`() throws {
        let entries = Fixture.log(Fixture.history)
        var machine = try ClusterLogMachine(node: Fixture.id(2), entries: [])
        _ = run(&machine) {
            $0.entriesReceived(entries, from: Fixture.id(1), now: .zero, actions: &$1)
        }
        #expect(run(&machine) { $0.persistFailed("disk full", actions: &$1) }.isEmpty)
        let seen = run(&machine) {
            $0.epochSeen(Epoch(12), from: Fixture.id(1), now: .zero, actions: &$1)
        }
        #expect(lines(seen) == ["fetch after 0 from 1"])
    }

    @Test func `entries are handed out in bounded parts`() throws {
        let changes: [ClusterChange] =
            [.found(Fixture.founding(expected: 2))]
            + (0..<600).map { .createKeyspace(Fixture.keyspace("k\($0)")) }
        let machine = try ClusterLogMachine(node: Fixture.id(1), entries: Fixture.log(changes))
        func request(_ epoch: UInt64) -> [String] {
            var actions: [Action] = []
            machine.entriesRequested(after: Epoch(epoch), by: Fixture.id(2), actions: &actions)
            return lines(actions)
        }
        #expect(request(0) == ["send 1...256 to 2"])
        #expect(request(256) == ["send 257...512 to 2"])
        #expect(request(512) == ["send 513...601 to 2"])
        #expect(request(600) == ["send 601...601 to 2"])
        #expect(request(601) == [])
        #expect(request(.max) == [])
    }

    @Test func `what is no log is refused at the start`() {
        let entries = Fixture.log(Fixture.history)
        for damaged in [Array(entries[1...]), Array(entries[..<2] + entries[3...])] {
            #expect(throws: ClusterChangeError.self) {
                try ClusterLogMachine(node: Fixture.id(1), entries: damaged)
            }
        }
    }

    @Test func `three nodes that talk to each other hold equal states`() throws {
        var machines: [NodeID: ClusterLogMachine] = [:]
        for number in 1...3 as ClosedRange<UInt64> {
            machines[Fixture.id(number)] = try ClusterLogMachine(
                node: Fixture.id(number),
                entries: []
            )
        }
        /// Carries out the actions of a node, and all that follows from them.
        func carryOut(_ actions: [Action], of node: NodeID) throws {
            for action in actions {
                switch action {
                case .persist(let entries):
                    let epoch = try #require(entries.last).epoch
                    try feed(node) { $0.entriesPersisted(through: epoch, actions: &$1) }
                case .send(let entries, let peer):
                    // They travel as bytes; node 3 is deaf to what is not asked for.
                    let copies = try entries.map { try LogEntry(decoding: $0.encoded()) }
                    if peer == Fixture.id(3), node == Fixture.id(1) { continue }
                    try feed(peer) {
                        $0.entriesReceived(copies, from: node, now: .zero, actions: &$1)
                    }
                case .fetch(let epoch, let peer):
                    try feed(peer) { $0.entriesRequested(after: epoch, by: node, actions: &$1) }
                case .publish, .answer: break
                }
            }
        }
        func feed(
            _ node: NodeID,
            _ event: (inout ClusterLogMachine, inout [Action]) -> Void
        ) throws {
            var machine = try #require(machines[node])
            var actions: [Action] = []
            event(&machine, &actions)
            machines[node] = machine
            try carryOut(actions, of: node)
        }
        let founding = Fixture.founding(expected: 3)
        try feed(Fixture.id(1)) { $0.foundingRequested(founding, ticket: 1, actions: &$1) }
        let changes: [ClusterChange] =
            [.registerNode(Fixture.node(2)), .registerNode(Fixture.node(3))]
            + Fixture.history[3...]
        for change in changes {
            try feed(Fixture.id(1)) { $0.changeProposed(change, ticket: 2, actions: &$1) }
        }
        let decided = try #require(machines[Fixture.id(1)]).state
        #expect(decided.epoch == Epoch(14))
        #expect(machines[Fixture.id(2)]?.state == decided)
        #expect(machines[Fixture.id(3)]?.state == ClusterState())
        try feed(Fixture.id(3)) {
            $0.epochSeen(decided.epoch, from: Fixture.id(2), now: .zero, actions: &$1)
        }
        #expect(machines[Fixture.id(3)]?.state == decided)
    }
}

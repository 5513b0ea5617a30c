import Catalog
import Coordination
import PeerMessages
import Storage
import Testing
import TokenPlacement

/// Scans of which a replica reads only a part, or is slow: others step in.
extension ScanMachineTests {
    // MARK: Pages of replicas that may not read all

    @Test func `rows count only up to the least covered token, and the rest is asked for`() {
        // `a` rebuilds what lies behind token 4; `b` has all.
        var actions: [Action] = []
        var machine = quorum(&actions)
        actions = []
        machine.pageReceived(
            request: 0,
            page: page([row(1, old), row(4, old)], isComplete: false, coveredTo: 4),
            actions: &actions
        )
        machine.pageReceived(
            request: 1,
            page: page([row(1, old), row(4, old), row(9, new)]),
            actions: &actions
        )
        let rest = request(Token(5)...Token(.max), rows: 98)
        #expect(
            actions == [.scan(request: 2, from: a, rest), .scan(request: 3, from: b, rest)]
        )
        actions = []
        machine.requestFailed(request: 2, Fixture.failure(.unreadable), actions: &actions)
        #expect(actions == [.scan(request: 4, from: c, rest)])
        actions = []
        for request in 3...4 {
            machine.pageReceived(request: request, page: page([row(9, new)]), actions: &actions)
        }
        #expect(actions == [answer([row(1, old), row(4, old), row(9, new)])])
    }

    @Test func `a page may cover tokens without rows, and end the client's page behind them`() {
        let run = ScanRun(tokens: Token(0)...Token(9), candidates: [a, b], required: 1)
        var machine = machine([run], nil, .one, limits: limits(1))
        var actions: [Action] = []
        machine.start(&actions)
        actions = []
        machine.pageReceived(
            request: 0,
            page: page([], isComplete: false, coveredTo: 3),
            actions: &actions
        )
        let rest = request(Token(4)...Token(9), rows: 1)
        #expect(actions == [.scan(request: 1, from: a, rest)])
        actions = []
        machine.pageReceived(
            request: 1,
            page: page([row(5, old)], isComplete: false, coveredTo: 6),
            actions: &actions
        )
        let left = ScanPosition(ranges: [Token(7)...Token(9)])
        #expect(actions == [answer([row(5, old)], left)])
    }

    @Test func `the least of a last row and a covered token bounds what is merged`() {
        for (token, isCovered) in [(Int64(3), true), (2, false)] {
            var actions: [Action] = []
            var machine = quorum(&actions)
            actions = []
            machine.pageReceived(
                request: 0,
                page: page([row(3, old)], isComplete: false),
                actions: &actions
            )
            machine.pageReceived(
                request: 1,
                page: page([], isComplete: false, coveredTo: token),
                actions: &actions
            )
            let repairs: [Action] = isCovered ? [.repair(request: 2, at: b, [row(3, old)])] : []
            #expect(actions.filter { if case .repair = $0 { true } else { false } } == repairs)
        }
    }

    // MARK: Speculation

    @Test func `a slow page is asked of a spare, and the first pages win`() {
        var actions: [Action] = []
        var machine = quorum(&actions)
        actions = []
        machine.speculate(&actions)
        #expect(actions == [.scan(request: 2, from: c, request(whole))])
        machine.speculate(&actions)
        #expect(actions.count == 1, "once in a round")
        actions = []
        machine.requestFailed(request: 1, Fixture.failure(.failed), actions: &actions)
        #expect(actions == [], "two are still under way")
        for request in [2, 0] {
            machine.pageReceived(request: request, page: page([row(1, old)]), actions: &actions)
        }
        #expect(actions == [answer([row(1, old)])])
        #expect(machine.speculatedRunCount == 1)
    }

    @Test func `a slow repair is done by a spare instead`() {
        var actions: [Action] = []
        var machine = quorum(&actions)
        machine.pageReceived(request: 0, page: page([row(1, old)]), actions: &actions)
        machine.pageReceived(request: 1, page: page([row(1, new)]), actions: &actions)
        actions = []
        machine.speculate(&actions)
        #expect(actions == [.repair(request: 3, at: c, [row(1, new)])])
        actions = []
        machine.repairAcknowledged(request: 3, actions: &actions)
        #expect(actions == [answer([row(1, new)])])
    }

    @Test func `one that was too slow for a page may step into the repair`() {
        var actions: [Action] = []
        var machine = quorum(&actions)
        machine.speculate(&actions)
        machine.pageReceived(request: 2, page: page([row(1, old)]), actions: &actions)
        machine.pageReceived(request: 1, page: page([row(1, new)]), actions: &actions)
        actions = []
        machine.speculate(&actions)
        #expect(actions == [.repair(request: 4, at: a, [row(1, new)])])
    }

    @Test func `every round speculates, and who was too slow is asked last from then on`() {
        var actions: [Action] = []
        var machine = quorum(&actions)
        #expect(machine.waitCount == 1)
        machine.speculate(&actions)
        machine.pageReceived(
            request: 1,
            page: page([row(1, old)], isComplete: false),
            actions: &actions
        )
        #expect(machine.slowNodes == [a, b], "neither had answered")
        actions = []
        machine.pageReceived(
            request: 2,
            page: page([row(1, old)], isComplete: false),
            actions: &actions
        )
        #expect(machine.waitCount == 2, "the next round is timed anew")
        #expect(asked(actions) == [c, a])
        actions = []
        machine.speculate(&actions)
        #expect(asked(actions) == [b])
        #expect(machine.speculatedRunCount == 2)
    }
}

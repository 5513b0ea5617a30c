import Catalog
import PeerMessages
import Replication
import Testing
import TokenPlacement

@Suite struct HintDispatcherTests {
    /// Pages of so many hints, without a bound on the rate.
    private static func settings(rows: Int = 3) -> HintSettings {
        var settings = HintSettings()
        settings.pageRowsMax = rows
        settings.bytesPerSecond = 0
        settings.windowSeconds = 1_000
        settings.skewMarginSeconds = 30
        return settings
    }

    /// A rig with hints from 0 on for node 1, which is alive; the first page is asked for.
    private static func rig(hints count: Int, rows: Int = 3) -> HintRig {
        var rig = HintRig(settings(rows: rows))
        for number in 0..<count { rig.put(number, for: 1) }
        rig.alive(1)
        rig.stored(1)
        return rig
    }

    // MARK: The way of a page

    @Test func `a page is read, sent, acknowledged, removed, and the next one read`() throws {
        var rig = Self.rig(hints: 4)
        let keys = rig.hints.keys.sorted { $0.precedes($1) }
        let read = try rig.takeOnly()
        #expect(
            read
                == .read(
                    node(1),
                    HintKeys.range(of: node(1)),
                    rowsMax: 3,
                    bytesMax: Self.settings().pageBytesMax
                )
        )
        rig.perform(read)
        let send = try rig.takeOnly()
        #expect(send.sentKeys == partitionKeys(0..<3))
        #expect(rig.dispatcher.sentCount == 0)
        rig.perform(send)
        let remove = try rig.takeOnly()
        #expect(remove.removedKeys == Array(keys[..<3]))
        #expect(rig.dispatcher.sentCount == 3)
        rig.perform(remove)
        let next = try rig.takeOnly()
        #expect(next.range == HintKeys.range(of: node(1), from: HintKeys.behind(keys[2])))
        rig.perform(next)
        rig.run()
        #expect(rig.hints.isEmpty)
        #expect(rig.delivered == [node(1): partitionKeys(0..<4)])
        #expect(rig.dispatcher.isDrained)
        #expect(rig.dispatcher.nextWake(now: rig.now) == nil)
        #expect(rig.dispatcher.discardedCount == 0)
        #expect(rig.marks.isEmpty)
    }

    @Test func `one step for a node is under way, whatever happens meanwhile`() throws {
        var rig = Self.rig(hints: 9)
        for _ in 0..<3 {
            // Reading, sending, removing.
            let step = try rig.takeOnly()
            rig.stored(1)
            rig.alive(1)
            rig.advance(.seconds(100))
            #expect(rig.actions.isEmpty)
            #expect(rig.dispatcher.nextWake(now: rig.now) == nil)
            #expect(!rig.dispatcher.isDrained)
            rig.perform(step)
        }
    }

    @Test func `nothing is removed before it is acknowledged`() throws {
        var rig = Self.rig(hints: 2)
        rig.perform(try rig.takeOnly())
        let send = try rig.takeOnly()
        #expect(send.sentKeys?.count == 2)
        rig.fail(send)
        #expect(rig.actions.isEmpty)
        #expect(rig.hints.count == 2)
        #expect(rig.dispatcher.sentCount == 0)
        rig.drain()
        #expect(rig.hints.isEmpty)
        #expect(rig.delivered == [node(1): partitionKeys(0..<2)])
    }

    @Test func `a planted early removal shows`() throws {
        var rig = HintRig(Self.settings(), removesEarly: true)
        rig.put(0, for: 1)
        rig.alive(1)
        rig.stored(1)
        rig.perform(try rig.takeOnly())
        #expect(rig.take().contains { $0.removedKeys != nil })
    }

    @Test func `the bytes of a removal are those that the book counts`() throws {
        var rig = Self.rig(hints: 1)
        let value = try #require(rig.hints.values.first)
        rig.perform(try rig.takeOnly())
        rig.perform(try rig.takeOnly())
        guard case .remove(_, let removals, _) = try rig.takeOnly() else {
            Issue.record("nothing is removed")
            return
        }
        #expect(removals.map(\.valueBytes) == [value.count])
    }

    @Test func `hints that come during a pass are found by another one`() throws {
        var rig = Self.rig(hints: 3, rows: 10)
        let read = try rig.takeOnly()
        rig.perform(read)
        // In front of the cursor: its slice is less.
        rig.put(10, for: 1, slice: 0)
        rig.stored(1)
        rig.run()
        #expect(rig.hints.isEmpty)
        #expect(rig.delivered[node(1)] == partitionKeys(Array(0..<3) + [10]))
        #expect(rig.dispatcher.isDrained)
    }

    @Test func `answers that nobody waits for are ignored`() throws {
        var rig = Self.rig(hints: 1)
        let read = try rig.takeOnly()
        var actions: [HintRig.Action] = []
        rig.dispatcher.acknowledged(by: node(1), now: .zero, actions: &actions)
        rig.dispatcher.failed(
            at: node(1),
            .failed,
            now: .zero,
            nowSeconds: 0,
            actions: &actions
        )
        rig.dispatcher.removed(at: node(1), succeeded: true, now: .zero, actions: &actions)
        rig.dispatcher.acknowledged(by: node(5), now: .zero, actions: &actions)
        #expect(actions.isEmpty)
        rig.perform(read)
        let send = try rig.takeOnly()
        rig.perform(read)
        #expect(rig.actions.isEmpty)
        rig.fail(read)
        #expect(rig.actions.isEmpty)
        rig.perform(send)
        rig.run()
        #expect(rig.hints.isEmpty)
    }

    // MARK: Failures

    @Test(arguments: 0..<3)
    func `a step that failed is repeated from the page's beginning`(failing: Int) throws {
        var rig = Self.rig(hints: 5)
        // The first page goes through.
        for _ in 0..<3 { rig.perform(try rig.takeOnly()) }
        let cursor = try #require(rig.actions.only?.range)
        for _ in 0..<failing { rig.perform(try rig.takeOnly()) }
        rig.fail(try rig.takeOnly())
        #expect(rig.actions.isEmpty)
        #expect(rig.hints.count == 2)
        #expect(rig.dispatcher.nextWake(now: rig.now) == .seconds(1))
        rig.advance(.milliseconds(999))
        #expect(rig.actions.isEmpty)
        rig.advance(.milliseconds(1))
        #expect(rig.actions.only?.range == cursor)
        rig.drain()
        #expect(rig.hints.isEmpty)
        #expect(rig.delivered[node(1)]?.suffix(2) == partitionKeys(3..<5)[...])
    }

    @Test func `pauses double up to the longest, and begin anew behind a success`() throws {
        var rig = Self.rig(hints: 1)
        var pauses: [Duration] = []
        func failOnce(_ rig: inout HintRig) throws {
            rig.perform(try rig.takeOnly())
            rig.fail(try rig.takeOnly(), .overloaded)
            let wake = try #require(rig.dispatcher.nextWake(now: rig.now))
            pauses.append(wake - rig.now)
            rig.advance(wake - rig.now)
        }
        for _ in 0..<9 { try failOnce(&rig) }
        #expect(pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60].map { Duration.seconds($0) })
        rig.run()
        #expect(rig.hints.isEmpty)
        rig.put(1, for: 1)
        rig.stored(1)
        pauses = []
        try failOnce(&rig)
        #expect(pauses == [.seconds(1)])
    }

    @Test func `what could not be removed is sent again, and removed once`() throws {
        var rig = Self.rig(hints: 2)
        rig.perform(try rig.takeOnly())
        rig.perform(try rig.takeOnly())
        rig.fail(try rig.takeOnly())
        rig.drain()
        #expect(rig.hints.isEmpty)
        #expect(rig.delivered[node(1)] == partitionKeys([0, 1, 0, 1]))
    }

    @Test
    func `hints that are refused together go one by one, and only the bad one goes`() throws {
        var rig = Self.rig(hints: 4, rows: 4)
        let bad = mutation(2).partition.key
        var steps = 0
        while let action = rig.actions.first, steps < 100 {
            steps += 1
            _ = rig.take(at: 0)
            if action.sentKeys?.contains(bad) == true {
                rig.fail(action, .invalid)
            } else {
                rig.perform(action)
            }
        }
        #expect(rig.delivered[node(1)] == partitionKeys([0, 1, 3]))
        #expect(rig.hints.isEmpty)
        #expect(rig.dispatcher.sentCount == 3)
        #expect(rig.dispatcher.discardedCount == 1)
        #expect(rig.marks.map(\.table) == [mutation(2).table], "others may have written it")
        #expect(rig.marks.map(\.target) == [node(1)])
    }

    @Test func `a table that the node does not know yet keeps its hints for a later pass`() throws {
        var rig = Self.rig(hints: 3, rows: 4)
        let unknown = mutation(1).partition.key
        var steps = 0
        while let action = rig.actions.first, steps < 100 {
            steps += 1
            _ = rig.take(at: 0)
            if action.sentKeys?.contains(unknown) == true {
                rig.fail(action, .unknownTable)
            } else {
                rig.perform(action)
            }
        }
        #expect(rig.delivered[node(1)] == partitionKeys([0, 2]))
        #expect(rig.hints.count == 1)
        #expect(!rig.dispatcher.isDrained)
        #expect(rig.dispatcher.nextWake(now: rig.now) == rig.now + .seconds(1))
        rig.drain()
        #expect(rig.delivered[node(1)] == partitionKeys([0, 2, 1]))
        #expect(rig.dispatcher.discardedCount == 0)
    }

    @Test func `a removal that failed counts nothing as discarded`() throws {
        var rig = HintRig(Self.settings())
        rig.put(0, for: 1, ageMicros: 2_000 * 1_000_000)
        rig.alive(1)
        rig.stored(1)
        rig.perform(try rig.takeOnly())
        let remove = try rig.takeOnly()
        #expect(remove.removedKeys?.count == 1)
        rig.fail(remove)
        #expect(rig.dispatcher.discardedCount == 0)
        rig.drain()
        #expect(rig.hints.isEmpty)
        #expect(rig.dispatcher.discardedCount == 1)
    }

    // MARK: Life

    @Test func `nothing is sent to a node that is down`() throws {
        var rig = HintRig(Self.settings())
        rig.put(0, for: 1)
        rig.stored(1)
        #expect(rig.actions.isEmpty)
        #expect(rig.dispatcher.isDrained)
        rig.advance(.seconds(599))
        #expect(rig.actions.isEmpty)
        rig.advance(.seconds(1))
        // Its hints are searched for those that are too old; this one is not.
        #expect(rig.actions.only?.range == HintKeys.range(of: node(1)))
        rig.run()
        #expect(rig.hints.count == 1)
        #expect(rig.delivered.isEmpty)
        rig.alive(1)
        rig.run()
        #expect(rig.hints.isEmpty)
    }

    @Test func `a node that goes down during a step gets no more`() throws {
        var rig = Self.rig(hints: 5)
        rig.perform(try rig.takeOnly())
        let send = try rig.takeOnly()
        rig.alive(1, false)
        // It did take them.
        rig.perform(send)
        rig.run()
        #expect(rig.hints.count == 2)
        #expect(rig.delivered[node(1)]?.count == 3)
        rig.alive(1)
        rig.run()
        #expect(rig.hints.isEmpty)
        #expect(rig.delivered[node(1)]?.count == 5)
    }

    @Test func `hints behind a removal are not sent to a node that went down meanwhile`() throws {
        var rig = HintRig(Self.settings())
        rig.put(0, for: 1, ageMicros: 2_000 * 1_000_000)
        rig.put(1, for: 1)
        rig.alive(1)
        rig.stored(1)
        rig.perform(try rig.takeOnly())
        let remove = try rig.takeOnly()
        #expect(remove.removedKeys?.count == 1)
        rig.alive(1, false)
        rig.perform(remove)
        #expect(rig.actions.isEmpty)
        #expect(rig.hints.count == 1)
        rig.alive(1)
        rig.drain()
        #expect(rig.delivered[node(1)] == partitionKeys([1]))
    }

    @Test func `a node that comes back is served at once, whatever failed before`() throws {
        var rig = Self.rig(hints: 1)
        rig.perform(try rig.takeOnly())
        rig.fail(try rig.takeOnly())
        rig.alive(1, false)
        #expect(rig.actions.isEmpty)
        rig.alive(1)
        #expect(rig.actions.only?.range == HintKeys.range(of: node(1)))
    }

    // MARK: Rates

    @Test func `the rate bounds what all nodes get together`() throws {
        var settings = Self.settings(rows: 2)
        settings.bytesPerSecond = 1_000
        settings.pageBytesMax = 200
        var rig = HintRig(settings)
        for number in 0..<60 { rig.put(number, for: 1 + number % 3) }
        for target in 1...3 { rig.alive(target) }
        for target in 1...3 { rig.stored(target) }
        let total = rig.hints.values.reduce(0) { $0 + $1.count }
        rig.drain()
        #expect(rig.hints.isEmpty)
        // All but the burst and the last pages, which three nodes may have under way at once.
        let least = Duration.milliseconds(total - settings.pageBytesMax * 4)
        #expect(total > 1_300)
        #expect(rig.now >= least)
        #expect(rig.now <= .milliseconds(total))
    }

    @Test func `nodes take turns where the rate lets one page through at a time`() throws {
        var settings = Self.settings(rows: 1)
        settings.bytesPerSecond = 100
        settings.pageBytesMax = 1
        var rig = HintRig(settings)
        for number in 0..<9 { rig.put(number, for: 1 + number % 3) }
        for target in 1...3 { rig.alive(target) }
        var order: [NodeID] = []
        for target in 1...3 { rig.stored(target) }
        for _ in 0..<200 {
            while !rig.actions.isEmpty {
                let action = rig.take(at: 0)
                if action.sentKeys != nil { order.append(action.target) }
                rig.perform(action)
            }
            guard let wake = rig.dispatcher.nextWake(now: rig.now) else { break }
            rig.advance(max(.milliseconds(1), wake - rig.now))
        }
        #expect(order.count == 9)
        for start in stride(from: 0, to: 9, by: 3) {
            #expect(Set(order[start..<start + 3]) == Set(nodes(1...3)))
        }
    }

    @Test func `no page is larger than its bounds`() throws {
        var settings = Self.settings(rows: 4)
        settings.pageBytesMax = 77
        var rig = HintRig(settings)
        rig.put(0, for: 1)
        rig.alive(1)
        rig.stored(1)
        guard case .read(_, _, let rowsMax, let bytesMax) = try rig.takeOnly() else {
            Issue.record("nothing is read")
            return
        }
        #expect(rowsMax == 4)
        #expect(bytesMax == 77)
    }
}

extension Collection {
    /// The element of a collection of one.
    var only: Element? { count == 1 ? first : nil }
}

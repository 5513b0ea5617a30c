package import HistoryChecking

/// What kind of thing happens; part of the trace.
package enum EventKind: UInt8, Sendable {
    case loopTask, timer, timeout
    case writer, pool
    case frame, connection
    case client, fault, check
    case boot
}

/// Virtual time and all that is going to happen in it.
///
/// Events happen one at a time, in the order of their time and, at one time, in that in which they
/// were scheduled. An event of a node belongs to one life of it: after a crash it does not happen.
package final class Kernel {
    /// Names a scheduled event.
    package struct EventID {
        fileprivate let slot: Int
        fileprivate let sequence: UInt64
    }

    /// The node of what belongs to no node.
    package static let world = -1

    private struct Slot {
        var sequence: UInt64 = 0
        var node: Int32 = 0
        var life: UInt32 = 0
        var kind = EventKind.check
        var digest: UInt64 = 0
        var body: (() -> Void)?
    }

    /// The time.
    package private(set) var now: Nanoseconds = 0
    /// Events that happened.
    package private(set) var eventCount = 0
    /// What happened so far.
    package private(set) var trace = TraceHash()
    /// The actor that runs, if one does.
    package var currentActor: ObjectIdentifier?

    private var heap = EventHeap()
    private var slots: [Slot] = []
    private var freeSlots: [Int] = []
    private var nextSequence: UInt64 = 1
    private var lives: [UInt32]
    private var countdowns: [(at: Int, body: () -> Void)] = []
    private var nextCountdown = Int.max

    /// A kernel for a number of nodes, at time 0.
    package init(nodeCount: Int) {
        lives = Array(repeating: 0, count: nodeCount)
    }

    // MARK: Scheduling

    /// Schedules an event.
    ///
    /// - Parameters:
    ///   - time: when; what lies in the past happens now, behind what is due.
    ///   - node: whose life it belongs to, or ``world``.
    ///   - kind: what it is.
    ///   - digest: what the trace notes of it.
    ///   - body: what happens.
    /// - Returns: its name, to cancel it.
    @discardableResult
    package func schedule(
        at time: Nanoseconds,
        node: Int,
        kind: EventKind,
        digest: UInt64 = 0,
        _ body: @escaping () -> Void
    ) -> EventID {
        let sequence = nextSequence
        nextSequence += 1
        let slot: Int
        if let free = freeSlots.popLast() {
            slot = free
        } else {
            slot = slots.count
            slots.append(Slot())
        }
        slots[slot] = Slot(
            sequence: sequence,
            node: Int32(truncatingIfNeeded: node),
            life: node < 0 ? 0 : lives[node],
            kind: kind,
            digest: digest,
            body: body
        )
        heap.push(EventHeap.Entry(time: max(time, now), sequence: sequence, slot: slot))
        return EventID(slot: slot, sequence: sequence)
    }

    /// Schedules an event after a span.
    @discardableResult
    package func schedule(
        after span: Nanoseconds,
        node: Int,
        kind: EventKind,
        digest: UInt64 = 0,
        _ body: @escaping () -> Void
    ) -> EventID {
        let (time, isOver) = now.addingReportingOverflow(max(0, span))
        return schedule(
            at: isOver ? .max : time,
            node: node,
            kind: kind,
            digest: digest,
            body
        )
    }

    /// Makes sure that an event does not happen (any more).
    package func cancel(_ id: EventID) {
        guard slots[id.slot].sequence == id.sequence else { return }
        slots[id.slot].body = nil
    }

    /// Ends a node's life: nothing that was scheduled for it happens any more.
    package func endLife(of node: Int) { lives[node] &+= 1 }

    /// Which life of a node this is.
    package func life(of node: Int) -> UInt32 { lives[node] }

    /// Calls `body` behind so many more events: faults that fall between any two of them.
    package func after(events count: Int, _ body: @escaping () -> Void) {
        countdowns.append((eventCount + max(1, count), body))
        nextCountdown = min(nextCountdown, eventCount + max(1, count))
    }

    // MARK: Running

    /// Lets the next event happen, unless it lies behind a time.
    ///
    /// - Returns: false if there is none; time stands at `end` then.
    package func step(until end: Nanoseconds) -> Bool {
        while let first = heap.first {
            guard first.time <= end else { break }
            _ = heap.popFirst()
            let slot = slots[first.slot]
            slots[first.slot].body = nil
            slots[first.slot].sequence = 0
            freeSlots.append(first.slot)
            guard let body = slot.body, slot.node < 0 || lives[Int(slot.node)] == slot.life else {
                continue
            }
            now = first.time
            eventCount += 1
            trace.add(UInt64(bitPattern: now) ^ UInt64(slot.kind.rawValue) << 56)
            trace.add(slot.digest ^ UInt64(truncatingIfNeeded: Int(slot.node)) << 48)
            body()
            if eventCount >= nextCountdown { countDown() }
            return true
        }
        now = max(now, end)
        return false
    }

    /// Lets events happen until a time, or until `isDone` says so, which is asked after each.
    package func run(until end: Nanoseconds, isDone: () -> Bool = { false }) {
        while !isDone(), step(until: end) {}
    }

    /// Notes something in the trace.
    package func note(_ digest: UInt64) { trace.add(digest) }

    /// Forgets everything that is scheduled, so that nothing keeps anything alive.
    package func removeAll() {
        heap.removeAll()
        slots = []
        freeSlots = []
        countdowns = []
    }

    private func countDown() {
        let due = countdowns.filter { $0.at <= eventCount }
        countdowns.removeAll { $0.at <= eventCount }
        nextCountdown = countdowns.map(\.at).min() ?? .max
        for countdown in due { countdown.body() }
    }
}

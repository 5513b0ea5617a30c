package import Catalog
package import PeerMessages
internal import Storage
package import TokenPlacement

/// Reads rows at a consistency level: data from one replica of each group, digests from as many
/// others as the level asks for; where they differ, all of them send their rows, the merged row is
/// written back to who lacked something, and only then is the read answered.
///
/// That last wait ("blocking read repair") is what keeps two QUORUM reads from going back in time.
package struct ReadMachine: Sendable {
    /// A group that a request asks for, and how.
    package struct Part: Hashable, Sendable {
        /// The group's place.
        package var group: Int
        /// Whether rows or a digest are asked for.
        package var mode: ReadRequest.Mode

        /// A part of a group in a mode.
        package init(group: Int, mode: ReadRequest.Mode) {
            self.group = group
            self.mode = mode
        }
    }

    /// A row that is written back.
    package struct Repair: Hashable, Sendable {
        /// The key's place in the request.
        package var key: Int
        /// The merged row.
        package var operand: [UInt8]

        /// A merged row for a key.
        package init(key: Int, operand: [UInt8]) {
            self.key = key
            self.operand = operand
        }
    }

    /// What the shell must do; requests and repairs are numbered together.
    package enum Action: Equatable, Sendable {
        case read(request: Int, from: NodeID, parts: [Part])
        case repair(request: Int, at: NodeID, [Repair])
        /// The rows by the keys' places, nil where absent.
        case answer([[UInt8]?])
        case fail(CoordinationError)
    }

    private enum State: Sendable {
        /// Exits: `start` to running.
        case initialized
        /// Exits: the last group done, a group without enough replicas, the time-out.
        case running
        /// No exit: what comes later is ignored.
        case finished
    }

    private enum Phase: Sendable {
        /// Waits for data and digests. Exits: all are there.
        case gathering
        /// Waits for the rows of all replicas that answered. Exits: all are there.
        case reconciling
        /// Waits for the stale replicas to write the merged rows. Exits: all did.
        case repairing(merged: [[UInt8]?], pending: Int)
        case done
    }

    private struct GroupProgress: Sendable {
        let group: KeyGroup
        var phase = Phase.gathering
        var contacted: Set<NodeID> = []
        var data: (node: NodeID, reply: ReadGroupReply)?
        var digests: [(node: NodeID, digest: RowDigest)] = []
        var versions: [(node: NodeID, rows: [[UInt8]?])] = []

        /// The replicas that did what the phase waits for, as time-outs tell it.
        var answered: Int {
            switch phase {
            case .gathering: (data == nil ? 0 : 1) + digests.count
            case .reconciling: versions.count
            case .repairing(_, let pending): group.required - pending
            case .done: group.required
            }
        }
    }

    private enum Request: Sendable {
        case read(node: NodeID, parts: [Part])
        case repair(node: NodeID, group: Int)
        case closed
    }

    private let consistency: ConsistencyLevel
    private let nowSeconds: Int64
    private let gcGraceSeconds: Int32
    private let keyCount: Int
    private var groups: [GroupProgress]
    private var requests: [Request] = []
    private var unfinished: Int
    private var failures = 0
    private var state = State.initialized

    /// The groups on which replicas were found to differ.
    package private(set) var repairedGroupCount = 0

    /// A machine for the keys of some groups.
    package init(
        keyCount: Int,
        groups: [KeyGroup],
        consistency: ConsistencyLevel,
        nowSeconds: Int64,
        gcGraceSeconds: Int32
    ) {
        self.keyCount = keyCount
        self.groups = groups.map { GroupProgress(group: $0) }
        self.consistency = consistency
        self.nowSeconds = nowSeconds
        self.gcGraceSeconds = gcGraceSeconds
        unfinished = groups.count
    }

    // MARK: Events

    /// Asks the first replicas.
    package mutating func start(_ actions: inout [Action]) {
        guard case .initialized = state else { preconditionFailure("started twice: \(state)") }
        state = .running
        var parts: [(node: NodeID, parts: [Part])] = []
        var placeOfNode: [NodeID: Int] = [:]
        for index in groups.indices {
            let group = groups[index].group
            for (rank, node) in group.candidates.prefix(group.required).enumerated() {
                groups[index].contacted.insert(node)
                let part = Part(group: index, mode: rank == 0 ? .data : .digest)
                if let place = placeOfNode[node] {
                    parts[place].parts.append(part)
                } else {
                    placeOfNode[node] = parts.count
                    parts.append((node, [part]))
                }
            }
        }
        for (node, parts) in parts { ask(node, parts, &actions) }
        if groups.isEmpty { answer(&actions) }
    }

    /// A replica answered a read, group by group as it was asked.
    package mutating func rowsReceived(
        request: Int,
        replies: [ReadGroupReply],
        actions: inout [Action]
    ) {
        guard case .running = state, case .read(let node, let parts) = requests[request] else {
            return
        }
        guard replies.count == parts.count,
            zip(parts, replies).allSatisfy({ part, reply in
                part.mode == .digest || reply.rows.count == groups[part.group].group.keys.count
            })
        else {
            let failure = PeerFailure(code: .failed, text: "the reply of \(node) does not fit")
            requestFailed(request: request, failure, actions: &actions)
            return
        }
        requests[request] = .closed
        for (part, reply) in zip(parts, replies) {
            receive(reply, mode: part.mode, group: part.group, from: node, &actions)
        }
        answerIfDone(&actions)
    }

    /// A replica wrote the merged rows.
    package mutating func repairAcknowledged(request: Int, actions: inout [Action]) {
        guard case .running = state, case .repair(_, let index) = requests[request],
            case .repairing(let merged, let pending) = groups[index].phase
        else { return }
        requests[request] = .closed
        if pending == 1 {
            finish(group: index, rows: merged)
        } else {
            groups[index].phase = .repairing(merged: merged, pending: pending - 1)
        }
        answerIfDone(&actions)
    }

    /// A replica could not do what it was asked for, or its connection was lost: another one is
    /// asked instead, if there is one.
    package mutating func requestFailed(
        request: Int,
        _ failure: PeerFailure,
        actions: inout [Action]
    ) {
        guard case .running = state else { return }
        let closed = requests[request]
        requests[request] = .closed
        switch closed {
        case .closed: return
        case .read(_, let parts):
            failures += 1
            for part in parts {
                guard let spare = takeSpare(of: part.group) else {
                    fail(failure, &actions)
                    return
                }
                ask(spare, [part], &actions)
            }
        case .repair(_, let index):
            guard case .repairing(let merged, _) = groups[index].phase else { return }
            failures += 1
            guard let spare = takeSpare(of: index) else {
                fail(failure, &actions)
                return
            }
            repair(spare, group: index, merged: merged, stale: nil, &actions)
        }
    }

    /// The request's time is over.
    package mutating func timedOut(_ actions: inout [Action]) {
        guard case .running = state else { return }
        finish(.fail(.readTimeout(count, dataPresent: isDataPresent)), &actions)
    }

    // MARK: Queries

    /// Whether the answer was given.
    package var isFinished: Bool {
        if case .finished = state { true } else { false }
    }

    private var count: AnswerCount {
        let open = groups.filter { if case .done = $0.phase { false } else { true } }
        return AnswerCount(
            consistency: consistency,
            received: open.map(\.answered).min() ?? 0,
            required: groups.map(\.group.required).max() ?? 0
        )
    }

    private var isDataPresent: Bool { groups.allSatisfy { $0.data != nil } }

    // MARK: Helpers

    private mutating func ask(_ node: NodeID, _ parts: [Part], _ actions: inout [Action]) {
        actions.append(.read(request: requests.count, from: node, parts: parts))
        requests.append(.read(node: node, parts: parts))
    }

    private mutating func takeSpare(of index: Int) -> NodeID? {
        let spare = groups[index].group.candidates.first { !groups[index].contacted.contains($0) }
        if let spare { groups[index].contacted.insert(spare) }
        return spare
    }

    private mutating func receive(
        _ reply: ReadGroupReply,
        mode: ReadRequest.Mode,
        group index: Int,
        from node: NodeID,
        _ actions: inout [Action]
    ) {
        switch groups[index].phase {
        case .gathering:
            if mode == .data {
                groups[index].data = (node, reply)
            } else {
                groups[index].digests.append((node, reply.digest))
            }
            guard let data = groups[index].data,
                groups[index].answered == groups[index].group.required
            else { return }
            if groups[index].digests.allSatisfy({ $0.digest == data.reply.digest }) {
                finish(group: index, rows: data.reply.rows)
                return
            }
            repairedGroupCount += 1
            groups[index].phase = .reconciling
            groups[index].versions = [(data.node, data.reply.rows)]
            for (other, _) in groups[index].digests {
                ask(other, [Part(group: index, mode: .data)], &actions)
            }
        case .reconciling:
            groups[index].versions.append((node, reply.rows))
            guard groups[index].versions.count == groups[index].group.required else { return }
            reconcile(group: index, &actions)
        case .repairing, .done: return  // A late answer of a replica that was replaced.
        }
    }

    private mutating func reconcile(group index: Int, _ actions: inout [Action]) {
        let versions = groups[index].versions
        var merged: [[UInt8]?] = []
        var stale: [[Int]] = versions.map { _ in [] }
        for place in groups[index].group.keys.indices {
            let rows = versions.map { $0.rows[place] }
            let present = rows.compactMap { $0 }
            let row = present.isEmpty ? nil : RowMerge.merge(present)
            merged.append(row)
            let digest = digest(row)
            for (version, candidate) in rows.enumerated()
            where candidate != row && self.digest(candidate) != digest {
                stale[version].append(place)
            }
        }
        groups[index].phase = .repairing(merged: merged, pending: stale.count { !$0.isEmpty })
        for (version, places) in stale.enumerated() where !places.isEmpty {
            repair(versions[version].node, group: index, merged: merged, stale: places, &actions)
        }
        if stale.allSatisfy(\.isEmpty) { finish(group: index, rows: merged) }
    }

    private func digest(_ row: [UInt8]?) -> RowDigest? {
        // Nil for a row that cannot be decoded; merging does not make it readable either.
        guard let row else { return .absent }
        return try? RowView(validating: row)
            .digest(nowSeconds: nowSeconds, gcGraceSeconds: gcGraceSeconds)
    }

    private mutating func repair(
        _ node: NodeID,
        group index: Int,
        merged: [[UInt8]?],
        stale: [Int]?,
        _ actions: inout [Action]
    ) {
        let keys = groups[index].group.keys
        let repairs = (stale ?? Array(keys.indices)).compactMap { place in
            merged[place].map { Repair(key: keys[place], operand: $0) }
        }
        actions.append(.repair(request: requests.count, at: node, repairs))
        requests.append(.repair(node: node, group: index))
    }

    private mutating func finish(group index: Int, rows: [[UInt8]?]) {
        groups[index].phase = .done
        groups[index].versions = []
        groups[index].digests = []
        if let node = groups[index].data?.node {
            groups[index].data = (node, ReadGroupReply(digest: .absent, rows: rows))
        }
        unfinished -= 1
    }

    private mutating func answerIfDone(_ actions: inout [Action]) {
        if case .running = state, unfinished == 0 { answer(&actions) }
    }

    private mutating func answer(_ actions: inout [Action]) {
        var rows = [[UInt8]?](repeating: nil, count: keyCount)
        for progress in groups {
            guard let data = progress.data else { continue }
            for (place, key) in progress.group.keys.enumerated() {
                rows[key] = data.reply.rows[place]
            }
        }
        finish(.answer(rows), &actions)
    }

    private mutating func fail(_ failure: PeerFailure, _ actions: inout [Action]) {
        let error = CoordinationError(
            failure,
            count,
            failures: failures,
            dataPresent: isDataPresent
        )
        finish(.fail(error), &actions)
    }

    private mutating func finish(_ action: Action, _ actions: inout [Action]) {
        state = .finished
        actions.append(action)
    }
}

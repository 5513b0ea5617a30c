package import Catalog
package import PeerMessages
internal import Storage
package import TokenPlacement

/// Reads rows at a consistency level: data from one replica of each group, digests from as many
/// others as the level asks for; where they differ, all of them send their rows, the merged row is
/// written back to who lacked something, and only then is the read answered.
///
/// That last wait ("blocking read repair") is what keeps two QUORUM reads from going back in time.
///
/// Where replicas are slow, `speculate` asks one more of each group: whatever is awaited of the
/// group (data, a digest, full rows, a repair), the first so many that do it are enough.
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
        /// Waits for data and digests. Exits: as many as required are there, data among them.
        case gathering
        /// Waits for the rows of as many replicas as required. Exits: all are there.
        case reconciling
        /// Waits for replicas to write the merged rows. Exits: as many as required hold them.
        case repairing(merged: [[UInt8]?])
        case done
    }

    private struct GroupProgress: Sendable {
        let group: KeyGroup
        var phase = Phase.gathering
        /// Who was asked for what the phase waits for, or is of no use for it.
        var contacted: Set<NodeID> = []
        /// Who was asked for anything.
        var asked: Set<NodeID> = []
        var failed: Set<NodeID> = []
        /// Who was asked for rows and has not answered.
        var readers: Set<NodeID> = []
        var isSpeculated = false
        var data: (node: NodeID, reply: ReadGroupReply)?
        var digests: [(node: NodeID, digest: RowDigest)] = []
        var versions: [(node: NodeID, rows: [[UInt8]?])] = []
        /// The requests under way for rows and for digests.
        var openRows = 0
        var openDigests = 0
        /// Who holds the merged rows, and who was asked to write them and has not answered.
        var holders: [NodeID] = []
        var repairers: Set<NodeID> = []

        /// The replicas that did what the phase waits for.
        var answered: Int {
            switch phase {
            case .gathering: (data == nil ? 0 : 1) + digests.count
            case .reconciling: versions.count
            case .repairing: holders.count
            case .done: group.required
            }
        }

        /// As time-outs tell it: more of one datacenter do not make up for another.
        var answeredOfRequired: Int {
            if case .done = phase { return group.required }
            return isMet ? answered : min(answered, group.required - 1)
        }

        private var answeredNodes: [NodeID] {
            switch phase {
            case .gathering: (data.map { [$0.node] } ?? []) + digests.map(\.node)
            case .reconciling: versions.map(\.node)
            case .repairing: holders
            case .done: []
            }
        }

        /// The replicas that did what the phase waits for, and those that still may.
        private var hopefulNodes: [NodeID] {
            switch phase {
            case .gathering: Array(contacted.subtracting(failed))
            case .reconciling: versions.map(\.node) + readers
            case .repairing: holders + repairers
            case .done: []
            }
        }

        /// Whether all are there that the phase waits for.
        var isMet: Bool {
            answered >= group.required && group.datacenters.areMet(by: answeredNodes)
        }

        /// How a spare must be asked now, or nil if what is under way can still be enough.
        var needed: ReadRequest.Mode? {
            switch phase {
            case .gathering:
                if data == nil, openRows == 0 { return rowsMode }
                return isShort(answered + openRows + openDigests) ? .digest : nil
            case .reconciling:
                return isShort(versions.count + openRows) ? .data : nil
            case .repairing:
                return isShort(holders.count + repairers.count) ? .data : nil
            case .done: return nil
            }
        }

        /// Whether those that answered or may still are too few.
        private func isShort(_ count: Int) -> Bool {
            count < group.required || !group.datacenters.areMet(by: hopefulNodes)
        }

        /// Of whom a spare is needed, once one has failed; nil: of anybody.
        var shortNodes: [NodeID]? { group.datacenters.short(of: hopefulNodes)[0] }

        /// Of whom one spare each is of use where others are slow; of a nil one anybody will do.
        var slowNodes: [[NodeID]?] { group.datacenters.short(of: answeredNodes) }

        /// How the first replica is asked: its digest is of use only if others are compared.
        var rowsMode: ReadRequest.Mode { group.required == 1 ? .rows : .data }

        mutating func opened(_ mode: ReadRequest.Mode, at node: NodeID) {
            contacted.insert(node)
            asked.insert(node)
            if mode == .digest {
                openDigests += 1
            } else {
                openRows += 1
                readers.insert(node)
            }
        }

        mutating func closed(_ mode: ReadRequest.Mode, at node: NodeID) {
            if mode == .digest {
                openDigests -= 1
            } else {
                openRows -= 1
                readers.remove(node)
            }
        }

        mutating func nodeFailed(_ node: NodeID) {
            failed.insert(node)
            contacted.insert(node)
        }

        /// The next replica that can do what the phase waits for, of some or, where they are nil, of
        /// all: who was asked for something else and is late comes last.
        mutating func takeSpare(of nodes: [NodeID]?) -> NodeID? {
            let left = group.candidates.filter {
                !contacted.contains($0) && (nodes?.contains($0) ?? true)
            }
            guard let spare = left.first(where: { !asked.contains($0) }) ?? left.first else {
                return nil
            }
            contacted.insert(spare)
            asked.insert(spare)
            return spare
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
    /// The groups for which one replica more was asked because others were slow.
    package private(set) var speculatedGroupCount = 0

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
        var asks: [(node: NodeID, part: Part)] = []
        for index in groups.indices {
            let group = groups[index].group
            for (rank, node) in group.candidates.prefix(group.required).enumerated() {
                let mode = rank == 0 ? groups[index].rowsMode : .digest
                asks.append((node, Part(group: index, mode: mode)))
            }
        }
        ask(asks, &actions)
        if groups.isEmpty { answer(&actions) }
    }

    /// The replicas are slow: one more of each group that still waits is asked, once.
    package mutating func speculate(_ actions: inout [Action]) {
        guard case .running = state else { return }
        var asks: [(node: NodeID, part: Part)] = []
        for index in groups.indices where !groups[index].isSpeculated {
            var mode: ReadRequest.Mode
            switch groups[index].phase {
            case .gathering:
                mode = groups[index].data == nil ? groups[index].rowsMode : .digest
            case .reconciling, .repairing: mode = .data
            case .done: continue
            }
            for nodes in groups[index].slowNodes {
                guard let spare = groups[index].takeSpare(of: nodes) else { continue }
                if !groups[index].isSpeculated { speculatedGroupCount += 1 }
                groups[index].isSpeculated = true
                if case .repairing(let merged) = groups[index].phase {
                    repair(spare, group: index, merged: merged, stale: nil, &actions)
                    continue
                }
                asks.append((spare, Part(group: index, mode: mode)))
                // One more with the rows is enough.
                if case .gathering = groups[index].phase { mode = .digest }
            }
        }
        ask(asks, &actions)
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
            groups[part.group].closed(part.mode, at: node)
            receive(reply, mode: part.mode, group: part.group, from: node, &actions)
        }
        answerIfDone(&actions)
    }

    /// A replica wrote the merged rows.
    package mutating func repairAcknowledged(request: Int, actions: inout [Action]) {
        guard case .running = state, case .repair(let node, let index) = requests[request] else {
            return
        }
        requests[request] = .closed
        groups[index].repairers.remove(node)
        guard case .repairing(let merged) = groups[index].phase else { return }
        groups[index].holders.append(node)
        if groups[index].isMet { finish(group: index, rows: merged) }
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
        case .read(let node, let parts):
            failures += 1
            // Any other replica would say the same.
            if failure.code == .invalid {
                fail(failure, &actions)
                return
            }
            var asks: [(node: NodeID, part: Part)] = []
            for part in parts {
                groups[part.group].closed(part.mode, at: node)
                groups[part.group].nodeFailed(node)
                guard let mode = groups[part.group].needed else { continue }
                let nodes = groups[part.group].shortNodes
                guard let spare = groups[part.group].takeSpare(of: nodes) else {
                    fail(failure, &actions)
                    return
                }
                asks.append((spare, Part(group: part.group, mode: mode)))
            }
            ask(asks, &actions)
        case .repair(let node, let index):
            failures += 1
            groups[index].repairers.remove(node)
            groups[index].nodeFailed(node)
            guard case .repairing(let merged) = groups[index].phase, groups[index].needed != nil
            else { return }
            let nodes = groups[index].shortNodes
            guard let spare = groups[index].takeSpare(of: nodes) else {
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
            received: open.map(\.answeredOfRequired).min() ?? 0,
            required: groups.map(\.group.required).max() ?? 0
        )
    }

    private var isDataPresent: Bool { groups.allSatisfy { $0.data != nil } }

    // MARK: Helpers

    /// Sends each node one request with all its parts.
    private mutating func ask(
        _ asks: [(node: NodeID, part: Part)],
        _ actions: inout [Action]
    ) {
        var messages: [(node: NodeID, parts: [Part])] = []
        var placeOfNode: [NodeID: Int] = [:]
        for (node, part) in asks {
            groups[part.group].opened(part.mode, at: node)
            if let place = placeOfNode[node] {
                messages[place].parts.append(part)
            } else {
                placeOfNode[node] = messages.count
                messages.append((node, [part]))
            }
        }
        for (node, parts) in messages {
            actions.append(.read(request: requests.count, from: node, parts: parts))
            requests.append(.read(node: node, parts: parts))
        }
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
            // The rows of a second replica serve as its digest.
            if mode != .digest, groups[index].data == nil {
                groups[index].data = (node, reply)
            } else {
                groups[index].digests.append((node, reply.digest))
            }
            guard let data = groups[index].data, groups[index].isMet else { return }
            if groups[index].digests.allSatisfy({ $0.digest == data.reply.digest }) {
                finish(group: index, rows: data.reply.rows)
                return
            }
            repairedGroupCount += 1
            groups[index].phase = .reconciling
            groups[index].versions = [(data.node, data.reply.rows)]
            // Who is late with a digest may still send its rows; who sends them is not asked twice.
            groups[index].contacted = groups[index].failed
                .union(groups[index].readers)
                .union([data.node])
            let asks = groups[index].digests.map { other in
                (node: other.node, part: Part(group: index, mode: .data))
            }
            ask(asks, &actions)
        case .reconciling:
            // A digest comes too late to be of use, rows of whatever replica do not.
            guard mode != .digest else { return }
            groups[index].versions.append((node, reply.rows))
            guard groups[index].isMet else { return }
            reconcile(group: index, &actions)
        case .repairing, .done: return  // Others were faster.
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
        groups[index].phase = .repairing(merged: merged)
        groups[index].holders = zip(versions, stale).filter(\.1.isEmpty).map(\.0.node)
        groups[index].contacted = groups[index].failed.union(versions.map(\.node))
        for (version, places) in stale.enumerated() where !places.isEmpty {
            repair(versions[version].node, group: index, merged: merged, stale: places, &actions)
        }
        if groups[index].isMet { finish(group: index, rows: merged) }
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
        groups[index].repairers.insert(node)
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

    /// Gives the last action, and lets go of all rows: late answers may keep the machine alive.
    private mutating func finish(_ action: Action, _ actions: inout [Action]) {
        state = .finished
        groups = []
        requests = []
        actions.append(action)
    }
}

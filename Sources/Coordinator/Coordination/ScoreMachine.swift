package import Catalog
package import PeerMessages
internal import Scoring
package import Storage
package import TokenPlacement

/// Scores rows where they are: one replica of each group runs the model on its rows and returns
/// its best; the others that the level asks for send a digest of the rows that went in.
///
/// Where digests differ, the scores of that replica are dropped, its rows are read and repaired at
/// the level, and the coordinator scores what that read returned. So a score is never computed on
/// rows that a read at the same level would not have returned.
package struct ScoreMachine: Sendable {
    /// What a replica contributed, for people.
    package struct Contribution: Hashable, Sendable {
        /// The replica.
        package var node: NodeID
        /// What happened to its rows.
        package var counts: ScoreCounts
        /// How many rows it returned.
        package var returnedRows: Int
        /// The bytes of its reply.
        package var bytes: Int
    }

    /// The answer: the best rows, and how they came about.
    package struct Outcome: Hashable, Sendable {
        /// A row with its place in the request.
        package struct Entry: Hashable, Sendable {
            /// The key's place in the request.
            package var key: Int
            /// The score, nil for null.
            package var score: Float?
            /// The values of the columns asked for.
            package var values: [[UInt8]?]
        }

        /// The rows, best first, at most `limit`.
        package var entries: [Entry]
        /// What each replica contributed, in the order of its answer.
        package var contributions: [Contribution]
        /// What happened to all rows.
        package var counts: ScoreCounts
    }

    /// What the shell must do.
    package enum Action: Equatable, Sendable {
        /// Ask a replica to score groups.
        case score(request: Int, at: NodeID, groups: [Int])
        /// Ask a replica for digests of groups.
        case digest(request: Int, from: NodeID, groups: [Int])
        /// Read these groups at the level with a ``ReadMachine``, then report `rowsRead`.
        case read(groups: [Int])
        /// Run the model here on rows that were read, then report `rowsScored`.
        case scoreHere(groups: [Int], rows: [[UInt8]?])
        case answer(Outcome)
        case fail(CoordinationError)
    }

    private enum State: Sendable {
        /// Exits: `start` to running.
        case initialized
        /// Exits: all groups compared and equal (answer), some differ (reading), no replica left.
        case running
        /// Exits: the rows came (scoring), the read failed.
        case reading(groups: [Int])
        /// Exits: the scores came (answer), the model failed.
        case scoring(groups: [Int])
        /// No exit: what comes later is ignored.
        case finished
    }

    private struct GroupProgress: Sendable {
        let group: KeyGroup
        var scorer: NodeID?
        var scoredDigest: RowDigest?
        var digests: [NodeID: RowDigest] = [:]
        var asked: Set<NodeID> = []
        /// Those that could not do what they were asked for.
        var failed: Set<NodeID> = []
        var isComplete = false

        var answeredNodes: [NodeID] {
            (scorer.map { [$0] } ?? []) + digests.keys.filter { $0 != scorer }
        }

        /// The replicas that answered; one that vouched and scored counts once.
        var answered: Int {
            (scoredDigest == nil ? 0 : 1) + digests.count { $0.key != scorer }
        }
    }

    private enum Request: Sendable {
        case score(node: NodeID, groups: [Int])
        case digest(node: NodeID, groups: [Int])
        case closed
    }

    private let partitions: [PartitionRef]
    private let order: PeerMessages.ScoreOrder
    private let limit: Int
    private let consistency: ConsistencyLevel
    private var groups: [GroupProgress]
    private var requests: [Request] = []
    private var replies: [(groups: [Int], reply: ScoreReply)] = []
    private var contributions: [Contribution] = []
    private var open: Int
    private var failures = 0
    private var state = State.initialized

    /// A machine for candidates that were grouped for the level.
    package init(
        partitions: [PartitionRef],
        groups: [KeyGroup],
        order: PeerMessages.ScoreOrder,
        limit: Int,
        consistency: ConsistencyLevel
    ) {
        self.partitions = partitions
        self.order = order
        self.limit = limit
        self.consistency = consistency
        self.groups = groups.map { GroupProgress(group: $0) }
        open = groups.count
    }

    // MARK: Events

    /// Asks the scorers and the replicas that vouch for their rows.
    ///
    /// Scorers are chosen so that the rows spread evenly over the living replicas: the largest
    /// group first, each to the candidate with the fewest rows so far.
    package mutating func start(_ actions: inout [Action]) {
        guard case .initialized = state else { preconditionFailure("started twice: \(state)") }
        state = .running
        var load: [NodeID: Int] = [:]
        var scorers: [NodeID: [Int]] = [:]
        var vouchers: [NodeID: [Int]] = [:]
        let bySize = groups.indices.sorted { left, right in
            let (leftCount, rightCount) = (
                groups[left].group.keys.count, groups[right].group.keys.count
            )
            return leftCount == rightCount ? left < right : leftCount > rightCount
        }
        for index in bySize {
            let group = groups[index].group
            let ranked = group.candidates.enumerated().sorted { left, right in
                (load[left.element, default: 0], left.offset)
                    < (load[right.element, default: 0], right.offset)
            }
            var nodes = ranked.map(\.element)
            group.datacenters.arrange(&nodes)
            let chosen = nodes.prefix(group.required)
            for (rank, node) in chosen.enumerated() {
                groups[index].asked.insert(node)
                if rank == 0 {
                    load[node, default: 0] += group.keys.count
                    scorers[node, default: []].append(index)
                } else {
                    vouchers[node, default: []].append(index)
                }
            }
        }
        for (node, indexes) in scorers.sorted(by: { $0.key < $1.key }) {
            askForScores(node, indexes.sorted(), &actions)
        }
        for (node, indexes) in vouchers.sorted(by: { $0.key < $1.key }) {
            askForDigests(node, indexes.sorted(), &actions)
        }
        if groups.isEmpty { answer(&actions) }
    }

    /// A replica scored its groups; `bytes` is the length of its reply.
    package mutating func scored(
        request: Int,
        reply: ScoreReply,
        bytes: Int,
        actions: inout [Action]
    ) {
        guard case .running = state, case .score(let node, let indexes) = requests[request] else {
            return
        }
        guard fits(reply, indexes) else {
            let failure = PeerFailure(code: .failed, text: "the reply of \(node) does not fit")
            requestFailed(request: request, failure, actions: &actions)
            return
        }
        requests[request] = .closed
        for (index, digest) in zip(indexes, reply.digests) {
            groups[index].scorer = node
            groups[index].scoredDigest = digest
            closeIfComplete(index)
        }
        replies.append((indexes, reply))
        contributions.append(
            Contribution(
                node: node,
                counts: reply.counts,
                returnedRows: reply.rows.count,
                bytes: bytes
            )
        )
        continueIfComplete(&actions)
    }

    /// A replica sent the digests of its groups.
    package mutating func digestsReceived(
        request: Int,
        digests: [RowDigest],
        actions: inout [Action]
    ) {
        guard case .running = state, case .digest(let node, let indexes) = requests[request] else {
            return
        }
        guard digests.count == indexes.count else {
            let failure = PeerFailure(code: .failed, text: "the reply of \(node) does not fit")
            requestFailed(request: request, failure, actions: &actions)
            return
        }
        requests[request] = .closed
        for (index, digest) in zip(indexes, digests) {
            groups[index].digests[node] = digest
            closeIfComplete(index)
        }
        continueIfComplete(&actions)
    }

    /// A replica could not do what it was asked for: another one is asked, if there is one.
    package mutating func requestFailed(
        request: Int,
        _ failure: PeerFailure,
        actions: inout [Action]
    ) {
        guard case .running = state else { return }
        let closed = requests[request]
        requests[request] = .closed
        let node: NodeID
        let indexes: [Int]
        let isScore: Bool
        switch closed {
        case .closed: return
        case .score(let asked, let groups): (node, indexes, isScore) = (asked, groups, true)
        case .digest(let asked, let groups): (node, indexes, isScore) = (asked, groups, false)
        }
        failures += 1
        if failure.code == .invalid {
            finish(.fail(.invalid(failure.text)), &actions)
            return
        }
        var spares: [NodeID: [Int]] = [:]
        var exchanged: [Int] = []
        for index in indexes {
            groups[index].failed.insert(node)
            let progress = groups[index]
            // Nobody waits for it any more.
            guard !progress.isComplete else { continue }
            let peers = progress.group.datacenters.peers(of: node)
            var spare = progress.group.candidates.first {
                !progress.asked.contains($0) && (peers?.contains($0) ?? true)
            }
            if spare == nil, isScore, failure.code == .modelNotReady {
                // It has the rows all the same: one that vouches scores, and it vouches instead.
                spare = progress.group.candidates.first { !progress.failed.contains($0) }
                if spare != nil { exchanged.append(index) }
            }
            guard let spare else {
                fail(failure, &actions)
                return
            }
            groups[index].asked.insert(spare)
            spares[spare, default: []].append(index)
        }
        for (node, indexes) in spares.sorted(by: { $0.key < $1.key }) {
            if isScore {
                askForScores(node, indexes, &actions)
            } else {
                askForDigests(node, indexes, &actions)
            }
        }
        if !exchanged.isEmpty { askForDigests(node, exchanged, &actions) }
    }

    /// The rows of the groups that differed, as the read at the level returned them.
    package mutating func rowsRead(_ rows: [[UInt8]?], actions: inout [Action]) {
        guard case .reading(let indexes) = state else { return }
        state = .scoring(groups: indexes)
        actions.append(.scoreHere(groups: indexes, rows: rows))
    }

    /// The scores of the rows that were read.
    package mutating func rowsScored(_ reply: ScoreReply, by node: NodeID, actions: inout [Action])
    {
        guard case .scoring(let indexes) = state else { return }
        replies.append((indexes, reply))
        contributions.append(
            Contribution(
                node: node,
                counts: reply.counts,
                returnedRows: reply.rows.count,
                bytes: 0
            )
        )
        answer(&actions)
    }

    /// The read or the scoring of the groups that differed failed.
    package mutating func reconciliationFailed(
        _ error: CoordinationError,
        actions: inout [Action]
    ) {
        switch state {
        case .reading, .scoring: finish(.fail(error), &actions)
        case .initialized, .running, .finished: return
        }
    }

    /// The request's time is over.
    package mutating func timedOut(_ actions: inout [Action]) {
        switch state {
        case .initialized, .finished: return
        case .running, .reading, .scoring:
            finish(.fail(.readTimeout(count, dataPresent: false)), &actions)
        }
    }

    // MARK: Queries

    /// Whether the answer was given.
    package var isFinished: Bool {
        if case .finished = state { true } else { false }
    }

    /// The candidates of a group, in the order in which messages name them.
    package func partitions(of group: Int) -> [PartitionRef] {
        groups[group].group.keys.map { partitions[$0] }
    }

    /// A group as it was given.
    package func group(_ index: Int) -> KeyGroup { groups[index].group }

    private var count: AnswerCount {
        AnswerCount(
            consistency: consistency,
            received: groups.map(\.answered).min() ?? 0,
            required: groups.map(\.group.required).max() ?? 0
        )
    }

    // MARK: Helpers

    private mutating func askForScores(
        _ node: NodeID,
        _ indexes: [Int],
        _ actions: inout [Action]
    ) {
        actions.append(.score(request: requests.count, at: node, groups: indexes))
        requests.append(.score(node: node, groups: indexes))
    }

    private mutating func askForDigests(
        _ node: NodeID,
        _ indexes: [Int],
        _ actions: inout [Action]
    ) {
        actions.append(.digest(request: requests.count, from: node, groups: indexes))
        requests.append(.digest(node: node, groups: indexes))
    }

    /// Whether a reply names only rows that it was asked for, and no more than the limit.
    private func fits(_ reply: ScoreReply, _ indexes: [Int]) -> Bool {
        reply.digests.count == indexes.count
            && (order == .none || reply.rows.count <= limit)
            && reply.rows.allSatisfy { row in
                indexes.indices.contains(row.group)
                    && groups[indexes[row.group]].group.keys.indices.contains(row.index)
            }
    }

    private mutating func closeIfComplete(_ index: Int) {
        let progress = groups[index]
        guard !progress.isComplete, progress.scoredDigest != nil,
            progress.answered >= progress.group.required,
            progress.group.datacenters.areMet(by: progress.answeredNodes)
        else { return }
        groups[index].isComplete = true
        open -= 1
    }

    private mutating func continueIfComplete(_ actions: inout [Action]) {
        guard open == 0 else { return }
        let differing = groups.indices.filter { index in
            groups[index].digests.values.contains { $0 != groups[index].scoredDigest }
        }
        guard !differing.isEmpty else {
            answer(&actions)
            return
        }
        // A replica's best rows were cut by its limit, so that dropping some of them would hide
        // others: all groups of such a reply are scored again.
        var again: [Int] = []
        replies.removeAll { entry in
            guard entry.groups.contains(where: differing.contains) else { return false }
            again += entry.groups
            return true
        }
        again.sort()
        state = .reading(groups: again)
        actions.append(.read(groups: again))
    }

    private mutating func answer(_ actions: inout [Action]) {
        var counts = ScoreCounts()
        var entries: [Outcome.Entry] = []
        for (indexes, reply) in replies {
            counts.add(reply.counts)
            for row in reply.rows {
                let key = groups[indexes[row.group]].group.keys[row.index]
                entries.append(Outcome.Entry(key: key, score: row.score, values: row.values))
            }
        }
        switch order {
        case .none:
            entries.sort { $0.key < $1.key }
            entries = Array(entries.prefix(limit))
        case .ascending: entries = best(of: entries, .ascending)
        case .descending: entries = best(of: entries, .descending)
        }
        let outcome = Outcome(entries: entries, contributions: contributions, counts: counts)
        finish(.answer(outcome), &actions)
    }

    private func best(
        of entries: [Outcome.Entry],
        _ order: Scoring.ScoreOrder
    ) -> [Outcome.Entry] {
        var top = TopScores<Outcome.Entry>(limit: min(limit, entries.count), order: order)
        for entry in entries {
            top.offer(score: entry.score, key: partitions[entry.key].key, payload: entry)
        }
        return top.sorted().map(\.payload)
    }

    private mutating func fail(_ failure: PeerFailure, _ actions: inout [Action]) {
        let error = CoordinationError(failure, count, failures: failures, dataPresent: false)
        finish(.fail(error), &actions)
    }

    /// Gives the last action, and lets go of all rows: late answers may keep the machine alive.
    private mutating func finish(_ action: Action, _ actions: inout [Action]) {
        state = .finished
        replies = []
        contributions = []
        actions.append(action)
    }
}

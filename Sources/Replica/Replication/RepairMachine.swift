package import PeerMessages
internal import Storage
package import TokenPlacement

/// Makes the replicas of one slice equal, or fetches its rows from all others.
///
/// 1. Every replica gives one digest of the slice; if all are equal, that is all.
/// 2. Every replica gives the digests of the slice's parts, the leaves of a ``MerkleTree``.
/// 3. The rows of the parts that differ are read page by page from every replica and merged; each
///    replica gets the merged rows that its own versions, in canonical form, are not equal to.
/// 4. If nobody failed, the others note when the repair began; if all do, so does this node.
///
/// A rebuild takes what others have that are being rebuilt themselves, but at least one of them
/// must have all: else a slice that every replica lost a part of would be readable, with holes.
///
/// Nothing is kept on disk: a crash leaves a slice that was not noted, and rows that are merged
/// twice. A node has one request open at a time, so that its answer needs no number.
package struct RepairMachine: Sendable {
    /// What the driver must do.
    package enum Action: Equatable, Sendable {
        /// Ask a node (perhaps this one) for digests; then `digestsReceived` or `failed`.
        case requestDigests(from: NodeID, RangeDigestRequest)
        /// Ask a node (perhaps this one) for rows; then `pageReceived` or `failed`.
        case requestPage(from: NodeID, ScanRequest)
        /// Have a node (perhaps this one) write rows; then `written` or `failed`.
        case write(to: NodeID, [Mutation])
        /// Have another node note the repair; then `noted` or `failed`.
        case sendNote(to: NodeID, RepairNote)
        /// Note the repair here: all others did.
        case noteHere(RepairNote)
        /// Call `resumed` at this time: the bandwidth is used up.
        case wait(until: Duration)
        /// It is over.
        case finish(RepairOutcome)
    }

    private enum State: Hashable, Sendable {
        /// Exits: `start`.
        case initialized
        /// Digests of `ranges` are on their way. Exits: the last one, or too many failures.
        case digesting
        /// Rows are compared. Exits: the last row and the last write, or too many failures.
        case streaming
        /// The others are noting the repair. Exits: the last answer.
        case noting
        /// No exit: what comes later is ignored.
        case finished
    }

    private let node: NodeID
    private let task: RepairTask
    private let settings: RepairSettings
    private var state = State.initialized
    private var startedSeconds: Int64 = 0
    private var members: [RepairMember]
    private var missing: [NodeID] = []
    /// The ranges that are digested, then those whose rows are compared.
    private var ranges: [ClosedRange<Token>]
    /// The range whose rows are compared.
    private var rangeIndex = 0
    private var isWaiting = false

    /// What the rate of pages and writes allows; to be handed on to the next machine.
    package private(set) var bandwidth: TokenBucket
    /// What was done so far.
    package private(set) var statistics = RepairStatistics()

    /// A machine for one task.
    ///
    /// - Parameters:
    ///   - node: this node, which must be a replica if the slice is to be rebuilt.
    ///   - task: the slice and what is to be done with it.
    ///   - settings: the bounds of pages and batches.
    ///   - bandwidth: as the last machine left it.
    package init(
        node: NodeID,
        task: RepairTask,
        settings: RepairSettings,
        bandwidth: TokenBucket
    ) {
        self.node = node
        self.task = task
        self.settings = settings
        self.bandwidth = bandwidth
        ranges = [task.tokens]
        members = task.replicas.map { replica in
            RepairMember(id: replica, isSource: task.mode == .repair || replica != node)
        }
        if task.mode == .rebuild {
            precondition(task.replicas.contains(node), "\(node) rebuilds what is not its own")
        }
    }

    // MARK: Events

    /// Begins; what is expired or purgeable is judged by this second to the end.
    package mutating func start(
        nowSeconds: Int64,
        now: Duration,
        actions: inout [Action]
    ) {
        guard case .initialized = state else { preconditionFailure("started twice: \(state)") }
        startedSeconds = nowSeconds
        switch task.mode {
        case .repair: requestDigests(&actions)
        case .rebuild:
            guard members.contains(where: \.isSource) else {
                finish(.noSource, &actions)
                return
            }
            beginStreaming(now, &actions)
        }
    }

    /// A node's digests.
    package mutating func digestsReceived(
        from node: NodeID,
        _ digests: [RangeDigest],
        now: Duration,
        actions: inout [Action]
    ) {
        guard case .digesting = state, let index = open(node, .digests) else { return }
        members[index].request = nil
        guard digests.count == ranges.count else {
            drop(index, now, &actions)
            return
        }
        members[index].digests = digests
        compareDigests(now, &actions)
    }

    /// A page of a node's rows.
    package mutating func pageReceived(
        from node: NodeID,
        _ page: ScanPage,
        now: Duration,
        actions: inout [Action]
    ) {
        guard case .streaming = state, let index = open(node, .page) else { return }
        members[index].request = nil
        let bytes = page.rows.reduce(0) { $0 + $1.row.count + $1.partition.key.count + 16 }
        statistics.bytesRead += bytes
        bandwidth.take(bytes, now: now)
        guard members[index].take(page, within: ranges[rangeIndex]) else {
            drop(index, now, &actions)
            return
        }
        if task.mode == .rebuild, sources.allSatisfy({ members[$0].isPartial }) {
            finish(.noSource, &actions)
            return
        }
        stream(now, &actions)
    }

    /// A node has written, durably, what it was sent.
    package mutating func written(by node: NodeID, now: Duration, actions: inout [Action]) {
        guard case .streaming = state,
            let index = members.firstIndex(where: { $0.id == node && $0.isWriting })
        else { return }
        members[index].isWriting = false
        stream(now, &actions)
    }

    /// A node has noted the repair.
    package mutating func noted(by node: NodeID, now: Duration, actions: inout [Action]) {
        guard case .noting = state, let index = open(node, .note) else { return }
        members[index].request = nil
        finishNoting(&actions)
    }

    /// A node could not do what it was asked, or did not answer.
    package mutating func failed(at node: NodeID, now: Duration, actions: inout [Action]) {
        guard let index = members.firstIndex(where: { $0.id == node }),
            members[index].request != nil || members[index].isWriting
        else { return }
        switch state {
        case .initialized, .finished: return
        case .digesting, .streaming, .noting: drop(index, now, &actions)
        }
    }

    /// The time of a `wait` has come.
    package mutating func resumed(now: Duration, actions: inout [Action]) {
        guard case .streaming = state, isWaiting else { return }
        isWaiting = false
        stream(now, &actions)
    }

    // MARK: Queries

    /// Whether it is over.
    package var isFinished: Bool { state == .finished }

    /// The rows and bytes that wait to be compared or written: bounded by pages and batches.
    package var bufferedBytes: Int { members.reduce(0) { $0 + $1.bufferedBytes } }

    private func open(_ node: NodeID, _ request: RepairMember.Request) -> Int? {
        members.firstIndex { $0.id == node && $0.request == request }
    }

    private var sources: [Int] {
        members.indices.filter { members[$0].isSource && !members[$0].isOut }
    }

    // MARK: Digests

    private mutating func requestDigests(_ actions: inout [Action]) {
        state = .digesting
        let request = RangeDigestRequest(
            table: task.slice.table,
            nowSeconds: startedSeconds,
            ranges: ranges
        )
        for index in sources {
            members[index].digests = nil
            members[index].request = .digests
            actions.append(.requestDigests(from: members[index].id, request))
        }
    }

    private mutating func compareDigests(_ now: Duration, _ actions: inout [Action]) {
        let answers = sources.compactMap { members[$0].digests }
        guard answers.count == sources.count else { return }
        guard let first = answers.first, answers.contains(where: { $0 != first }) else {
            conclude(&actions)
            return
        }
        guard first.count == 1 else {
            let depth = first.count.trailingZeroBitCount
            let trees = answers.map {
                MerkleTree(tokens: task.tokens, depth: depth, leaves: $0)
            }
            ranges = MerkleTree.differences(trees)
            beginStreaming(now, &actions)
            return
        }
        let rowCount = answers.reduce(0) { max($0, $1[0].rowCount) }
        let depth = MerkleTree.depth(rowCount: rowCount, tokens: task.tokens)
        guard depth > 0 else {
            beginStreaming(now, &actions)
            return
        }
        ranges = MerkleTree.ranges(of: task.tokens, depth: depth)
        requestDigests(&actions)
    }

    // MARK: Rows

    private mutating func beginStreaming(_ now: Duration, _ actions: inout [Action]) {
        state = .streaming
        statistics.ranges = ranges.count
        for index in members.indices { members[index].digests = nil }
        beginRange(0)
        stream(now, &actions)
    }

    private mutating func beginRange(_ index: Int) {
        rangeIndex = index
        for member in members.indices { members[member].beginRange() }
    }

    /// Goes on as far as rows, writes and rates allow.
    private mutating func stream(_ now: Duration, _ actions: inout [Action]) {
        while case .streaming = state, !isWaiting {
            guard rangeIndex < ranges.count else {
                finishStreaming(now, &actions)
                return
            }
            let lacking = sources.filter { members[$0].needsPage }
            guard lacking.isEmpty else {
                requestPages(lacking.filter { members[$0].request == nil }, now, &actions)
                return
            }
            guard sources.contains(where: { members[$0].head != nil }) else {
                beginRange(rangeIndex + 1)
                continue
            }
            guard flushFullBatches(now, &actions) else { return }
            mergeNext(now, &actions)
        }
    }

    private mutating func requestPages(
        _ indices: [Int],
        _ now: Duration,
        _ actions: inout [Action]
    ) {
        guard !indices.isEmpty else { return }
        guard bandwidth.isReady(now: now) else {
            isWaiting = true
            actions.append(.wait(until: bandwidth.ready(now: now)))
            return
        }
        for index in indices {
            members[index].request = .page
            let request = ScanRequest(
                table: task.slice.table,
                nowSeconds: startedSeconds,
                tokens: ranges[rangeIndex],
                after: members[index].last,
                rowsMax: settings.pageRowsMax,
                bytesMax: settings.pageBytesMax,
                isForRebuild: task.mode == .rebuild
            )
            actions.append(.requestPage(from: members[index].id, request))
        }
    }

    /// Merges the versions of the least key that any replica has, and notes who lacks the result.
    private mutating func mergeNext(_ now: Duration, _ actions: inout [Action]) {
        let sources = sources
        guard
            let partition = sources.compactMap({ members[$0].head?.partition })
                .min(by: { $0.precedes($1) })
        else { return }
        let versions = sources.map { index -> [UInt8]? in
            guard let head = members[index].head, head.partition == partition else { return nil }
            return head.row
        }
        for (index, version) in zip(sources, versions) {
            guard let version else { continue }
            guard version.withUnsafeBytes({ RowMerge.isRow($0) }) else {
                // Its disk is damaged, or it runs another program: it takes no part.
                drop(index, now, &actions)
                return
            }
        }
        statistics.rowsCompared += 1
        for index in sources { members[index].popHead(if: partition) }
        let merged = RowMerge.merge(versions.compactMap { $0 })
        let mutation = Mutation(table: task.slice.table, partition: partition, operand: merged)
        switch task.mode {
        case .rebuild:
            guard let own = members.firstIndex(where: { $0.id == node }) else { return }
            members[own].add(mutation)
        case .repair:
            guard versions.contains(where: { $0 != merged }) else { return }
            let digest = digest(of: merged)
            for (index, version) in zip(sources, versions)
            where version != merged && version.map(self.digest) ?? .absent != digest {
                members[index].add(mutation)
            }
        }
    }

    private func digest(of row: [UInt8]) -> RowDigest {
        do {
            return try RowView(validating: row).digest(
                nowSeconds: startedSeconds,
                gcGraceSeconds: task.gcGraceSeconds
            )
        } catch {
            preconditionFailure("a validated row turned out wrong: \(error)")
        }
    }

    /// Writes the batches that are full.
    ///
    /// - Returns: false if one must wait for the one before it, so that no more may be merged.
    private mutating func flushFullBatches(_ now: Duration, _ actions: inout [Action]) -> Bool {
        for index in members.indices
        where members[index].batch.count >= max(1, settings.writeRowsMax)
            || members[index].batchBytes >= settings.writeBytesMax
        {
            guard !members[index].isWriting else { return false }
            flush(index, now, &actions)
        }
        return true
    }

    private mutating func flush(_ index: Int, _ now: Duration, _ actions: inout [Action]) {
        statistics.rowsWritten += members[index].batch.count
        statistics.bytesWritten += members[index].batchBytes
        bandwidth.take(members[index].batchBytes, now: now)
        actions.append(.write(to: members[index].id, members[index].takeBatch()))
    }

    private mutating func finishStreaming(_ now: Duration, _ actions: inout [Action]) {
        for index in members.indices where !members[index].batch.isEmpty {
            if !members[index].isWriting { flush(index, now, &actions) }
        }
        guard !members.contains(where: \.isWriting) else { return }
        conclude(&actions)
    }

    // MARK: The end

    private mutating func conclude(_ actions: inout [Action]) {
        guard missing.isEmpty else {
            finish(.incomplete(missing: missing), &actions)
            return
        }
        guard task.mode == .repair else {
            finish(.rebuilt, &actions)
            return
        }
        state = .noting
        for index in members.indices where members[index].id != node {
            members[index].request = .note
            actions.append(.sendNote(to: members[index].id, note))
        }
        finishNoting(&actions)
    }

    private mutating func finishNoting(_ actions: inout [Action]) {
        guard !members.contains(where: { $0.request == .note }) else { return }
        guard missing.isEmpty else {
            finish(.incomplete(missing: missing), &actions)
            return
        }
        // Only now: a node whose clock is ahead of all others would purge too early by its note,
        // and the others refuse such a note.
        if task.replicas.contains(node) { actions.append(.noteHere(note)) }
        finish(.repaired, &actions)
    }

    private var note: RepairNote {
        RepairNote(
            table: task.slice.table,
            slice: task.slice.slice,
            startedSeconds: startedSeconds
        )
    }

    /// Goes on without a node, if that is of use.
    private mutating func drop(_ index: Int, _ now: Duration, _ actions: inout [Action]) {
        members[index].leave()
        missing.append(members[index].id)
        missing.sort()
        // What is rebuilt without one of its replicas is of no use; alone there is nobody to equal.
        guard task.mode == .repair, sources.count > 1 || state == .noting else {
            finish(.incomplete(missing: missing), &actions)
            return
        }
        switch state {
        case .digesting: compareDigests(now, &actions)
        case .streaming: stream(now, &actions)
        case .noting: finishNoting(&actions)
        case .initialized, .finished: return
        }
    }

    private mutating func finish(_ outcome: RepairOutcome, _ actions: inout [Action]) {
        state = .finished
        for index in members.indices { members[index].leave() }
        actions.append(.finish(outcome))
    }
}

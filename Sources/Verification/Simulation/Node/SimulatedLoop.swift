package import Catalog
internal import HistoryChecking
package import NodeCore
package import PeerMessages
internal import Replication
package import Storage
package import TokenPlacement

/// An event loop of a simulated node.
///
/// `@unchecked Sendable`: a run and everything in it is touched by the one thread that runs it.
package final class SimulatedLoop: LoopEnvironment, @unchecked Sendable {
    /// The loop's place in its node.
    package let index: Int
    /// The life that it belongs to.
    package unowned let life: NodeLife
    /// Who answers other nodes on this loop.
    package var receiver: (any PeerReceiver)?

    private(set) var epoch = Epoch.zero
    private var knownNodes: Set<NodeID> = []
    private var links: [Link?]
    private var nextCorrelation: UInt64 = 1
    private var tasks = FIFO<() -> Void>()
    private var isArmed = false
    private var busyUntil: Nanoseconds = 0
    private let inbox: SimulatedInbox

    private static let classCount = TrafficClass.allCases.count

    init(index: Int, life: NodeLife) {
        self.index = index
        self.life = life
        links = Array(repeating: nil, count: life.network.nodeCount * (Self.classCount + 1))
        inbox = SimulatedInbox()
        inbox.loop = self
    }

    private var kernel: Kernel { life.kernel }

    // MARK: Running

    /// Runs `body` on the loop: now if it is free, else after what waits already.
    func deliver(_ body: @escaping () -> Void) {
        guard tasks.isEmpty, !isArmed, busyUntil <= kernel.now, life.pausedUntil <= kernel.now,
            kernel.currentActor == nil
        else {
            post(body)
            return
        }
        run(body)
    }

    /// Runs `body` on the loop, after what waits already.
    func post(_ body: @escaping () -> Void) {
        guard life.isAlive else { return }
        tasks.append(body)
        arm()
    }

    private func arm() {
        guard !isArmed else { return }
        isArmed = true
        let wake = kernel.now + life.cost(life.settings.wakeLatency)
        kernel.schedule(
            at: max(wake, busyUntil, life.pausedUntil),
            node: life.node,
            kind: .loopTask,
            digest: UInt64(index)
        ) { [unowned self] in
            isArmed = false
            if life.pausedUntil <= kernel.now, let task = tasks.popFirst() { run(task) }
            if !tasks.isEmpty { arm() }
        }
    }

    private func run(_ task: () -> Void) {
        kernel.currentActor = ObjectIdentifier(self)
        task()
        kernel.currentActor = nil
        busyUntil = kernel.now + life.cost(life.settings.taskCost)
    }

    /// Forgets everything: the node crashed.
    func shutDown() {
        receiver = nil
        tasks.removeAll()
        for link in links { link?.forget() }
        links = links.map { _ in nil }
        inbox.forgetAll()
    }

    // MARK: LoopExecutor

    package var isCurrent: Bool { kernel.currentActor == ObjectIdentifier(self) }

    package func execute(_ body: @escaping @Sendable () -> Void) { post(body) }

    // MARK: Time

    package var now: Duration { .nanoseconds(life.clock.monotonic(at: kernel.now)) }

    package var wallMicros: Int64 { life.clock.wallMicros(at: kernel.now) }

    package func random() -> UInt64 {
        guard life.settings.drawsFreely else { return life.random.next() }
        var generator = SystemRandomNumberGenerator()
        return generator.next()
    }

    package func schedule(
        after delay: Duration,
        _ body: @escaping () -> Void
    ) -> any ScheduledCall {
        let call = SimulatedCall(body)
        let span = life.clock.trueSpan(of: max(0, Nanoseconds(delay)))
        call.event = kernel.schedule(after: span, node: life.node, kind: .timer) { [unowned self] in
            call.event = nil
            deliver { call.fire() }
        }
        call.kernel = kernel
        return call
    }

    package func log(_ severity: LogSeverity, _ text: @autoclosure () -> String) {
        guard let log = life.network.log else { return }
        log("\(kernel.now.secondsText) node \(life.node)/\(index) [\(severity)] \(text())")
    }

    // MARK: Peers

    package func adopt(_ state: ClusterState) {
        epoch = state.epoch
        knownNodes = Set(state.nodes.keys)
    }

    package func request(
        _ message: PeerMessage,
        to node: NodeID,
        class trafficClass: TrafficClass,
        timeout: Duration?,
        completion: @escaping (Result<PeerAnswer, PeerFailure>) -> Void
    ) {
        guard let link = link(to: node, trafficClass) else {
            let text = "node \(node) cannot be reached: its address is not known"
            completion(.failure(PeerFailure(code: .disconnected, text: text)))
            return
        }
        guard link.pendingCount < life.settings.pendingRequestsMax else {
            let text =
                "\(life.settings.pendingRequestsMax) requests to node \(node) wait already"
            completion(.failure(PeerFailure(code: .overloaded, text: text)))
            return
        }
        let correlation = nextCorrelation
        nextCorrelation += 1
        let span = Nanoseconds(timeout ?? .seconds(30))
        let timer = kernel.schedule(
            after: life.clock.trueSpan(of: span),
            node: life.node,
            kind: .timeout
        ) { [unowned self] in
            deliver { link.timedOut(correlation) }
        }
        link.expect(correlation, timer, message, completion)
        link.send(encode(message, correlation), correlation)
    }

    package func send(_ message: PeerMessage, to node: NodeID, class trafficClass: TrafficClass) {
        link(to: node, trafficClass)?.send(encode(message, 0), 0)
    }

    package func giveUp(on node: NodeID) {
        guard let target = life.network.index(of: node) else { return }
        for link in links.compactMap({ $0 }) where link.target == target {
            link.fail("it is held dead")
        }
    }

    func encode(_ message: PeerMessage, _ correlation: UInt64) -> [UInt8] {
        SimulatedNetwork.frame(
            PeerEnvelope(epoch: epoch, correlation: correlation, message: message)
        )
    }

    /// The links in a fixed order, for faults.
    var openLinks: [Link] { links.compactMap { $0 }.filter(\.isOpen) }

    func links(to target: Int) -> [Link] {
        links.compactMap { $0 }.filter { $0.target == target }
    }

    private func link(to node: NodeID, _ trafficClass: TrafficClass) -> Link? {
        guard let target = life.network.index(of: node) else { return nil }
        let place = target * (Self.classCount + 1) + Int(trafficClass.rawValue)
        if let link = links[place] { return link }
        guard knownNodes.contains(node) else { return nil }
        let link = Link(from: self, to: target, trafficClass)
        links[place] = link
        return link
    }

    // MARK: The store

    package func submit(
        _ writes: StoreWrites,
        completion: @escaping (StorageError?) -> Void
    ) -> Bool {
        let ticket = inbox.expect(completion)
        if life.writer.submit(writes, ticket: ticket, sink: inbox) { return true }
        inbox.forget(ticket)
        return false
    }

    package func readFromMemory(_ key: RowKey) throws(StorageError) -> MemoryRead {
        switch life.cache.lookup(key) {
        case .found(let row):
            life.network.cacheAnswered?(life, key, row)
            return .found(row)
        case .absent:
            life.network.cacheAnswered?(life, key, nil)
            return .absent
        case .miss(let ticket):
            // The writer is another thread: it may do anything between these lines.
            life.writer.interleave()
            let read = try life.store.readFromMemory(key.encoded)
            life.writer.interleave()
            switch read {
            case .found(let row): _ = life.cache.fill(ticket, key, row: row)
            case .absent: _ = life.cache.fill(ticket, key, row: nil)
            case .needsDisk: break
            }
            return read
        }
    }

    package func readRows(
        _ keys: [RowKey],
        completion: @escaping (Result<[[UInt8]?], StorageError>) -> Void
    ) -> Bool {
        typealias Step = SimulatedPool.Step
        let life = life
        let (cache, store) = (life.cache, life.store)
        return life.readPool.submit(
            Step { [unowned self] in
                var read = FillingRead(keys, cache)
                return Step { [unowned self] in
                    do throws(StorageError) {
                        let rows = try store.read(read.missing)
                        return Step { [unowned self] in
                            let all = read.finish(rows, cache)
                            post { completion(.success(all)) }
                            return nil
                        }
                    } catch {
                        post { completion(.failure(error)) }
                        return nil
                    }
                }
            }
        )
    }

    package func runOnPool<Value: Sendable>(
        _ pool: PoolClass,
        _ body: @escaping @Sendable (any StoreReading) throws(StorageError) -> Value,
        completion: @escaping (Result<Value, StorageError>) -> Void
    ) -> Bool {
        typealias Step = SimulatedPool.Step
        let life = life
        let (cache, store) = (life.cache, life.store)
        let threads = pool == .reads ? life.readPool : life.backgroundPool
        return threads.submit(
            Step { [unowned self] in
                let result: Result<Value, StorageError>
                do throws(StorageError) {
                    result = .success(try body(store))
                } catch {
                    result = .failure(error)
                }
                return Step { [unowned self] in
                    cache.rowsReadAround()
                    post { completion(result) }
                    return nil
                }
            }
        )
    }
}

/// A call that was put off.
private final class SimulatedCall: ScheduledCall {
    var event: Kernel.EventID?
    weak var kernel: Kernel?
    private var body: (() -> Void)?

    init(_ body: @escaping () -> Void) { self.body = body }

    func fire() {
        let body = body
        self.body = nil
        body?()
    }

    func cancel() {
        body = nil
        if let event { kernel?.cancel(event) }
        event = nil
    }
}

/// Brings the outcomes of a loop's writes back to it.
///
/// `@unchecked Sendable`: a run and everything in it is touched by the one thread that runs it.
private final class SimulatedInbox: CommitSink, @unchecked Sendable {
    unowned var loop: SimulatedLoop?
    private var nextTicket: UInt64 = 1
    private var completions: [UInt64: (StorageError?) -> Void] = [:]

    func expect(_ completion: @escaping (StorageError?) -> Void) -> UInt64 {
        defer { nextTicket += 1 }
        completions[nextTicket] = completion
        return nextTicket
    }

    func forget(_ ticket: UInt64) { completions[ticket] = nil }

    func forgetAll() { completions = [:] }

    func committed(_ outcomes: [CommitOutcome]) {
        loop?.post { [self] in
            for outcome in outcomes {
                completions.removeValue(forKey: outcome.ticket)?(outcome.error)
            }
        }
    }
}

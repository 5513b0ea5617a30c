internal import Catalog
internal import Foundation
internal import Internode
internal import Logging
internal import NIOCore
internal import NodeCore
internal import PeerMessages
internal import Replication
internal import RocksStorage
internal import Storage
internal import TokenPlacement

/// An event loop of NIO, its peers and RocksDB, as the node's logic sees them.
///
/// `@unchecked Sendable`: all but `isCurrent` and `execute` is called on the loop, as the protocol
/// demands.
final class NIOLoopEnvironment: LoopEnvironment, @unchecked Sendable {
    let eventLoop: any EventLoop
    let peers: LoopPeers
    private let store: RocksStore
    private let cache: RowCache
    private let readPool: BlockingPool
    private let backgroundPool: BlockingPool
    private let inbox: CommitInbox
    private let logger: Logger

    init(
        peers: LoopPeers,
        store: RocksStore,
        cache: RowCache,
        readPool: BlockingPool,
        backgroundPool: BlockingPool,
        logger: Logger
    ) {
        eventLoop = peers.eventLoop
        self.peers = peers
        self.store = store
        self.cache = cache
        self.readPool = readPool
        self.backgroundPool = backgroundPool
        self.logger = logger
        inbox = CommitInbox(eventLoop: peers.eventLoop)
    }

    // MARK: The loop

    var isCurrent: Bool { eventLoop.inEventLoop }

    func execute(_ body: @escaping @Sendable () -> Void) { eventLoop.execute(body) }

    var now: Duration { .nanoseconds(Int64(NIODeadline.now().uptimeNanoseconds)) }

    var wallMicros: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }

    func random() -> UInt64 { .random(in: .min ... .max) }

    func schedule(after delay: Duration, _ body: @escaping () -> Void) -> any ScheduledCall {
        let bound = NIOLoopBound(body, eventLoop: eventLoop)
        return NIOScheduledCall(
            scheduled: eventLoop.scheduleTask(in: TimeAmount(delay)) { bound.value() }
        )
    }

    func log(_ severity: LogSeverity, _ text: @autoclosure () -> String) {
        let level: Logger.Level =
            switch severity {
            case .debug: .debug
            case .info: .info
            case .notice: .notice
            case .warning: .warning
            case .error: .error
            case .critical: .critical
            }
        logger.log(level: level, "\(text())")
    }

    // MARK: Peers

    func request(
        _ message: PeerMessage,
        to node: NodeID,
        class trafficClass: TrafficClass,
        timeout: Duration?,
        completion: @escaping (Result<PeerAnswer, PeerFailure>) -> Void
    ) {
        peers.request(
            message,
            to: node,
            class: trafficClass,
            timeout: timeout,
            completion: completion
        )
    }

    func send(_ message: PeerMessage, to node: NodeID, class trafficClass: TrafficClass) {
        peers.send(message, to: node, class: trafficClass)
    }

    func adopt(_ state: ClusterState) {
        peers.localEpoch = state.epoch
        peers.localIdentity.cluster = state.clusterID
        peers.addresses = state.nodes.compactMapValues {
            try? SocketAddress(ipAddress: $0.address, port: Int($0.internodePort))
        }
    }

    func giveUp(on node: NodeID) { peers.giveUp(on: node) }

    // MARK: The store

    func submit(
        _ writes: StoreWrites,
        completion: @escaping (StorageError?) -> Void
    ) -> Bool {
        let ticket = inbox.expect(completion)
        if store.submit(writes, ticket: ticket, sink: inbox) { return true }
        inbox.forget(ticket)
        return false
    }

    func readFromMemory(_ key: RowKey) throws(StorageError) -> MemoryRead {
        switch cache.lookup(key) {
        case .found(let row): return .found(row)
        case .absent: return .absent
        case .miss(let ticket):
            let read = try store.readFromMemory(key.encoded)
            switch read {
            case .found(let row): _ = cache.fill(ticket, key, row: row)
            case .absent: _ = cache.fill(ticket, key, row: nil)
            case .needsDisk: break
            }
            return read
        }
    }

    func readRows(
        _ keys: [RowKey],
        completion: @escaping (Result<[[UInt8]?], StorageError>) -> Void
    ) -> Bool {
        let sink = NIOLoopBound(completion, eventLoop: eventLoop)
        return readPool.submit { [store, cache, eventLoop] in
            let result: Result<[[UInt8]?], StorageError>
            do throws(StorageError) {
                var read = FillingRead(keys, cache)
                result = .success(read.finish(try store.read(read.missing), cache))
            } catch {
                result = .failure(error)
            }
            eventLoop.execute { sink.value(result) }
        }
    }

    func runOnPool<Value: Sendable>(
        _ pool: PoolClass,
        _ body: @escaping @Sendable (any StoreReading) throws(StorageError) -> Value,
        completion: @escaping (Result<Value, StorageError>) -> Void
    ) -> Bool {
        let sink = NIOLoopBound(completion, eventLoop: eventLoop)
        let threads = pool == .reads ? readPool : backgroundPool
        return threads.submit { [store, cache, eventLoop] in
            let result: Result<Value, StorageError>
            do throws(StorageError) {
                let value = try body(store)
                // What was read past the cache must not be newer than what it still gives.
                cache.rowsReadAround()
                result = .success(value)
            } catch {
                result = .failure(error)
            }
            eventLoop.execute { sink.value(result) }
        }
    }
}

private final class NIOScheduledCall: ScheduledCall {
    private let scheduled: Scheduled<Void>

    init(scheduled: Scheduled<Void>) { self.scheduled = scheduled }

    func cancel() { scheduled.cancel() }
}

internal import Logging
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import RocksStorage
internal import Storage

/// Lets the store compact rows, or not, as the node's logic says: off the loop, since RocksDB writes
/// its options to the disk, and again and again until it is done.
final class CompactionSwitch: Sendable {
    private static let pause = TimeAmount.seconds(1)

    private let store: RocksStore
    private let pool: BlockingPool
    private let eventLoop: any EventLoop
    private let logger: Logger
    private let isAllowed = NIOLockedValueBox(false)

    /// A switch that is off, as the store is.
    init(
        _ store: RocksStore,
        _ pool: BlockingPool,
        on eventLoop: any EventLoop,
        _ logger: Logger
    ) {
        self.store = store
        self.pool = pool
        self.eventLoop = eventLoop
        self.logger = logger
    }

    /// The logic changed its mind.
    @Sendable func changed(_ isAllowed: Bool) {
        self.isAllowed.withLockedValue { $0 = isAllowed }
        apply()
    }

    private func apply() {
        let isTaken = pool.submit { [self] in
            do throws(StorageError) {
                // What counts by now: the order of the calls is that of the pool.
                try store.compactRows(isAllowed.withLockedValue { $0 })
            } catch {
                if case .closed = error { return }
                logger.error("compactions cannot be switched yet: \(error)")
                again()
            }
        }
        if !isTaken { again() }
    }

    private func again() {
        eventLoop.scheduleTask(in: Self.pause) { [self] in apply() }
    }
}

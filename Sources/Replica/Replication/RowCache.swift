package import Storage
internal import Synchronization

/// A bounded cache of merged rows in front of the store, for many readers and one writer at once.
///
/// It is split into stripes by table and token. Each has a lock, an equal share of the bytes, and
/// a version that every write to one of its rows raises twice: when it begins, before the store is
/// touched, and when it has ended, before it is acknowledged. A lookup that finds nothing gives a
/// ticket with the version; what is then read from the store is taken in by ``fill(_:_:row:)`` only
/// if the version is the same and no write is under way. A write whose row is cached merges its
/// operand into it when it ends, so that hot rows stay; until then hits give the row as it was.
///
/// **No reader goes back in time.** To show: a lookup gives no row older than (1) a write that was
/// acknowledged before it, or (2) a row that any reader had before it. Three facts hold per stripe:
/// - (a) While a write is under way no row appears; rows only go. They change only at the end of
///   their own writes.
/// - (b) A cached row contains every ended write of its key. When it was filled: the store was read
///   after the ticket was taken, all writes that had begun by then had ended, and none began until
///   the fill. Later: a write merges its operand into the row when it ends; if it failed or if the
///   row grows too large, the row goes. This is (1).
/// - (c) A row is older than the store only while a write is under way.
///
/// For (2): who had a hit had a cached row, which never loses a write while it stays, and if it
/// goes, whatever takes its place was read from the store after that. Who missed read the store,
/// maybe a write that has not ended, while the row before it is cached: it was evicted and filled
/// again between the miss and the begin of the write, say. So readers call `fill` **before they
/// use what they read**. If no write is under way then, all that they saw has ended, and (b)
/// applies. Else the fill is refused, and a cached row that differs from theirs goes under the same
/// lock; by (a) none appears before the write has ended, then by (b) it contains that write.
/// Scans, which have no ticket, call ``rowsReadAround()`` before they use what they read, which
/// drops every row with a write under way, with the same effect. Eviction only removes, so it
/// cannot break any of this, whenever it comes.
///
/// Sweeps and removals of ranges take the rows out when they begin. Expiry is not looked at: who
/// reads a cell compares it with the time, cached or not.
package final class RowCache: Sendable {
    /// Deliberate mistakes, by which tests and the simulator show that they would find them.
    package enum Fault: Hashable, Sendable {
        /// None: the cache as it runs.
        case none
        /// Fills are taken in whatever was written meanwhile.
        case installStaleFills
        /// A refused fill leaves an older row in the cache, and so do scans.
        case keepOverreadRows
    }

    /// What the cache knows of a row.
    package enum Lookup: Sendable {
        /// The merged row.
        case found([UInt8])
        /// The store has no such row.
        case absent
        /// Nothing: read the store, then fill.
        case miss(Ticket)
    }

    /// The right to fill in what is read from the store after it was given.
    package struct Ticket: Hashable, Sendable {
        let stripe: Int
        let version: UInt64
    }

    /// What an entry takes besides the bytes of its key and row: its place in the table and in the
    /// index, with what these have to spare, and two heap blocks with their headers.
    package static let entryOverheadBytes = 192

    /// The number of stripes of a cache for the readers of one node.
    package static let stripeCountDefault = 64

    final class Stripe: Sendable {
        let state: Mutex<RowCacheStripe>

        init(_ state: RowCacheStripe) {
            self.state = Mutex(state)
        }
    }

    let stripes: [Stripe]
    private let fault: Fault

    /// An empty cache.
    ///
    /// - Parameters:
    ///   - bytesMax: bytes of memory that the rows may take, with keys and bookkeeping; 0: nothing
    ///     is cached. A row that takes more than an eighth of a stripe's share is not cached.
    ///   - stripeCount: the number of locks, a power of two.
    ///   - fault: a deliberate mistake, for tests.
    package init(
        bytesMax: Int,
        stripeCount: Int = RowCache.stripeCountDefault,
        fault: Fault = .none
    ) {
        precondition(
            stripeCount > 0 && stripeCount & (stripeCount - 1) == 0 && stripeCount <= 1 << 16,
            "stripeCount is \(stripeCount): it must be a power of two up to 65,536"
        )
        precondition(bytesMax >= 0, "bytesMax is \(bytesMax): it must not be negative")
        self.fault = fault
        stripes = (0..<stripeCount).map { _ in
            Stripe(RowCacheStripe(bytesMax: bytesMax / stripeCount, fault: fault))
        }
    }

    // MARK: - Readers

    /// Looks for a row; allocates nothing.
    package func lookup(_ key: RowKey) -> Lookup {
        let position = RowCachePosition(key)
        let hash = position.hash
        let stripe = index(hash)
        return stripes[stripe].state.withLock {
            $0.lookup(key, position, hash: hash, stripe: stripe)
        }
    }

    /// Offers what the store, read after the ticket was given, holds for the ticket's key; to be
    /// called before the row is used, even if nobody will want it again.
    ///
    /// - Parameters:
    ///   - ticket: that of the lookup of the same key.
    ///   - key: the key.
    ///   - row: the merged row, nil if there is none.
    /// - Returns: whether the cache holds the row now.
    @discardableResult
    package func fill(_ ticket: Ticket, _ key: RowKey, row: [UInt8]?) -> Bool {
        let position = RowCachePosition(key)
        let stripe = index(position.hash)
        precondition(
            ticket.stripe == stripe,
            "the ticket is one of stripe \(ticket.stripe), the key belongs to \(stripe)"
        )
        return stripes[stripe].state.withLock {
            $0.fill(key, position, version: ticket.version, row: row)
        }
    }

    /// Says that rows were read from the store without tickets, by a scan; to be called before
    /// they are used.
    package func rowsReadAround() {
        guard fault != .keepOverreadRows else { return }
        for stripe in stripes { stripe.state.withLock { $0.dropWritten() } }
    }

    // MARK: - Its size

    /// Changes the bytes that the rows may take and evicts what is over them; 0 turns it off.
    package func resize(bytesMax: Int) {
        precondition(bytesMax >= 0, "bytesMax is \(bytesMax): it must not be negative")
        for stripe in stripes {
            stripe.state.withLock { $0.resize(bytesMax: bytesMax / stripes.count) }
        }
    }

    /// What the cache did and holds; the stripes are asked one after the other.
    package var statistics: RowCacheStatistics {
        stripes.reduce(into: RowCacheStatistics()) { sum, stripe in
            sum += stripe.state.withLock { $0.statistics }
        }
    }

    /// The bytes of memory that an entry counts.
    static func bytes(partitionKey: [UInt8], row: [UInt8]?) -> Int {
        entryOverheadBytes + partitionKey.count + (row?.count ?? 0)
    }

    /// The stripe of a hash.
    @inline(__always)
    func index(_ hash: UInt64) -> Int {
        Int(truncatingIfNeeded: hash >> 48) & (stripes.count - 1)
    }
}

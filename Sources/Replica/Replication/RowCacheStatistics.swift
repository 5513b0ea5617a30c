/// What a cache of rows did since it was made, and what it holds.
package struct RowCacheStatistics: Equatable, Sendable {
    /// Lookups that found a row.
    package var hits: UInt64 = 0
    /// Lookups that found that the store has no such row.
    package var absentHits: UInt64 = 0
    /// Lookups that found nothing: the store was read.
    package var misses: UInt64 = 0
    /// Rows, and absences of rows, that were taken in.
    package var fills: UInt64 = 0
    /// Fills refused: because of a write, or as they are too large.
    package var refusedFills: UInt64 = 0
    /// Cached rows that a write changed in place.
    package var updates: UInt64 = 0
    /// Rows that went to make room.
    package var evictions: UInt64 = 0
    /// Bytes of memory that the cached rows take, keys and bookkeeping included.
    package var bytes = 0
    /// The number of cached rows and absences.
    package var entries = 0

    /// Statistics of a cache that did nothing yet.
    package init() {}

    /// Adds those of another part of the cache.
    package static func += (left: inout Self, right: Self) {
        left.hits += right.hits
        left.absentHits += right.absentHits
        left.misses += right.misses
        left.fills += right.fills
        left.refusedFills += right.refusedFills
        left.updates += right.updates
        left.evictions += right.evictions
        left.bytes += right.bytes
        left.entries += right.entries
    }
}

internal import Catalog
package import PeerMessages
package import Storage
internal import TokenPlacement

/// Answers a request for digests of token ranges from pages of a scan.
///
/// A range may hold many rows: ``run(in:rowsMax:bytesMax:)`` does a bounded piece at a time, so
/// that a pool is not held by one request.
package struct RangeDigester: Sendable {
    /// The rows of a page.
    private static let pageRowsMax = 1024
    private static let pageBytesMax = 1 << 20

    private let request: RangeDigestRequest
    private let gcGraceSeconds: Int32
    private var accumulator = RangeAccumulator()
    /// The range that is filled.
    private var index = 0
    /// The last of the ranges that touch each other from `index` on: they are scanned as one.
    private var runEnd = 0
    /// Where the next page begins; nil: at the beginning of a range.
    private var position: [UInt8]?

    /// One digest for each range that is done, in the request's order.
    package private(set) var digests: [RangeDigest] = []
    /// The bytes of the keys and rows that were read.
    package private(set) var bytesRead = 0

    /// A digester that has seen no row.
    package init(_ request: RangeDigestRequest, gcGraceSeconds: Int32) {
        self.request = request
        self.gcGraceSeconds = gcGraceSeconds
        digests.reserveCapacity(request.ranges.count)
        beginRun()
    }

    /// What to scan next; nil: all is done.
    package var nextScan: KeyRange? {
        guard index < request.ranges.count else { return nil }
        let tokens = request.ranges[index].lowerBound...request.ranges[runEnd].upperBound
        var range = RowKey.sliceRange(table: request.table, tokens: tokens)
        if let position { range.lower = position }
        return range
    }

    /// Whether every range has its digest.
    package var isDone: Bool { index >= request.ranges.count }

    /// Adds the rows that were found in ``nextScan``.
    ///
    /// - Throws: `corruption` for a row or key that cannot be read.
    package mutating func add(_ scan: StoreScan) throws(StorageError) {
        guard !isDone else { return }
        for entry in scan.entries {
            bytesRead += entry.key.count + entry.row.count
            let token = try self.token(of: entry.key)
            while token > request.ranges[index].upperBound, index < runEnd { closeRange() }
            accumulator.add(key: entry.key[4...], row: try digest(of: entry.row))
        }
        if scan.isComplete {
            let end = runEnd
            while index <= end { closeRange() }
            position = nil
            beginRun()
        } else if let last = scan.entries.last {
            position = last.key + [0]
        } else {
            throw fault("a page without rows that is not the last one")
        }
    }

    /// Reads and digests about so many rows, or bytes.
    ///
    /// - Returns: whether all is done.
    @discardableResult
    package mutating func run(
        in store: any StoreReading,
        rowsMax: Int,
        bytesMax: Int = .max
    ) throws(StorageError) -> Bool {
        var rows = 0
        let before = bytesRead
        while rows < rowsMax, bytesRead - before < bytesMax, let range = nextScan {
            let scan = try store.scan(
                range,
                rowsMax: min(Self.pageRowsMax, rowsMax - rows),
                bytesMax: min(Self.pageBytesMax, bytesMax - (bytesRead - before))
            )
            // A scan that finds nothing costs about as much as a row.
            rows += max(1, scan.entries.count)
            try add(scan)
        }
        return isDone
    }

    private mutating func beginRun() {
        runEnd = index
        let ranges = request.ranges
        while runEnd + 1 < ranges.count,
            ranges[runEnd].upperBound.value < .max,
            ranges[runEnd].upperBound.value + 1 == ranges[runEnd + 1].lowerBound.value
        {
            runEnd += 1
        }
    }

    private mutating func closeRange() {
        digests.append(accumulator.take())
        index += 1
    }

    private func token(of key: [UInt8]) throws(StorageError) -> Token {
        guard key.count >= 12 else { throw fault("a key of \(key.count) bytes") }
        let position = key.withUnsafeBytes {
            UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: 4, as: UInt64.self))
        }
        return SliceID.token(position)
    }

    private func digest(of row: [UInt8]) throws(StorageError) -> RowDigest {
        do {
            return try RowView(validating: row).digest(
                nowSeconds: request.nowSeconds,
                gcGraceSeconds: gcGraceSeconds
            )
        } catch {
            throw fault("\(error)")
        }
    }

    private func fault(_ message: String) -> StorageError {
        .corruption(
            StorageError.Fault(
                operation: "digest the rows of table \(request.table)",
                path: "the node's store",
                message: message
            )
        )
    }
}

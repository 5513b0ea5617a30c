import ByteCoding
import Catalog

/// Walks over the bytes of one row and checks everything.
///
/// It accepts a row in its one canonical encoding only: sorted, nothing covered, numbers as short
/// as they can be. So equal rows are equal bytes, and every byte string has at most one meaning.
struct RowScanner {
    private let bytes: UnsafeRawBufferPointer
    private var position: Int

    /// The deletion of the whole row.
    private(set) var deletion: Deletion?
    /// The marker.
    private(set) var marker: RowMarker?
    // The current entry in plain numbers, which costs less per cell than one large structure.
    private(set) var column: UInt32 = 0
    private(set) var kind = RowEntry.Kind.live
    private(set) var seconds: Int64 = 0
    private(set) var hasPath = false
    private var pathStart = 0
    private var pathEnd = 0
    private var valueStart = 0
    private var valueEnd = 0

    // What an entry without numbers of its own repeats.
    private(set) var timestamp: Int64 = 0
    private var expiresAtSeconds: Int64 = 0
    private var timeToLiveSeconds: Int32 = 0
    private var deletionSeconds: Int64 = 0

    private var hasEntry = false
    private var collectionDeletion: Int64?

    /// A scanner before the first entry; the header is read.
    init(_ bytes: UnsafeRawBufferPointer) throws(RowFormatError) {
        self.bytes = bytes
        guard let version = bytes.first else { throw .truncated(what: "header", offset: 0) }
        guard version == RowFormat.version else {
            guard version == RowFormat.damagedVersion else { throw .unknownVersion(version) }
            guard let envelope = DamagedRow(bytes) else {
                throw .malformed(what: "envelope of damaged writes", offset: 0)
            }
            throw .damaged(operands: envelope.operands.count)
        }
        guard bytes.count >= 2 else { throw .truncated(what: "header", offset: 1) }
        let flags = bytes[1]
        guard flags & ~RowFormat.knownFlags == 0 else {
            throw .malformed(what: "unknown flags", offset: 1)
        }
        position = 2
        if flags & RowFormat.hasDeletion != 0 {
            timestamp = RowFormat.unzigzag(try readVarint("row deletion"))
            deletionSeconds = RowFormat.unzigzag(try readVarint("row deletion"))
            deletion = Deletion(
                timestamp: WriteTimestamp(timestamp),
                deletionSeconds: deletionSeconds
            )
        }
        guard flags & RowFormat.hasMarker != 0 else {
            guard flags & RowFormat.markerExpires == 0 else {
                throw .malformed(what: "an expiry of no marker", offset: 1)
            }
            return
        }
        timestamp &+= RowFormat.unzigzag(try readVarint("row marker"))
        var marker = RowMarker(timestamp: WriteTimestamp(timestamp))
        if flags & RowFormat.markerExpires != 0 {
            expiresAtSeconds = RowFormat.unzigzag(try readVarint("row marker's expiry"))
            timeToLiveSeconds = try readTimeToLive()
            marker.expiry = Expiry(
                atSeconds: expiresAtSeconds,
                timeToLiveSeconds: timeToLiveSeconds
            )
        }
        guard deletion?.covers(marker.timestamp) != true else {
            throw .malformed(what: "a marker that the row deletion covers", offset: position)
        }
        self.marker = marker
    }

    /// The current entry, once `next` returned true.
    @inline(__always)
    var entry: RowEntry {
        RowEntry(
            kind: kind,
            column: ColumnID(column),
            timestamp: WriteTimestamp(timestamp),
            seconds: seconds,
            timeToLiveSeconds: kind == .expiring ? timeToLiveSeconds : 0,
            path: hasPath ? pathStart..<pathEnd : nil,
            value: valueStart..<valueEnd
        )
    }

    /// Where the current entry's value stands.
    @inline(__always)
    var value: Range<Int> { valueStart..<valueEnd }

    /// Whether the current entry is a value that a read sees.
    @inline(__always)
    func isLive(nowSeconds: Int64) -> Bool {
        kind == .live || kind == .expiring && seconds > nowSeconds
    }

    /// A number by which entries of different columns and ranks are in their order.
    @inline(__always)
    var slot: UInt64 {
        UInt64(column) << 2 | (kind == .collectionDeletion ? 0 : hasPath ? 2 : 1)
    }

    /// Reads the next entry; false at the end.
    @inline(__always)
    mutating func next() throws(RowFormatError) -> Bool {
        guard position < bytes.count else { return false }
        let start = position
        let head = try readVarint("cell head")
        guard let kind = RowEntry.Kind(rawValue: UInt8(head & RowFormat.kindMask)) else {
            throw .malformed(what: "unknown kind of cell", offset: start)
        }
        let delta = head >> RowFormat.columnShift
        guard delta <= UInt64(UInt32.max - column) else {
            throw .malformed(what: "column id of more than 32 bits", offset: start)
        }
        if delta != 0 { collectionDeletion = nil }
        if head & RowFormat.ownTimestamp != 0 {
            timestamp &+= try readDelta("cell timestamp")
        }
        if let deletion, timestamp <= deletion.timestamp.microseconds {
            throw .malformed(what: "a cell that the row deletion covers", offset: start)
        }
        let previousSlot = slot
        let previousPath = pathStart..<pathEnd
        seconds = try readSeconds(kind, hasOwn: head & RowFormat.ownSeconds != 0)
        hasPath = head & RowFormat.hasPath != 0
        if hasPath {
            guard kind != .collectionDeletion else {
                throw .malformed(what: "a collection deletion with a path", offset: start)
            }
            let path = try readRange("cell path")
            (pathStart, pathEnd) = (path.lowerBound, path.upperBound)
            if let collectionDeletion, timestamp <= collectionDeletion {
                throw .malformed(
                    what: "a cell that its collection's deletion covers",
                    offset: start
                )
            }
        }
        if kind == .live || kind == .expiring {
            let value = try readRange("cell value")
            (valueStart, valueEnd) = (value.lowerBound, value.upperBound)
        } else {
            (valueStart, valueEnd) = (position, position)
        }
        column += UInt32(delta)
        self.kind = kind
        if delta == 0, hasEntry, slot <= previousSlot {
            let isBehind =
                slot == previousSlot && hasPath
                && ByteOrder.compare(bytes.part(previousPath), bytes.part(pathStart..<pathEnd)) < 0
            guard isBehind else { throw .malformed(what: "cells out of order", offset: start) }
        }
        if kind == .collectionDeletion { collectionDeletion = timestamp }
        hasEntry = true
        return true
    }

    /// Reads the next entry of a row that was validated before; false at the end.
    @inline(__always)
    mutating func nextValidated() -> Bool {
        do {
            return try next()
        } catch {
            preconditionFailure("a validated row turned out wrong: \(error)")
        }
    }

    /// The rest of the entries, only checked.
    mutating func finish() throws(RowFormatError) {
        while try next() {}
    }

    @inline(__always)
    private mutating func readSeconds(
        _ kind: RowEntry.Kind,
        hasOwn: Bool
    ) throws(RowFormatError) -> Int64 {
        switch kind {
        case .live:
            guard !hasOwn else {
                throw .malformed(what: "a live cell with seconds", offset: position)
            }
            return 0
        case .expiring:
            guard hasOwn else { return expiresAtSeconds }
            let delta = RowFormat.unzigzag(try readVarint("cell expiry"))
            let timeToLive = try readTimeToLive()
            guard delta != 0 || timeToLive != timeToLiveSeconds else {
                throw .malformed(what: "an expiry that repeats the one before", offset: position)
            }
            expiresAtSeconds &+= delta
            timeToLiveSeconds = timeToLive
            return expiresAtSeconds
        case .expired:
            if hasOwn { expiresAtSeconds &+= try readDelta("cell expiry") }
            return expiresAtSeconds
        case .deleted, .collectionDeletion:
            if hasOwn { deletionSeconds &+= try readDelta("deletion seconds") }
            return deletionSeconds
        }
    }

    @inline(__always)
    private mutating func readVarint(
        _ what: StaticStringName
    ) throws(RowFormatError) -> UInt64 {
        guard position < bytes.count else { throw .truncated(what: what, offset: position) }
        let first = bytes[position]
        guard first >= 0x80 else {
            position += 1
            return UInt64(first)
        }
        guard let (value, end) = Varint.read(bytes, at: position) else {
            throw .malformed(what: what, offset: position)
        }
        position = end
        return value
    }

    /// A signed difference that is not 0.
    @inline(__always)
    private mutating func readDelta(
        _ what: StaticStringName
    ) throws(RowFormatError) -> Int64 {
        let start = position
        let delta = RowFormat.unzigzag(try readVarint(what))
        guard delta != 0 else { throw .malformed(what: what, offset: start) }
        return delta
    }

    private mutating func readTimeToLive() throws(RowFormatError) -> Int32 {
        let start = position
        guard let value = Int32(exactly: try readVarint("time to live")) else {
            throw .malformed(what: "time to live of more than 31 bits", offset: start)
        }
        return value
    }

    @inline(__always)
    private mutating func readRange(
        _ what: StaticStringName
    ) throws(RowFormatError) -> Range<Int> {
        let length = try readVarint(what)
        guard length <= UInt64(bytes.count - position) else {
            throw .truncated(what: what, offset: position)
        }
        let start = position
        position += Int(length)
        return start..<position
    }
}

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
    /// The current entry, once `next` returned true.
    private(set) var entry = RowEntry(
        kind: .live,
        column: ColumnID(0),
        timestamp: WriteTimestamp(0),
        seconds: 0,
        timeToLiveSeconds: 0,
        path: nil,
        value: 0..<0
    )

    // What an entry without numbers of its own repeats.
    private var timestamp: Int64 = 0
    private var expiresAtSeconds: Int64 = 0
    private var timeToLiveSeconds: Int32 = 0
    private var deletionSeconds: Int64 = 0

    private var hasEntry = false
    private var collectionDeletion: WriteTimestamp?

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
        let column = UInt64(entry.column.value) + delta
        guard column <= UInt64(UInt32.max) else {
            throw .malformed(what: "column id of more than 32 bits", offset: start)
        }
        if delta != 0 { collectionDeletion = nil }
        if head & RowFormat.ownTimestamp != 0 {
            timestamp &+= try readDelta("cell timestamp")
        }
        let written = WriteTimestamp(timestamp)
        if let deletion, deletion.covers(written) {
            throw .malformed(what: "a cell that the row deletion covers", offset: start)
        }
        let hasOwnSeconds = head & RowFormat.ownSeconds != 0
        let seconds = try readSeconds(kind, hasOwn: hasOwnSeconds)
        var path: Range<Int>?
        if head & RowFormat.hasPath != 0 {
            guard kind != .collectionDeletion else {
                throw .malformed(what: "a collection deletion with a path", offset: start)
            }
            path = try readRange("cell path")
            if let collectionDeletion, written <= collectionDeletion {
                throw .malformed(what: "a cell that its collection's deletion covers", offset: start)
            }
        }
        let hasValue = kind == .live || kind == .expiring
        let value = hasValue ? try readRange("cell value") : position..<position
        let previous = entry
        entry = RowEntry(
            kind: kind,
            column: ColumnID(UInt32(column)),
            timestamp: written,
            seconds: seconds,
            timeToLiveSeconds: kind == .expiring ? timeToLiveSeconds : 0,
            path: path,
            value: value
        )
        if delta == 0, hasEntry { try requireBehind(previous, start) }
        if kind == .collectionDeletion { collectionDeletion = written }
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

    private func requireBehind(_ previous: RowEntry, _ offset: Int) throws(RowFormatError) {
        if previous.rank < entry.rank { return }
        if let left = previous.path, let right = entry.path,
            ByteOrder.compare(bytes.part(left), bytes.part(right)) < 0
        {
            return
        }
        throw .malformed(what: "cells out of order", offset: offset)
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

import Catalog

/// Writes a row: the header at once, then its entries in their order.
///
/// The caller sorts and leaves out what is covered; the encoder keeps what an entry may repeat.
struct RowEncoder {
    /// What was written so far: always a whole row.
    private(set) var bytes: [UInt8]

    private var column: UInt32 = 0
    private var timestamp: Int64 = 0
    private var expiresAtSeconds: Int64 = 0
    private var timeToLiveSeconds: Int32 = 0
    private var deletionSeconds: Int64 = 0

    /// A row without entries; a marker that the deletion covers is left out.
    init(deletion: Deletion?, marker: RowMarker?, capacity: Int) {
        bytes = []
        bytes.reserveCapacity(capacity)
        bytes.append(RowFormat.version)
        var marker = marker
        if let found = marker, let deletion, deletion.covers(found.timestamp) { marker = nil }
        var flags: UInt8 = 0
        if deletion != nil { flags |= RowFormat.hasDeletion }
        if let marker {
            flags |= RowFormat.hasMarker
            if marker.expiry != nil { flags |= RowFormat.markerExpires }
        }
        bytes.append(flags)
        if let deletion {
            timestamp = deletion.timestamp.microseconds
            deletionSeconds = deletion.deletionSeconds
            appendSigned(timestamp)
            appendSigned(deletionSeconds)
        }
        if let marker {
            appendSigned(marker.timestamp.microseconds &- timestamp)
            timestamp = marker.timestamp.microseconds
            if let expiry = marker.expiry {
                expiresAtSeconds = expiry.atSeconds
                timeToLiveSeconds = expiry.timeToLiveSeconds
                appendSigned(expiresAtSeconds)
                Varint.append(UInt64(timeToLiveSeconds), to: &bytes)
            }
        }
    }

    /// Appends an entry whose path and value stand in `source`.
    @inline(__always)
    mutating func append(_ entry: RowEntry, from source: UnsafeRawBufferPointer) {
        append(entry, path: entry.path.map { source.part($0) }, value: source.part(entry.value))
    }

    /// Appends an entry with its path and value given; the entry's own ranges are not read.
    mutating func append(
        _ entry: RowEntry,
        path: UnsafeRawBufferPointer?,
        value: UnsafeRawBufferPointer
    ) {
        precondition(entry.column.value >= column, "cells must be encoded in their order")
        let written = entry.timestamp.microseconds
        let expiry = (entry.seconds, entry.timeToLiveSeconds)
        let hasOwnSeconds =
            switch entry.kind {
            case .live: false
            case .expiring: expiry != (expiresAtSeconds, timeToLiveSeconds)
            case .expired: entry.seconds != expiresAtSeconds
            case .deleted, .collectionDeletion: entry.seconds != deletionSeconds
            }
        var head = UInt64(entry.column.value - column) << RowFormat.columnShift
        head |= UInt64(entry.kind.rawValue)
        if written != timestamp { head |= RowFormat.ownTimestamp }
        if hasOwnSeconds { head |= RowFormat.ownSeconds }
        if path != nil { head |= RowFormat.hasPath }
        Varint.append(head, to: &bytes)
        column = entry.column.value
        if written != timestamp {
            appendSigned(written &- timestamp)
            timestamp = written
        }
        if hasOwnSeconds {
            switch entry.kind {
            case .live: break
            case .expiring:
                appendSigned(entry.seconds &- expiresAtSeconds)
                Varint.append(UInt64(entry.timeToLiveSeconds), to: &bytes)
                expiresAtSeconds = entry.seconds
                timeToLiveSeconds = entry.timeToLiveSeconds
            case .expired:
                appendSigned(entry.seconds &- expiresAtSeconds)
                expiresAtSeconds = entry.seconds
            case .deleted, .collectionDeletion:
                appendSigned(entry.seconds &- deletionSeconds)
                deletionSeconds = entry.seconds
            }
        }
        if let path { appendSized(path) }
        if entry.kind == .live || entry.kind == .expiring { appendSized(value) }
    }

    @inline(__always)
    private mutating func appendSigned(_ value: Int64) {
        Varint.append(RowFormat.zigzag(value), to: &bytes)
    }

    @inline(__always)
    private mutating func appendSized(_ value: UnsafeRawBufferPointer) {
        Varint.append(UInt64(value.count), to: &bytes)
        bytes.append(contentsOf: value)
    }
}

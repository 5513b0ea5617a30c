package import Catalog

/// One cell or collection deletion inside a row's bytes: its parts decoded, its path and value as
/// ranges of those bytes.
package struct RowEntry: Sendable {
    /// What an entry is; the raw values are those on disk.
    package enum Kind: UInt8, Sendable {
        case live = 0
        case expiring = 1
        case expired = 2
        case deleted = 3
        case collectionDeletion = 4
    }

    /// What it is.
    package internal(set) var kind: Kind
    /// Its column.
    package internal(set) var column: ColumnID
    /// When it was written.
    package internal(set) var timestamp: WriteTimestamp
    /// Of a deletion its second, of an expiring or expired cell the expiry; 0 of a live one.
    package internal(set) var seconds: Int64
    /// Of an expiring cell the time to live that was asked for; else 0.
    package internal(set) var timeToLiveSeconds: Int32
    /// Where the element's key stands, if it is an element of a collection.
    package internal(set) var path: Range<Int>?
    /// Where the value stands; empty where there is none.
    package internal(set) var value: Range<Int>

    /// When it expires, if it does.
    package var expiry: Expiry? {
        kind == .expiring
            ? Expiry(atSeconds: seconds, timeToLiveSeconds: timeToLiveSeconds) : nil
    }

    /// Whether it is a value that a read sees.
    @inline(__always)
    package func isLive(nowSeconds: Int64) -> Bool {
        kind == .live || kind == .expiring && seconds > nowSeconds
    }

    /// The place among the entries of one column: its deletion, the plain cell, elements.
    @inline(__always)
    var rank: Int { kind == .collectionDeletion ? 0 : path == nil ? 1 : 2 }
}

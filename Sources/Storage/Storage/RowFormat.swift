/// The constants of format 1 of a stored row; docs/storage-format.md draws it.
enum RowFormat {
    /// The first byte of a row.
    static let version: UInt8 = 1
    /// The first byte of an envelope of operands that could not be decoded.
    static let damagedVersion: UInt8 = 0xFF

    /// Flags of the second byte.
    static let hasDeletion: UInt8 = 0b001
    static let hasMarker: UInt8 = 0b010
    static let markerExpires: UInt8 = 0b100
    static let knownFlags: UInt8 = 0b111

    /// Bits of an entry's head.
    static let kindMask: UInt64 = 0b111
    static let ownTimestamp: UInt64 = 1 << 3
    static let ownSeconds: UInt64 = 1 << 4
    static let hasPath: UInt64 = 1 << 5
    static let columnShift: UInt64 = 6

    /// Signed numbers of small magnitude as small unsigned ones: 0, -1, 1, -2 are 0, 1, 2, 3.
    @inline(__always)
    static func zigzag(_ value: Int64) -> UInt64 {
        UInt64(bitPattern: (value << 1) ^ (value >> 63))
    }

    /// The inverse of `zigzag`.
    @inline(__always)
    static func unzigzag(_ value: UInt64) -> Int64 {
        Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
    }
}

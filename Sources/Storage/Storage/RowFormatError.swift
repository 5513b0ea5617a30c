package import ByteCoding

/// Why stored bytes are not a row that can be read.
package enum RowFormatError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The bytes end inside of a part.
    case truncated(what: StaticStringName, offset: Int)
    /// The first byte names a format that this build does not know.
    case unknownVersion(UInt8)
    /// A part is there, but may not stand so.
    case malformed(what: StaticStringName, offset: Int)
    /// The row holds writes that could not be decoded when they were merged, kept as they are.
    case damaged(operands: Int)

    package var description: String {
        switch self {
        case .truncated(let what, let offset):
            "the stored row ends inside of its \(what.text), at byte \(offset)"
        case .unknownVersion(let version):
            "the stored row has format \(version), this build reads format"
                + " \(RowFormat.version): upgrade it"
        case .malformed(let what, let offset):
            "the stored row is malformed at byte \(offset): \(what.text)"
        case .damaged(let operands):
            "the stored row holds \(operands) writes that could not be decoded:"
                + " rebuild its slice from other replicas"
        }
    }
}

/// What memory knows of a row.
package enum MemoryRead: Equatable, Sendable {
    /// The merged row.
    case found([UInt8])
    /// There is no such row.
    case absent
    /// Only the disk can tell: read it off the event loop.
    case needsDisk
}

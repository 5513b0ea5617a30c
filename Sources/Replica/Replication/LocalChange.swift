package import Storage

/// A change of a key of the node's own: what a machine wants to find again after a crash.
package struct LocalChange: Hashable, Sendable {
    /// The key.
    package var key: [UInt8]
    /// Its value from now on, or nil to remove it.
    package var value: [UInt8]?

    /// A change with both its parts.
    package init(key: [UInt8], value: [UInt8]?) {
        self.key = key
        self.value = value
    }
}

extension StoreWrites {
    /// Adds a change of a key of the node's own.
    package mutating func apply(_ change: LocalChange) {
        if let value = change.value {
            putLocal(value, for: change.key)
        } else {
            deleteLocal(change.key)
        }
    }
}

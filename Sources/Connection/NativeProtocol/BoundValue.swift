/// A value that a request binds to a marker ([value] in the specification).
package enum BoundValue: Hashable, Sendable {
    /// Null: a write deletes the cell.
    case null
    /// Not set: a write leaves the cell as it is.
    case unset
    /// The value in the protocol's encoding of its type.
    case bytes([UInt8])
}

/// A value with the name of its marker.
package struct NamedValue: Hashable, Sendable {
    /// The marker's name, as it was sent: drivers send it in the marker's own case.
    package var name: String
    /// The value.
    package var value: BoundValue

    /// A value for a named marker.
    package init(name: String, value: BoundValue) {
        self.name = name
        self.value = value
    }
}

/// The values of a request, by position or by name.
package enum BoundValues: Hashable, Sendable {
    /// Values in the order of the markers; empty if the request binds none.
    case positional([BoundValue])
    /// Values by the names of the markers.
    case named([NamedValue])

    /// How many values there are.
    package var count: Int {
        switch self {
        case .positional(let values): values.count
        case .named(let values): values.count
        }
    }
}

/// An entry of a frame's custom payload.
package struct PayloadEntry: Hashable, Sendable {
    /// The key; keys may repeat.
    package var key: String
    /// The bytes, or nil for null.
    package var value: [UInt8]?

    /// An entry with a key and bytes.
    package init(key: String, value: [UInt8]?) {
        self.key = key
        self.value = value
    }
}

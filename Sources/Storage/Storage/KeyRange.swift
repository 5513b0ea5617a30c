/// A range of keys in the order of unsigned bytes.
package struct KeyRange: Hashable, Sendable {
    /// The first key that may lie in it.
    package var lower: [UInt8]
    /// The first key behind it; nil: it goes on to the last key there is.
    package var upper: [UInt8]?

    /// All keys from `lower` to before `upper`.
    package init(lower: [UInt8], upper: [UInt8]?) {
        self.lower = lower
        self.upper = upper
    }

    /// Every key.
    package static let all = KeyRange(lower: [], upper: nil)

    /// Whether a key lies in it.
    package func contains(_ key: [UInt8]) -> Bool {
        guard !ByteOrder.precedes(key, lower) else { return false }
        return upper.map { ByteOrder.precedes(key, $0) } ?? true
    }

    /// The least string behind all that begin with a prefix, or nil if there is none.
    package static func successor(of prefix: [UInt8]) -> [UInt8]? {
        var bytes = prefix
        while let last = bytes.popLast() {
            guard last == 0xFF else { return bytes + [last + 1] }
        }
        return nil
    }
}

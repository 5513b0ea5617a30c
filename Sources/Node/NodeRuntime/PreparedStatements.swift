internal import CQL
internal import NIOConcurrencyHelpers
internal import TokenPlacement

/// A statement that a client prepared: its text, to plan it anew when the schema changed.
struct PreparedStatement: Sendable {
    let text: String
    let keyspace: String?
    var plan: Plan
    /// Whether markers or columns were others at some time; kept by ``PreparedStatements``.
    var hasChanged = false
}

/// The statements that clients prepared on this node, shared by all loops; the one that was used
/// longest ago goes when there are too many, and its clients prepare it again.
final class PreparedStatements: Sendable {
    private struct Entry {
        /// Nil once its markers or columns changed, until it is prepared again.
        var statement: PreparedStatement?
        var lastUse: UInt64
        var hasChanged = false
    }

    private struct Content {
        var entries: [[UInt8]: Entry] = [:]
        var clock: UInt64 = 0
    }

    private let countMax: Int
    private let content = NIOLockedValueBox(Content())

    init(countMax: Int) { self.countMax = countMax }

    /// The id under which a text is prepared for a keyspace: the same on every node.
    static func id(text: String, keyspace: String?) -> [UInt8] {
        let source = Array((keyspace ?? "").utf8) + [0] + Array(text.utf8)
        let (high, low) = source.withUnsafeBytes { Murmur3.hash128($0) }
        return NodeID(high: high, low: low).bytes
    }

    /// The statement with an id.
    func statement(_ id: [UInt8]) -> PreparedStatement? {
        content.withLockedValue { content in
            content.clock += 1
            content.entries[id]?.lastUse = content.clock
            return content.entries[id]?.statement
        }
    }

    /// Keeps a statement under its id.
    func keep(_ statement: PreparedStatement, _ id: [UInt8]) {
        content.withLockedValue { content in
            content.clock += 1
            if content.entries.count >= countMax, content.entries[id] == nil,
                let oldest = content.entries.min(by: { $0.value.lastUse < $1.value.lastUse })
            {
                content.entries[oldest.key] = nil
            }
            var entry = content.entries[id] ?? Entry(lastUse: 0)
            entry.statement = statement
            entry.statement?.hasChanged = entry.hasChanged
            entry.lastUse = content.clock
            content.entries[id] = entry
        }
    }

    /// Forgets a statement whose markers or columns changed.
    ///
    /// That they did is remembered: a client that does not know of it may execute the statement
    /// once another one has prepared it again.
    func drop(_ id: [UInt8]) {
        content.withLockedValue { content in
            content.entries[id]?.statement = nil
            content.entries[id]?.hasChanged = true
        }
    }
}

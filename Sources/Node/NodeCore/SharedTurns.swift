internal import Synchronization
internal import TokenPlacement

/// Which request of each node is its last one, on whatever loops of this node they came in.
package final class SharedTurns: Sendable {
    /// A request of a node.
    struct Turn: Sendable {
        let asker: NodeID
        let number: UInt64
    }

    private let last = Mutex<[NodeID: UInt64]>([:])

    /// Nobody has asked.
    package init() {}

    /// A node asks: what it asked before is over.
    func begin(for asker: NodeID) -> Turn {
        last.withLock { last in
            let number = last[asker, default: 0] + 1
            last[asker] = number
            return Turn(asker: asker, number: number)
        }
    }

    /// Whether a request is its asker's last one.
    func isLast(_ turn: Turn) -> Bool { last.withLock { $0[turn.asker] == turn.number } }
}

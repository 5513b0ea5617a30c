package import Replication

/// Which slices of their disks nodes may drop: damaged ones, and once.
///
/// A drop is many steps, and a crash may come between any two of them: what it left half purged is
/// dropped again by the next life, though nothing that is damaged may be left of it.
package struct DropRule: Sendable {
    /// By node, the slices that this life drops or has dropped.
    private var dropped: [Int: Set<SliceID>] = [:]
    /// Those of earlier lives that were not purged to the end.
    private var unfinished: [Int: Set<SliceID>] = [:]

    /// A rule for nodes that have dropped nothing yet.
    package init() {}

    /// A node starts, and finds the slices on its disk that wait for the rest of their purge.
    package mutating func nodeStarted(_ node: Int, purging: Set<SliceID>) {
        let before = dropped[node, default: []].union(unfinished[node, default: []])
        unfinished[node] = before.intersection(purging)
        dropped[node] = []
    }

    /// A node drops slices.
    ///
    /// - Parameters:
    ///   - slices: all that the range of the drop touches.
    ///   - node: the node.
    ///   - isDamaged: whether something in a slice is damaged now.
    /// - Returns: those that must stay, in the order in which they were given.
    package mutating func willDrop(
        _ slices: [SliceID],
        on node: Int,
        isDamaged: (SliceID) -> Bool
    ) -> [SliceID] {
        dropped[node, default: []].formUnion(slices)
        return slices.filter { slice in
            let isUnfinished = unfinished[node]?.remove(slice) != nil
            return !isDamaged(slice) && !isUnfinished
        }
    }
}

package import Catalog
package import PeerMessages
package import TokenPlacement

/// Dirty marks on their way to the node that repairs their slices.
package struct MarkForwarding: Hashable, Sendable {
    /// The first living replica of all the slices.
    package let keeper: NodeID
    /// What it is told.
    package private(set) var marks: [DirtyMark] = []
    /// Those of slices of which the teller is no replica: it forgets them once the keeper has them.
    package private(set) var handedOver: [DirtyMark] = []

    private init(keeper: NodeID) { self.keeper = keeper }

    /// The messages of a node about its marks.
    ///
    /// - Parameters:
    ///   - marks: what the node keeps.
    ///   - tables: the tables; marks of others are passed over.
    ///   - node: the node.
    ///   - alive: the nodes that can be told.
    ///   - marksMax: the most marks of one message.
    /// - Returns: those of each keeper together, sorted by keeper; the marks in the order given.
    package static func messages(
        of marks: [DirtyMark],
        tables: [TableID: ReplicatedTable],
        from node: NodeID,
        alive: Set<NodeID>,
        marksMax: Int
    ) -> [MarkForwarding] {
        var messages: [MarkForwarding] = []
        var open: [NodeID: Int] = [:]
        for mark in marks {
            guard let table = tables[mark.table], (0..<table.sliceCount).contains(mark.slice)
            else { continue }
            let replicas = table.replicas(ofSlice: mark.slice)
            guard let keeper = replicas.first(where: alive.contains), keeper != node else {
                continue
            }
            let place: Int
            if let known = open[keeper], messages[known].marks.count < marksMax {
                place = known
            } else {
                place = messages.count
                open[keeper] = place
                messages.append(MarkForwarding(keeper: keeper))
            }
            messages[place].marks.append(mark)
            if !replicas.contains(node) { messages[place].handedOver.append(mark) }
        }
        // Not by keeper alone, as the sort keeps no order of its own.
        return messages.enumerated()
            .sorted { ($0.element.keeper, $0.offset) < ($1.element.keeper, $1.offset) }
            .map(\.element)
    }
}

package import TokenPlacement

/// A node as the cluster's system tables describe it.
package struct NodeDescription: Hashable, Sendable {
    /// The node's UUID, or its address if it has none yet.
    package var id: String
    var host: String
    var port: Int
    var datacenter: String
    var rack: String
    var tokens: [Token]

    /// A node at a place of the cluster.
    package init(
        id: String,
        host: String,
        port: Int,
        datacenter: String,
        rack: String,
        tokens: [Token]
    ) {
        self.id = id
        self.host = host
        self.port = port
        self.datacenter = datacenter
        self.rack = rack
        self.tokens = tokens
    }

    /// Whether a connection to the one is as good as one to the other.
    func isSamePlace(as other: NodeDescription) -> Bool {
        id == other.id && host == other.host && port == other.port
            && datacenter == other.datacenter
    }
}

/// The ring at one moment: which nodes there are, and which of them hold which token.
///
/// The placement is Cassandra's (SimpleStrategy and NetworkTopologyStrategy), made from nothing but
/// the tokens that the nodes publish.
package struct ClusterView: Sendable {
    /// The nodes, by id.
    package let nodes: [NodeDescription]

    private let tokens: [Token]
    /// The index of each token's owner.
    private let owners: [Int]
    /// For each keyspace the replicas of each token, as indices of nodes.
    private let replicas: [String: [[Int]]]

    /// A view without nodes.
    static let empty = ClusterView(nodes: [], keyspaces: [:])

    /// The view of nodes and of the keyspaces that are placed on them.
    package init(nodes: [NodeDescription], keyspaces: [String: ReplicationStrategy]) {
        let nodes = nodes.sorted { $0.id < $1.id }
        let ring = nodes.enumerated()
            .flatMap { node in node.element.tokens.map { (token: $0, owner: node.offset) } }
            .sorted { ($0.token, $0.owner) < ($1.token, $1.owner) }
        let owners = ring.map(\.owner)
        var placed: [ReplicationStrategy: [[Int]]] = [:]
        var replicas: [String: [[Int]]] = [:]
        for (keyspace, strategy) in keyspaces {
            let lists = placed[strategy] ?? Self.place(strategy, owners: owners, nodes: nodes)
            placed[strategy] = lists
            replicas[keyspace] = lists
        }
        self.nodes = nodes
        self.owners = owners
        self.replicas = replicas
        tokens = ring.map(\.token)
    }

    /// The replicas of a token, the first of them first; empty if the keyspace is not known.
    package func replicas(of token: Token, in keyspace: String) -> [Int] {
        guard let lists = replicas[keyspace], !tokens.isEmpty else { return [] }
        // The first token that is not less; behind the greatest the ring begins anew.
        var low = 0
        var high = tokens.count
        while low < high {
            let middle = (low + high) / 2
            if tokens[middle] < token { low = middle + 1 } else { high = middle }
        }
        return lists[low == tokens.count ? 0 : low]
    }

    private static func place(
        _ strategy: ReplicationStrategy,
        owners: [Int],
        nodes: [NodeDescription]
    ) -> [[Int]] {
        owners.indices.map { start in
            switch strategy {
            case .simple(let factor):
                return firstDistinct(factor, from: start, owners: owners)
            case .everywhere:
                return firstDistinct(nodes.count, from: start, owners: owners)
            case .networkTopology(let factors):
                return byRack(factors, from: start, owners: owners, nodes: nodes)
            }
        }
    }

    private static func firstDistinct(_ count: Int, from start: Int, owners: [Int]) -> [Int] {
        var picked: [Int] = []
        for step in owners.indices {
            let owner = owners[(start + step) % owners.count]
            if !picked.contains(owner) { picked.append(owner) }
            if picked.count >= count { break }
        }
        return picked
    }

    /// What a datacenter still needs on a walk around the ring.
    private struct Need {
        var replicas: Int
        /// How many replicas may stand on racks that have one already.
        var rackRepeats: Int
        var racks: Set<String> = []
    }

    private static func byRack(
        _ factors: [DatacenterFactor],
        from start: Int,
        owners: [Int],
        nodes: [NodeDescription]
    ) -> [Int] {
        var needs: [String: Need] = [:]
        for factor in factors {
            // A node without tokens is no replica, and its rack does not count.
            let members = nodes.filter {
                $0.datacenter == factor.datacenter && !$0.tokens.isEmpty
            }
            guard !members.isEmpty else { continue }
            needs[factor.datacenter] = Need(
                replicas: min(factor.factor, members.count),
                rackRepeats: factor.factor - Set(members.map(\.rack)).count
            )
        }
        var missing = needs.values.reduce(0) { $0 + $1.replicas }
        var met: Set<Int> = []
        var picked: [Int] = []
        for step in owners.indices where missing > 0 {
            let owner = owners[(start + step) % owners.count]
            guard met.insert(owner).inserted else { continue }
            let node = nodes[owner]
            guard var need = needs[node.datacenter], need.replicas > 0 else { continue }
            if !need.racks.insert(node.rack).inserted {
                guard need.rackRepeats > 0 else { continue }
                need.rackRepeats -= 1
            }
            need.replicas -= 1
            missing -= 1
            needs[node.datacenter] = need
            picked.append(owner)
        }
        return picked
    }
}

extension Token {
    /// The token of a partition key whose columns have the given bytes.
    init(keyColumns columns: [[UInt8]]) {
        if columns.count == 1 {
            self.init(partitionKey: columns[0])
            return
        }
        var bytes: [UInt8] = []
        for column in columns {
            bytes.append(UInt8(truncatingIfNeeded: column.count >> 8))
            bytes.append(UInt8(truncatingIfNeeded: column.count))
            bytes.append(contentsOf: column)
            bytes.append(0)
        }
        self.init(partitionKey: bytes)
    }
}

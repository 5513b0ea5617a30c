/// How many replicas a datacenter gets.
package struct DatacenterFactor: Hashable, Sendable {
    /// The name of the datacenter.
    package var datacenter: String
    /// The number of its replicas, at least 1.
    package var factor: Int

    /// The factor of a datacenter.
    package init(datacenter: String, factor: Int) {
        self.datacenter = datacenter
        self.factor = factor
    }
}

/// How a keyspace's replicas are chosen: what stands in `WITH replication = {...}`.
package enum ReplicationStrategy: Hashable, Sendable {
    /// The next distinct nodes on the ring, wherever they stand.
    case simple(factor: Int)
    /// So many nodes in each datacenter, on distinct racks as far as there are any; sorted by
    /// datacenter, each named once.
    case networkTopology([DatacenterFactor])
    /// Every node that owns a slice.
    case everywhere

    /// The greatest replication factor that is accepted: a bound, far over what is of use.
    package static let factorMax = 255

    private static let classPrefix = "org.apache.cassandra.locator."
    private static let factorOption = "replication_factor"

    /// Reads what a statement or a system table says.
    ///
    /// - Parameters:
    ///   - name: `SimpleStrategy` or `NetworkTopologyStrategy`, bare or with Cassandra's package in
    ///     front. `everywhere` is for Martlet's own keyspaces, and cannot be asked for.
    ///   - options: the other entries of the replication map; an entry `class` among them is
    ///     passed over. A datacenter's factor of 0 means no replicas there.
    ///   - datacenters: the datacenters that have nodes, over which NetworkTopologyStrategy's
    ///     `replication_factor` is expanded (a datacenter that is named keeps its own factor), and
    ///     among which every named one must be. If empty, names are not checked.
    /// - Throws: ``ReplicationError``, which says what to change.
    package init(
        class name: String,
        options: [String: String],
        datacenters: [String] = []
    ) throws(ReplicationError) {
        let bare =
            name.hasPrefix(Self.classPrefix)
            ? String(name.dropFirst(Self.classPrefix.count)) : name
        var options = options
        options["class"] = nil
        switch bare {
        case "SimpleStrategy":
            guard let text = options.removeValue(forKey: Self.factorOption) else {
                throw .missingOption(Self.factorOption, class: bare)
            }
            if let unknown = options.keys.min() {
                throw .unknownOption(unknown, class: bare)
            }
            self = .simple(factor: try Self.factor(text, of: Self.factorOption, minimum: 1))
        case "NetworkTopologyStrategy":
            self = .networkTopology(try Self.datacenterFactors(options, datacenters: datacenters))
        default:
            throw .unknownClass(name)
        }
    }

    private static func datacenterFactors(
        _ options: [String: String],
        datacenters: [String]
    ) throws(ReplicationError) -> [DatacenterFactor] {
        var named = options
        var factors: [String: Int] = [:]
        if let text = named.removeValue(forKey: factorOption) {
            let factor = try factor(text, of: factorOption, minimum: 0)
            for datacenter in datacenters { factors[datacenter] = factor }
        }
        for (datacenter, text) in named.sorted(by: { $0.key < $1.key }) {
            guard datacenter.lowercased() != factorOption else {
                throw .unknownOption(datacenter, class: "NetworkTopologyStrategy")
            }
            guard datacenters.isEmpty || datacenters.contains(datacenter) else {
                throw .unknownDatacenter(datacenter, known: datacenters.sorted())
            }
            factors[datacenter] = try factor(text, of: datacenter, minimum: 0)
        }
        let replicated = factors.filter { $0.value > 0 }
        guard !replicated.isEmpty else { throw .noDatacenters }
        return replicated.sorted { $0.key < $1.key }
            .map { DatacenterFactor(datacenter: $0.key, factor: $0.value) }
    }

    private static func factor(
        _ text: String,
        of option: String,
        minimum: Int
    ) throws(ReplicationError) -> Int {
        guard let factor = Int(text) else { throw .invalidFactor(text, option: option) }
        guard (minimum...factorMax).contains(factor) else {
            throw .factorOutOfRange(factor, option: option, minimum: minimum, maximum: factorMax)
        }
        return factor
    }

    /// The replication map as Cassandra's `system_schema.keyspaces` shows it, the class first.
    package var cassandraOptions: [(String, String)] {
        switch self {
        case .simple(let factor):
            [("class", Self.classPrefix + "SimpleStrategy"), (Self.factorOption, String(factor))]
        case .networkTopology(let factors):
            [("class", Self.classPrefix + "NetworkTopologyStrategy")]
                + factors.map { ($0.datacenter, String($0.factor)) }
        case .everywhere:
            [("class", Self.classPrefix + "EverywhereStrategy")]
        }
    }

    /// The replicas asked for in all datacenters together, or nil if every node is one.
    ///
    /// It may be more than there are nodes; a quorum is counted of it all the same, as in
    /// Cassandra. ``ReplicaTable`` answers for `everywhere` too.
    package var replicationFactor: Int? {
        switch self {
        case .simple(let factor): factor
        case .networkTopology(let factors): factors.reduce(0) { $0 + $1.factor }
        case .everywhere: nil
        }
    }

    /// The replicas asked for in one datacenter, or nil if every node is one.
    ///
    /// SimpleStrategy knows no datacenters: its whole factor counts for each, as in Cassandra.
    package func replicationFactor(in datacenter: String) -> Int? {
        switch self {
        case .simple(let factor): factor
        case .networkTopology(let factors):
            factors.first { $0.datacenter == datacenter }?.factor ?? 0
        case .everywhere: nil
        }
    }
}

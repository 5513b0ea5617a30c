package import Catalog
internal import TokenPlacement

/// The fold of the cluster log: the state after an entry is a function of the state before it.
extension ClusterState {
    /// The most nodes of a cluster.
    package static let nodeCountMax = 1000
    /// The most keyspaces, the most tables of a keyspace and the most models of a cluster.
    package static let objectCountMax = 10_000

    /// Applies the next entry.
    ///
    /// - Throws: ``ClusterChangeError`` if the entry is not the next one or does not fit; the state
    ///   is unchanged then.
    package mutating func apply(_ entry: LogEntry) throws(ClusterChangeError) {
        guard entry.epoch == epoch.next else {
            throw .invalid("entry \(entry.epoch) cannot follow epoch \(epoch)")
        }
        var next = self
        try next.fold(entry)
        next.epoch = entry.epoch
        self = next
    }

    private mutating func fold(_ entry: LogEntry) throws(ClusterChangeError) {
        if case .found(let founding) = entry.change {
            try found(founding)
            return
        }
        guard clusterID != nil else { throw .invalid("the first entry must found the cluster") }
        switch entry.change {
        case .found: throw .invalid("the cluster is founded already")
        case .registerNode(let node): try register(node)
        case .assignOwners(let owners): try assign(owners)
        case .createKeyspace(let keyspace): try create(keyspace)
        case .dropKeyspace(let name): try dropKeyspace(name)
        case .createTable(let table): try create(table, at: entry.epoch)
        case .dropTable(let keyspace, let name): try dropTable(keyspace, name)
        case .alterTable(let keyspace, let name, let options):
            try alterTable(keyspace, name, options)
        case .pushModel(let push): try add(push)
        case .dropModel(let name): try drop(name)
        }
        switch entry.change {
        case .found, .registerNode, .assignOwners: break
        case .createKeyspace, .dropKeyspace, .createTable, .dropTable, .alterTable, .pushModel,
            .dropModel:
            schemaVersion = derivedID(entry.epoch, purpose: 1)
        }
    }

    /// A UUID that every node derives alike from the cluster's identity and an epoch.
    private func derivedID(_ epoch: Epoch, purpose: UInt64) -> NodeID {
        var source = clusterID?.bytes ?? []
        withUnsafeBytes(of: epoch.value.bigEndian) { source.append(contentsOf: $0) }
        withUnsafeBytes(of: purpose.bigEndian) { source.append(contentsOf: $0) }
        let (high, low) = source.withUnsafeBytes { Murmur3.hash128($0) }
        // Version 8 (RFC 9562 section 5.8): bits of the vendor's own making.
        return NodeID(
            high: high & 0xFFFF_FFFF_FFFF_0FFF | 0x8000,
            low: low & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
        )
    }

    private mutating func found(_ founding: Founding) throws(ClusterChangeError) {
        guard epoch == .zero else { throw .invalid("the cluster is founded already") }
        guard founding.sliceCount > 0, founding.sliceCount.nonzeroBitCount == 1,
            founding.sliceCount <= SliceMap.sliceCountMax
        else {
            throw .invalid(
                """
                slice_count must be a power of two up to \(SliceMap.sliceCountMax), it is \
                \(founding.sliceCount)
                """
            )
        }
        guard (1...Self.nodeCountMax).contains(founding.expectedNodeCount) else {
            throw .invalid(
                """
                expected_nodes must be 1 to \(Self.nodeCountMax), it is \
                \(founding.expectedNodeCount)
                """
            )
        }
        guard founding.sliceCount >= founding.expectedNodeCount else {
            throw .invalid(
                """
                slice_count is \(founding.sliceCount) and expected_nodes \
                \(founding.expectedNodeCount): every node needs a slice of its own
                """
            )
        }
        clusterID = founding.clusterID
        name = founding.name
        founder = founding.node.id
        expectedNodeCount = founding.expectedNodeCount
        sliceCount = founding.sliceCount
        nodes[founding.node.id] = founding.node
        schemaVersion = derivedID(.zero, purpose: 1)
    }

    private mutating func register(_ node: NodeRecord) throws(ClusterChangeError) {
        guard nodes.count < Self.nodeCountMax || nodes[node.id] != nil else {
            throw .invalid("a cluster has at most \(Self.nodeCountMax) nodes")
        }
        guard nodes.count < sliceCount || nodes[node.id] != nil else {
            throw .invalid(
                "the ring has \(sliceCount) slices, and \(nodes.count) nodes to own them already"
            )
        }
        if let known = nodes[node.id], known.location != node.location,
            slices?.nodes.contains(node.id) == true
        {
            throw .invalid(
                """
                node \(node.id) owns slices as a node of \(known.location.datacenter), rack \
                \(known.location.rack), and would move to \(node.location.datacenter), rack \
                \(node.location.rack), where its replicas are not; give it its old place back
                """
            )
        }
        if let other = nodes.values.first(where: {
            $0.id != node.id && $0.address == node.address && $0.internodePort == node.internodePort
        }) {
            throw .invalid(
                """
                \(node.address):\(node.internodePort) belongs to node \(other.id), and this node \
                is \(node.id); a node that lost its data folder comes back with martletd --rebuild
                """
            )
        }
        nodes[node.id] = node
    }

    private mutating func assign(_ owners: SliceMap) throws(ClusterChangeError) {
        guard owners.sliceCount == sliceCount else {
            throw .invalid("\(owners.sliceCount) owners for \(sliceCount) slices")
        }
        for owner in Set(owners.owners) where nodes[owner] == nil {
            throw .invalid("owner \(owner) is not registered")
        }
        slices = owners
    }

    private mutating func create(_ keyspace: KeyspaceDefinition) throws(ClusterChangeError) {
        guard keyspaces[keyspace.name] == nil else {
            throw .alreadyExists(keyspace: keyspace.name, table: "")
        }
        guard keyspaces.count < Self.objectCountMax else {
            throw .invalid("a cluster has at most \(Self.objectCountMax) keyspaces")
        }
        keyspaces[keyspace.name] = keyspace
    }

    private mutating func dropKeyspace(_ name: String) throws(ClusterChangeError) {
        guard keyspaces.removeValue(forKey: name) != nil else {
            throw .notFound("keyspace \(name)")
        }
        tables[name] = nil
        for model in models.keys where model.keyspace == name { models[model] = nil }
    }

    private mutating func create(
        _ table: TableDefinition,
        at epoch: Epoch
    ) throws(ClusterChangeError) {
        guard keyspaces[table.keyspace] != nil else {
            throw .notFound("keyspace \(table.keyspace)")
        }
        guard tables[table.keyspace]?[table.name] == nil else {
            throw .alreadyExists(keyspace: table.keyspace, table: table.name)
        }
        guard tables[table.keyspace, default: [:]].count < Self.objectCountMax else {
            throw .invalid("a keyspace has at most \(Self.objectCountMax) tables")
        }
        var created = table
        created.id = nextTableID
        created.uuid = derivedID(epoch, purpose: 2)
        tables[table.keyspace, default: [:]][table.name] = created
        nextTableID = TableID(nextTableID.value + 1)
    }

    private mutating func dropTable(
        _ keyspace: String,
        _ name: String
    ) throws(ClusterChangeError) {
        guard tables[keyspace]?.removeValue(forKey: name) != nil else {
            throw .notFound("table \(keyspace).\(name)")
        }
    }

    private mutating func alterTable(
        _ keyspace: String,
        _ name: String,
        _ change: TableOptionsChange
    ) throws(ClusterChangeError) {
        guard var table = tables[keyspace]?[name] else {
            throw .notFound("table \(keyspace).\(name)")
        }
        table.options = change.applied(to: table.options)
        tables[keyspace]?[name] = table
    }

    private mutating func add(_ push: ModelPush) throws(ClusterChangeError) {
        guard keyspaces[push.name.keyspace] != nil else {
            throw .notFound("keyspace \(push.name.keyspace)")
        }
        guard var model = models[push.name] else {
            guard models.count < Self.objectCountMax else {
                throw .invalid("a cluster has at most \(Self.objectCountMax) models")
            }
            models[push.name] = ModelDefinition(
                name: push.name,
                signature: push.signature,
                versions: [ModelVersion(number: 1, hash: push.hash, byteCount: push.byteCount)]
            )
            return
        }
        guard model.signature == push.signature else {
            throw .invalid(
                """
                the signature of \(push.name) is fixed: it takes (\(model.signature.text)), the \
                pushed version takes (\(push.signature.text)); push it under a new name
                """
            )
        }
        // The same bytes again are no new version, so that a push can be repeated safely.
        guard model.current.hash != push.hash else { return }
        model.versions.append(
            ModelVersion(
                number: model.current.number + 1,
                hash: push.hash,
                byteCount: push.byteCount
            )
        )
        models[push.name] = model
    }

    private mutating func drop(_ name: ModelName) throws(ClusterChangeError) {
        guard models.removeValue(forKey: name) != nil else { throw .notFound("model \(name)") }
    }
}

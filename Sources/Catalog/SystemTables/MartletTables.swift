import Catalog
import TokenPlacement

/// The keyspace `system_martlet`: what `martlet status`, `ring show` and `model list` read.
enum MartletTables {
    static let all = [nodes, ring, models, cluster]

    /// The nodes, with what each owns.
    ///
    /// `status` is nodetool's: U or D for up or down, then N, or J for a node that owns no slice
    /// yet. `owns` is the share of the slices, replicas not counted.
    private static let nodes = SystemTable(
        "system_martlet",
        "nodes",
        number: 48,
        comment: "the nodes of the cluster",
        partitionKey: ["node": .uuid],
        columns: [
            "address": .inet, "data_center": .text, "epoch": .bigint, "internode_port": .int,
            "is_founder": .boolean, "load_bytes": .bigint, "native_port": .int, "owns": .double,
            "rack": .text, "slices": .int, "status": .text, "tokens": .int,
        ]
    ) { snapshot, rows in
        let state = snapshot.state
        var sliceCounts: [NodeID: Int] = [:]
        if let slices = state.slices {
            var counts = [Int](repeating: 0, count: slices.nodes.count)
            for owner in slices.ownerIndices { counts[Int(owner)] += 1 }
            for (node, count) in zip(slices.nodes, counts) { sliceCounts[node] = count }
        }
        for (node, tokens) in snapshot.nodesWithTokens {
            let isSelf = node.id == snapshot.node
            let isUp = isSelf || snapshot.alive.contains(node.id)
            let slices = sliceCounts[node.id, default: 0]
            let epoch = isSelf ? state.epoch : snapshot.epochs[node.id]
            rows.append([
                "node": .uuid(node.id),
                "address": .inet(node.address),
                "data_center": .text(node.location.datacenter),
                "epoch": epoch.map(EncodedValue.epoch) ?? .null,
                "internode_port": .int(Int(node.internodePort)),
                "is_founder": .boolean(node.id == state.founder),
                "load_bytes": snapshot.loadBytes[node.id].map(EncodedValue.bigint) ?? .null,
                "native_port": .int(Int(node.nativePort)),
                "owns": .double(Double(slices) / Double(state.sliceCount)),
                "rack": .text(node.location.rack),
                "slices": .int(slices),
                "status": .text((isUp ? "U" : "D") + (slices == 0 ? "J" : "N")),
                "tokens": .int(tokens.count),
            ])
        }
    }

    /// A row's range ends with its token and starts behind the row's before it; the first row's
    /// starts with the least token.
    private static let ring = SystemTable(
        "system_martlet",
        "ring",
        number: 49,
        comment: "the ranges of the ring upwards, by their last token, and their owners",
        partitionKey: ["token": .text],
        columns: ["address": .inet, "data_center": .text, "node": .uuid, "rack": .text]
    ) { snapshot, rows in
        for (token, owner) in snapshot.state.slices?.publishedTokens() ?? [] {
            let node = snapshot.state.nodes[owner]
            rows.append([
                "token": .text(token.description),
                "address": node.map { .inet($0.address) } ?? .null,
                "data_center": node.map { .text($0.location.datacenter) } ?? .null,
                "node": .uuid(owner),
                "rack": node.map { .text($0.location.rack) } ?? .null,
            ])
        }
    }

    private static let models = SystemTable(
        "system_martlet",
        "models",
        number: 50,
        comment: "the models and their versions",
        partitionKey: ["keyspace_name": .text],
        clusteringKey: ["name": .text, "version": .int],
        columns: ["bytes": .bigint, "current": .boolean, "sha256": .text, "signature": .text]
    ) { snapshot, rows in
        for model in snapshot.state.models.values.sorted(by: { $0.name < $1.name }) {
            for version in model.versions {
                rows.append([
                    "keyspace_name": .text(model.name.keyspace),
                    "name": .text(model.name.name),
                    "version": .int(version.number),
                    "bytes": .bigint(version.byteCount),
                    "current": .boolean(version.number == model.current.number),
                    "sha256": .text(version.hash.description),
                    "signature": .text(model.signature.text),
                ])
            }
        }
    }

    /// One row once the node belongs to a cluster.
    private static let cluster = SystemTable(
        "system_martlet",
        "cluster",
        number: 51,
        comment: "the cluster as this node knows it",
        partitionKey: ["name": .text],
        columns: [
            "cluster_id": .uuid, "epoch": .bigint, "expected_nodes": .int, "founder": .uuid,
            "has_owners": .boolean, "martlet_version": .text, "schema_version": .uuid,
            "slice_count": .int,
        ]
    ) { snapshot, rows in
        let state = snapshot.state
        guard let clusterID = state.clusterID else { return }
        rows.append([
            "name": .text(state.name),
            "cluster_id": .uuid(clusterID),
            "epoch": .epoch(state.epoch),
            "expected_nodes": .int(state.expectedNodeCount),
            "founder": state.founder.map(EncodedValue.uuid) ?? .null,
            "has_owners": .boolean(state.slices != nil),
            "martlet_version": .text(snapshot.martletVersion),
            "schema_version": .uuid(state.schemaVersion),
            "slice_count": .int(state.sliceCount),
        ])
    }
}

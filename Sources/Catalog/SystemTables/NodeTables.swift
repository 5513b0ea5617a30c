import Catalog
import TokenPlacement

/// The keyspace `system`: who this node is, and who the others are.
///
/// Drivers ignore a peer without tokens and warn about it, so that only nodes which own slices are
/// listed: none before the slices have their owners.
enum NodeTables {
    static let all = [local, peers, peersV2, preparedStatements]

    private static let partitioner = "org.apache.cassandra.dht.Murmur3Partitioner"

    private static let local = SystemTable(
        "system",
        "local",
        number: 1,
        comment: "information about the local node",
        partitionKey: ["key": .text],
        columns: [
            "bootstrapped": .text, "broadcast_address": .inet, "broadcast_port": .int,
            "cluster_name": .text, "cql_version": .text, "data_center": .text,
            "gossip_generation": .int, "host_id": .uuid, "listen_address": .inet,
            "listen_port": .int, "native_protocol_version": .text, "partitioner": .text,
            "rack": .text, "release_version": .text, "rpc_address": .inet, "rpc_port": .int,
            "schema_version": .uuid, "tokens": .set(.text), "truncated_at": .map(.uuid, .blob),
        ]
    ) { snapshot, rows in
        // A node that the cluster does not know yet has no place to tell about.
        guard let node = snapshot.state.nodes[snapshot.node] else { return }
        let tokens = snapshot.state.slices?.tokens(of: node.id) ?? []
        rows.append([
            "key": .text("local"),
            "bootstrapped": .text(tokens.isEmpty ? "IN_PROGRESS" : "COMPLETED"),
            "broadcast_address": .inet(node.address),
            "broadcast_port": .int(Int(node.internodePort)),
            "cluster_name": .text(snapshot.state.name),
            "cql_version": .text(snapshot.cqlVersion),
            "data_center": .text(node.location.datacenter),
            "host_id": .uuid(node.id),
            "listen_address": .inet(node.address),
            "listen_port": .int(Int(node.internodePort)),
            "native_protocol_version": .text(snapshot.nativeProtocolVersion),
            "partitioner": .text(partitioner),
            "rack": .text(node.location.rack),
            "release_version": .text(snapshot.releaseVersion),
            "rpc_address": .inet(node.address),
            "rpc_port": .int(Int(node.nativePort)),
            "schema_version": .uuid(snapshot.state.schemaVersion),
            "tokens": .tokens(tokens),
        ])
    }

    private static let peers = SystemTable(
        "system",
        "peers",
        number: 2,
        comment: "information about known peers in the cluster",
        partitionKey: ["peer": .inet],
        columns: [
            "data_center": .text, "host_id": .uuid, "preferred_ip": .inet, "rack": .text,
            "release_version": .text, "rpc_address": .inet, "schema_version": .uuid,
            "tokens": .set(.text),
        ]
    ) { snapshot, rows in
        for (node, tokens) in snapshot.nodesWithTokens
        where node.id != snapshot.node && !tokens.isEmpty {
            rows.append([
                "peer": .inet(node.address),
                "data_center": .text(node.location.datacenter),
                "host_id": .uuid(node.id),
                "rack": .text(node.location.rack),
                "release_version": .text(snapshot.releaseVersion),
                "rpc_address": .inet(node.address),
                "schema_version": .uuid(snapshot.schemaVersion(of: node.id)),
                "tokens": .tokens(tokens),
            ])
        }
    }

    private static let peersV2 = SystemTable(
        "system",
        "peers_v2",
        number: 3,
        comment: "information about known peers in the cluster",
        partitionKey: ["peer": .inet],
        clusteringKey: ["peer_port": .int],
        columns: [
            "data_center": .text, "host_id": .uuid, "native_address": .inet, "native_port": .int,
            "preferred_ip": .inet, "preferred_port": .int, "rack": .text,
            "release_version": .text, "schema_version": .uuid, "tokens": .set(.text),
        ]
    ) { snapshot, rows in
        for (node, tokens) in snapshot.nodesWithTokens
        where node.id != snapshot.node && !tokens.isEmpty {
            rows.append([
                "peer": .inet(node.address),
                "peer_port": .int(Int(node.internodePort)),
                "data_center": .text(node.location.datacenter),
                "host_id": .uuid(node.id),
                "native_address": .inet(node.address),
                "native_port": .int(Int(node.nativePort)),
                "rack": .text(node.location.rack),
                "release_version": .text(snapshot.releaseVersion),
                "schema_version": .uuid(snapshot.schemaVersion(of: node.id)),
                "tokens": .tokens(tokens),
            ])
        }
    }

    /// Java's driver asks for it; statements are prepared on a connection's node and kept nowhere.
    private static let preparedStatements = SystemTable(
        "system",
        "prepared_statements",
        number: 4,
        comment: "prepared statements",
        partitionKey: ["prepared_id": .blob],
        columns: ["logged_keyspace": .text, "query_string": .text]
    )
}

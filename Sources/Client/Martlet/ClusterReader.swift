internal import Catalog
internal import Foundation
internal import NativeProtocol
internal import TokenPlacement

/// Reads the ring and the keyspaces from a node's system tables.
struct ClusterReader {
    let connection: ClientConnection
    let host: String
    let port: Int
    let timeout: Duration
    /// Whether the node that is read from is the only one that there is for the client.
    let isAlone: Bool

    /// What one reading found.
    struct Reading {
        var nodes: [NodeDescription]
        /// The datacenter of the node that was asked.
        var localDatacenter: String
        var keyspaces: [String: ReplicationStrategy]
        /// The version of the schema at each node, by the node's id.
        var schemaVersions: [String: UUID]
    }

    private func rows(_ cql: String) async throws -> QueryResult {
        let message = try await connection.request(
            .query(cql, .init(consistency: .one)),
            timeout: timeout,
            isRead: true
        )
        if case .error(let error) = message.response {
            throw MartletError(error, node: connection.node, isRead: true)
        }
        return try QueryResult(message, node: connection.node)
    }

    /// Reads everything.
    func read() async throws -> Reading {
        async let local = rows("SELECT * FROM system.local WHERE key = 'local'")
        async let peers = isAlone ? nil : rows("SELECT * FROM system.peers_v2")
        async let keyspaces = rows("SELECT * FROM system_schema.keyspaces")
        var reading = Reading(
            nodes: [],
            localDatacenter: "",
            keyspaces: [:],
            schemaVersions: [:]
        )
        if let row = try await local.first {
            var node = description(
                row,
                hosts: ["rpc_address", "broadcast_address"],
                port: "rpc_port",
                isLocal: true
            )
            if isAlone {
                node?.host = host
                node?.port = port
            }
            add(node, row, to: &reading)
            reading.localDatacenter = node?.datacenter ?? ""
        } else {
            // The node belongs to no cluster yet, but it answers.
            reading.nodes.append(
                NodeDescription(
                    id: connection.node,
                    host: host,
                    port: port,
                    datacenter: "",
                    rack: "",
                    tokens: []
                )
            )
        }
        if let peers = try await peers {
            for row in peers {
                let node = description(
                    row,
                    hosts: ["native_address", "peer"],
                    port: "native_port",
                    isLocal: false
                )
                add(node, row, to: &reading)
            }
        }
        for row in try await keyspaces {
            guard let name = try? row.get("keyspace_name", as: String.self),
                let options = try? row.get("replication", as: [String: String].self),
                let strategyClass = options["class"],
                let strategy = try? ReplicationStrategy(class: strategyClass, options: options)
            else { continue }  // System keyspaces are on every node: any will do.
            reading.keyspaces[name] = strategy
        }
        return reading
    }

    private func add(_ node: NodeDescription?, _ row: Row, to reading: inout Reading) {
        guard let node, !reading.nodes.contains(where: { $0.id == node.id }) else { return }
        reading.nodes.append(node)
        reading.schemaVersions[node.id] = try? row.get("schema_version", as: UUID.self)
    }

    /// A node, or nil if the row misses what is needed to reach it.
    private func description(
        _ row: Row,
        hosts: [String],
        port portColumn: String,
        isLocal: Bool
    ) -> NodeDescription? {
        let unspecified = ["0.0.0.0", "::"]
        let address = hosts.lazy
            .compactMap { try? row.get($0, as: String.self) }
            .first { !unspecified.contains($0) }
        guard let nodeHost = address ?? (isLocal ? host : nil) else { return nil }
        let nodePort = (try? row.get(portColumn, as: Int.self)) ?? port
        let tokens = (try? row.get("tokens", as: [String].self)) ?? []
        return NodeDescription(
            id: (try? row.get("host_id", as: UUID.self))?.uuidString.lowercased()
                ?? ContactPoint(host: nodeHost, port: nodePort).description,
            host: nodeHost,
            port: nodePort,
            datacenter: (try? row.get("data_center", as: String.self)) ?? "",
            rack: (try? row.get("rack", as: String.self)) ?? "",
            tokens: tokens.compactMap { Int64($0) }.map(Token.init)
        )
    }
}

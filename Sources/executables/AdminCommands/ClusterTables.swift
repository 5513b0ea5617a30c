internal import Foundation
internal import Martlet

/// A node as `system_martlet.nodes` shows it; columns that a server lacks are nil.
package struct NodeRow: Decodable, Hashable, Sendable {
    var node: String
    var address: String?
    var native_port: Int?
    var data_center: String?
    var rack: String?
    /// nodetool's two letters: U or D for up or down, then N or J for normal or joining.
    var status: String?
    var owns: Double?
    var slices: Int?
    var tokens: Int?
    var is_founder: Bool?
    var epoch: Int64?
    var load_bytes: Int64?

    /// A node with what a test needs of it.
    package init(node: String, address: String, status: String) {
        self.node = node
        self.address = address
        self.status = status
    }

    var place: String {
        let host = address ?? "?"
        guard let native_port else { return host }
        return host.contains(":") ? "[\(host)]:\(native_port)" : "\(host):\(native_port)"
    }
}

/// The cluster as `system_martlet.cluster` shows it; columns that a server lacks are nil.
package struct ClusterRow: Decodable, Hashable, Sendable {
    var name: String?
    var cluster_id: String?
    var epoch: Int64?
    var founder: String?
    var expected_nodes: Int?
    var slice_count: Int?
    var has_owners: Bool?
    var schema_version: String?

    /// A cluster with what a test needs of it.
    package init(name: String, expected_nodes: Int?, has_owners: Bool?) {
        self.name = name
        self.expected_nodes = expected_nodes
        self.has_owners = has_owners
    }
}

/// A range of the ring as `system_martlet.ring` shows it, by its last token.
struct RingRow: Decodable, Hashable, Sendable {
    var token: String
    var node: String
    var address: String?
    var data_center: String?
    var rack: String?
}

/// A version of a model as `system_martlet.models` shows it.
struct ModelRow: Decodable, Hashable, Sendable {
    var keyspace_name: String
    var name: String
    var version: Int
    var sha256: String?
    var bytes: Int64?
    var signature: String?
    var current: Bool?

    var json: JSONValue {
        .object([
            .init("keyspace", .string(keyspace_name)),
            .init("name", .string(name)),
            .init("version", .integer(Int64(version))),
            .init("sha256", .optional(sha256)),
            .init("bytes", bytes.map(JSONValue.integer) ?? .null),
            .init("signature", .optional(signature)),
            .init("current", current.map(JSONValue.boolean) ?? .null),
        ])
    }
}

extension JSONValue {
    /// A text, or null.
    static func optional(_ text: String?) -> JSONValue { text.map(JSONValue.string) ?? .null }

    /// A number, or null.
    static func optional(_ number: (some BinaryInteger)?) -> JSONValue {
        number.map { JSONValue.integer(Int64($0)) } ?? .null
    }
}

extension MartletClient {
    func nodeRows() async throws -> [NodeRow] {
        let rows = try await query(
            "SELECT * FROM system_martlet.nodes",
            as: NodeRow.self,
            consistency: .one
        )
        return rows.sorted { left, right in
            (left.data_center ?? "", left.address ?? "", left.node)
                < (right.data_center ?? "", right.address ?? "", right.node)
        }
    }

    func clusterRow() async throws -> ClusterRow? {
        try await query(
            "SELECT * FROM system_martlet.cluster",
            as: ClusterRow.self,
            consistency: .one
        ).first
    }

    func ringRows() async throws -> [RingRow] {
        let rows = try await query(
            "SELECT * FROM system_martlet.ring",
            as: RingRow.self,
            consistency: .one
        )
        return rows.sorted { (Int64($0.token) ?? 0) < (Int64($1.token) ?? 0) }
    }

    func modelRows() async throws -> [ModelRow] {
        let rows = try await query(
            "SELECT * FROM system_martlet.models",
            as: ModelRow.self,
            consistency: .one
        )
        return rows.sorted {
            ($0.keyspace_name, $0.name, $0.version) < ($1.keyspace_name, $1.name, $1.version)
        }
    }
}

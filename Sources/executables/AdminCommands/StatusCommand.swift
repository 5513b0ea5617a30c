internal import ArgumentParser
internal import Martlet

/// What `martlet status` finds.
package struct ClusterHealth {
    /// The exit code when the cluster is not healthy.
    package static let unhealthyExitCode: Int32 = 10

    let cluster: ClusterRow?
    let nodes: [NodeRow]

    /// The health of a cluster with nodes.
    package init(cluster: ClusterRow?, nodes: [NodeRow]) {
        self.cluster = cluster
        self.nodes = nodes
    }

    /// Why the cluster is not healthy; empty if it is.
    package var problems: [String] {
        var problems: [String] = []
        if cluster == nil { problems.append("the node that was asked belongs to no cluster yet") }
        for node in nodes {
            let status = node.status ?? "?"
            if status.hasPrefix("D") {
                problems.append("\(node.place) is down")
            } else if status != "UN" {
                problems.append("\(node.place) has the status \(status)")
            }
        }
        if let expected = cluster?.expected_nodes, nodes.count < expected {
            problems.append("\(nodes.count) of \(expected) expected nodes have joined")
        }
        if cluster?.has_owners == false { problems.append("the ring has no owners yet") }
        return problems
    }

    /// The lines for people.
    package var lines: [String] {
        var table = TextTable([
            "Status", "Address", "Datacenter", "Rack", ">Owns", ">Slices", ">Epoch", "Node",
        ])
        for node in nodes {
            table.append([
                node.status ?? "?",
                node.place,
                node.data_center ?? "?",
                node.rack ?? "?",
                node.owns.map(percentText) ?? "?",
                node.slices.map { String($0) } ?? "?",
                node.epoch.map { String($0) } ?? "?",
                node.node + (node.is_founder == true ? " (founder)" : ""),
            ])
        }
        let name = cluster?.name ?? "none"
        let epoch = cluster?.epoch.map { String($0) } ?? "?"
        let up = nodes.count { $0.status?.hasPrefix("U") == true }
        let summary =
            problems.isEmpty
            ? ["healthy"]
            : ["not healthy: " + problems.joined(separator: "; ")]
        return ["Cluster \(name), epoch \(epoch), \(up) of \(nodes.count) nodes up", ""]
            + table.lines + [""] + summary
    }

    /// The same for programs, as members of an object.
    package var members: [JSONValue.Member] {
        let nodes = nodes.map { node in
            JSONValue.object([
                .init("node", .string(node.node)),
                .init("address", .optional(node.address)),
                .init("native_port", .optional(node.native_port)),
                .init("data_center", .optional(node.data_center)),
                .init("rack", .optional(node.rack)),
                .init("status", .optional(node.status)),
                .init("owns", node.owns.map(JSONValue.number) ?? .null),
                .init("slices", .optional(node.slices)),
                .init("tokens", .optional(node.tokens)),
                .init("is_founder", node.is_founder.map(JSONValue.boolean) ?? .null),
                .init("epoch", .optional(node.epoch)),
            ])
        }
        return [
            .init("cluster", .optional(cluster?.name)),
            .init("cluster_id", .optional(cluster?.cluster_id)),
            .init("epoch", .optional(cluster?.epoch)),
            .init("healthy", .boolean(problems.isEmpty)),
            .init("problems", .array(problems.map(JSONValue.string))),
            .init("nodes", .array(nodes)),
        ]
    }
}

/// `martlet status`.
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Shows the nodes: UN is up and normal, DN is down.",
        discussion: "The exit code is 10 if the cluster is not healthy or cannot be reached."
    )

    @Flag(help: "Also show how each node's memory is divided, and what its caches do.")
    var memory = false

    @OptionGroup var options: ClusterOptions

    func run() async throws {
        let health: ClusterHealth
        do {
            health = try await options.withClient { client in
                ClusterHealth(
                    cluster: try await client.clusterRow(),
                    nodes: try await client.nodeRows()
                )
            }
        } catch let error as MartletError where error.code == .connectionFailed {
            printNote("Error: \(error)")
            throw ExitCode(ClusterHealth.unhealthyExitCode)
        }
        let memories = memory ? try await MemoryReport(options, health.nodes) : nil
        switch options.format {
        case .text: printLines(health.lines + (memories.map { [""] + $0.lines } ?? []))
        case .json:
            var members = health.members
            if let memories { members.append(.init("memory", memories.json)) }
            printLines([JSONValue.object(members).description])
        }
        if !health.problems.isEmpty { throw ExitCode(ClusterHealth.unhealthyExitCode) }
    }
}

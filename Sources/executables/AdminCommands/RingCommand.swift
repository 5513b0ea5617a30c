internal import ArgumentParser
internal import Martlet

/// `martlet ring`.
struct RingCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ring",
        abstract: "Shows who owns which tokens.",
        subcommands: [Show.self],
        defaultSubcommand: Show.self
    )

    /// `martlet ring show`.
    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show",
            abstract: "Shows each node's share of the ring, and with --tokens every range."
        )

        @OptionGroup var options: ClusterOptions

        @Flag(help: "Also list the ranges, by their last token.")
        var tokens = false

        func run() async throws {
            let (nodes, ring) = try await options.withClient { client in
                (try await client.nodeRows(), try await client.ringRows())
            }
            switch options.format {
            case .text: printLines(lines(nodes, ring))
            case .json: printLines([json(nodes, ring).description])
            }
        }

        private func lines(_ nodes: [NodeRow], _ ring: [RingRow]) -> [String] {
            var table = TextTable([
                "Status", "Owner", "Datacenter", "Rack", ">Share", ">Slices", ">Tokens", "Node",
            ])
            for node in nodes {
                table.append([
                    node.status ?? "?",
                    node.place,
                    node.data_center ?? "?",
                    node.rack ?? "?",
                    node.owns.map(percentText) ?? "?",
                    node.slices.map { String($0) } ?? "?",
                    String(ring.count { $0.node == node.node }),
                    node.node,
                ])
            }
            guard tokens else { return table.lines }
            var ranges = TextTable([">Last token", "Owner", "Datacenter", "Rack"])
            for range in ring {
                ranges.append([
                    range.token, range.address ?? range.node, range.data_center ?? "?",
                    range.rack ?? "?",
                ])
            }
            return table.lines + [""] + ranges.lines
        }

        private func json(_ nodes: [NodeRow], _ ring: [RingRow]) -> JSONValue {
            let owners = nodes.map { node in
                let own = ring.filter { $0.node == node.node }.map { JSONValue.string($0.token) }
                var members: [JSONValue.Member] = [
                    .init("node", .string(node.node)),
                    .init("address", .optional(node.address)),
                    .init("data_center", .optional(node.data_center)),
                    .init("rack", .optional(node.rack)),
                    .init("status", .optional(node.status)),
                    .init("share", node.owns.map(JSONValue.number) ?? .null),
                    .init("slices", .optional(node.slices)),
                    .init("token_count", .integer(Int64(own.count))),
                ]
                if tokens { members.append(.init("tokens", .array(own))) }
                return JSONValue.object(members)
            }
            return .object([.init("owners", .array(owners))])
        }
    }
}

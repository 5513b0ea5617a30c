internal import Foundation
internal import Martlet

/// Nodes whose connections to each other all go through a proxy.
actor ChaosCluster {
    nonisolated let size: Int
    nonisolated let links: LinkProxy
    nonisolated let contactPoints: [String]
    private let nodes: [ChaosNode]
    private var isStopped = false

    /// A cluster in an empty folder; nothing runs yet.
    ///
    /// - Parameters:
    ///   - size: how many nodes.
    ///   - network: the first three numbers of the nodes' addresses; they end in 1, 2 and so on.
    ///   - folder: where each node gets a folder of its own.
    ///   - program: `martletd`.
    /// - Throws: what the file system says.
    init(size: Int, network: String, folder: URL, program: URL) async throws {
        self.size = size
        let addresses = (1...size).map { "\(network).\($0)" }
        nodes = addresses.enumerated().map { index, address in
            ChaosNode(
                index: index,
                address: address,
                folder: folder.appendingPathComponent("node\(index + 1)"),
                program: program
            )
        }
        links = LinkProxy(addresses: addresses)
        contactPoints = addresses.map { "\($0):\(ChaosPorts.native)" }
        for node in nodes {
            let data = node.folder.appendingPathComponent("data")
            try FileManager.default.createDirectory(at: data, withIntermediateDirectories: true)
            try Data(Self.configuration(node, addresses).utf8)
                .write(to: node.folder.appendingPathComponent("node.yaml"))
        }
    }

    /// Small limits, so that minutes reach what otherwise takes days: hints expire, repair comes
    /// round, tombstones are swept, and memtables fill, are flushed and compacted.
    private static func configuration(_ node: ChaosNode, _ addresses: [String]) -> String {
        """
        cluster_name: chaos
        data_directory: "\(node.folder.appendingPathComponent("data").path)"
        listen_address: \(node.address)
        native_port: \(ChaosPorts.native)
        internode_port: \(ChaosPorts.internode)
        advertised_internode_port: \(ChaosPorts.advertised)
        seeds: [\(node.index == 0 ? "" : "\"\(addresses[0]):\(ChaosPorts.advertised)\"")]
        bootstrap: {expected_nodes: \(addresses.count), slice_count: 256}
        threads: {event_loops: 1, inference: 1, read_pool: 1}
        memory: {limit_mib: 64, parts_mib: {row_cache: 1, block_cache: 4, memtables: 4}}
        hints: {window_s: 20}
        repair: {interval_s: 20, kib_per_second: 4096}
        """
    }

    // MARK: Processes

    /// Starts all nodes for the first time, and tells the proxy who is who.
    func found() async throws {
        try await links.listen()
        for node in nodes { try node.start(arguments: node.index == 0 ? ["--bootstrap"] : []) }
        try await whole(within: .seconds(60))
        var configuration = ClientConfiguration(contactPoints: contactPoints)
        configuration.requestTimeout = .seconds(10)
        let client = try await MartletClient.connect(configuration)
        for row in try await client.query(Self.statusQuery, as: StatusRow.self) {
            guard let index = nodes.firstIndex(where: { $0.address == row.address }) else {
                continue
            }
            links.identify(row.node, as: index)
        }
        await client.close()
        try await checkLinks()
    }

    /// Makes sure that the proxy knows who connects: faults of links that it does not know would
    /// strike nothing.
    private func checkLinks() async throws {
        var problem: String?
        for _ in 0..<50 {
            problem = try await links.whatIsUnknown()
            guard problem != nil else { return }
            try await Task.sleep(for: .milliseconds(200))
        }
        throw ChaosNode.Failure.cannotStart("the proxy does not know \(problem ?? "its links")")
    }

    /// The nodes that run and are not paused.
    var running: [Int] {
        nodes.filter { $0.pid != nil && !$0.isPaused }.map(\.index)
    }

    func kill(_ index: Int) { nodes[index].stop(signal: SIGKILL) }
    func terminate(_ index: Int) { nodes[index].stop(signal: SIGTERM) }
    func pause(_ index: Int) { nodes[index].pause() }
    func resume(_ index: Int) { nodes[index].resume() }

    func start(_ index: Int) throws {
        guard !isStopped, nodes[index].pid == nil else { return }
        try nodes[index].start()
    }

    /// Notes processes that ended by themselves.
    func checkDeaths() { for node in nodes { node.checkDeath() } }

    /// What processes did that nobody asked for.
    func deaths() -> [String] {
        checkDeaths()
        return nodes.flatMap(\.deaths)
    }

    /// Lets every node run again, over links without faults.
    func heal() throws {
        links.healAll()
        for node in nodes {
            node.resume()
            node.checkDeath()
            try start(node.index)
        }
    }

    /// Ends all processes at once.
    func stop() {
        isStopped = true
        for node in nodes { node.stop(signal: SIGKILL) }
    }

    // MARK: What nodes know

    private static let statusQuery = "SELECT node, address, status FROM system_martlet.nodes"

    private struct StatusRow: Decodable {
        var node: UUID
        var address: String
        var status: String
    }

    private struct HintRow: Decodable {
        var count: Int64
    }

    /// Waits until every node holds all to be alive and keeps no hints for others.
    func whole(within limit: Duration) async throws {
        let clock = ContinuousClock()
        let deadline = clock.now + limit
        var reason = ""
        while clock.now < deadline {
            reason = ""
            for node in nodes where reason.isEmpty {
                do {
                    reason = try await Self.whatIsMissing(at: node.place, size)
                } catch {
                    reason = "\(node.place): \(error)"
                }
            }
            if reason.isEmpty { return }
            try await Task.sleep(for: .milliseconds(200))
        }
        throw ChaosNode.Failure.cannotStart("after \(limit) the cluster is not whole: \(reason)")
    }

    private static func whatIsMissing(at place: String, _ size: Int) async throws -> String {
        var configuration = ClientConfiguration(contactPoints: [place])
        configuration.asksContactPointOnly = true
        configuration.requestTimeout = .seconds(2)
        let client = try await MartletClient.connect(configuration)
        defer { Task { await client.close() } }
        let rows = try await client.query(statusQuery, as: StatusRow.self, consistency: .one)
        let missing = rows.filter { $0.status != "UN" }
        if rows.count < size { return "\(place) knows \(rows.count) of \(size) nodes" }
        if let row = missing.first { return "\(place) holds \(row.address) to be \(row.status)" }
        let hints = try await client.query(
            "SELECT count FROM system_martlet.hints",
            as: HintRow.self,
            consistency: .one
        )
        let count = hints.reduce(0) { $0 + $1.count }
        return count > 0 ? "\(place) keeps \(count) hints" : ""
    }

    // MARK: Resources

    /// What the processes take now; nil for those that do not run.
    func samples() -> [ProcessSample?] { nodes.map { $0.pid.flatMap(ProcessSample.init) } }
}

internal import Catalog
internal import Foundation
internal import Yams

/// What a node is told at its start: one YAML file (cluster-config/node.yaml is the reference).
package struct NodeConfiguration: Equatable, Sendable {
    /// When a write counts as written.
    package enum Sync: String, Sendable, CaseIterable {
        case beforeAcknowledgement = "before_acknowledgement"
        case periodic
    }

    /// The cluster's name, for people.
    package var clusterName = "martlet"
    /// The folder of the node's rows, log, models and id.
    package var dataDirectory = "/var/lib/martlet"
    /// The IP address at which clients and other nodes reach this node.
    package var listenAddress = "127.0.0.1"
    /// The port of the native protocol.
    package var nativePort = 9042
    /// The port between nodes.
    package var internodePort = 7000
    /// The port at which other nodes reach this one, if a proxy stands between; 0: `internodePort`.
    package var advertisedInternodePort = 0
    /// The node's datacenter.
    package var datacenter = "datacenter1"
    /// The node's rack; replicas are spread over racks.
    package var rack = "rack1"
    /// The nodes that an empty node asks to join, as address:port.
    package var seeds = ["127.0.0.1:7000"]
    /// How many nodes must be registered before slices get owners; read by the founder.
    package var expectedNodes = 1
    /// The ring's token slices, a power of two; read by the founder.
    package var sliceCount = 1024
    /// Event loops.
    package var eventLoops = 1
    /// Threads that run models.
    package var inferenceThreads = 1
    /// Threads that read rows which are not in memory.
    package var readPoolThreads = 2
    /// When a write counts as written.
    package var sync = Sync.beforeAcknowledgement
    /// How often a periodic sync comes.
    package var syncPeriodMilliseconds = 200
    /// All that the node keeps in memory, split over its consumers.
    package var memoryMiB = 512
    /// The parts of the memory limit that were said, in MiB.
    package var memoryParts: [MemoryPlan.Consumer: Int] = [:]
    /// Requests that one loop has under way; more are refused as OVERLOADED.
    package var coordinatedRequestsMax = 8192
    /// How long hints are kept for a node that is down; later, repair makes up for them.
    package var hintWindowSeconds = 10_800
    /// The hints that are kept for one node, in MiB; more mark their slices for repair.
    package var hintMiBMaxPerNode = 256
    /// All hints together, in MiB.
    package var hintMiBMax = 1024
    /// The batches that are kept for other nodes until they are done, in MiB.
    package var batchLogMiBMax = 256
    /// How fast hints are replayed, over all nodes.
    package var hintKiBPerSecond = 4096
    /// How often each slice is repaired, in seconds; 0: half the least grace period, a week at most.
    package var repairIntervalSeconds = 0
    /// Whether slices are repaired without being asked for.
    package var repairsByItself = true
    /// How fast repair reads and streams.
    package var repairKiBPerSecond = 16_384
    /// Whether tombstones and expired cells are swept.
    package var sweeps = true
    /// The longest frame of a client.
    package var frameMiBMax = 64
    /// Clients' connections at a time.
    package var connectionsMax = 1024
    /// Requests of one connection that wait for their answers.
    package var requestsInFlightMax = 1024
    /// Prepared statements that the node keeps.
    package var preparedStatementsMax = 4096
    /// The ONNX Runtime library or its folder; empty: the usual places.
    package var onnxRuntime = ""
    /// The longest model.
    package var modelMiBMax = 48
    /// How long one run of a model may take.
    package var scoreRunMilliseconds = 1000
    /// A read's time-out.
    package var readMilliseconds = 5000
    /// A write's time-out.
    package var writeMilliseconds = 2000
    /// A scoring's time-out.
    package var scoreMilliseconds = 5000
    /// How long a schema change waits for all living nodes.
    package var schemaMilliseconds = 10_000
    /// How long a push waits for a node to store, try and load the model.
    package var modelPushMilliseconds = 60_000
    /// What is logged, from trace to critical.
    package var logLevel = "info"

    /// The defaults.
    package init() {}

    /// The configuration in a YAML text.
    ///
    /// - Throws: ``NodeConfigurationError`` with every problem found.
    package init(yaml: String) throws(NodeConfigurationError) {
        let loaded: Any?
        do {
            loaded = try Yams.load(yaml: yaml)
        } catch {
            throw NodeConfigurationError(problems: ["this is not YAML: \(error)"])
        }
        guard let fields = (loaded ?? [String: Any]()) as? [String: Any] else {
            throw NodeConfigurationError(problems: ["the file must be a map of fields"])
        }
        var reader = FieldReader(fields)
        read(&reader)
        reader.reportUnknown()
        if !reader.problems.isEmpty { throw NodeConfigurationError(problems: reader.problems) }
    }

    private mutating func readAddresses(_ reader: inout FieldReader) {
        reader.text("listen_address", &listenAddress)
        reader.number("native_port", &nativePort, 1...65_535)
        reader.number("internode_port", &internodePort, 1...65_535)
        reader.number("advertised_internode_port", &advertisedInternodePort, 0...65_535)
        reader.texts("seeds", &seeds)
        let address = InetText.bytes(of: listenAddress) ?? []
        if !address.contains(where: { $0 != 0 }) {
            reader.problem(
                """
                listen_address is \(listenAddress); it must be the one IP address that clients and \
                other nodes reach this node at
                """
            )
        }
        if nativePort == internodePort {
            reader.problem(
                "native_port and internode_port are both \(nativePort); they must differ"
            )
        }
        for seed in seeds {
            let colon = seed.lastIndex(of: ":") ?? seed.startIndex
            let port = UInt16(seed[colon...].dropFirst())
            if InetText.bytes(of: String(seed[..<colon])) == nil || port == nil {
                reader.problem("seeds: \(seed) is not address:port, such as 127.0.0.1:7000")
            }
        }
    }

    private mutating func readMemory(_ reader: inout FieldReader) {
        reader.number("memory.limit_mib", &memoryMiB, 64...16_777_216)
        reader.numbers("memory.parts_mib", MemoryPlan.Consumer.allCases) { consumer, part in
            guard (consumer.leastMiB...consumer.mostMiB).contains(part) else {
                return "must be \(consumer.leastMiB) to \(consumer.mostMiB)"
            }
            memoryParts[consumer] = part
            return nil
        }
        if MemoryPlan(limitMiB: memoryMiB, given: memoryParts) == nil {
            reader.problem(
                """
                memory.limit_mib is \(memoryMiB), but its parts need at least \
                \(MemoryPlan.leastMiB(given: memoryParts)): raise it, or lower them
                """
            )
        }
    }

    /// The memory limit and its parts.
    package var memory: MemoryPlan {
        // A configuration that was read was checked; one made by hand may raise its own limit.
        MemoryPlan(limitMiB: memoryMiB, given: memoryParts)
            ?? MemoryPlan(leastFor: memoryParts)
    }

    private mutating func readUpkeep(_ reader: inout FieldReader) {
        reader.number("native.requests_max", &coordinatedRequestsMax, 1...1_000_000)
        reader.number("hints.window_s", &hintWindowSeconds, 1...2_592_000)
        reader.number("hints.mib_max_per_node", &hintMiBMaxPerNode, 0...1_048_576)
        reader.number("hints.mib_max", &hintMiBMax, 0...1_048_576)
        reader.number("hints.batch_log_mib_max", &batchLogMiBMax, 64...1_048_576)
        reader.number("hints.kib_per_second", &hintKiBPerSecond, 1...4_194_304)
        reader.flag("repair.automatic", &repairsByItself)
        reader.number("repair.interval_s", &repairIntervalSeconds, 0...31_536_000)
        reader.number("repair.kib_per_second", &repairKiBPerSecond, 1...4_194_304)
        reader.flag("repair.sweep", &sweeps)
    }

    private mutating func read(_ reader: inout FieldReader) {
        readAddresses(&reader)
        reader.text("cluster_name", &clusterName)
        reader.text("data_directory", &dataDirectory)
        reader.text("datacenter", &datacenter)
        reader.text("rack", &rack)
        reader.number("bootstrap.expected_nodes", &expectedNodes, 1...1000)
        reader.number("bootstrap.slice_count", &sliceCount, 1...65_536)
        if sliceCount & (sliceCount - 1) != 0 {
            reader.problem("bootstrap.slice_count is \(sliceCount); it must be a power of two")
        } else if sliceCount < 20 * expectedNodes {
            reader.problem(
                """
                bootstrap.slice_count is \(sliceCount); \(expectedNodes) nodes need at least \
                \(20 * expectedNodes)
                """
            )
        }
        reader.number("threads.event_loops", &eventLoops, 1...64)
        reader.number("threads.inference", &inferenceThreads, 1...64)
        reader.number("threads.read_pool", &readPoolThreads, 1...64)
        var syncName = sync.rawValue
        reader.text("storage.sync", &syncName)
        if let known = Sync(rawValue: syncName) {
            sync = known
        } else {
            let names = Sync.allCases.map(\.rawValue).joined(separator: " or ")
            reader.problem("storage.sync is \(syncName); it must be \(names)")
        }
        reader.number("storage.sync_period_ms", &syncPeriodMilliseconds, 1...60_000)
        reader.number("native.frame_mib_max", &frameMiBMax, 1...256)
        reader.number("native.connections_max", &connectionsMax, 1...1_000_000)
        reader.number("native.requests_in_flight_max", &requestsInFlightMax, 1...32_768)
        reader.number("native.prepared_statements_max", &preparedStatementsMax, 1...1_000_000)
        reader.text("scoring.onnxruntime", &onnxRuntime, mayBeEmpty: true)
        reader.number("scoring.model_mib_max", &modelMiBMax, 1...1024)
        if modelMiBMax >= frameMiBMax {
            reader.problem(
                """
                scoring.model_mib_max is \(modelMiBMax); it must be less than native.frame_mib_max \
                (\(frameMiBMax)), since a model is pushed in one frame
                """
            )
        }
        reader.number("scoring.time_limit_ms", &scoreRunMilliseconds, 1...600_000)
        readMemory(&reader)
        readUpkeep(&reader)
        reader.number("timeouts.read_ms", &readMilliseconds, 1...600_000)
        reader.number("timeouts.write_ms", &writeMilliseconds, 1...600_000)
        reader.number("timeouts.score_ms", &scoreMilliseconds, 1...600_000)
        reader.number("timeouts.schema_ms", &schemaMilliseconds, 1...600_000)
        reader.number("timeouts.model_push_ms", &modelPushMilliseconds, 1...3_600_000)
        reader.text("logging.level", &logLevel)
        let levels = ["trace", "debug", "info", "notice", "warning", "error", "critical"]
        if !levels.contains(logLevel) {
            let names = levels.joined(separator: ", ")
            reader.problem("logging.level is \(logLevel); it must be one of \(names)")
        }
    }
}

/// All that is wrong with a configuration, at once.
package struct NodeConfigurationError: Error, Equatable, CustomStringConvertible {
    /// One sentence each.
    package let problems: [String]

    package var description: String { problems.joined(separator: "; ") }
}

/// Takes fields out of nested maps by dotted names, and remembers what is wrong.
private struct FieldReader {
    private static let sections: Set<String> = [
        "bootstrap", "threads", "storage", "memory", "native", "hints", "repair", "scoring",
        "timeouts", "logging",
    ]

    private(set) var problems: [String] = []
    private var fields: [String: Any]

    init(_ fields: [String: Any]) {
        var flat: [String: Any] = [:]
        for (key, value) in fields {
            if value is NSNull, Self.sections.contains(key) {
                continue  // Nothing in it but comments.
            } else if let inner = value as? [String: Any] {
                for (innerKey, innerValue) in inner { flat["\(key).\(innerKey)"] = innerValue }
            } else {
                flat[key] = value
            }
        }
        self.fields = flat
    }

    mutating func problem(_ text: String) { problems.append(text) }

    mutating func text(_ name: String, _ value: inout String, mayBeEmpty: Bool = false) {
        guard let given = fields.removeValue(forKey: name) else { return }
        guard let text = given as? String, mayBeEmpty || !text.isEmpty else {
            problem("\(name) is \(given); it must be text")
            return
        }
        value = text
    }

    mutating func texts(_ name: String, _ value: inout [String]) {
        guard let given = fields.removeValue(forKey: name) else { return }
        guard let texts = given as? [String] else {
            problem("\(name) is \(given); it must be a list of texts")
            return
        }
        value = texts
    }

    mutating func flag(_ name: String, _ value: inout Bool) {
        guard let given = fields.removeValue(forKey: name) else { return }
        guard let flag = given as? Bool else {
            problem("\(name) is \(given); it must be true or false")
            return
        }
        value = flag
    }

    mutating func number(_ name: String, _ value: inout Int, _ bounds: ClosedRange<Int>) {
        guard let given = fields.removeValue(forKey: name) else { return }
        guard let number = given as? Int, bounds.contains(number) else {
            problem(
                "\(name) is \(given); it must be \(bounds.lowerBound) to \(bounds.upperBound)"
            )
            return
        }
        value = number
    }

    /// Reads a map of numbers by names; `take` says what is wrong with one.
    mutating func numbers<Name: RawRepresentable<String>>(
        _ name: String,
        _ names: [Name],
        _ take: (Name, Int) -> String?
    ) {
        guard let given = fields.removeValue(forKey: name) else { return }
        guard let map = given as? [String: Any] else {
            problem("\(name) is \(given); it must be a map of numbers")
            return
        }
        for (key, value) in map.sorted(by: { $0.key < $1.key }) {
            guard let known = Name(rawValue: key) else {
                let all = names.map(\.rawValue).joined(separator: ", ")
                problem("\(name).\(key) is not a field; there are \(all)")
                continue
            }
            guard let number = value as? Int else {
                problem("\(name).\(key) is \(value); it must be a number")
                continue
            }
            if let wrong = take(known, number) {
                problem("\(name).\(key) is \(number); it \(wrong)")
            }
        }
    }

    mutating func reportUnknown() {
        for name in fields.keys.sorted() {
            problem("\(name) is not a field; cluster-config/node.yaml has them all")
        }
    }
}

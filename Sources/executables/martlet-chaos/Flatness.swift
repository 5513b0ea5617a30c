internal import Foundation

/// What a process takes.
struct ProcessSample: Sendable {
    /// Memory of its own; pages of its program and of files, which the system may drop, do not count.
    var privateKiB: Int
    var threads: Int
    var handles: Int

    init(privateKiB: Int, threads: Int, handles: Int) {
        self.privateKiB = privateKiB
        self.threads = threads
        self.handles = handles
    }

    /// What `/proc` says of a process; nil if it is gone.
    init?(pid: Int32) {
        guard let status = try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8),
            let handles = try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd")
        else { return nil }
        func field(_ name: String) -> Int? {
            status.split(separator: "\n").first { $0.hasPrefix(name + ":") }
                .flatMap { line in
                    line.split(whereSeparator: { !$0.isNumber }).first.flatMap { Int($0) }
                }
        }
        guard let memory = field("RssAnon"), let threads = field("Threads") else { return nil }
        self.init(privateKiB: memory, threads: threads, handles: handles.count)
    }
}

/// Samples of the processes over a long run, and whether they stay flat.
///
/// The run is cut into fifths, of which each counts by its median. Caches fill during the first two;
/// the last two may not exceed the third by more than is allowed. The block cache of a chaos node,
/// 4 MiB, needs some fifteen minutes to fill, so that runs should last half an hour.
struct Flatness {
    private var samples: [[ProcessSample]]

    private static let partCount = 5
    private static let warmUpCount = 2
    private static let samplesMin = 10

    init(nodes: Int) { samples = Array(repeating: [], count: nodes) }

    mutating func add(_ now: [ProcessSample?]) {
        for (index, sample) in now.enumerated() {
            if let sample { samples[index].append(sample) }
        }
    }

    private struct Trend {
        var name: String
        var medians: [Int]
        var allowed: Int

        var isFlat: Bool {
            let warm = medians[Flatness.warmUpCount]
            return medians[Flatness.warmUpCount...].allSatisfy { $0 - warm <= allowed }
        }

        var text: String { name + " " + medians.map(String.init).joined(separator: ", ") }
    }

    private func trends(_ node: Int) -> [Trend] {
        let all = samples[node]
        guard all.count >= Self.samplesMin else { return [] }
        let count = all.count / Self.partCount
        func trend(_ name: String, _ value: (ProcessSample) -> Int, allowed: Int) -> Trend {
            let medians = (0..<Self.partCount).map { part in
                all[part * count..<(part + 1) * count].map(value).sorted()[count / 2]
            }
            return Trend(name: name, medians: medians, allowed: allowed)
        }
        return [
            trend("private KiB", \.privateKiB, allowed: 1024),
            trend("threads", \.threads, allowed: 0),
            trend("handles", \.handles, allowed: 16),
        ]
    }

    /// The medians of the fifths, node by node.
    var lines: [String] {
        samples.indices.flatMap { node in
            trends(node).map { "node \(node + 1): \($0.text)" }
        }
    }

    /// What grows.
    var problems: [String] {
        samples.indices.flatMap { node in
            let trends = trends(node)
            guard !trends.isEmpty else {
                return [
                    "node \(node + 1) has \(samples[node].count) samples, \(Self.samplesMin) are needed"
                ]
            }
            return trends.filter { !$0.isFlat }.map {
                "node \(node + 1) grew by more than \($0.allowed): \($0.text)"
            }
        }
    }
}

// swift-tools-version: 6.2
import PackageDescription

/// Settings of every target: Swift 6, nothing implicit.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

/// A library target under `Sources/<folder>/<name>`.
func library(
    _ name: String,
    in folder: String,
    _ dependencies: [Target.Dependency] = []
) -> Target {
    .target(
        name: name,
        dependencies: dependencies,
        path: "Sources/\(folder)/\(name)",
        swiftSettings: settings
    )
}

/// A program under `Sources/executables/<folder>`; the folder bears its product's name.
func program(
    _ name: String,
    in folder: String,
    _ dependencies: [Target.Dependency]
) -> Target {
    .executableTarget(
        name: name,
        dependencies: dependencies,
        path: "Sources/executables/\(folder)",
        swiftSettings: settings
    )
}

/// The tests of a target, under `Tests/<folder>/<name>Tests`.
func tests(
    of name: String,
    in folder: String,
    _ dependencies: [Target.Dependency] = [],
    exclude: [String] = [],
    resources: [Resource] = []
) -> Target {
    .testTarget(
        name: "\(name)Tests",
        dependencies: [.byName(name: name)] + dependencies,
        path: "Tests/\(folder)/\(name)Tests",
        exclude: exclude,
        resources: resources,
        swiftSettings: settings
    )
}

/// SwiftNIO's products.
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioConcurrencyHelpers = Target.Dependency.product(
    name: "NIOConcurrencyHelpers",
    package: "swift-nio"
)
let argumentParser = Target.Dependency.product(
    name: "ArgumentParser",
    package: "swift-argument-parser"
)
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let histogram = Target.Dependency.product(name: "Histogram", package: "hdrhistogram-swift")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")
let serviceLifecycle = Target.Dependency.product(
    name: "ServiceLifecycle",
    package: "swift-service-lifecycle"
)
let unixSignals = Target.Dependency.product(
    name: "UnixSignals",
    package: "swift-service-lifecycle"
)
/// What the client library needs of SwiftNIO.
let client = [nioCore, nioPosix, nioConcurrencyHelpers]

let package = Package(
    name: "Martlet",
    products: [
        .library(name: "Martlet", targets: ["Martlet"]),
        .executable(name: "martletd", targets: ["martletd"]),
        .executable(name: "martlet", targets: ["MartletCLI"]),
        .executable(name: "martlet-bench", targets: ["MartletBench"]),
        .executable(name: "martlet-sim", targets: ["MartletSim"]),
        .executable(name: "martlet-chaos", targets: ["MartletChaos"]),
    ],
    dependencies: [
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift.git", exact: "0.2.0"),
        .package(url: "https://github.com/apple/swift-argument-parser.git", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto.git", exact: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log.git", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio.git", exact: "2.101.2"),
        .package(url: "https://github.com/jpsim/Yams.git", exact: "6.2.2"),
        .package(
            url: "https://github.com/swift-server/swift-service-lifecycle.git",
            exact: "2.13.0"
        ),
    ],
    targets: [
        // Pure targets: they decide, and import only each other and swift-collections.
        library("ByteCoding", in: "Encoding"),
        library("TokenPlacement", in: "Placement"),
        library("Catalog", in: "Catalog", ["TokenPlacement"]),
        library("ClusterLog", in: "Membership", ["ByteCoding", "Catalog", "TokenPlacement"]),
        library("Gossip", in: "Membership", ["ByteCoding", "TokenPlacement"]),
        library("Storage", in: "Storage", ["Catalog", "TokenPlacement", "ByteCoding"]),
        library(
            "PeerMessages",
            in: "Messaging",
            ["ByteCoding", "Catalog", "ClusterLog", "Storage", "TokenPlacement"]
        ),
        library(
            "Coordination",
            in: "Coordinator",
            ["Catalog", "PeerMessages", "Scoring", "Storage", "TokenPlacement"]
        ),
        library(
            "Replication",
            in: "Replica",
            ["ByteCoding", "Catalog", "PeerMessages", "Storage", "TokenPlacement"]
        ),
        library(
            "NodeCore",
            in: "Node",
            [
                "ByteCoding", "Catalog", "ClusterLog", "Coordination", "Gossip", "PeerMessages",
                "Replication", "Storage", "SystemTables", "TokenPlacement",
            ]
        ),
        library("Scoring", in: "Scoring", ["Catalog"]),
        library("NativeProtocol", in: "Connection", ["ByteCoding", "Catalog"]),
        library("CQLSyntax", in: "Language"),
        library(
            "CQL",
            in: "Language",
            [
                "ByteCoding", "CQLSyntax", "Catalog", "ClusterLog", "PeerMessages", "Storage",
                "TokenPlacement",
            ]
        ),
        library("SystemTables", in: "Catalog", ["Catalog", "TokenPlacement"]),
        tests(of: "ByteCoding", in: "Encoding"),
        tests(of: "TokenPlacement", in: "Placement"),
        tests(of: "Catalog", in: "Catalog", ["TokenPlacement"]),
        tests(of: "SystemTables", in: "Catalog", ["Catalog", "TokenPlacement"]),
        tests(of: "ClusterLog", in: "Membership", ["ByteCoding", "Catalog", "TokenPlacement"]),
        tests(of: "Gossip", in: "Membership", ["ByteCoding", "TokenPlacement"]),
        tests(
            of: "Storage",
            in: "Storage",
            ["ByteCoding", "Catalog", "TokenPlacement"],
            exclude: ["Golden"]
        ),
        tests(of: "Scoring", in: "Scoring", ["Catalog"]),
        tests(
            of: "Replication",
            in: "Replica",
            ["ByteCoding", "Catalog", "PeerMessages", "Storage", "TokenPlacement"]
        ),
        tests(of: "NativeProtocol", in: "Connection", ["ByteCoding", "Catalog"]),
        tests(of: "CQLSyntax", in: "Language"),
        tests(
            of: "CQL",
            in: "Language",
            [
                "ByteCoding", "CQLSyntax", "Catalog", "ClusterLog", "PeerMessages", "Storage",
                "TokenPlacement",
            ]
        ),
        tests(
            of: "PeerMessages",
            in: "Messaging",
            ["ByteCoding", "Catalog", "ClusterLog", "Storage", "TokenPlacement"]
        ),
        tests(
            of: "Coordination",
            in: "Coordinator",
            ["Catalog", "PeerMessages", "Scoring", "Storage", "TokenPlacement"]
        ),
        // Shells: one pure target each, plus NIO, RocksDB or ONNX Runtime.
        library(
            "Internode",
            in: "Messaging",
            ["ByteCoding", "Catalog", "PeerMessages", "TokenPlacement", nioCore, nioPosix]
        ),
        library(
            "NativeServer",
            in: "Connection",
            ["Catalog", "NativeProtocol", nioCore, nioPosix, nioConcurrencyHelpers]
        ),
        .systemLibrary(
            name: "CRocksDB",
            path: "Sources/Storage/CRocksDB",
            pkgConfig: "rocksdb",
            providers: [.apt(["librocksdb-dev"])]
        ),
        .target(
            name: "CRocksFiles",
            dependencies: ["CRocksDB"],
            path: "Sources/Storage/CRocksFiles"
        ),
        library(
            "RocksStorage",
            in: "Storage",
            ["ByteCoding", "CRocksDB", "CRocksFiles", "Storage"]
        ),
        .target(
            name: "COnnxRuntime",
            path: "Sources/Scoring/COnnxRuntime",
            linkerSettings: [.linkedLibrary("dl")]
        ),
        library("OnnxScoring", in: "Scoring", ["COnnxRuntime", "Catalog", "Scoring"]),
        tests(
            of: "Internode",
            in: "Messaging",
            [
                "ByteCoding", "Catalog", "ClusterLog", "PeerMessages", "TokenPlacement", nioCore,
                nioPosix,
            ]
        ),
        tests(
            of: "NativeServer",
            in: "Connection",
            ["ByteCoding", "Catalog", "NativeProtocol", nioCore, nioPosix]
        ),
        // Test support: a disk that forgets what was not synced.
        .target(
            name: "CSimulatedDisk",
            dependencies: ["CRocksDB"],
            path: "Sources/Verification/CSimulatedDisk"
        ),
        tests(of: "RocksStorage", in: "Storage", ["CSimulatedDisk", "Catalog", "Storage"]),
        tests(of: "OnnxScoring", in: "Scoring", ["Catalog", "Scoring"]),
        library(
            "NodeRuntime",
            in: "Node",
            [
                "CQL", "CQLSyntax", "Catalog", "ClusterLog", "Coordination", "Gossip", "Internode",
                "NativeProtocol", "NativeServer", "NodeCore", "OnnxScoring", "PeerMessages",
                "Replication", "RocksStorage", "Scoring", "Storage", "SystemTables",
                "TokenPlacement", nioCore, nioPosix, nioConcurrencyHelpers, crypto, logging, yams,
                serviceLifecycle,
            ]
        ),
        // The simulator: virtual time, faults and checkers; then a node's program in it.
        library("HistoryChecking", in: "Verification", ["Catalog"]),
        tests(of: "HistoryChecking", in: "Verification", ["Catalog"]),
        library(
            "Simulation",
            in: "Verification",
            [
                "ByteCoding", "CSimulatedDisk", "Catalog", "ClusterLog", "HistoryChecking",
                "NodeCore", "PeerMessages", "Replication", "RocksStorage", "Storage",
                "TokenPlacement",
            ]
        ),
        library(
            "NodeSimulation",
            in: "Verification",
            [
                "Catalog", "ClusterLog", "Coordination", "Gossip", "HistoryChecking", "NodeCore",
                "PeerMessages", "Replication", "Simulation", "Storage", "TokenPlacement",
            ]
        ),
        tests(
            of: "Simulation",
            in: "Verification",
            ["Catalog", "HistoryChecking", "Replication", "Storage"]
        ),
        // The program in the README, word for word.
        .executableTarget(
            name: "ReadmeSnippet",
            dependencies: ["Martlet"],
            path: "Sources/Verification/ReadmeSnippet",
            swiftSettings: settings
        ),
        tests(
            of: "NodeCore",
            in: "Node",
            [
                "Catalog", "ClusterLog", "Coordination", "Gossip", "PeerMessages", "Replication",
                "Storage", "TokenPlacement",
            ]
        ),
        tests(of: "NodeRuntime", in: "Node"),
        // Test support: counts a thread's heap allocations.
        .target(name: "CAllocationCounter", path: "Sources/Verification/CAllocationCounter"),
        .executableTarget(
            name: "AllocationCheck",
            dependencies: [
                "CAllocationCounter", "CQL", "Catalog", "ClusterLog", "NativeProtocol",
                "NodeRuntime", "PeerMessages", "RocksStorage", "Storage", "TokenPlacement",
            ],
            path: "Sources/Verification/AllocationCheck",
            swiftSettings: settings
        ),
        // The client library, the only public one.
        library(
            "Martlet",
            in: "Client",
            ["Catalog", "NativeProtocol", "TokenPlacement"] + client
        ),
        tests(
            of: "Martlet",
            in: "Client",
            ["ByteCoding", "Catalog", "NativeProtocol", "TokenPlacement"] + client
        ),
        // Programs.
        library("AdminCommands", in: "executables", ["Martlet", argumentParser]),
        .testTarget(
            name: "MartletCLITests",
            dependencies: ["AdminCommands", "Martlet", argumentParser],
            path: "Tests/executables/MartletCLITests",
            swiftSettings: settings
        ),
        program("MartletCLI", in: "martlet", ["AdminCommands", argumentParser]),
        program(
            "MartletSim",
            in: "martlet-sim",
            ["HistoryChecking", "NodeSimulation", "Simulation", argumentParser]
        ),
        program(
            "MartletChaos",
            in: "martlet-chaos",
            [
                "Catalog", "HistoryChecking", "Martlet", "Simulation", argumentParser, nioCore,
                nioPosix,
            ]
        ),
        program(
            "MartletBench",
            in: "martlet-bench",
            [
                "Catalog", "Martlet", "NativeProtocol", argumentParser, histogram, nioCore,
                nioPosix,
            ]
        ),
        program(
            "martletd",
            in: "martletd",
            [
                "NodeRuntime", "OnnxScoring", argumentParser, logging, serviceLifecycle,
                unixSignals,
            ]
        ),
    ],
    cxxLanguageStandard: .cxx17
)

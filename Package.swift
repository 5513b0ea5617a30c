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

let package = Package(
    name: "Martlet",
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio.git", exact: "2.101.2"),
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
        library("Scoring", in: "Scoring", ["Catalog"]),
        library("NativeProtocol", in: "Connection", ["ByteCoding", "Catalog"]),
        library("CQLSyntax", in: "Language"),
        // Shells: one pure target each, plus NIO, RocksDB or ONNX Runtime.
        library(
            "Internode",
            in: "Messaging",
            ["ByteCoding", "Catalog", "PeerMessages", "TokenPlacement", nioCore, nioPosix]
        ),
        library(
            "NativeServer",
            in: "Connection",
            ["NativeProtocol", nioCore, nioPosix, nioConcurrencyHelpers]
        ),
    ]
)

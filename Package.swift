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

let package = Package(
    name: "Martlet",
    dependencies: [],
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
            ["Catalog", "PeerMessages", "Storage", "TokenPlacement"]
        ),
    ]
)

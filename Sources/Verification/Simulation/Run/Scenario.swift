/// Which kinds of faults a run may have.
package enum Scenario: String, Hashable, Sendable, CaseIterable {
    /// None at all: what is wrong here is wrong anywhere.
    case calm
    case crashRecover = "crash-recover"
    case partitions
    case clockTrouble = "clock-trouble"
    case diskFaults = "disk-faults"
    /// A part of a disk cannot be read any more, while files are written and compacted.
    case damage
    case slowNode = "slow-node"
    case overload
    case schemaChanges = "schema-changes"
    /// Deletions are forgotten within seconds, while clients go on.
    case sweeping
    /// Every kind, each in about half of the seeds.
    case everything

    /// The kinds of faults that the scenario always has.
    var always: FaultClasses {
        switch self {
        case .calm, .everything: []
        case .crashRecover: .crashes
        case .partitions: [.network, .partitions]
        case .clockTrouble: .clocks
        case .diskFaults, .damage: [.disks, .crashes]
        case .slowNode: .slowness
        case .overload: .knobs
        case .schemaChanges: .schema
        case .sweeping: .partitions
        }
    }

    /// The kinds that it has in about half of the seeds.
    var maybe: FaultClasses {
        switch self {
        case .calm: []
        case .crashRecover: [.network, .knobs]
        case .partitions: [.crashes]
        case .clockTrouble: [.network, .crashes]
        case .diskFaults, .damage: [.network, .slowness]
        case .slowNode: [.network, .knobs]
        case .overload: [.slowness, .crashes]
        case .schemaChanges: [.crashes, .partitions, .network]
        // Messages that come later than clocks may differ undo what is forgotten so soon.
        case .sweeping: .crashes
        case .everything: .all
        }
    }
}

/// Kinds of faults.
package struct FaultClasses: OptionSet, Hashable, Sendable {
    /// The bits.
    package let rawValue: Int

    /// The kinds with the given bits.
    package init(rawValue: Int) { self.rawValue = rawValue }

    /// Messages that are lost, late, doubled or damaged.
    package static let network = FaultClasses(rawValue: 1)
    /// Nodes that do not reach each other.
    package static let partitions = FaultClasses(rawValue: 2)
    /// Processes that die and machines that lose power.
    package static let crashes = FaultClasses(rawValue: 4)
    /// Disks that fail, fill up, damage what they keep or are lost.
    package static let disks = FaultClasses(rawValue: 8)
    /// Clocks that drift and jump.
    package static let clocks = FaultClasses(rawValue: 16)
    /// Nodes that pause or take long for everything.
    package static let slowness = FaultClasses(rawValue: 32)
    /// Limits that are far smaller than anybody would set them.
    package static let knobs = FaultClasses(rawValue: 64)
    /// Tables that are made, changed and dropped under load.
    package static let schema = FaultClasses(rawValue: 128)
    /// All of them.
    package static let all = FaultClasses(rawValue: 255)

    /// The kinds one by one, with their names.
    static let named: [(FaultClasses, String)] = [
        (.network, "network"), (.partitions, "partitions"), (.crashes, "crashes"),
        (.disks, "disks"), (.clocks, "clocks"), (.slowness, "slowness"), (.knobs, "knobs"),
        (.schema, "schema"),
    ]
}

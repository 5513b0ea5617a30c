/// How many replicas must answer before a request is answered.
///
/// Raw values are the native protocol's (native_protocol_v4.spec, section 3, `[consistency]`).
package enum ConsistencyLevel: UInt16, Hashable, Sendable, CaseIterable, CustomStringConvertible {
    case any = 0
    case one = 1
    case two = 2
    case three = 3
    case quorum = 4
    case all = 5
    case localQuorum = 6
    case eachQuorum = 7
    case serial = 8
    case localSerial = 9
    case localOne = 10

    /// The level as CQL and Cassandra's messages write it.
    package var description: String {
        switch self {
        case .any: "ANY"
        case .one: "ONE"
        case .two: "TWO"
        case .three: "THREE"
        case .quorum: "QUORUM"
        case .all: "ALL"
        case .localQuorum: "LOCAL_QUORUM"
        case .eachQuorum: "EACH_QUORUM"
        case .serial: "SERIAL"
        case .localSerial: "LOCAL_SERIAL"
        case .localOne: "LOCAL_ONE"
        }
    }

    /// Whether only replicas of the coordinator's datacenter count.
    package var isLocal: Bool {
        self == .localOne || self == .localQuorum || self == .localSerial
    }
}

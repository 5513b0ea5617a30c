package import ByteCoding
package import Catalog
package import TokenPlacement

/// The encoding of log entries, on disk and between nodes (docs/storage-format.md, "Cluster log").
extension LogEntry {
    /// The version byte that every entry starts with.
    package static let formatVersion: UInt8 = 1

    /// The entry as bytes.
    package func encoded() -> [UInt8] {
        var writer = ByteWriter(capacity: 256)
        writer.writeUInt8(Self.formatVersion)
        writer.writeUInt64(epoch.value)
        writer.writeUInt64(ballot.round)
        writer.write(ballot.node)
        writer.write(change)
        return writer.bytes
    }

    /// The entry that the bytes hold.
    package init(decoding bytes: [UInt8]) throws(ByteDecodingError) {
        var reader = ByteReader(bytes)
        let version = try reader.readUInt8("log entry version")
        guard version == Self.formatVersion else {
            throw .invalid(what: "log entry: format \(version), this program reads format 1")
        }
        let epoch = Epoch(try reader.readUInt64("epoch"))
        let ballot = Ballot(
            round: try reader.readUInt64("ballot round"),
            node: try reader.readNodeID()
        )
        self.init(epoch: epoch, ballot: ballot, change: try reader.readClusterChange())
        try reader.requireEnd("log entry")
    }
}

/// Which options an `alterTable` names, in the order in which they follow.
private struct OptionFlags: OptionSet {
    let rawValue: UInt8

    static let comment = OptionFlags(rawValue: 1)
    static let defaultTimeToLive = OptionFlags(rawValue: 2)
    static let gcGrace = OptionFlags(rawValue: 4)
    static let durability = OptionFlags(rawValue: 8)
    static let all: OptionFlags = [.comment, .defaultTimeToLive, .gcGrace, .durability]
}

extension ByteWriter {
    /// Appends the sixteen bytes of an id.
    package mutating func write(_ id: NodeID) {
        writeUInt64(id.high)
        writeUInt64(id.low)
    }

    /// Appends a node's record.
    package mutating func write(_ node: NodeRecord) {
        write(node.id)
        writeSizedString(node.address)
        writeUInt16(node.nativePort)
        writeUInt16(node.internodePort)
        writeSizedString(node.location.datacenter)
        writeSizedString(node.location.rack)
    }

    /// Appends a change behind the byte that names its kind.
    package mutating func write(_ change: ClusterChange) {
        switch change {
        case .found(let founding):
            writeUInt8(1)
            write(founding.clusterID)
            writeSizedString(founding.name)
            writeCount(founding.sliceCount)
            writeCount(founding.expectedNodeCount)
            write(founding.node)
        case .registerNode(let node):
            writeUInt8(2)
            write(node)
        case .assignOwners(let slices):
            writeUInt8(3)
            writeOwners(slices)
        case .createKeyspace(let keyspace):
            writeUInt8(4)
            writeSizedString(keyspace.name)
            writeBool(keyspace.durableWrites)
            write(keyspace.replication)
        case .dropKeyspace(let name):
            writeUInt8(5)
            writeSizedString(name)
        case .createTable(let table):
            // Kind 6 is from before tables had a durability: it means synced ones.
            let isSynced = table.options.durability == .synced
            writeUInt8(isSynced ? 6 : 10)
            write(table)
            if !isSynced { writeUInt8(table.options.durability.rawValue) }
        case .dropTable(let keyspace, let name):
            writeUInt8(7)
            writeSizedString(keyspace)
            writeSizedString(name)
        case .pushModel(let push):
            writeUInt8(8)
            writeSizedString(push.name.keyspace)
            writeSizedString(push.name.name)
            writeBytes(push.hash.bytes)
            writeUInt64(UInt64(push.byteCount))
            write(push.signature)
        case .dropModel(let name):
            writeUInt8(9)
            writeSizedString(name.keyspace)
            writeSizedString(name.name)
        case .alterTable(let keyspace, let name, let options):
            writeUInt8(11)
            writeSizedString(keyspace)
            writeSizedString(name)
            write(options)
        }
    }

    private mutating func write(_ options: TableOptionsChange) {
        var flags: OptionFlags = []
        if options.comment != nil { flags.insert(.comment) }
        if options.defaultTimeToLiveSeconds != nil { flags.insert(.defaultTimeToLive) }
        if options.gcGraceSeconds != nil { flags.insert(.gcGrace) }
        if options.durability != nil { flags.insert(.durability) }
        writeUInt8(flags.rawValue)
        if let comment = options.comment { writeSizedString(comment) }
        if let seconds = options.defaultTimeToLiveSeconds { writeInt32(seconds) }
        if let seconds = options.gcGraceSeconds { writeInt32(seconds) }
        if let durability = options.durability { writeUInt8(durability.rawValue) }
    }

    private mutating func writeOwners(_ slices: SliceMap) {
        writeCount(slices.nodes.count)
        for node in slices.nodes { write(node) }
        writeCount(slices.sliceCount)
        for owner in slices.ownerIndices { writeUInt16(owner) }
    }

    private mutating func write(_ strategy: ReplicationStrategy) {
        switch strategy {
        case .simple(let factor):
            writeUInt8(1)
            writeCount(factor)
        case .networkTopology(let factors):
            writeUInt8(2)
            writeCount(factors.count)
            for factor in factors {
                writeSizedString(factor.datacenter)
                writeCount(factor.factor)
            }
        case .everywhere: writeUInt8(3)
        }
    }

    private mutating func write(_ table: TableDefinition) {
        writeSizedString(table.keyspace)
        writeSizedString(table.name)
        writeCount(table.columns.count)
        for column in table.columns {
            writeUInt32(column.id.value)
            writeSizedString(column.name)
            writeUInt8(column.kind.rawValue)
            writeCount(column.position)
            write(column.type)
        }
        writeSizedString(table.options.comment)
        writeInt32(table.options.defaultTimeToLiveSeconds)
        writeInt32(table.options.gcGraceSeconds)
    }

    /// Appends a type: one byte, and what it is made of.
    package mutating func write(_ type: CQLType) {
        switch type {
        case .ascii: writeUInt8(1)
        case .text: writeUInt8(2)
        case .blob: writeUInt8(3)
        case .boolean: writeUInt8(4)
        case .tinyint: writeUInt8(5)
        case .smallint: writeUInt8(6)
        case .int: writeUInt8(7)
        case .bigint: writeUInt8(8)
        case .float: writeUInt8(9)
        case .double: writeUInt8(10)
        case .uuid: writeUInt8(11)
        case .timeuuid: writeUInt8(12)
        case .timestamp: writeUInt8(13)
        case .inet: writeUInt8(14)
        case .vector(let dimension):
            writeUInt8(15)
            writeCount(dimension)
        case .list(let element):
            writeUInt8(16)
            write(element)
        case .set(let element):
            writeUInt8(17)
            write(element)
        case .map(let key, let value):
            writeUInt8(18)
            write(key)
            write(value)
        }
    }

    /// Appends a model's signature.
    package mutating func write(_ signature: ModelSignature) {
        writeCount(signature.parameters.count)
        for parameter in signature.parameters {
            writeSizedString(parameter.name)
            write(parameter.type.cqlType)
            writeBool(parameter.defaultValue != nil)
            if let value = parameter.defaultValue {
                writeCount(value.count)
                for number in value { writeUInt64(number.bitPattern) }
            }
            writeSizedString(parameter.input)
            writeBool(parameter.range != nil)
            if let range = parameter.range {
                writeVarint(UInt64(range.lowerBound))
                writeVarint(UInt64(range.upperBound))
            }
        }
        writeCount(signature.inputs.count)
        for input in signature.inputs {
            writeSizedString(input.name)
            writeUInt8(input.elementType.rawValue)
            writeVarint(UInt64(input.width))
            writeUInt8(UInt8(input.rank))
        }
        writeSizedString(signature.output)
    }
}

extension ByteReader {
    private static let numberMax = 1 << 24

    private mutating func readNumber(_ what: StaticStringName) throws(ByteDecodingError) -> Int {
        let value = try readVarint(what)
        guard value <= UInt64(Self.numberMax) else {
            throw .overLimit(what: what, limit: Self.numberMax, actual: Int(clamping: value))
        }
        return Int(value)
    }

    /// An id of sixteen bytes.
    package mutating func readNodeID() throws(ByteDecodingError) -> NodeID {
        NodeID(high: try readUInt64("node id"), low: try readUInt64("node id"))
    }

    /// A node's record.
    package mutating func readNodeRecord() throws(ByteDecodingError) -> NodeRecord {
        NodeRecord(
            id: try readNodeID(),
            address: try readSizedString("address"),
            nativePort: try readUInt16("native port"),
            internodePort: try readUInt16("internode port"),
            location: Location(
                datacenter: try readSizedString("datacenter"),
                rack: try readSizedString("rack")
            )
        )
    }

    /// A change behind the byte that names its kind.
    package mutating func readClusterChange() throws(ByteDecodingError) -> ClusterChange {
        switch try readUInt8("kind of change") {
        case 1:
            return .found(
                Founding(
                    clusterID: try readNodeID(),
                    name: try readSizedString("cluster name"),
                    sliceCount: try readNumber("slice count"),
                    expectedNodeCount: try readNumber("expected node count"),
                    node: try readNodeRecord()
                )
            )
        case 2: return .registerNode(try readNodeRecord())
        case 3: return .assignOwners(try readOwners())
        case 4:
            let name = try readSizedString("keyspace")
            let durableWrites = try readBool("durable writes")
            return .createKeyspace(
                KeyspaceDefinition(
                    name: name,
                    replication: try readReplication(),
                    durableWrites: durableWrites
                )
            )
        case 5: return .dropKeyspace(try readSizedString("keyspace"))
        case 6: return .createTable(try readTable())
        case 7:
            return .dropTable(
                keyspace: try readSizedString("keyspace"),
                name: try readSizedString("table")
            )
        case 8:
            let name = try readModelName()
            guard let hash = ModelHash(try readBytes(32, "model hash")) else {
                throw .invalid(what: "model hash")
            }
            let rawCount = try readUInt64("model length")
            guard let byteCount = Int(exactly: rawCount) else {
                throw .invalid(what: "model length \(rawCount)")
            }
            return .pushModel(
                ModelPush(
                    name: name,
                    signature: try readSignature(),
                    hash: hash,
                    byteCount: byteCount
                )
            )
        case 9: return .dropModel(try readModelName())
        case 10:
            var table = try readTable()
            table.options.durability = try readDurability()
            // One table has one encoding: synced ones are of kind 6.
            guard table.options.durability != .synced else {
                throw .invalid(what: "kind of change 10: the table's durability is synced")
            }
            return .createTable(table)
        case 11:
            return .alterTable(
                keyspace: try readSizedString("keyspace"),
                name: try readSizedString("table"),
                try readTableOptionsChange()
            )
        case let other: throw .invalid(what: "kind of change \(other)")
        }
    }

    private mutating func readDurability() throws(ByteDecodingError) -> TableDurability {
        let rawValue = try readUInt8("durability")
        guard let durability = TableDurability(rawValue: rawValue) else {
            throw .invalid(what: "durability \(rawValue)")
        }
        return durability
    }

    private mutating func readTableOptionsChange() throws(ByteDecodingError) -> TableOptionsChange {
        let flags = OptionFlags(rawValue: try readUInt8("table options"))
        guard flags.isSubset(of: .all) else {
            throw .invalid(what: "table options: flags \(flags.rawValue)")
        }
        var options = TableOptionsChange()
        if flags.contains(.comment) { options.comment = try readSizedString("comment") }
        if flags.contains(.defaultTimeToLive) {
            options.defaultTimeToLiveSeconds = try readInt32("default time to live")
        }
        if flags.contains(.gcGrace) { options.gcGraceSeconds = try readInt32("gc grace") }
        if flags.contains(.durability) { options.durability = try readDurability() }
        return options
    }

    private mutating func readModelName() throws(ByteDecodingError) -> ModelName {
        ModelName(
            keyspace: try readSizedString("keyspace"),
            name: try readSizedString("model name")
        )
    }

    private mutating func readOwners() throws(ByteDecodingError) -> SliceMap {
        let nodeCount = try readCount("owner count", atMost: SliceMap.nodesMax)
        var nodes: [NodeID] = []
        for _ in 0..<nodeCount { nodes.append(try readNodeID()) }
        let sliceCount = try readCount("slice count", atMost: SliceMap.sliceCountMax)
        var owners: [UInt16] = []
        owners.reserveCapacity(sliceCount)
        for _ in 0..<sliceCount { owners.append(try readUInt16("owner")) }
        guard let slices = SliceMap(nodes: nodes, ownerIndices: owners) else {
            throw .invalid(
                what: """
                    owners: \(sliceCount) slices (a power of two is needed) of \(nodeCount) nodes \
                    (sorted, each the owner of a slice)
                    """
            )
        }
        return slices
    }

    private mutating func readReplication() throws(ByteDecodingError) -> ReplicationStrategy {
        switch try readUInt8("replication strategy") {
        case 1: return .simple(factor: try readFactor())
        case 2:
            let count = try readCount("datacenter count")
            var factors: [DatacenterFactor] = []
            for _ in 0..<count {
                factors.append(
                    DatacenterFactor(
                        datacenter: try readSizedString("datacenter"),
                        factor: try readFactor()
                    )
                )
            }
            let names = factors.map(\.datacenter)
            guard zip(names, names.dropFirst()).allSatisfy({ $0 < $1 }) else {
                throw .invalid(what: "replication: datacenters \(names) are not sorted")
            }
            return .networkTopology(factors)
        case 3: return .everywhere
        case let other: throw .invalid(what: "replication strategy \(other)")
        }
    }

    private mutating func readFactor() throws(ByteDecodingError) -> Int {
        let factor = try readNumber("replication factor")
        guard (1...ReplicationStrategy.factorMax).contains(factor) else {
            throw .invalid(
                what: "replication factor \(factor): 1 to \(ReplicationStrategy.factorMax)"
            )
        }
        return factor
    }

    private mutating func readTable() throws(ByteDecodingError) -> TableDefinition {
        let keyspace = try readSizedString("keyspace")
        let name = try readSizedString("table")
        let count = try readCount("column count")
        var columns: [ColumnDefinition] = []
        for _ in 0..<count {
            let id = ColumnID(try readUInt32("column id"))
            let name = try readSizedString("column")
            let rawKind = try readUInt8("column kind")
            guard let kind = ColumnKind(rawValue: rawKind) else {
                throw .invalid(what: "column kind \(rawKind)")
            }
            let position = try readNumber("column position")
            columns.append(
                ColumnDefinition(
                    id: id,
                    name: name,
                    type: try readCQLType(),
                    kind: kind,
                    position: position
                )
            )
        }
        let options = TableOptions(
            comment: try readSizedString("comment"),
            defaultTimeToLiveSeconds: try readInt32("default time to live"),
            gcGraceSeconds: try readInt32("gc grace")
        )
        return TableDefinition(
            id: TableID(0),
            uuid: NodeID(high: 0, low: 0),
            keyspace: keyspace,
            name: name,
            columns: columns,
            options: options
        )
    }

    /// A type; nesting is bounded.
    package mutating func readCQLType(depth: Int = 0) throws(ByteDecodingError) -> CQLType {
        guard depth < 8 else { throw .overLimit(what: "type nesting", limit: 8, actual: depth) }
        switch try readUInt8("type") {
        case 1: return .ascii
        case 2: return .text
        case 3: return .blob
        case 4: return .boolean
        case 5: return .tinyint
        case 6: return .smallint
        case 7: return .int
        case 8: return .bigint
        case 9: return .float
        case 10: return .double
        case 11: return .uuid
        case 12: return .timeuuid
        case 13: return .timestamp
        case 14: return .inet
        case 15: return .vector(dimension: try readNumber("vector dimension"))
        case 16: return .list(try readCQLType(depth: depth + 1))
        case 17: return .set(try readCQLType(depth: depth + 1))
        case 18:
            let key = try readCQLType(depth: depth + 1)
            return .map(key, try readCQLType(depth: depth + 1))
        case let other: throw .invalid(what: "type \(other)")
        }
    }

    /// A model's signature.
    package mutating func readSignature() throws(ByteDecodingError) -> ModelSignature {
        let parameterCount = try readCount("parameter count")
        var parameters: [ModelParameter] = []
        for _ in 0..<parameterCount {
            let name = try readSizedString("parameter")
            let cqlType = try readCQLType()
            guard let type = ModelParameterType(cqlType) else {
                throw .invalid(what: "parameter type \(cqlType.cqlText)")
            }
            var value: [Double]?
            if try readBool("has default") {
                let count = try readCount("default width")
                var numbers: [Double] = []
                for _ in 0..<count {
                    numbers.append(Double(bitPattern: try readUInt64("default")))
                }
                value = numbers
            }
            let input = try readSizedString("input")
            var range: Range<Int>?
            if try readBool("has range") {
                let lower = try readNumber("range start")
                let upper = try readNumber("range end")
                guard lower <= upper else { throw .invalid(what: "range \(lower)..\(upper)") }
                range = lower..<upper
            }
            parameters.append(
                ModelParameter(
                    name: name,
                    type: type,
                    defaultValue: value,
                    input: input,
                    range: range
                )
            )
        }
        let inputCount = try readCount("input count")
        var inputs: [ModelInput] = []
        for _ in 0..<inputCount {
            let name = try readSizedString("input")
            let rawType = try readUInt8("element type")
            guard let elementType = TensorElementType(rawValue: rawType) else {
                throw .invalid(what: "element type \(rawType)")
            }
            let width = try readNumber("input width")
            let rank = Int(try readUInt8("input rank"))
            inputs.append(
                ModelInput(name: name, elementType: elementType, width: width, rank: rank)
            )
        }
        return ModelSignature(
            parameters: parameters,
            inputs: inputs,
            output: try readSizedString("output")
        )
    }
}

import ByteCoding
package import Catalog

/// The type of a column in a result, as the protocol can express it (section 4.2.5.2).
package enum ColumnType: Hashable, Sendable {
    /// A type of this cluster.
    case cql(CQLType)
    /// A type that only other servers have (`decimal`, a user-defined type, ...): its CQL name, or
    /// the class name of a custom type. Its cells can be read as bytes.
    case foreign(String)

    /// The type as text.
    package var description: String {
        switch self {
        case .cql(let type): type.cqlText
        case .foreign(let name): name
        }
    }
}

private let vectorClass = "org.apache.cassandra.db.marshal.VectorType"
private let floatClass = "org.apache.cassandra.db.marshal.FloatType"

/// The dimension in the class name of a vector of floats, or nil for other classes.
private func vectorDimension(ofClass name: String) -> Int? {
    let text = name.filter { $0 != " " }
    let head = "\(vectorClass)(\(floatClass),"
    guard text.hasPrefix(head), text.last == ")" else { return nil }
    guard let dimension = Int(text.dropFirst(head.count).dropLast()) else { return nil }
    return (1...CQLType.vectorDimensionMax).contains(dimension) ? dimension : nil
}

extension ByteReader {
    /// An [option] that names a type.
    mutating func readColumnType(
        depth: Int = 0,
        _ limits: NativeProtocolLimits
    ) throws(ByteDecodingError) -> ColumnType {
        guard depth <= limits.typeDepthMax else {
            throw .overLimit(what: "depth of a type", limit: limits.typeDepthMax, actual: depth)
        }
        let id = try readUInt16("id of a type")
        switch id {
        case 0x0000:
            let name = try readString("class of a type")
            guard let dimension = vectorDimension(ofClass: name) else { return .foreign(name) }
            return .cql(.vector(dimension: dimension))
        case 0x0020, 0x0022:
            let element = try readColumnType(depth: depth + 1, limits)
            guard case .cql(let type) = element else {
                return .foreign("\(id == 0x0020 ? "list" : "set")<\(element.description)>")
            }
            return .cql(id == 0x0020 ? .list(type) : .set(type))
        case 0x0021:
            let key = try readColumnType(depth: depth + 1, limits)
            let value = try readColumnType(depth: depth + 1, limits)
            guard case .cql(let keyType) = key, case .cql(let valueType) = value else {
                return .foreign("map<\(key.description), \(value.description)>")
            }
            return .cql(.map(keyType, valueType))
        case 0x0030: return try readUserType(depth: depth, limits)
        case 0x0031:
            let count = try readShortCount("size of a tuple", elementBytesMin: 2)
            var names: [String] = []
            for _ in 0..<count {
                names.append(try readColumnType(depth: depth + 1, limits).description)
            }
            return .foreign("tuple<\(names.joined(separator: ", "))>")
        default:
            guard let type = scalarType(id) else {
                throw .invalid(what: "id of a type: \(hexText(id)) is not known")
            }
            return type
        }
    }

    private mutating func readUserType(
        depth: Int,
        _ limits: NativeProtocolLimits
    ) throws(ByteDecodingError) -> ColumnType {
        let keyspace = try readString("keyspace of a type")
        let name = try readString("name of a type")
        let count = try readShortCount("number of fields", elementBytesMin: 4)
        for _ in 0..<count {
            _ = try readString("name of a field")
            _ = try readColumnType(depth: depth + 1, limits)
        }
        return .foreign("\(keyspace).\(name)")
    }

    private func scalarType(_ id: UInt16) -> ColumnType? {
        switch id {
        case 0x0001: .cql(.ascii)
        case 0x0002: .cql(.bigint)
        case 0x0003: .cql(.blob)
        case 0x0004: .cql(.boolean)
        case 0x0005: .foreign("counter")
        case 0x0006: .foreign("decimal")
        case 0x0007: .cql(.double)
        case 0x0008: .cql(.float)
        case 0x0009: .cql(.int)
        case 0x000B: .cql(.timestamp)
        case 0x000C: .cql(.uuid)
        case 0x000A, 0x000D: .cql(.text)
        case 0x000E: .foreign("varint")
        case 0x000F: .cql(.timeuuid)
        case 0x0010: .cql(.inet)
        case 0x0011: .foreign("date")
        case 0x0012: .foreign("time")
        case 0x0013: .cql(.smallint)
        case 0x0014: .cql(.tinyint)
        case 0x0015: .foreign("duration")
        default: nil
        }
    }
}

extension ByteWriter {
    /// An [option] that names a type; a foreign one is written as a custom class.
    mutating func writeColumnType(_ type: ColumnType) {
        switch type {
        case .cql(let type): writeType(type)
        case .foreign(let name):
            writeUInt16(0x0000)
            writeString(name)
        }
    }

    private mutating func writeType(_ type: CQLType) {
        switch type {
        case .ascii: writeUInt16(0x0001)
        case .bigint: writeUInt16(0x0002)
        case .blob: writeUInt16(0x0003)
        case .boolean: writeUInt16(0x0004)
        case .double: writeUInt16(0x0007)
        case .float: writeUInt16(0x0008)
        case .int: writeUInt16(0x0009)
        case .timestamp: writeUInt16(0x000B)
        case .uuid: writeUInt16(0x000C)
        case .text: writeUInt16(0x000D)
        case .timeuuid: writeUInt16(0x000F)
        case .inet: writeUInt16(0x0010)
        case .smallint: writeUInt16(0x0013)
        case .tinyint: writeUInt16(0x0014)
        case .vector(let dimension):
            writeUInt16(0x0000)
            writeString("\(vectorClass)(\(floatClass), \(dimension))")
        case .list(let element):
            writeUInt16(0x0020)
            writeType(element)
        case .map(let key, let value):
            writeUInt16(0x0021)
            writeType(key)
            writeType(value)
        case .set(let element):
            writeUInt16(0x0022)
            writeType(element)
        }
    }
}

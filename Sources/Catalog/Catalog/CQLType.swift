/// The type of a column or value, as CQL 3.4 names it.
package indirect enum CQLType: Hashable, Sendable {
    case ascii
    case text
    case blob
    case boolean
    case tinyint
    case smallint
    case int
    case bigint
    case float
    case double
    case uuid
    case timeuuid
    case timestamp
    case inet
    /// `vector<float, dimension>`: that many big-endian floats without lengths.
    case vector(dimension: Int)
    case list(CQLType)
    case set(CQLType)
    case map(CQLType, CQLType)

    /// The most dimensions of a vector (Cassandra's limit is 8,192 as well).
    package static let vectorDimensionMax = 8192

    /// The type as it is written in CQL.
    package var cqlText: String {
        switch self {
        case .ascii: "ascii"
        case .text: "text"
        case .blob: "blob"
        case .boolean: "boolean"
        case .tinyint: "tinyint"
        case .smallint: "smallint"
        case .int: "int"
        case .bigint: "bigint"
        case .float: "float"
        case .double: "double"
        case .uuid: "uuid"
        case .timeuuid: "timeuuid"
        case .timestamp: "timestamp"
        case .inet: "inet"
        case .vector(let dimension): "vector<float, \(dimension)>"
        case .list(let element): "list<\(element.cqlText)>"
        case .set(let element): "set<\(element.cqlText)>"
        case .map(let key, let value): "map<\(key.cqlText), \(value.cqlText)>"
        }
    }

    /// The scalar type that a name stands for (`varchar` is `text`), or nil.
    package init?(scalarName name: String) {
        switch name {
        case "ascii": self = .ascii
        case "text", "varchar": self = .text
        case "blob": self = .blob
        case "boolean": self = .boolean
        case "tinyint": self = .tinyint
        case "smallint": self = .smallint
        case "int": self = .int
        case "bigint": self = .bigint
        case "float": self = .float
        case "double": self = .double
        case "uuid": self = .uuid
        case "timeuuid": self = .timeuuid
        case "timestamp": self = .timestamp
        case "inet": self = .inet
        default: return nil
        }
    }

    /// Whether a column of this type holds many cells under one name.
    package var isCollection: Bool {
        switch self {
        case .list, .set, .map: true
        default: false
        }
    }

    /// The bytes of every value of this type, or nil where the length varies.
    package var fixedByteCount: Int? {
        switch self {
        case .boolean, .tinyint: 1
        case .smallint: 2
        case .int, .float: 4
        case .bigint, .double, .timestamp: 8
        case .uuid, .timeuuid: 16
        case .vector(let dimension): 4 * dimension
        case .ascii, .text, .blob, .inet, .list, .set, .map: nil
        }
    }
}

/// Why bytes are not a value of their type.
package struct ValueError: Error, Equatable, CustomStringConvertible {
    /// The type that was expected.
    package let type: CQLType
    /// What is wrong with the bytes.
    package let problem: String

    package var description: String { "not a value of type \(type.cqlText): \(problem)" }
}

extension CQLType {
    /// Throws unless the bytes are a value of this type in the native protocol's encoding
    /// (native_protocol_v4.spec, section 6).
    package func validate(_ value: [UInt8]) throws(ValueError) {
        if let expected = fixedByteCount {
            guard value.count == expected else {
                let hint =
                    if case .vector(let dimension) = self {
                        " (\(dimension) floats of 4 bytes; given \(value.count / 4))"
                    } else { "" }
                throw ValueError(
                    type: self,
                    problem: "\(expected) bytes expected, \(value.count) given\(hint)"
                )
            }
            if self == .timeuuid, value[6] >> 4 != 1 {
                throw ValueError(
                    type: self,
                    problem: "UUID version 1 expected, version \(value[6] >> 4) given"
                )
            }
            return
        }
        switch self {
        case .ascii:
            if let index = value.firstIndex(where: { $0 >= 0x80 }) {
                throw ValueError(type: self, problem: "byte \(index) is not ASCII")
            }
        case .text:
            guard String(validating: value, as: UTF8.self) != nil else {
                throw ValueError(type: self, problem: "the bytes are not UTF-8")
            }
        case .inet:
            guard value.count == 4 || value.count == 16 else {
                throw ValueError(
                    type: self,
                    problem: "4 or 16 bytes expected, \(value.count) given"
                )
            }
        case .list(let element), .set(let element):
            try validateElements(value, types: [element])
        case .map(let key, let element):
            try validateElements(value, types: [key, element])
        default: break
        }
    }

    private func validateElements(_ value: [UInt8], types: [CQLType]) throws(ValueError) {
        guard let elements = CollectionCoding.elements(of: value, partCount: types.count) else {
            throw ValueError(
                type: self,
                problem: "the bytes are not as many elements, each behind its length, as they count"
            )
        }
        for (index, element) in elements.enumerated() {
            try types[index % types.count].validate(element)
        }
    }
}

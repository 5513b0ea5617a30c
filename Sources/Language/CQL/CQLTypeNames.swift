internal import CQLSyntax
internal import Catalog

/// Which written types a user's column can have.
enum CQLTypeNames {
    /// The scalar types of CQL that Martlet has.
    static let scalars = [
        "ascii", "bigint", "blob", "boolean", "double", "float", "inet", "int", "smallint",
        "text", "timestamp", "timeuuid", "tinyint", "uuid", "varchar",
    ]

    /// The type that a name means; errors name whose type it is, the subject.
    static func resolve(_ name: TypeName, subject: String) throws(CQLError) -> CQLType {
        func refused(_ hint: String) -> CQLError {
            .invalid("\(subject): type \(name) is not supported: \(hint)")
        }
        switch name {
        case .named(let named):
            if named.keyspace == nil, let type = CQLType(scalarName: named.name.name) {
                return type
            }
            if named.keyspace == nil, let hint = missing[named.name.name] { throw refused(hint) }
            throw .invalid(
                "\(subject): unknown type \(name); the types are "
                    + scalars.joined(separator: ", ") + " and vector<float, n>"
            )
        case .vector(.named(let element), let dimension)
        where element.keyspace == nil && element.name.name == "float":
            guard (1...CQLType.vectorDimensionMax).contains(dimension) else {
                throw .invalid(
                    "\(subject): a vector has 1 to \(CQLType.vectorDimensionMax) dimensions, "
                        + "\(name) has \(dimension)"
                )
            }
            return .vector(dimension: dimension)
        case .vector: throw refused("the elements of a vector are float, as in vector<float, 3>")
        case .list, .set, .map:
            throw refused(
                "collections come later; use columns of their own, a vector<float, n>, or a blob"
            )
        case .tuple: throw refused("give each element a column of its own")
        case .frozen: throw refused("use columns of their own, or a blob")
        case .custom: throw refused("write the type's CQL name")
        }
    }

    private static let missing = [
        "counter": "use bigint, and write the sum",
        "date": "use timestamp",
        "time": "use bigint, in nanoseconds since midnight",
        "decimal": "use double, or text where it must be exact",
        "varint": "use bigint, or text",
        "duration": "use bigint, in a unit of your choice",
    ]
}

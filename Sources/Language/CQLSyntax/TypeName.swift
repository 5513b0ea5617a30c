/// A type as written; whether its names exist is for the schema to say.
package indirect enum TypeName: Equatable, Sendable, CustomStringConvertible {
    /// A native or user-defined type: `int`, `ks.address`.
    case named(QualifiedName)
    /// `list<element>`.
    case list(TypeName)
    /// `set<element>`.
    case set(TypeName)
    /// `map<key, value>`.
    case map(TypeName, TypeName)
    /// `tuple<a, b>`, never empty.
    case tuple([TypeName])
    /// `vector<element, dimension>`, dimension at least 1.
    case vector(TypeName, Int)
    /// `frozen<type>`.
    case frozen(TypeName)
    /// A class name in single quotes: `'org.apache.cassandra.db.marshal.Int32Type'`.
    case custom(String, SourcePosition)

    /// Where the innermost first name of the type stands.
    package var position: SourcePosition {
        switch self {
        case .named(let name): name.position
        case .list(let type), .set(let type), .map(let type, _), .vector(let type, _),
            .frozen(let type):
            type.position
        case .tuple(let types): types.first?.position ?? SourcePosition(line: 1, column: 0)
        case .custom(_, let position): position
        }
    }

    /// The type as system_schema and drivers write it: `vector<float, 3>`.
    package var description: String {
        switch self {
        case .named(let name): name.description
        case .list(let element): "list<\(element)>"
        case .set(let element): "set<\(element)>"
        case .map(let key, let value): "map<\(key), \(value)>"
        case .tuple(let types): "tuple<\(types.map(\.description).joined(separator: ", "))>"
        case .vector(let element, let dimension): "vector<\(element), \(dimension)>"
        case .frozen(let type): "frozen<\(type)>"
        case .custom(let name, _): Identifier.quote(name, with: "'")
        }
    }
}

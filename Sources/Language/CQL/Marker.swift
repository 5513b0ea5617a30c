internal import CQLSyntax
package import Catalog

/// A bind marker of a prepared statement: its name and type as PREPARED tells them.
package struct Marker: Hashable, Sendable {
    /// The name as Cassandra gives it: the column's, `in(column)`, `[limit]`, `[ttl]`,
    /// `[timestamp]`, a model parameter's, or the one behind the colon of `:name`.
    package let name: String
    /// The type of the value; `list<T>` for the list behind IN.
    package let type: CQLType
    /// What the value is for, as errors name it: `column year of ml.movies`.
    package let subject: String

    /// A marker with all its parts.
    package init(name: String, type: CQLType, subject: String) {
        self.name = name
        self.type = type
        self.subject = subject
    }
}

/// What a request binds to a marker.
package enum MarkerValue: Hashable, Sendable {
    /// A value in the native protocol's encoding.
    case value([UInt8])
    /// Null: a write deletes the cell.
    case null
    /// Not set: a write leaves the cell as it is.
    case unset
}

/// Where a plan takes a value from.
package enum ValueSource: Hashable, Sendable {
    /// The statement's text: encoded, nil for null.
    case constant([UInt8]?)
    /// The marker with this index.
    case marker(Int)
}

extension Marker {
    /// Throws unless the bytes are a value of the marker's type, naming what they are for.
    func check(_ bytes: [UInt8]) throws(CQLError) { try Self.check(bytes, type, subject) }

    /// Throws unless the bytes are a value of the type.
    static func check(
        _ bytes: [UInt8],
        _ type: CQLType,
        _ subject: @autoclosure () -> String
    ) throws(CQLError) {
        do {
            try type.validate(bytes)
        } catch {
            guard case .vector = type else {
                throw .invalid("\(subject()) takes \(type.cqlText): \(error.problem)")
            }
            let given =
                bytes.count % 4 == 0 ? "\(bytes.count / 4) floats" : "\(bytes.count) bytes"
            throw .invalid("\(subject()) takes \(type.cqlText), given \(given)")
        }
    }
}

/// The values bound to a plan's markers, already counted and checked.
struct CheckedValues {
    let values: [MarkerValue]

    /// Checks the number of values and each against its marker; lists of IN are checked as they
    /// are taken apart.
    init(
        _ values: [MarkerValue],
        for markers: [Marker],
        lists: Set<Int> = []
    ) throws(CQLError) {
        guard values.count == markers.count else {
            throw .invalid(
                "the statement has \(markers.count) bind markers, \(values.count) values were "
                    + "given: bind one value to each"
            )
        }
        for (index, value) in values.enumerated() {
            if case .value(let bytes) = value, lists.isEmpty || !lists.contains(index) {
                try markers[index].check(bytes)
            }
        }
        self.values = values
    }

    /// The value that a source gives.
    func value(of source: ValueSource) -> MarkerValue {
        switch source {
        case .constant(let bytes): bytes.map(MarkerValue.value) ?? .null
        case .marker(let index): values[index]
        }
    }

    /// A value that must be there, such as one of a key.
    func required(
        _ source: ValueSource,
        _ subject: @autoclosure () -> String
    ) throws(CQLError) -> [UInt8] {
        switch value(of: source) {
        case .value(let bytes): return bytes
        case .null: throw .invalid("Invalid null value for \(subject()): give a value")
        case .unset: throw .invalid("Invalid unset value for \(subject()): give a value")
        }
    }
}

/// Collects the types of a statement's markers while it is planned.
struct MarkerTable {
    private(set) var found: [Marker?]

    init(count: Int) { found = Array(repeating: nil, count: count) }

    mutating func add(_ marker: BindMarker, name: String, type: CQLType, subject: String) {
        guard found.indices.contains(marker.index) else { return }
        found[marker.index] = Marker(name: marker.name ?? name, type: type, subject: subject)
    }

    /// All markers; throws if one stands where no value is taken from it.
    func all() throws(CQLError) -> [Marker] {
        var markers: [Marker] = []
        for (index, marker) in found.enumerated() {
            guard let marker else {
                throw .invalid(
                    "bind marker \(index + 1) stands where no value is expected: write it out"
                )
            }
            markers.append(marker)
        }
        return markers
    }
}

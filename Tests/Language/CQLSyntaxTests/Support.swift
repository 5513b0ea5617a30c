import CQLSyntax
import Testing

/// Parses a SELECT; anything else fails the test.
func parseSelect(_ cql: String) throws -> SelectStatement {
    guard case .select(let select) = try CQLParser.parse(cql).kind else {
        throw NotExpected(cql: cql)
    }
    return select
}

/// The canonical text of a SELECT.
func text(_ cql: String) throws -> String {
    try parseSelect(cql).description
}

/// The first selected expression of `SELECT <expression> FROM t`.
func parseExpression(_ cql: String) throws -> Expression {
    guard case .items(let items) = try parseSelect("SELECT \(cql) FROM t").selection else {
        throw NotExpected(cql: cql)
    }
    return items[0].expression
}

/// The error of a text that must not parse.
func parseError(_ cql: String) -> SyntaxError? {
    do throws(SyntaxError) {
        _ = try CQLParser.parse(cql)
        return nil
    } catch {
        return error
    }
}

struct NotExpected: Error {
    let cql: String
}

extension Expression.Kind {
    var marker: BindMarker? {
        guard case .marker(let marker) = self else { return nil }
        return marker
    }
}

extension Relation.Kind {
    var inMarker: BindMarker? {
        guard case .isIn(_, .marker(let marker)) = self else { return nil }
        return marker
    }
}

extension Statement {
    var unsupportedName: String? {
        guard case .unsupported(let name) = kind else { return nil }
        return name
    }
}

/// A generator whose sequence a seed fixes (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

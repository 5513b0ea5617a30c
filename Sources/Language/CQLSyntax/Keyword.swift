/// A word with a meaning of its own in some place of the grammar.
///
/// Only the reserved ones may not stand as a bare name; the list is Cassandra's, so that a schema
/// which Cassandra accepts is accepted here.
enum Keyword: String, CaseIterable, Sendable {
    // Reserved.
    case add, allow, alter, and, apply, asc, authorize, batch, begin, by, column, columnfamily
    case create, `default`, delete, desc, describe, drop, entries, execute, from, full, grant
    case `if`, `in`, index, infinity, insert, into, `is`, keyspace, limit, materialized, mbean
    case mbeans, modify, nan, norecursive, not, null, of, on, or, order, primary, rename, replace
    case revoke, schema, select, selectMasked = "select_masked", set, table, to, token, truncate
    case unlogged, unmask, unset, update, use, using, view, `where`, with
    // Literals, which no bare name may shadow.
    case `true`, `false`
    // Free for names.
    case aggregate, aggregates, ann, `as`, cast, cluster, clustering, compact, contains, count
    case counter, custom, distinct, exists, filtering, frozen, function, functions, group, identity
    case internals, json, key, keyspaces, like, list, map, model, only, partition, per, repair, role
    case `static`, storage, tables, timestamp, trigger, ttl, tuple, type, types, user, values
    case vector

    private static let byName = Dictionary(
        uniqueKeysWithValues: allCases.map { ($0.rawValue, $0) }
    )

    /// Finds the keyword that an identifier, already in lower case, spells.
    static func named(_ name: String) -> Keyword? { byName[name] }

    /// Whether a bare name may not be this word.
    var isReserved: Bool {
        switch self {
        case .aggregate, .aggregates, .ann, .as, .cast, .cluster, .clustering, .compact, .contains,
            .count, .counter, .custom, .distinct, .exists, .filtering, .frozen, .function,
            .functions, .group, .identity, .internals, .json, .key, .keyspaces, .like, .list, .map,
            .model, .only, .partition, .per, .repair, .role, .static, .storage, .tables, .timestamp,
            .trigger, .ttl, .tuple, .type, .types, .user, .values, .vector:
            false
        default: true
        }
    }

    /// The word as error messages show it.
    var spelling: String { rawValue.uppercased() }
}

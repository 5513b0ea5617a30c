internal import CQLSyntax

/// The functions that CQL itself has, and what to do instead of those that Martlet has not.
enum Functions {
    /// Whether a call names a function of CQL's own and not a model.
    static func isBuiltIn(_ name: QualifiedName) -> Bool {
        if let keyspace = name.keyspace { return keyspace.name == "system" }
        return hints[name.name.name] != nil || supported.contains(name.name.name)
    }

    /// What can be selected from a user's table.
    static let supported: Set<String> = ["token", "writetime", "ttl"]

    /// The error for a call where no call can stand, or of a function that is not supported.
    static func refusal(of call: FunctionCall, subject: String) -> CQLError {
        let name = call.name.name.name
        if let hint = hints[name], isBuiltIn(call.name) {
            return .invalid("\(name)() is not supported (\(subject)): \(hint)")
        }
        if isBuiltIn(call.name) {
            guard supported.contains(name) else {
                return .invalid("unknown function system.\(name) (\(subject))")
            }
            return .invalid("\(name)() can only be selected, it cannot stand here (\(subject))")
        }
        return .invalid(
            "a call of \(call.name) cannot stand here (\(subject)): a model is called in the "
                + "select list, as in SELECT k, \(call.name)(...) AS score FROM ..."
        )
    }

    private static let hints: [String: String] = {
        let fromClient = "compute the value in the client and bind it"
        let later = "vector similarity comes later; a model can compute it"
        let aggregate = "of the aggregates only count(*) is; aggregate in the client"
        let convert = "convert in the client"
        var hints: [String: String] = [:]
        for name in [
            "now", "uuid", "currenttimeuuid", "currenttimestamp", "currentdate", "currenttime",
            "mintimeuuid", "maxtimeuuid", "min_timeuuid", "max_timeuuid", "current_timestamp",
            "current_timeuuid", "current_date", "current_time", "random_float_vector",
        ] {
            hints[name] = fromClient
        }
        for name in ["similarity_cosine", "similarity_dot_product", "similarity_euclidean"] {
            hints[name] = later
        }
        for name in [
            "count", "min", "max", "sum", "avg", "collection_count", "collection_min",
            "collection_max", "collection_sum", "collection_avg", "map_keys", "map_values",
        ] {
            hints[name] = aggregate
        }
        for name in [
            "totimestamp", "todate", "tounixtimestamp", "dateof", "unixtimestampof",
            "to_timestamp", "to_date", "to_unix_timestamp", "tojson", "fromjson", "to_json",
            "from_json", "abs", "exp", "log", "log10", "round", "maxwritetime",
        ] {
            hints[name] = convert
        }
        for name in CQLTypeNames.scalars {
            hints["blobas\(name)"] = convert
            hints["\(name)asblob"] = convert
            hints["blob_as_\(name)"] = convert
            hints["\(name)_as_blob"] = convert
        }
        return hints
    }()
}

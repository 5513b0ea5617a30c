/// How many rows were scored, and how many of them not as they should be.
///
/// It becomes the warning of a response, so that missing features never pass for scores silently.
package struct ScoreStatistics: Equatable, Sendable {
    /// The rows that were given.
    package var rows: Int
    /// The rows in which a DEFAULT stood in for a null argument.
    package var defaulted: Int
    /// The rows whose score is null because an argument without DEFAULT was null.
    package var null: Int
    /// The rows whose score is null because the model gave no finite number.
    package var nonFinite: Int

    /// Counts, all zero by default.
    package init(rows: Int = 0, defaulted: Int = 0, null: Int = 0, nonFinite: Int = 0) {
        self.rows = rows
        self.defaulted = defaulted
        self.null = null
        self.nonFinite = nonFinite
    }

    /// The counts of two parts of one request.
    package static func + (left: Self, right: Self) -> Self {
        Self(
            rows: left.rows + right.rows,
            defaulted: left.defaulted + right.defaulted,
            null: left.null + right.null,
            nonFinite: left.nonFinite + right.nonFinite
        )
    }

    /// The warning for the response, or nil if every row was scored from its own values.
    package func warning(model: String) -> String? {
        var parts: [String] = []
        if defaulted > 0 { parts.append("\(defaulted) with a DEFAULT for a null argument") }
        if null > 0 { parts.append("\(null) not scored for a null argument") }
        if nonFinite > 0 { parts.append("\(nonFinite) with a score that is not finite") }
        guard !parts.isEmpty else { return nil }
        return "\(model): of \(rows) rows, \(parts.joined(separator: ", "))"
    }
}

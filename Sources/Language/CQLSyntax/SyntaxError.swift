/// Says why a text is not CQL, and where.
package struct SyntaxError: Error, Hashable, Sendable, CustomStringConvertible {
    /// One line that begins with the position, in Cassandra's manner, ready for the client.
    package let message: String

    /// The line of the fault, counted from 1.
    package let line: Int

    /// The column of the fault in Unicode scalars, counted from 0.
    package let column: Int

    /// Puts the position in front of what went wrong.
    package init(_ problem: String, at position: SourcePosition) {
        message = "\(position) \(problem)"
        line = position.line
        column = position.column
    }

    /// The message itself.
    package var description: String { message }
}

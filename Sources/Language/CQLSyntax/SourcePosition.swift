/// A place in a statement's text, as error messages name it: `line 1:7`.
package struct SourcePosition: Hashable, Sendable, CustomStringConvertible {
    /// The line, counted from 1.
    package let line: Int

    /// The column in Unicode scalars, counted from 0 as Cassandra counts it.
    package let column: Int

    /// Makes a position from a line (from 1) and a column (from 0).
    package init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }

    /// The position as Cassandra writes it in front of a syntax error.
    package var description: String { "line \(line):\(column)" }
}

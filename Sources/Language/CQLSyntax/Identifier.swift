/// A name as the schema knows it: lower case, or as written if it stood in double quotes.
package struct Identifier: Hashable, Sendable, CustomStringConvertible {
    /// The name without quotes.
    package let name: String

    /// Where the name begins.
    package let position: SourcePosition

    /// Makes a name that stands at a position.
    package init(_ name: String, at position: SourcePosition) {
        self.name = name
        self.position = position
    }

    /// The name as CQL text, in quotes where it needs them.
    package var description: String { Identifier.quotedIfNeeded(name) }

    /// Writes a name so that it reads back as itself: in double quotes unless it is a plain word.
    package static func quotedIfNeeded(_ name: String) -> String {
        let isPlain =
            name.utf8.first.map { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) } ?? false
            && name.utf8.allSatisfy {
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                    || $0 == UInt8(ascii: "_")
            }
        if isPlain, Keyword.named(name)?.isReserved != true { return name }
        return quote(name, with: "\"")
    }

    static func quote(_ text: String, with quote: Unicode.Scalar) -> String {
        var quoted = String(quote)
        for scalar in text.unicodeScalars {
            if scalar == quote { quoted.unicodeScalars.append(quote) }
            quoted.unicodeScalars.append(scalar)
        }
        quoted.unicodeScalars.append(quote)
        return quoted
    }
}

/// The name of a table, function, model or type, with its keyspace if the text gave one.
package struct QualifiedName: Hashable, Sendable, CustomStringConvertible {
    /// The keyspace in front of the dot.
    package let keyspace: Identifier?

    /// The name itself.
    package let name: Identifier

    /// Makes a name in a keyspace, or one whose keyspace the context gives.
    package init(keyspace: Identifier? = nil, name: Identifier) {
        self.keyspace = keyspace
        self.name = name
    }

    /// Where the name, or its keyspace, begins.
    package var position: SourcePosition { keyspace?.position ?? name.position }

    /// The name as CQL text.
    package var description: String { keyspace.map { "\($0).\(name)" } ?? name.description }
}

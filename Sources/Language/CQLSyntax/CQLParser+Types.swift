extension CQLParser {
    /// Reads a type.
    mutating func type() throws(SyntaxError) -> TypeName {
        let outer = try enter()
        let type = try openType()
        leave(outer)
        return type
    }

    private mutating func openType() throws(SyntaxError) -> TypeName {
        if isNext(.string) {
            let name = token
            advance()
            return .custom(unquoted(name), name.position)
        }
        guard token(ahead: 1).kind == .less else {
            return .named(try qualifiedName("a type"))
        }
        let type: TypeName
        switch token.keyword {
        case .list:
            beginParameters()
            type = .list(try self.type())
        case .set:
            beginParameters()
            type = .set(try self.type())
        case .frozen:
            beginParameters()
            type = .frozen(try self.type())
        case .map:
            beginParameters()
            let key = try self.type()
            try expect(.comma, "',' and the type of the map's values")
            type = .map(key, try self.type())
        case .tuple:
            beginParameters()
            var elements = [try self.type()]
            while accept(.comma) { elements.append(try self.type()) }
            type = .tuple(elements)
        case .vector:
            beginParameters()
            let element = try self.type()
            try expect(.comma, "',' and the vector's dimension")
            type = .vector(element, try dimension())
        default:
            throw unexpected(
                expected: "list, set, map, tuple, vector or frozen in front of '<'"
            )
        }
        try expect(.greater, "'>' to close the type")
        return type
    }

    /// Reads the type's word and `<`, both of which have been looked at.
    private mutating func beginParameters() {
        advance()
        advance()
    }

    private mutating func dimension() throws(SyntaxError) -> Int {
        let digits = token
        guard digits.kind == .integer else {
            throw unexpected(expected: "the vector's dimension, an integer of at least 1")
        }
        guard let dimension = Int32(spelling(digits)), dimension >= 1 else {
            throw SyntaxError(
                "a vector's dimension must be 1 to \(Int32.max), not \(spelling(digits))",
                at: digits.position
            )
        }
        advance()
        return Int(dimension)
    }
}

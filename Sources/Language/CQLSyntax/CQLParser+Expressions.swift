extension CQLParser {
    /// Reads an expression; sums bind weaker than products, products weaker than a sign.
    mutating func expression() throws(SyntaxError) -> Expression {
        let outer = isolate()
        var left = try product()
        while let sign = acceptOperator(.plus, .minus) {
            let right = try product()
            try grow(at: sign.position)
            left = Expression(.arithmetic(sign.operation, left, right), at: sign.position)
        }
        rejoin(outer)
        return left
    }

    /// Reads an integer literal or a marker, for LIMIT, TTL and TIMESTAMP.
    mutating func integerOrMarker(_ clause: String) throws(SyntaxError) -> Expression {
        let position = token.position
        if let marker = try acceptMarker() { return Expression(.marker(marker), at: position) }
        let sign = accept(.minus) ? "-" : ""
        let digits = token
        guard digits.kind == .integer else {
            throw unexpected(expected: "an integer or a bind marker for \(clause)")
        }
        advance()
        return Expression(.literal(.integer(sign + spelling(digits))), at: position)
    }

    private typealias Sign = (operation: ArithmeticOperator, position: SourcePosition)

    private mutating func acceptOperator(_ kinds: Token.Kind...) -> Sign? {
        let token = token
        guard kinds.contains(token.kind) else { return nil }
        let operation: ArithmeticOperator
        switch token.kind {
        case .plus: operation = .add
        case .minus: operation = .subtract
        case .star: operation = .multiply
        case .slash: operation = .divide
        case .percent: operation = .remainder
        default: return nil
        }
        advance()
        return (operation, token.position)
    }

    private mutating func product() throws(SyntaxError) -> Expression {
        let outer = isolate()
        var left = try signed()
        while let sign = acceptOperator(.star, .slash, .percent) {
            let right = try signed()
            try grow(at: sign.position)
            left = Expression(.arithmetic(sign.operation, left, right), at: sign.position)
        }
        rejoin(outer)
        return left
    }

    private mutating func signed() throws(SyntaxError) -> Expression {
        let position = token.position
        guard isNext(.minus) else { return try term() }
        let outer = try enter()
        advance()
        let operand = try signed()
        leave(outer)
        // A sign is part of its number, but only one: `- -5` stays a negation.
        switch operand.kind {
        case .literal(.integer(let digits)) where !digits.hasPrefix("-"):
            return Expression(.literal(.integer("-" + digits)), at: position)
        case .literal(.float(let digits)) where !digits.hasPrefix("-") && digits != "NaN":
            return Expression(.literal(.float("-" + digits)), at: position)
        case .literal(.float("NaN")):
            return Expression(operand.kind, at: position)
        default:
            return Expression(.negated(operand), at: position)
        }
    }

    private mutating func term() throws(SyntaxError) -> Expression {
        let token = token
        let position = token.position
        if let literal = try acceptLiteral() {
            return Expression(.literal(literal), at: position)
        }
        switch token.kind {
        case .question, .colon:
            guard let marker = try acceptMarker() else { break }
            return Expression(.marker(marker), at: position)
        case .leftParenthesis: return Expression(try parenthesized(), at: position)
        case .leftBracket: return Expression(try list(), at: position)
        case .leftBrace: return Expression(try setOrMap(), at: position)
        case .word, .quotedName:
            if isCall() { return Expression(try call(), at: position) }
            guard isName(token) else { break }
            return try columnPart()
        default: break
        }
        throw unexpected(
            expected: "a column, a literal, a bind marker, a function call or (SELECT ...)"
        )
    }

    private mutating func acceptLiteral() throws(SyntaxError) -> Literal? {
        let token = token
        let literal: Literal
        switch token.kind {
        case .string: literal = .string(unquoted(token))
        case .dollarString:
            let inner = token.bytes.lowerBound + 2..<token.bytes.upperBound - 2
            literal = .string(String(decoding: text[inner], as: UTF8.self))
        case .integer: literal = .integer(spelling(token))
        case .float: literal = .float(spelling(token))
        case .uuid: literal = .uuid(hexBytes(token.bytes))
        case .blob: literal = .blob(hexBytes(token.bytes.dropFirst(2)))
        case .word:
            switch token.keyword {
            case .true: literal = .boolean(true)
            case .false: literal = .boolean(false)
            case .null: literal = .null
            case .nan: literal = .float("NaN")
            case .infinity: literal = .float("Infinity")
            default: return nil
            }
        default: return nil
        }
        advance()
        return literal
    }

    private func hexBytes(_ range: Range<Int>) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(range.count / 2)
        var high: UInt8?
        for digit in text[range].lazy.compactMap(\.hexValue) {
            if let first = high {
                bytes.append(first << 4 | digit)
                high = nil
            } else {
                high = digit
            }
        }
        return bytes
    }

    /// A column, or an element or field of one.
    private mutating func columnPart() throws(SyntaxError) -> Expression {
        let outer = isolate()
        let column = try identifier("a column")
        var part = Expression(.column(column), at: column.position)
        while true {
            let position = token.position
            if isNext(.leftBracket) {
                let outer = try enter()
                advance()
                let key = try expression()
                try expect(.rightBracket, "']'")
                leave(outer)
                part = Expression(.element(part, key: key), at: column.position)
            } else if accept(.dot) {
                part = Expression(.field(part, try identifier("a field")), at: column.position)
            } else {
                break
            }
            try grow(at: position)
        }
        rejoin(outer)
        return part
    }

    private mutating func parenthesized() throws(SyntaxError) -> Expression.Kind {
        let outer = try enter()
        advance()
        let kind: Expression.Kind
        if isNext(.select) {
            kind = .subquery(try select())
            try expect(.rightParenthesis, "')' to close the subquery")
        } else {
            let elements = try expressions(until: .rightParenthesis, "')'", orEmpty: false)
            kind = elements.count == 1 ? elements[0].kind : .tuple(elements)
        }
        leave(outer)
        return kind
    }

    private mutating func list() throws(SyntaxError) -> Expression.Kind {
        let outer = try enter()
        advance()
        let elements = try expressions(until: .rightBracket, "']'", orEmpty: true)
        leave(outer)
        return .list(elements)
    }

    /// Reads `a, b` and the mark that closes it.
    mutating func expressions(
        until end: Token.Kind,
        _ endName: String,
        orEmpty: Bool
    ) throws(SyntaxError) -> [Expression] {
        var elements: [Expression] = []
        if orEmpty, accept(end) { return elements }
        repeat { elements.append(try expression()) } while accept(.comma)
        try expect(end, "',' or \(endName)")
        return elements
    }

    private mutating func setOrMap() throws(SyntaxError) -> Expression.Kind {
        let outer = try enter()
        advance()
        let kind: Expression.Kind
        if accept(.rightBrace) {
            kind = .set([])
        } else {
            let first = try expression()
            if accept(.colon) {
                var entries = [MapEntry(key: first, value: try expression())]
                while accept(.comma) {
                    let key = try expression()
                    try expect(.colon, "':' and a value")
                    entries.append(MapEntry(key: key, value: try expression()))
                }
                kind = .map(entries)
            } else {
                var elements = [first]
                while accept(.comma) { elements.append(try expression()) }
                kind = .set(elements)
            }
            try expect(.rightBrace, "',' or '}'")
        }
        leave(outer)
        return kind
    }

    /// Whether `name(` or `keyspace.name(` comes next; TOKEN may name a function.
    private func isCall() -> Bool {
        func namesFunction(_ token: Token) -> Bool { isName(token) || token.keyword == .token }
        guard namesFunction(token) else { return false }
        let following = token(ahead: 1).kind
        if following == .leftParenthesis { return true }
        return following == .dot && isName(token) && namesFunction(token(ahead: 2))
            && token(ahead: 3).kind == .leftParenthesis
    }

    private mutating func call() throws(SyntaxError) -> Expression.Kind {
        var keyspace: Identifier?
        if token(ahead: 1).kind == .dot {
            keyspace = try identifier("a keyspace")
            advance()
        }
        let function = token
        let outer = try enter()
        advance()
        try expect(.leftParenthesis, "'('")
        let kind: Expression.Kind
        if keyspace == nil, function.keyword == .count, countsRows() {
            advance()
            kind = .countRows
            try expect(.rightParenthesis, "')'")
        } else if keyspace == nil, function.keyword == .cast {
            let value = try expression()
            try expect(.as)
            kind = .cast(value, try type())
            try expect(.rightParenthesis, "')'")
        } else {
            let name = QualifiedName(keyspace: keyspace, name: name(of: function))
            kind = .call(FunctionCall(name: name, arguments: try arguments()))
        }
        leave(outer)
        return kind
    }

    private func countsRows() -> Bool {
        guard token(ahead: 1).kind == .rightParenthesis else { return false }
        return isNext(.star) || isNext(.integer) && spelling(token) == "1"
    }

    /// Reads the arguments of a call and the parenthesis behind them.
    private mutating func arguments() throws(SyntaxError) -> [FunctionCall.Argument] {
        var arguments: [FunctionCall.Argument] = []
        if accept(.rightParenthesis) { return arguments }
        repeat {
            var name: Identifier?
            if token(ahead: 1).kind == .arrow {
                name = try identifier("a parameter's name in front of =>")
                advance()
            }
            arguments.append(FunctionCall.Argument(name: name, value: try expression()))
        } while accept(.comma)
        try expect(.rightParenthesis, "',' or ')'")
        return arguments
    }
}

extension CQLParser {
    /// Reads the parameters of a signature.
    mutating func signature() throws(SyntaxError) -> [SignatureParameter] {
        var parameters: [SignatureParameter] = []
        var names: Set<String> = []
        repeat {
            let parameter = try self.parameter()
            guard names.insert(parameter.name.name).inserted else {
                throw SyntaxError(
                    "parameter \(parameter.name) stands twice in the signature; rename one",
                    at: parameter.name.position
                )
            }
            parameters.append(parameter)
        } while accept(.comma)
        return parameters
    }

    /// Reads `name type`, then `=> input` and `DEFAULT constant` in either order.
    private mutating func parameter() throws(SyntaxError) -> SignatureParameter {
        let name = try identifier("a parameter's name")
        let type = try self.type()
        var defaultValue: Expression?
        var input: SignatureParameter.Input?
        while true {
            if defaultValue == nil, accept(.default) {
                defaultValue = try constant()
            } else if input == nil, accept(.arrow) {
                input = try self.input()
            } else {
                return SignatureParameter(
                    name: name,
                    type: type,
                    defaultValue: defaultValue,
                    input: input
                )
            }
        }
    }

    private mutating func constant() throws(SyntaxError) -> Expression {
        let value = try expression()
        guard value.isConstant else {
            throw SyntaxError(
                "a DEFAULT must be a constant such as 0.0, 'x', null or [0.0, 1.0]",
                at: value.position
            )
        }
        return value
    }

    private mutating func input() throws(SyntaxError) -> SignatureParameter.Input {
        let token = token
        let name: String
        switch token.kind {
        // ONNX names are case-sensitive, and any word may be one.
        case .word: name = spelling(token)
        case .quotedName: name = unquoted(token)
        default:
            throw unexpected(
                expected: "the name of a model's input, in double quotes unless it is a word"
            )
        }
        advance()
        guard accept(.leftBracket) else {
            return SignatureParameter.Input(name: name, features: nil)
        }
        let position = self.token.position
        let lower = try featureIndex()
        try expect(.range, "'..' and the end of the range of features")
        let upper = try featureIndex()
        guard lower < upper else {
            throw SyntaxError(
                "the features \(lower)..\(upper) are none: a range is half-open, so its end must be"
                    + " greater than its start",
                at: position
            )
        }
        try expect(.rightBracket, "']'")
        return SignatureParameter.Input(name: name, features: lower..<upper)
    }

    private mutating func featureIndex() throws(SyntaxError) -> Int {
        let digits = token
        guard digits.kind == .integer else {
            throw unexpected(expected: "a feature's index, an integer from 0")
        }
        guard let index = Int32(spelling(digits)) else {
            throw SyntaxError(
                "a feature's index must be 0 to \(Int32.max), not \(spelling(digits))",
                at: digits.position
            )
        }
        advance()
        return Int(index)
    }
}

extension Expression {
    /// Whether the value is known without a row, a bound value or a function.
    var isConstant: Bool {
        switch kind {
        case .literal: true
        case .negated(let value): value.isConstant
        case .list(let elements), .set(let elements), .tuple(let elements):
            elements.allSatisfy(\.isConstant)
        case .map(let entries): entries.allSatisfy { $0.key.isConstant && $0.value.isConstant }
        case .column, .marker, .call, .countRows, .subquery, .arithmetic, .element, .field, .cast:
            false
        }
    }
}

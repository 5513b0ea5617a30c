/// Something that has a value: a column, a literal, a bind marker, a call, or made of those.
package struct Expression: Equatable, Sendable {
    /// What the expression is.
    package indirect enum Kind: Equatable, Sendable {
        /// A column, or an alias in ORDER BY, or a field's name as a key in `{street: 'x'}`.
        case column(Identifier)
        /// A constant.
        case literal(Literal)
        /// `?` or `:name`.
        case marker(BindMarker)
        /// `[ks.]name(arguments)`.
        case call(FunctionCall)
        /// `count(*)` or `count(1)`.
        case countRows
        /// `(SELECT ...)`.
        case subquery(SelectStatement)
        /// `[a, b]`: a list or a vector.
        case list([Expression])
        /// `{a, b}`; an empty `{}` too, which may also mean an empty map.
        case set([Expression])
        /// `{key: value}`, never empty; also a value of a user-defined type.
        case map([MapEntry])
        /// `(a, b)`, with at least two elements.
        case tuple([Expression])
        /// `-a`, where `a` is not a number (a number's sign is part of the literal).
        case negated(Expression)
        /// `a + b` and its like.
        case arithmetic(ArithmeticOperator, Expression, Expression)
        /// `a[key]`.
        case element(Expression, key: Expression)
        /// `a.field` of a user-defined type.
        case field(Expression, Identifier)
        /// `CAST(a AS type)`.
        case cast(Expression, TypeName)
    }

    /// What the expression is.
    package let kind: Kind

    /// Where the expression begins; for arithmetic, where its operator stands.
    package let position: SourcePosition

    /// Makes an expression that stands at a position.
    package init(_ kind: Kind, at position: SourcePosition) {
        self.kind = kind
        self.position = position
    }
}

/// One `key: value` of a map literal.
package struct MapEntry: Equatable, Sendable {
    /// The key.
    package let key: Expression

    /// The value.
    package let value: Expression
}

/// A constant; numbers stay text until the schema says which type they have.
package enum Literal: Equatable, Sendable {
    /// `'text'` or `$$text$$`, unescaped.
    case string(String)
    /// Decimal digits with an optional minus, of any length.
    case integer(String)
    /// A decimal fraction or exponent with an optional minus, or `NaN`, `Infinity`, `-Infinity`.
    case float(String)
    /// `true` or `false`.
    case boolean(Bool)
    /// The 16 bytes of a UUID in network order.
    case uuid([UInt8])
    /// The bytes of `0x...`.
    case blob([UInt8])
    /// `null`.
    case null
}

/// A place for a value that is bound at execution.
package struct BindMarker: Hashable, Sendable {
    /// Its place in the order of appearance, from 0; every appearance of a name counts anew.
    package let index: Int

    /// The name of a `:name` marker.
    package let name: String?

    /// Where the marker stands.
    package let position: SourcePosition
}

/// A call of a function or model.
package struct FunctionCall: Equatable, Sendable {
    /// One argument, `name => value` or positional.
    package struct Argument: Equatable, Sendable {
        /// The parameter's name in front of `=>`.
        package let name: Identifier?

        /// The argument's value.
        package let value: Expression
    }

    /// The function's name.
    package let name: QualifiedName

    /// The arguments in the order of the text.
    package let arguments: [Argument]
}

/// An arithmetic operator.
package enum ArithmeticOperator: String, Hashable, Sendable {
    /// `a + b`.
    case add = "+"
    /// `a - b`.
    case subtract = "-"
    /// `a * b`.
    case multiply = "*"
    /// `a / b`.
    case divide = "/"
    /// `a % b`.
    case remainder = "%"
}

/// A piece of a statement's text: what it is, and which bytes it covers.
struct Token: Sendable {
    enum Kind: Equatable, Sendable {
        case word, quotedName
        case string, dollarString, integer, float, uuid, blob
        case question, colon, comma, semicolon, dot, range
        case leftParenthesis, rightParenthesis, leftBracket, rightBracket, leftBrace, rightBrace
        case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual, arrow
        case plus, minus, star, slash, percent
        case endOfText
        /// The bytes are no token. The parser reports it only if it gets that far.
        case invalid(Fault)
    }

    /// Why bytes are no token.
    enum Fault: Equatable, Sendable {
        case unknownCharacter
        case unterminatedString
        case unterminatedName
        case unterminatedComment
        case emptyName
        case oddBlob
        case malformedNumber

        var explanation: String {
            switch self {
            case .unknownCharacter:
                "this character has no meaning in CQL outside quotes"
            case .unterminatedString: "the string that begins here is never closed"
            case .unterminatedName: "the quoted name that begins here is never closed"
            case .unterminatedComment: "the comment that begins here is never closed"
            case .emptyName: "a quoted name needs at least one character"
            case .oddBlob: "a blob is 0x and an even number of hexadecimal digits"
            case .malformedNumber:
                "not a number; durations are not supported, names that begin with a digit need"
                    + " double quotes"
            }
        }
    }

    let kind: Kind
    /// The keyword that a word spells, if it is one.
    let keyword: Keyword?
    let bytes: Range<Int>
    let position: SourcePosition
}

import CQLSyntax
import Testing

struct SyntaxErrorTests {
    @Test(arguments: [
        (
            "SELECT * FORM t",
            "line 1:9 no viable alternative at input 'FORM' (expected FROM)"
        ),
        (
            "SELEC * FROM t",
            "line 1:0 no viable alternative at input 'SELEC' (expected a statement such as SELECT,"
                + " INSERT, UPDATE, DELETE, BEGIN BATCH, CREATE, ALTER, DROP, TRUNCATE, USE, DESCRIBE or"
                + " REPAIR)"
        ),
        (
            "SELECT FROM t",
            "line 1:7 no viable alternative at input 'FROM' (expected a column, a literal, a bind"
                + " marker, a function call or (SELECT ...))"
        ),
        ("SELECT a\nFROM", "line 2:4 no viable alternative at input '<EOF>' (expected a table)"),
        (
            "SELECT * FROM t WHERE a",
            "line 1:23 no viable alternative at input '<EOF>'"
                + " (expected a comparison such as =, <, >= or IN)"
        ),
        (
            "SELECT * FROM t; SELECT",
            "line 1:17 no viable alternative at input 'SELECT' (expected the end of the statement)"
        ),
        (
            "SELECT * FROM t LIMIT x",
            "line 1:22 no viable alternative at input 'x'"
                + " (expected an integer or a bind marker for LIMIT)"
        ),
        (
            "SELECT * FROM t WHERE a = 'x\ny",
            "line 1:26 no viable alternative at input ''x y'"
                + " (the string that begins here is never closed)"
        ),
        (
            "SELECT * FROM t WHERE a = 0xABC",
            "line 1:26 no viable alternative at input '0xABC'"
                + " (a blob is 0x and an even number of hexadecimal digits)"
        ),
        (
            "SELECT 'é', § FROM t",
            "line 1:12 no viable alternative at input '§'"
                + " (this character has no meaning in CQL outside quotes)"
        ),
        (
            "SELECT a FROM t /* x",
            "line 1:16 no viable alternative at input '/* x'"
                + " (the comment that begins here is never closed)"
        ),
        (
            "SELECT a FROM \"t",
            "line 1:14 no viable alternative at input '\"t'"
                + " (the quoted name that begins here is never closed)"
        ),
        (
            "SELECT \"\" FROM t",
            "line 1:7 no viable alternative at input '\"\"'"
                + " (a quoted name needs at least one character)"
        ),
        ("SELECT JSON a FROM t", "line 1:7 SELECT JSON is not supported; select the columns"),
        (
            "SELECT a FROM t WHERE k = 1 GROUP BY a",
            "line 1:28 GROUP BY is not supported; group the rows in the client"
        ),
        (
            "SELECT a FROM t WHERE k = 1 OR k = 2",
            "line 1:28 OR is not supported; use IN, or one statement for each alternative"
        ),
        (
            "CREATE TABLE t (a int PRIMARY KEY) WITH COMPACT STORAGE",
            "line 1:40 COMPACT STORAGE is not supported; leave it out"
        ),
        (
            "CREATE FOO x",
            "line 1:7 no viable alternative at input 'FOO' (expected KEYSPACE, TABLE or MODEL)"
        ),
        (
            "",
            "line 1:0 no viable alternative at input '<EOF>' (expected a statement such as SELECT,"
                + " INSERT, UPDATE, DELETE, BEGIN BATCH, CREATE, ALTER, DROP, TRUNCATE, USE, DESCRIBE or"
                + " REPAIR)"
        ),
    ])
    func `an error names the place, the input and what was expected`(
        _ cql: String,
        _ message: String
    ) {
        #expect(parseError(cql)?.message == message)
    }

    @Test(arguments: ["12h", "1abc", "1e", "1e+", "1.5x"])
    func `a malformed number is an error`(_ number: String) {
        #expect(parseError("SELECT a FROM t WHERE k = \(number)") != nil)
    }

    @Test func `an error is one short line whatever the input`() throws {
        let long = String(repeating: "🐦\n", count: 5_000)
        let error = try #require(parseError("SELECT '\(long)"))
        #expect(error.message.utf8.count < 400)
        #expect(!error.message.contains("\n"))
        #expect(error.message.contains("..."))
        let separators = try #require(parseError("SELECT '\u{2028}\u{0}\u{1b}[31m"))
        #expect(separators.message.contains("'   [31m'"))
    }

    @Test func `an error's place is also in its fields`() throws {
        let error = try #require(parseError("SELECT a,\r\n  b,\n   FROM t"))
        #expect(error.line == 3)
        #expect(error.column == 3)
        #expect(error.message.hasPrefix("line 3:3 "))
    }
}

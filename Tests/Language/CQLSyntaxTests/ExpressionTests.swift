import CQLSyntax
import Testing

struct ExpressionTests {
    @Test func `products bind tighter than sums and both group to the left`() throws {
        #expect(try parseExpression("a + b * c").description == "a + (b * c)")
        #expect(try parseExpression("a * b + c").description == "(a * b) + c")
        #expect(try parseExpression("a - b - c").description == "(a - b) - c")
        #expect(try parseExpression("a / b % c").description == "(a / b) % c")
        #expect(try parseExpression("(a + b) * c").description == "(a + b) * c")
        #expect(try parseExpression("-a * b").description == "(-a) * b")
        #expect(try parseExpression("-(a * b)").description == "-(a * b)")
        #expect(try parseExpression("a -5").description == "a - 5")
        #expect(try parseExpression("a - -5").description == "a - (-5)")
    }

    @Test func `literals keep their kind and their digits`() throws {
        let expected: [(String, Literal)] = [
            ("'it''s'", .string("it's")), ("''", .string("")), ("''''", .string("'")),
            ("$$it's $ 'raw'$$", .string("it's $ 'raw'")), ("$$$$", .string("")),
            ("'größe 🐦'", .string("größe 🐦")),
            ("'a -- b /* c */ // d'", .string("a -- b /* c */ // d")),
            ("0", .integer("0")), ("-12", .integer("-12")), ("- 12", .integer("-12")),
            ("123456789012345678901234567890", .integer("123456789012345678901234567890")),
            ("1.5", .float("1.5")), ("-1.5e-3", .float("-1.5e-3")), ("1E+9", .float("1E+9")),
            ("1.", .float("1.")), ("2e5", .float("2e5")),
            ("nan", .float("NaN")), ("-NaN", .float("NaN")), ("INFINITY", .float("Infinity")),
            ("-Infinity", .float("-Infinity")),
            ("TRUE", .boolean(true)), ("false", .boolean(false)), ("Null", .null),
            ("0xCAFEbabe", .blob([0xCA, 0xFE, 0xBA, 0xBE])), ("0X", .blob([])),
            (
                "123e4567-e89b-12d3-a456-426614174000",
                .uuid([
                    0x12, 0x3e, 0x45, 0x67, 0xe8, 0x9b, 0x12, 0xd3, 0xa4, 0x56, 0x42, 0x66, 0x14,
                    0x17, 0x40, 0x00,
                ])
            ),
            (
                "FFFFFFFF-e89b-12d3-a456-426614174000",
                .uuid([
                    0xff, 0xff, 0xff, 0xff, 0xe8, 0x9b, 0x12, 0xd3, 0xa4, 0x56, 0x42, 0x66, 0x14,
                    0x17, 0x40, 0x00,
                ])
            ),
        ]
        for (cql, literal) in expected {
            #expect(try parseExpression(cql).kind == .literal(literal), "\(cql)")
            #expect(try parseExpression(literal.description).kind == .literal(literal), "\(cql)")
        }
    }

    @Test func `a sign is folded into a number once`() throws {
        guard case .negated(let inner) = try parseExpression("- -5").kind else {
            Issue.record("not a negation")
            return
        }
        #expect(inner.kind == .literal(.integer("-5")))
    }

    @Test func `names fold to lower case unless quoted`() throws {
        #expect(try parseExpression("MovieID").kind.columnName == "movieid")
        #expect(try parseExpression("\"MovieID\"").kind.columnName == "MovieID")
        #expect(try parseExpression("\"a\"\"b\"").kind.columnName == "a\"b")
        #expect(try parseExpression("\"select\"").kind.columnName == "select")
        #expect(try parseExpression("\"'\"").kind.columnName == "'")
        #expect(try parseExpression("\"a\"\"b\"").description == "\"a\"\"b\"")
        #expect(try parseExpression("\"Select\"").description == "\"Select\"")
        #expect(try parseExpression("\"plain\"").description == "plain")
        #expect(try parseExpression("\"from\"").description == "\"from\"")
        #expect(Identifier.quotedIfNeeded("") == "\"\"")
        #expect(Identifier.quotedIfNeeded("a1_b") == "a1_b")
        #expect(Identifier.quotedIfNeeded("1a") == "\"1a\"")
    }

    @Test(arguments: [
        "key", "type", "ttl", "timestamp", "values", "tokens", "writetime", "count", "model", "ann",
        "per", "partition", "group", "json", "distinct", "filtering", "contains", "static", "list",
        "map", "vector", "tables", "role", "user", "function", "exists", "clustering", "only",
        "internals", "cast", "frozen", "trigger", "counter", "storage", "compact", "custom",
    ])
    func `a word that is not reserved may name anything`(_ word: String) throws {
        for cql in [
            "SELECT \(word), \(word) AS \(word) FROM \(word).\(word) WHERE \(word) = 1 ORDER BY \(word)",
            "INSERT INTO \(word) (\(word)) VALUES (:\(word))",
            "UPDATE \(word) SET \(word) = \(word) + 1 WHERE \(word) = 1 IF \(word) = 2",
            "DELETE \(word) FROM \(word) WHERE \(word) IN (1)",
            "CREATE TABLE \(word).\(word) (\(word) int PRIMARY KEY, a \(word))",
            "CREATE KEYSPACE \(word) WITH \(word) = 1",
            "SELECT f(\(word) => \(word)) FROM t",
            "USE \(word)",
            "DROP MODEL \(word)",
        ] {
            #expect(parseError(cql) == nil, "\(cql)")
        }
    }

    @Test(arguments: ["select", "from", "token", "order", "default", "nan", "true", "null", "in"])
    func `a reserved word needs quotes`(_ word: String) throws {
        let error = try #require(parseError("INSERT INTO \(word) (a) VALUES (1)"))
        #expect(
            error.message == "line 1:12 no viable alternative at input '\(word)'"
                + " (expected a table; a reserved word needs double quotes)"
        )
        #expect(parseError("INSERT INTO \"\(word)\" (a) VALUES (1)") == nil)
    }

    @Test func `markers are numbered as they appear and keep their names`() throws {
        let statement = try CQLParser.parse(
            "SELECT f(?, :a), {? : :B}, {:a:?} FROM t WHERE k IN :\"C\" AND x = : d LIMIT ?"
        )
        #expect(statement.markers.map(\.index) == Array(0..<9))
        #expect(
            statement.markers.map(\.name)
                == [nil, "a", nil, "b", "a", nil, "C", "d", nil]
        )
        #expect(statement.markers[0].position == SourcePosition(line: 1, column: 9))
    }

    @Test func `arguments are named or positional`() throws {
        let expression = try parseExpression(
            "ml.\"ranker@3\"(a, \"B\" => ?, c=>f(b), d => (SELECT x FROM u WHERE k = 1))"
        )
        guard case .call(let call) = expression.kind else {
            Issue.record("\(expression)")
            return
        }
        #expect(call.name.keyspace?.name == "ml")
        #expect(call.name.name.name == "ranker@3")
        #expect(call.arguments.map { $0.name?.name } == [nil, "B", "c", "d"])
        #expect(call.arguments[1].value.kind.marker?.index == 0)
        #expect(call.name.position == SourcePosition(line: 1, column: 7))
        #expect(call.name.name.position == SourcePosition(line: 1, column: 10))
    }

    @Test func `braces are a set or a map`() throws {
        #expect(try parseExpression("{}").kind == .set([]))
        guard case .set(let elements) = try parseExpression("{1, 'x', ?}").kind,
            case .map(let entries) = try parseExpression("{'a': 1, b: {2: 3}}").kind
        else {
            Issue.record("not as expected")
            return
        }
        #expect(elements.count == 3)
        #expect(entries.map(\.description) == ["'a': 1", "b: {2: 3}"])
        #expect(parseError("SELECT {1, 2: 3} FROM t") != nil)
        #expect(parseError("SELECT {1: 2, 3} FROM t") != nil)
    }

    @Test func `comments and blanks separate tokens`() throws {
        #expect(
            try text("/* a ' */select--b\n\ta//c '\r\n,b/**/from/* x\n*/t -- end")
                == "SELECT a, b FROM t"
        )
    }

    @Test func `positions count lines from one and scalars from zero`() throws {
        let select = try parseSelect("SELECT 'ä🐦', x,\n  -- ü\n /* ö\nö */ y FROM t")
        guard case .items(let items) = select.selection else { return }
        #expect(
            items.map(\.expression.position) == [
                SourcePosition(line: 1, column: 7), SourcePosition(line: 1, column: 13),
                SourcePosition(line: 4, column: 5),
            ]
        )
    }
}

extension Expression.Kind {
    fileprivate var columnName: String? {
        guard case .column(let column) = self else { return nil }
        return column.name
    }
}

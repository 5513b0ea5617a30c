import CQLSyntax
import Testing

struct HostileTextTests {
    static let corpus = [
        """
        SELECT DISTINCT a, f(x => (SELECT "B" FROM ml.users WHERE k = ?), y) AS s, m['ä'], -1.5e-3
        FROM ml.t WHERE a IN (1, :n) AND token(a, b) > 0xCAFE AND (c, d) IN ((1, 2)) AND e CONTAINS
        KEY $$x$$ ORDER BY v ANN OF [1.0, 2.0], s DESC PER PARTITION LIMIT 1 LIMIT ? ALLOW FILTERING;
        """,
        """
        BEGIN UNLOGGED BATCH USING TIMESTAMP 1 INSERT INTO t (a, b) VALUES ('it''s', {1: {2, 3}}) IF
        NOT EXISTS USING TTL ?; UPDATE t SET a = a + 1, b[2] = 3 /* c */ WHERE k = 1 IF a = 2 DELETE
        a, b['x'] FROM t WHERE k = 123e4567-e89b-12d3-a456-426614174000 IF EXISTS APPLY BATCH -- end
        """,
        """
        CREATE TABLE IF NOT EXISTS ks.t (a int, b frozen<map<text, vector<float, 3>>> STATIC, PRIMARY
        KEY ((a, b), c)) WITH CLUSTERING ORDER BY (c DESC) AND comment = 'x' // end
        """,
        "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy'} AND durable_writes = true",
        "CREATE OR REPLACE MODEL ml.r FROM :bytes WITH signature = 'a float' AND sha256 = 'ab'",
        "ALTER TABLE t RENAME a TO b AND c TO d", "DESCRIBE ONLY KEYSPACE k WITH INTERNALS",
        "CREATE CUSTOM INDEX ON t (v) USING 'x'",
    ]

    @Test(arguments: corpus)
    func `a statement cut at any byte parses or is refused inside its text`(_ cql: String) {
        let bytes = Array(cql.utf8)
        #expect(parseError(cql) == nil)
        for count in 0...bytes.count {
            expectAnswer(String(decoding: bytes[..<count], as: UTF8.self))
            expectAnswer(String(decoding: bytes[count...], as: UTF8.self))
        }
    }

    @Test func `ten thousand salads of tokens are answered`() {
        var generator = SeededGenerator(seed: 0x6D61_7274)
        let pieces =
            """
            SELECT FROM WHERE INSERT INTO VALUES UPDATE SET DELETE BEGIN BATCH APPLY CREATE TABLE
            KEYSPACE MODEL WITH AND IF NOT EXISTS ORDER BY ANN OF LIMIT PER PARTITION ALLOW FILTERING
            TOKEN IN CONTAINS KEY PRIMARY USING TTL TIMESTAMP DESCRIBE DROP ALTER ADD NULL TRUE NaN AS
            a b "C" count cast list < > <= >= = != => + - * / % . .. , ; : ? ( ) [ ] { } 'x' '' $$y$$
            0 1 2.5 1e9 0xFF 0xF 123e4567-e89b-12d3-a456-426614174000 ! @ ' " /* */ -- $ ä
            """.split(whereSeparator: \.isWhitespace)
        var parsed = 0
        for _ in 0..<10_000 {
            // Half begin like a statement, so that they get past the first word.
            var salad =
                Bool.random(using: &generator)
                ? ""
                : ["SELECT a FROM t WHERE", "SELECT", "INSERT INTO t", "CREATE TABLE t ("]
                    .randomElement(using: &generator) ?? ""
            for _ in 0..<Int.random(in: 1...12, using: &generator) {
                salad += " " + (pieces.randomElement(using: &generator) ?? "")
            }
            if expectAnswer(salad) { parsed += 1 }
        }
        #expect(parsed > 0)
    }

    @Test func `noise of bytes is answered`() {
        var generator = SeededGenerator(seed: 7)
        for _ in 0..<2_000 {
            let bytes = (0..<Int.random(in: 0...60, using: &generator)).map { _ in
                UInt8.random(in: 0...255, using: &generator)
            }
            expectAnswer(String(decoding: bytes, as: UTF8.self))
        }
    }

    @Test func `mutations of statements are answered`() {
        var generator = SeededGenerator(seed: 11)
        for _ in 0..<4_000 {
            var bytes = Array((Self.corpus.randomElement(using: &generator) ?? "").utf8)
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let index = Int.random(in: 0..<bytes.count, using: &generator)
                bytes[index] = UInt8.random(in: 0x20...0x7E, using: &generator)
            }
            expectAnswer(String(decoding: bytes, as: UTF8.self))
        }
    }

    @Test(arguments: [
        ("(", "1", ")"), ("[", "1", "]"), ("{", "1", "}"), ("{1: ", "1", "}"), ("f(", "1", ")"),
        ("f(x => ", "1", ")"), ("- ", "a", ""), ("cast(", "a", " as int)"), ("a[", "1", "]"),
        ("(SELECT a FROM t WHERE b = ", "1", ")"), ("(SELECT ", "a", " FROM t)"),
        ("(SELECT a FROM t WHERE b[", "1", "] = 1)"), ("(1, ", "2", ")"), ("1 + (", "2", ")"),
    ])
    func `nesting is allowed to the bound and refused beyond it`(
        _ open: String,
        _ core: String,
        _ close: String
    ) throws {
        func nested(_ count: Int) -> String {
            "SELECT " + String(repeating: open, count: count) + core
                + String(repeating: close, count: count) + " FROM t"
        }
        #expect(parseError(nested(CQLParser.nestingMax / 2 - 1)) == nil)
        let error = try #require(parseError(nested(CQLParser.nestingMax + 1)))
        #expect(error.message.contains("32 levels"))
        #expect(parseError(nested(20_000))?.message.contains("32 levels") == true)
        // Without the closing half too.
        #expect(parseError("SELECT " + String(repeating: open, count: 20_000)) != nil)
    }

    @Test func `operators pile up to a bound but side by side they are free`() throws {
        func sum(_ count: Int) -> String {
            Array(repeating: "1", count: count).joined(separator: "+")
        }
        #expect(parseError("SELECT \(sum(CQLParser.nestingMax + 1)) FROM t") == nil)
        #expect(
            parseError("SELECT \(sum(CQLParser.nestingMax + 2)) FROM t")?.message
                .contains("piles up more than 32 levels") == true
        )
        #expect(parseError("SELECT \(sum(100_000)) FROM t") != nil)
        #expect(parseError("SELECT a\(String(repeating: ".b", count: 100_000)) FROM t") != nil)
        #expect(parseError("SELECT a\(String(repeating: "[0]", count: 100_000)) FROM t") != nil)
        let many = Array(repeating: "a[1] + 2 * b.c", count: 5_000).joined(separator: ", ")
        #expect(parseError("SELECT [\(many)] FROM t") == nil)
        // A chain on top of a chain counts both.
        #expect(parseError("SELECT (\(sum(20))) + \(sum(20)) FROM t") != nil)
    }

    @Test func `types nest to the bound`() throws {
        func nested(_ count: Int) -> String {
            String(repeating: "frozen<", count: count) + "int"
                + String(repeating: ">", count: count)
        }
        _ = try CQLParser.parseType(nested(CQLParser.nestingMax - 1))
        #expect(throws: SyntaxError.self) {
            try CQLParser.parseType(nested(CQLParser.nestingMax))
        }
        #expect(throws: SyntaxError.self) { try CQLParser.parseType(nested(50_000)) }
    }

    @Test func `a long vector and a long list of keys parse`() throws {
        let vector = (0..<8_192).map { "\($0).5" }.joined(separator: ", ")
        guard case .list(let elements) = try parseExpression("[\(vector)]").kind else {
            Issue.record("not a list")
            return
        }
        #expect(elements.count == 8_192)
        #expect(elements.last?.kind == .literal(.float("8191.5")))
    }

    /// Parses a text and returns whether it is CQL.
    ///
    /// An error must name a place inside the text, on one line.
    @discardableResult
    private func expectAnswer(_ cql: String) -> Bool {
        do throws(SyntaxError) {
            let statement = try CQLParser.parse(cql)
            if case .select(let select) = statement.kind {
                // What the text of a tree means is the same tree again.
                #expect((try? text(select.description)) == select.description, "\(cql)")
            }
            return true
        } catch {
            let lines = cql.unicodeScalars.split(
                separator: "\n",
                omittingEmptySubsequences: false
            )
            #expect(error.line >= 1 && error.line <= lines.count, "\(cql): \(error)")
            #expect(error.column >= 0 && error.column <= lines[error.line - 1].count, "\(cql)")
            #expect(!error.message.contains("\n") && error.message.utf8.count < 500, "\(cql)")
            return false
        }
    }
}

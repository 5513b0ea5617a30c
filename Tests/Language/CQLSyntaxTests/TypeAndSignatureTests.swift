import CQLSyntax
import Testing

struct TypeAndSignatureTests {
    @Test(arguments: [
        "int", "timeuuid", "ks.address", "list<text>", "set<int>", "map<text, int>",
        "frozen<map<text, frozen<list<int>>>>", "tuple<int, text, blob>", "vector<float, 64>",
        "vector<vector<float, 2>, 3>", "'org.apache.cassandra.db.marshal.Int32Type'", "list", "map",
        "\"Address\"",
    ])
    func `a type reads back as its own text`(_ text: String) throws {
        #expect(try CQLParser.parseType(text).description == text)
    }

    @Test func `a type is a tree`() throws {
        guard case .vector(.named(let element), 3) = try CQLParser.parseType("VECTOR<FLOAT,3>")
        else {
            Issue.record("not a vector")
            return
        }
        #expect(element.name.name == "float")
        #expect(
            try CQLParser.parseType("frozen<set<int>>").position
                == SourcePosition(line: 1, column: 11)
        )
    }

    @Test(arguments: [
        ("vector<float, 0>", 14), ("vector<float, -1>", 14), ("vector<float>", 12),
        ("vector<float, 99999999999>", 14), ("list<>", 5), ("list<int", 8), ("int int", 4),
        ("map<int>", 7), ("tuple<>", 6), ("foo<int>", 0), ("", 0), ("select", 0), ("list<int>>", 9),
    ])
    func `a wrong type is refused where it is wrong`(_ text: String, _ column: Int) {
        let error = #expect(throws: SyntaxError.self) { try CQLParser.parseType(text) }
        #expect(error?.line == 1)
        #expect(error?.column == column)
    }

    @Test func `a signature keeps types, defaults and inputs`() throws {
        let parameters = try CQLParser.parseSignature(
            """
            user_vec vector<float, 64>, movie_vec vector<float, 64> => Movie,
            popularity float DEFAULT 0.0, age float => features[3..4] DEFAULT -1,
            bias float DEFAULT NaN => "dense:0"[0..1], tags vector<float, 2> DEFAULT [0.0, 1.0]
            """
        )
        #expect(
            parameters.map(\.name.name)
                == ["user_vec", "movie_vec", "popularity", "age", "bias", "tags"]
        )
        #expect(parameters[0].type.description == "vector<float, 64>")
        #expect(
            parameters.map { $0.defaultValue?.description }
                == [nil, nil, "0.0", "-1", "NaN", "[0.0, 1.0]"]
        )
        #expect(
            parameters.map { $0.input?.name } == [nil, "Movie", nil, "features", "dense:0", nil]
        )
        #expect(parameters.map { $0.input?.features } == [nil, nil, nil, 3..<4, 0..<1, nil])
    }

    @Test(arguments: [
        ("", 0), ("a", 1), ("a float,", 8), ("a float, a int", 9), ("a float DEFAULT ?", 16),
        ("a float DEFAULT b", 16), ("a float => x[2..2]", 13), ("a float => x[3..2]", 13),
        ("a float => x[1]", 14), ("a float => x[-1..2]", 13), ("a float => 'x'", 11),
        ("a float DEFAULT 1 DEFAULT 2", 18), ("a float => x => y", 13), ("a float b float", 8),
        ("a float => x[0..99999999999]", 16), ("a float DEFAULT", 15),
    ])
    func `a wrong signature is refused where it is wrong`(_ text: String, _ column: Int) {
        let error = #expect(throws: SyntaxError.self) { try CQLParser.parseSignature(text) }
        #expect(error?.column == column, "\(error?.message ?? "no error")")
    }
}

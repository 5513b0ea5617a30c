import AdminCommands
import Testing

/// What is CSV, and what is not.
struct CSVParserTests {
    private func records(_ text: String, piece: Int = .max) throws -> [CSVRecord] {
        var parser = CSVParser()
        var records: [CSVRecord] = []
        let bytes = Array(text.utf8)
        var start = 0
        while start < bytes.count {
            let end = min(bytes.count, piece == .max ? bytes.count : start + piece)
            try parser.parse(bytes[start..<end], into: &records)
            start = end
        }
        try parser.finish(into: &records)
        return records
    }

    private func texts(_ text: String, piece: Int = .max) throws -> [[String]] {
        try records(text, piece: piece).map { $0.fields.map(\.text) }
    }

    @Test func `fields and records are told apart`() throws {
        #expect(try texts("a,b\n1,2\r\n3,\n") == [["a", "b"], ["1", "2"], ["3", ""]])
        #expect(try texts("a,b") == [["a", "b"]])
        #expect(try texts("a,") == [["a", ""]])
        #expect(try texts("") == [])
        #expect(try texts("\n\r\n\na\n") == [["a"]])
    }

    @Test func `quotes keep commas, line ends and quotes`() throws {
        let text = "\"a,b\",\"c\r\nd\",\"say \"\"hi\"\"\"\nx,\"\",y\n"
        #expect(try texts(text) == [["a,b", "c\r\nd", "say \"hi\""], ["x", "", "y"]])
        let fields = try records(text)[1].fields
        #expect(fields.map(\.isQuoted) == [false, true, false])
    }

    @Test(arguments: [1, 2, 3, 7])
    func `pieces of any size give the same records`(_ piece: Int) throws {
        let text = "\u{FEFF}id,title\r\n1,\"Amélie \"\"(2001)\"\"\"\n2,\"a\nb\"\n\n3,x"
        let whole = try records(text)
        #expect(try records(text, piece: piece) == whole)
        #expect(
            whole.map { $0.fields.map(\.text) } == [
                ["id", "title"], ["1", "Amélie \"(2001)\""], ["2", "a\nb"], ["3", "x"],
            ]
        )
    }

    @Test func `lines count line ends inside quotes, and offsets end records`() throws {
        let text = "a\n\"b\nc\"\nd\n"
        let found = try records(text)
        #expect(found.map(\.line) == [1, 2, 4])
        #expect(found.map(\.nextLine) == [2, 4, 5])
        #expect(found.map(\.endOffset) == [2, 8, 10])
    }

    @Test func `a parser can start behind any record`() throws {
        let text = "a\n\"b\nc\"\nd\ne"
        let whole = try records(text)
        for (index, record) in whole.enumerated() {
            var parser = CSVParser(line: record.nextLine, offset: record.endOffset)
            var rest: [CSVRecord] = []
            try parser.parse(Array(text.utf8)[record.endOffset...], into: &rest)
            try parser.finish(into: &rest)
            #expect(rest == Array(whole[(index + 1)...]))
        }
    }

    @Test(arguments: [
        ("a\nb\"c\n", 2), ("a\n\"b\"c\n", 2), ("a\nb\n\"c\nd", 3), ("a\rb\n", 1),
    ])
    func `what is no CSV is refused with its line`(_ text: String, _ line: Int) throws {
        let error = #expect(throws: CSVError.self) { try records(text) }
        #expect(error?.line == line)
    }

    @Test func `bytes that are not UTF-8 are refused with their line`() throws {
        var parser = CSVParser()
        var found: [CSVRecord] = []
        let error = #expect(throws: CSVError.self) {
            try parser.parse([0x61, 0x0A, 0xFF, 0x0A], into: &found)
        }
        #expect(error?.line == 2)
    }
}

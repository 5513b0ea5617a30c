import Catalog
import Testing

/// Types: their text, and which bytes are values of them.
@Suite struct CQLTypeTests {
    private static let widths: [(CQLType, Int)] = [
        (.boolean, 1), (.tinyint, 1), (.smallint, 2), (.int, 4), (.float, 4), (.bigint, 8),
        (.double, 8), (.timestamp, 8), (.uuid, 16), (.vector(dimension: 1), 4),
        (.vector(dimension: 3), 12), (.vector(dimension: 8192), 32_768),
    ]

    @Test(arguments: widths)
    func `a value of fixed length has exactly that length`(type: CQLType, width: Int) throws {
        #expect(type.fixedByteCount == width)
        try type.validate([UInt8](repeating: 7, count: width))
        for count in [0, width - 1, width + 1] where count != width {
            let error = try #require(throws: ValueError.self) {
                try type.validate([UInt8](repeating: 7, count: count))
            }
            #expect(error.type == type)
            #expect(error.problem.hasPrefix("\(width) bytes expected, \(count) given"))
        }
    }

    @Test func `a vector of the wrong width is told in floats`() throws {
        let error = try #require(throws: ValueError.self) {
            try CQLType.vector(dimension: 3).validate([UInt8](repeating: 0, count: 8))
        }
        #expect(
            error.description == """
                not a value of type vector<float, 3>: 12 bytes expected, 8 given \
                (3 floats of 4 bytes; given 2)
                """
        )
    }

    @Test func `a timeuuid is a UUID of version 1`() throws {
        var bytes = [UInt8](repeating: 0, count: 16)
        bytes[6] = 0x1F
        try CQLType.timeuuid.validate(bytes)
        bytes[6] = 0x4F
        #expect(throws: ValueError.self) { try CQLType.timeuuid.validate(bytes) }
        try CQLType.uuid.validate(bytes)
    }

    @Test func `text must be UTF-8, and ascii ASCII`() throws {
        for type in [CQLType.text, .ascii, .blob] { try type.validate([]) }
        try CQLType.text.validate(Array("späť 🎬".utf8))
        try CQLType.ascii.validate([0, 0x7F])
        try CQLType.blob.validate([0xFF, 0xC0])
        #expect(throws: ValueError.self) { try CQLType.text.validate([0x61, 0xC3]) }
        #expect(throws: ValueError.self) { try CQLType.text.validate([0xC0, 0x80]) }
        let error = try #require(throws: ValueError.self) {
            try CQLType.ascii.validate([0x61, 0x80])
        }
        #expect(error.problem == "byte 1 is not ASCII")
    }

    @Test func `an inet value has 4 or 16 bytes`() throws {
        for count in 0...17 {
            let value = [UInt8](repeating: 1, count: count)
            if count == 4 || count == 16 {
                try CQLType.inet.validate(value)
            } else {
                #expect(throws: ValueError.self) { try CQLType.inet.validate(value) }
            }
        }
    }

    @Test func `a collection is checked element by element`() throws {
        let two = CollectionCoding.encode([[0, 0, 0, 1], [0, 0, 0, 2]])
        try CQLType.list(.int).validate(two)
        try CQLType.set(.int).validate(two)
        #expect(throws: ValueError.self) { try CQLType.list(.bigint).validate(two) }
        let map = CollectionCoding.encode([(key: Array("a".utf8), value: [0, 0, 0, 1])])
        try CQLType.map(.text, .int).validate(map)
        #expect(throws: ValueError.self) { try CQLType.map(.int, .text).validate(map) }
        let nested = CollectionCoding.encode([two, two])
        try CQLType.list(.set(.int)).validate(nested)
        #expect(throws: ValueError.self) { try CQLType.list(.set(.text)).validate(map) }
        for type in [CQLType.list(.int), .set(.text), .map(.text, .int)] {
            try type.validate([0, 0, 0, 0])
            #expect(throws: ValueError.self) { try type.validate([]) }
        }
    }

    @Test func `a list is no map and a map no list`() throws {
        let list = CollectionCoding.encode([[1], [2]])
        let map = CollectionCoding.encode([(key: [1] as [UInt8], value: [2] as [UInt8])])
        try CQLType.list(.tinyint).validate(list)
        try CQLType.map(.tinyint, .tinyint).validate(map)
        #expect(throws: ValueError.self) { try CQLType.map(.tinyint, .tinyint).validate(list) }
        #expect(throws: ValueError.self) { try CQLType.list(.tinyint).validate(map) }
    }

    @Test(arguments: [
        "ascii", "text", "blob", "boolean", "tinyint", "smallint", "int", "bigint", "float",
        "double", "uuid", "timeuuid", "timestamp", "inet",
    ])
    func `a scalar type's text names it`(name: String) throws {
        #expect(try #require(CQLType(scalarName: name)).cqlText == name)
    }

    @Test func `types are written as CQL writes them`() {
        #expect(CQLType(scalarName: "varchar") == .text)
        #expect(CQLType(scalarName: "counter") == nil)
        #expect(CQLType(scalarName: "TEXT") == nil)
        #expect(CQLType.vector(dimension: 64).cqlText == "vector<float, 64>")
        #expect(CQLType.map(.text, .list(.int)).cqlText == "map<text, list<int>>")
        #expect(CQLType.set(.uuid).cqlText == "set<uuid>")
        for type in [CQLType.set(.int), .list(.int), .map(.int, .int)] {
            #expect(type.isCollection)
        }
        #expect(!CQLType.vector(dimension: 2).isCollection)
    }
}

import Catalog
import Scoring
import Testing

@Suite struct ScoreBatchTests {
    private static func bigEndian(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }

    private static func bytes(_ floats: Float...) -> [UInt8] {
        floats.flatMap { bigEndian($0.bitPattern) }
    }

    private static let signature = ModelSignature(
        parameters: [
            ModelParameter(name: "user", type: .floatVector(width: 2), input: "x", range: 1..<3),
            ModelParameter(name: "age", type: .int, defaultValue: [7], input: "x", range: 0..<1),
            ModelParameter(name: "id", type: .bigint, input: "ids"),
            ModelParameter(name: "price", type: .double, input: "price"),
            ModelParameter(name: "flag", type: .boolean, input: "flag"),
        ],
        inputs: [
            ModelInput(name: "x", elementType: .float, width: 3),
            ModelInput(name: "ids", elementType: .int64, width: 1, rank: 1),
            ModelInput(name: "price", elementType: .double, width: 1),
            ModelInput(name: "flag", elementType: .bool, width: 1),
        ],
        output: "score"
    )

    private static let layout = ScoreLayout(signature)

    private static func append(
        _ row: [[UInt8]?],
        to builder: inout ScoreBatchBuilder
    ) throws {
        // All values in one buffer, at odd offsets, as they stand in a row's bytes.
        var whole: [UInt8] = [0]
        var ranges: [Range<Int>?] = []
        for value in row {
            ranges.append(value.map { whole.count..<whole.count + $0.count })
            whole += value ?? []
        }
        try whole.withUnsafeBytes { bytes in
            try builder.appendRow { index in
                guard let range = ranges[index] else { return .null }
                return .value(UnsafeRawBufferPointer(rebasing: bytes[range]))
            }
        }
    }

    private static func elements<Element>(
        _ batch: ScoreBatch,
        _ input: Int,
        as type: Element.Type
    ) -> [Element] {
        batch.withInputs { inputs in
            #expect(inputs[input].baseAddress.map { UInt(bitPattern: $0) % 64 } == 0)
            return Array(inputs[input].bindMemory(to: type))
        }
    }

    @Test func `each type goes to its slice in native byte order`() throws {
        var builder = ScoreBatchBuilder(layout: Self.layout, rowsMax: 2)
        try Self.append(
            [
                Self.bytes(1.5, -2), Self.bigEndian(Int32(-3)), Self.bigEndian(Int64(1) << 40),
                Self.bigEndian(0.1.bitPattern), [1],
            ],
            to: &builder
        )
        try Self.append(
            [
                Self.bytes(4, .infinity), Self.bigEndian(Int32(5)), Self.bigEndian(Int64(-6)),
                Self.bigEndian((-9.5).bitPattern), [0],
            ],
            to: &builder
        )
        let batch = builder.finish()
        #expect(Self.elements(batch, 0, as: Float.self) == [-3, 1.5, -2, 5, 4, .infinity])
        #expect(Self.elements(batch, 1, as: Int64.self) == [1 << 40, -6])
        #expect(Self.elements(batch, 2, as: Double.self) == [0.1, -9.5])
        #expect(Self.elements(batch, 3, as: UInt8.self) == [1, 0])
        #expect(batch.statistics == ScoreStatistics(rows: 2))
    }

    @Test func `a null takes its DEFAULT, else the row is left out and its score is null`() throws {
        let id = Self.bigEndian(Int64(1))
        let price = Self.bigEndian(2.0.bitPattern)
        let age = Self.bigEndian(Int32(1))
        var builder = ScoreBatchBuilder(layout: Self.layout, rowsMax: 5)
        try Self.append([Self.bytes(1, 1), age, id, price, [1]], to: &builder)
        try Self.append([nil, age, id, price, [1]], to: &builder)
        try Self.append([Self.bytes(2, 2), nil, id, price, [1]], to: &builder)
        try Self.append([Self.bytes(3, 3), age, id, price, nil], to: &builder)
        try Self.append([Self.bytes(4, 4), age, id, price, [1]], to: &builder)
        let batch = builder.finish()
        #expect(batch.rowCount == 3)
        #expect(Self.elements(batch, 0, as: Float.self) == [1, 1, 1, 7, 2, 2, 1, 4, 4])
        let scored = [Float](arrayLiteral: 10, .nan, 30).withUnsafeBufferPointer {
            batch.spread($0)
        }
        #expect(scored.scores == [10, nil, nil, nil, 30])
        #expect(
            scored.statistics == ScoreStatistics(rows: 5, defaulted: 1, null: 2, nonFinite: 1)
        )
        #expect(
            scored.statistics.warning(model: "ml.ranker")
                == "ml.ranker: of 5 rows, 1 with a DEFAULT for a null argument, "
                + "2 not scored for a null argument, 1 with a score that is not finite"
        )
        #expect(ScoreStatistics(rows: 5).warning(model: "m") == nil)
    }

    @Test func `a constant fills every row`() throws {
        var builder = ScoreBatchBuilder(layout: Self.layout, rowsMax: 3)
        try builder.setConstant(0, to: Self.bytes(8, 9))
        try builder.setConstant(1, to: nil)
        try builder.setConstant(3, to: Self.bigEndian(0.5.bitPattern))
        try builder.setConstant(4, to: [1])
        for row in 0..<3 {
            try Self.append([nil, nil, Self.bigEndian(Int64(row)), nil, nil], to: &builder)
        }
        let batch = builder.finish()
        #expect(Self.elements(batch, 0, as: Float.self) == [7, 8, 9, 7, 8, 9, 7, 8, 9])
        #expect(Self.elements(batch, 1, as: Int64.self) == [0, 1, 2])
        #expect(Self.elements(batch, 2, as: Double.self) == [0.5, 0.5, 0.5])
        #expect(batch.statistics == ScoreStatistics(rows: 3, defaulted: 3))
    }

    @Test func `a constant null without DEFAULT makes every score null`() throws {
        var builder = ScoreBatchBuilder(layout: Self.layout, rowsMax: 2)
        try builder.setConstant(0, to: nil)
        for _ in 0..<2 {
            try Self.append([nil, nil, Self.bigEndian(Int64(0)), nil, nil], to: &builder)
        }
        let batch = builder.finish()
        #expect(batch.rowCount == 0)
        let scored = batch.spread(UnsafeBufferPointer(start: nil, count: 0))
        #expect(scored.scores == [nil, nil])
        #expect(scored.statistics == ScoreStatistics(rows: 2, null: 2))
    }

    @Test func `a value of a wrong width is named and changes nothing`() throws {
        let rest: [[UInt8]?] = [
            Self.bigEndian(Int32(1)), Self.bigEndian(Int64(1)), Self.bigEndian(1.0.bitPattern), [1],
        ]
        var builder = ScoreBatchBuilder(layout: Self.layout, rowsMax: 2)
        try Self.append([Self.bytes(1, 2)] + rest, to: &builder)
        var thrown: ScoreArgumentError?
        do {
            try Self.append([Self.bytes(1, 2, 3)] + rest, to: &builder)
        } catch let error as ScoreArgumentError {
            thrown = error
        }
        #expect(
            thrown?.description
                == "the argument user takes vector<float, 2>, vector<float, 3> was given"
        )
        try Self.append([Self.bytes(5, 6)] + rest, to: &builder)
        let batch = builder.finish()
        #expect(Self.elements(batch, 0, as: Float.self) == [1, 1, 2, 1, 5, 6])
        #expect(batch.statistics.rows == 2)
        var other = ScoreBatchBuilder(layout: Self.layout, rowsMax: 1)
        var constantError: ScoreArgumentError?
        do { try other.setConstant(2, to: [1, 2, 3]) } catch { constantError = error }
        #expect(
            constantError?.description
                == "the argument id takes bigint (8 bytes), 3 bytes were given"
        )
        _ = other.finish()
    }

    @Test func `no rows make an empty batch`() {
        let batch = ScoreBatchBuilder(layout: Self.layout, rowsMax: 0).finish()
        #expect(batch.rowCount == 0)
        #expect(Self.elements(batch, 0, as: Float.self).isEmpty)
    }
}

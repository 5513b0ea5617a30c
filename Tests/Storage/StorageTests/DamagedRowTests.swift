import Catalog
import Storage
import Testing

@Suite struct DamagedRowTests {
    private let good = rowOfCell(5, .live([1, 2, 3]))
    private let broken: [UInt8] = [1, 0, 0x40, 9]

    private func error(_ bytes: [UInt8]) -> RowFormatError? {
        do {
            _ = try RowView(validating: bytes)
            return nil
        } catch {
            return error
        }
    }

    @Test func `what cannot be decoded is kept and the row reads as an error`() {
        #expect(error(broken) != nil)
        let merged = RowMerge.merge([good, broken])
        #expect(error(merged) == .damaged(operands: 1))
        #expect(merged.firstRange(of: broken) != nil)
        #expect(merged.firstRange(of: good) != nil)
        var ranges: [Range<Int>?] = []
        #expect(throws: RowFormatError.damaged(operands: 1)) {
            try merged.withUnsafeBytes {
                try RowView.locate(in: $0, columns: [], nowSeconds: 0, into: &ranges)
            }
        }
    }

    @Test func `a single broken operand is put in an envelope, and no operand twice`() {
        let alone = RowMerge.merge([broken])
        #expect(error(alone) == .damaged(operands: 1))
        #expect(RowMerge.merge([alone, broken, alone]) == alone)
        let two = RowMerge.merge([[7], alone])
        #expect(error(two) == .damaged(operands: 2))
        #expect(RowMerge.merge([broken, [7]]) == two)
    }

    @Test func `writes go on merging inside of an envelope`() {
        let newer = rowOfCell(6, .live([4]))
        let merged = RowMerge.merge([RowMerge.merge([good, broken]), newer])
        #expect(merged == RowMerge.merge([newer, broken]))
    }

    @Test func `a row of a later format is kept whole`() {
        let future: [UInt8] = [2, 1, 2, 3]
        #expect(error(future) == .unknownVersion(2))
        let merged = RowMerge.merge([good, future])
        #expect(merged.suffix(4) == future[...])
    }

    @Test func `an empty operand is damage as well`() {
        #expect(error(RowMerge.merge([[]])) == .damaged(operands: 1))
    }

    @Test func `envelopes within envelopes are opaque, however deep`() {
        var nested: [UInt8] = [0xFF, 2, 1, 0, 0]
        for _ in 0..<6 { nested = [0xFF, 2, 1, 0, UInt8(nested.count)] + nested }
        #expect(error(nested) == .damaged(operands: 1))
        #expect(RowMerge.merge([nested]) == nested)
        let deep = [UInt8](repeating: 0xFF, count: 1_000_000)
        #expect(error(deep) != nil)
        #expect(error(RowMerge.merge([deep])) == .damaged(operands: 1))
    }

    @Test func `an envelope that is itself broken is kept as damage`() {
        // Operands out of order, a row part that is none, no operand at all.
        for envelope: [UInt8] in [
            [0xFF, 2, 1, 0, 1, 9, 1, 8], [0xFF, 2, 9, 0, 1, 9], [0xFF, 2, 1, 0],
            [0xFF, 2, 1, 0, 1, 9, 1, 9], [0xFF],
        ] {
            guard case .malformed = error(envelope) else {
                Issue.record("\(envelope) was read")
                continue
            }
            let merged = RowMerge.merge([envelope])
            #expect(error(merged) == .damaged(operands: 1))
            #expect(merged.suffix(envelope.count) == envelope[...])
        }
    }
}

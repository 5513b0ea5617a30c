package import ByteCoding
internal import Catalog
internal import Storage
internal import TokenPlacement

extension Mutation {
    /// The mutation as bytes: a hint's value.
    package var encoded: [UInt8] {
        var writer = ByteWriter(capacity: operand.count + partition.key.count + 24)
        writer.write(self)
        return writer.bytes
    }

    /// The mutation that the bytes hold.
    package init(decoding bytes: [UInt8]) throws(ByteDecodingError) {
        var reader = ByteReader(bytes)
        self = try reader.readMutation()
        try reader.requireEnd("mutation")
    }
}

extension StoredBatch {
    /// The batch as bytes: an entry of the batch log.
    package var encoded: [UInt8] {
        var writer = ByteWriter(capacity: 64 + mutations.reduce(0) { $0 + $1.operand.count + 40 })
        writer.write(self)
        return writer.bytes
    }

    /// The batch that the bytes hold.
    package init(decoding bytes: [UInt8]) throws(ByteDecodingError) {
        var reader = ByteReader(bytes)
        self = try reader.readStoredBatch()
        try reader.requireEnd("batch")
    }
}

extension ByteWriter {
    mutating func write(_ mutation: Mutation) {
        writeUInt32(mutation.table.value)
        write(mutation.partition)
        writeSizedBytes(mutation.operand)
    }

    mutating func write(_ mutations: [Mutation]) {
        writeCount(mutations.count)
        for mutation in mutations { write(mutation) }
    }

    mutating func write(_ id: NodeID) {
        writeUInt64(id.high)
        writeUInt64(id.low)
    }

    mutating func write(_ tokens: ClosedRange<Token>) {
        writeInt64(tokens.lowerBound.value)
        writeInt64(tokens.upperBound.value)
    }

    mutating func write(_ request: ScanRequest) {
        writeUInt32(request.table.value)
        writeInt64(request.nowSeconds)
        write(request.tokens)
        writeBool(request.after != nil)
        if let after = request.after { write(after) }
        writeUInt32(UInt32(clamping: request.rowsMax))
        writeUInt32(UInt32(clamping: request.bytesMax))
        writeBool(request.isForRebuild)
    }

    /// How a page ends: 0 with its last row, 1 with the tokens, 2 with a token that follows; then
    /// whether it is partial.
    mutating func write(_ page: ScanPage) {
        if let token = page.coveredTo {
            writeUInt8(2)
            writeInt64(token.value)
        } else {
            writeBool(page.isComplete)
        }
        writeBool(page.isPartial)
        writeCount(page.rows.count)
        for row in page.rows {
            write(row.partition)
            writeSizedBytes(row.row)
        }
    }

    mutating func write(_ request: RangeDigestRequest) {
        writeUInt32(request.table.value)
        writeInt64(request.nowSeconds)
        writeCount(request.ranges.count)
        for range in request.ranges { write(range) }
    }

    mutating func write(_ digests: [RangeDigest]) {
        writeCount(digests.count)
        for digest in digests {
            write(digest.digest)
            writeVarint(UInt64(max(0, digest.rowCount)))
        }
    }

    mutating func write(_ batch: StoredBatch) {
        write(batch.id)
        writeInt64(batch.createdMicros)
        write(batch.mutations)
    }

    mutating func write(_ marks: [DirtyMark]) {
        writeCount(marks.count)
        for mark in marks {
            writeUInt32(mark.table.value)
            writeUInt32(UInt32(clamping: mark.slice))
            write(mark.target)
            writeInt64(mark.sinceSeconds)
        }
    }

    mutating func write(_ notes: [RepairNote]) {
        writeCount(notes.count)
        for note in notes {
            writeUInt32(note.table.value)
            writeUInt32(UInt32(clamping: note.slice))
            writeInt64(note.startedSeconds)
        }
    }
}

extension ByteReader {
    mutating func readMutation() throws(ByteDecodingError) -> Mutation {
        let table = TableID(try readUInt32("table"))
        let partition = try readPartition()
        return Mutation(
            table: table,
            partition: partition,
            operand: try readSizedBytes("operand")
        )
    }

    mutating func readMutations() throws(ByteDecodingError) -> [Mutation] {
        let count = try readCount("mutation count")
        var mutations: [Mutation] = []
        mutations.reserveCapacity(count)
        for _ in 0..<count { mutations.append(try readMutation()) }
        return mutations
    }

    mutating func readNodeID() throws(ByteDecodingError) -> NodeID {
        NodeID(high: try readUInt64("id"), low: try readUInt64("id"))
    }

    mutating func readNodeIDs() throws(ByteDecodingError) -> [NodeID] {
        let count = try readCount("id count")
        var ids: [NodeID] = []
        for _ in 0..<count { ids.append(try readNodeID()) }
        return ids
    }

    mutating func readTokens() throws(ByteDecodingError) -> ClosedRange<Token> {
        let first = Token(try readInt64("first token"))
        let last = Token(try readInt64("last token"))
        guard first <= last else {
            throw .invalid(what: "token range: it begins at \(first) and ends at \(last)")
        }
        return first...last
    }

    mutating func readScanRequest() throws(ByteDecodingError) -> ScanRequest {
        ScanRequest(
            table: TableID(try readUInt32("table")),
            nowSeconds: try readInt64("now"),
            tokens: try readTokens(),
            after: try readBool("has a start") ? try readPartition() : nil,
            rowsMax: Int(try readUInt32("rows")),
            bytesMax: Int(try readUInt32("bytes")),
            isForRebuild: try readBool("is for a rebuild")
        )
    }

    mutating func readScanPage() throws(ByteDecodingError) -> ScanPage {
        let end = try readUInt8("end of the page")
        guard end <= 2 else { throw .invalid(what: "end of the page: \(end)") }
        let coveredTo = end == 2 ? Token(try readInt64("covered to")) : nil
        let isPartial = try readBool("is partial")
        let count = try readCount("row count")
        var rows: [ScannedRow] = []
        rows.reserveCapacity(count)
        for _ in 0..<count {
            let partition = try readPartition()
            rows.append(ScannedRow(partition: partition, row: try readSizedBytes("row")))
        }
        return ScanPage(
            rows: rows,
            isComplete: end == 1,
            coveredTo: coveredTo,
            isPartial: isPartial
        )
    }

    mutating func readRangeDigestRequest() throws(ByteDecodingError) -> RangeDigestRequest {
        let table = TableID(try readUInt32("table"))
        let nowSeconds = try readInt64("now")
        let count = try readCount("range count")
        var ranges: [ClosedRange<Token>] = []
        for _ in 0..<count {
            let range = try readTokens()
            if let last = ranges.last, last.upperBound >= range.lowerBound {
                throw .invalid(what: "token ranges: they overlap or do not ascend")
            }
            ranges.append(range)
        }
        return RangeDigestRequest(table: table, nowSeconds: nowSeconds, ranges: ranges)
    }

    mutating func readRangeDigests() throws(ByteDecodingError) -> [RangeDigest] {
        let count = try readCount("digest count")
        var digests: [RangeDigest] = []
        for _ in 0..<count {
            let digest = try readDigest()
            digests.append(
                RangeDigest(digest: digest, rowCount: Int(clamping: try readVarint("rows")))
            )
        }
        return digests
    }

    mutating func readStoredBatch() throws(ByteDecodingError) -> StoredBatch {
        StoredBatch(
            id: try readNodeID(),
            createdMicros: try readInt64("created"),
            mutations: try readMutations()
        )
    }

    mutating func readDirtyMarks() throws(ByteDecodingError) -> [DirtyMark] {
        let count = try readCount("mark count")
        var marks: [DirtyMark] = []
        for _ in 0..<count {
            marks.append(
                DirtyMark(
                    table: TableID(try readUInt32("table")),
                    slice: Int(try readUInt32("slice")),
                    target: try readNodeID(),
                    sinceSeconds: try readInt64("since")
                )
            )
        }
        return marks
    }

    mutating func readRepairNotes() throws(ByteDecodingError) -> [RepairNote] {
        let count = try readCount("note count")
        var notes: [RepairNote] = []
        for _ in 0..<count {
            notes.append(
                RepairNote(
                    table: TableID(try readUInt32("table")),
                    slice: Int(try readUInt32("slice")),
                    startedSeconds: try readInt64("started")
                )
            )
        }
        return notes
    }
}

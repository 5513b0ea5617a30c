package import ByteCoding
internal import Catalog
internal import ClusterLog
internal import Storage
internal import TokenPlacement

/// The encoding of messages between nodes: kind, epoch, correlation, body, all big-endian.
extension PeerEnvelope {
    /// The message as bytes, without the frame's length.
    package func encoded() -> [UInt8] {
        var writer = ByteWriter(capacity: message.sizeHint)
        writer.writeUInt8(message.kind)
        writer.writeUInt64(epoch.value)
        writer.writeUInt64(correlation)
        writer.write(message)
        return writer.bytes
    }

    /// The message that the bytes hold.
    package init(decoding bytes: [UInt8]) throws(ByteDecodingError) {
        var reader = ByteReader(bytes)
        let kind = try reader.readUInt8("message kind")
        let epoch = Epoch(try reader.readUInt64("epoch"))
        let correlation = try reader.readUInt64("correlation")
        self.init(
            epoch: epoch,
            correlation: correlation,
            message: try reader.readMessage(kind: kind)
        )
        try reader.requireEnd("message")
    }
}

extension PeerMessage {
    /// The byte that names the kind of message.
    fileprivate var kind: UInt8 {
        switch self {
        case .gossip: 1
        case .fetchLog: 2
        case .logEntries: 3
        case .propose: 10
        case .write: 11
        case .read: 12
        case .score: 13
        case .loadModel: 14
        case .fetchModel: 15
        case .awaitEpoch: 16
        case .scan: 17
        case .rangeDigests: 18
        case .storeBatch: 19
        case .noteDirty: 30
        case .noteRepaired: 31
        case .removeBatches: 32
        case .deliverHints: 33
        case .page: 26
        case .digests: 27
        case .proposed: 20
        case .done: 21
        case .rows: 22
        case .scored: 23
        case .modelBytes: 24
        case .failed: 25
        }
    }

    fileprivate var sizeHint: Int {
        switch self {
        case .gossip(let bytes), .modelBytes(let bytes): 32 + bytes.count
        case .write(let mutations), .deliverHints(let mutations, _):
            32 + mutations.reduce(0) { $0 + $1.operand.count + 40 }
        case .read(let request):
            64 + request.groups.reduce(0) { $0 + 16 + $1.partitions.count * 20 }
        case .score(let request): 512 + request.groups.reduce(0) { $0 + $1.count * 20 }
        case .rows(let groups):
            32
                + groups.reduce(0) { sum, group in
                    sum + 24 + group.rows.reduce(0) { $0 + 6 + ($1?.count ?? 0) }
                }
        case .page(let page): 32 + page.rows.reduce(0) { $0 + $1.row.count + 32 }
        case .storeBatch(let batch):
            64 + batch.mutations.reduce(0) { $0 + $1.operand.count + 40 }
        case .scored(let reply): 256 + reply.rows.count * 64 + reply.digests.count * 16
        default: 256
        }
    }
}

extension ByteWriter {
    fileprivate mutating func write(_ message: PeerMessage) {
        switch message {
        case .gossip(let bytes), .modelBytes(let bytes): writeBytes(bytes)
        case .fetchLog(let epoch), .awaitEpoch(let epoch): writeUInt64(epoch.value)
        case .logEntries(let entries):
            writeCount(entries.count)
            for entry in entries { writeSizedBytes(entry.encoded()) }
        case .propose(let change): write(change)
        case .write(let mutations): write(mutations)
        case .deliverHints(let mutations, let oldestMicros):
            writeInt64(oldestMicros)
            write(mutations)
        case .scan(let request): write(request)
        case .rangeDigests(let request): write(request)
        case .storeBatch(let batch): write(batch)
        case .noteDirty(let marks): write(marks)
        case .noteRepaired(let notes): write(notes)
        case .removeBatches(let ids):
            writeCount(ids.count)
            for id in ids { write(id) }
        case .page(let page): write(page)
        case .digests(let digests): write(digests)
        case .read(let request): write(request)
        case .score(let request): write(request)
        case .loadModel(let name, let hash, let byteCount, let signature):
            writeSizedString(name.keyspace)
            writeSizedString(name.name)
            writeBytes(hash.bytes)
            writeUInt64(UInt64(byteCount))
            write(signature)
        case .fetchModel(let hash, let offset, let count):
            writeBytes(hash.bytes)
            writeUInt64(UInt64(offset))
            writeUInt64(UInt64(count))
        case .proposed(let result): write(result)
        case .done: break
        case .rows(let groups):
            writeCount(groups.count)
            for group in groups {
                write(group.digest)
                writeCount(group.rows.count)
                for row in group.rows { writeOptional(row) }
            }
        case .scored(let reply): write(reply)
        case .failed(let failure):
            writeUInt8(failure.code.rawValue)
            writeSizedString(failure.text)
        }
    }

    mutating func write(_ partition: PartitionRef) {
        writeInt64(partition.token.value)
        writeSizedBytes(partition.key)
    }

    mutating func write(_ digest: RowDigest) {
        writeUInt64(digest.high)
        writeUInt64(digest.low)
    }

    private mutating func writeOptional(_ bytes: [UInt8]?) {
        guard let bytes else {
            writeVarint(0)
            return
        }
        writeVarint(UInt64(bytes.count) + 1)
        writeBytes(bytes)
    }

    private mutating func write(_ request: ReadRequest) {
        writeUInt32(request.table.value)
        writeInt64(request.nowSeconds)
        writeCount(request.groups.count)
        for group in request.groups {
            writeUInt8(group.mode.rawValue)
            writeCount(group.partitions.count)
            for partition in group.partitions { write(partition) }
        }
    }

    private mutating func write(_ request: ScoreRequest) {
        writeUInt32(request.table.value)
        writeBytes(request.model.bytes)
        writeSizedString(request.modelName.keyspace)
        writeSizedString(request.modelName.name)
        writeCount(request.arguments.count)
        for argument in request.arguments {
            switch argument {
            case .column(let column):
                writeUInt8(0)
                writeUInt32(column.value)
            case .value(let bytes):
                writeUInt8(1)
                writeOptional(bytes)
            }
        }
        writeUInt8(request.order.rawValue)
        writeUInt32(UInt32(clamping: request.limit))
        writeCount(request.columns.count)
        for column in request.columns { writeUInt32(column.value) }
        writeInt64(request.nowSeconds)
        writeCount(request.groups.count)
        for group in request.groups {
            writeCount(group.count)
            for partition in group { write(partition) }
        }
    }

    private mutating func write(_ reply: ScoreReply) {
        writeCount(reply.rows.count)
        for row in reply.rows {
            writeUInt32(UInt32(row.group))
            writeUInt32(UInt32(row.index))
            writeBool(row.score != nil)
            if let score = row.score { writeUInt32(score.bitPattern) }
            writeCount(row.values.count)
            for value in row.values { writeOptional(value) }
        }
        writeCount(reply.digests.count)
        for digest in reply.digests { write(digest) }
        for count in [
            reply.counts.rows, reply.counts.batch, reply.counts.defaulted, reply.counts.null,
            reply.counts.nonFinite,
        ] {
            writeVarint(UInt64(count))
        }
    }

    private mutating func write(_ result: Result<Epoch, ClusterChangeError>) {
        switch result {
        case .success(let epoch):
            writeUInt8(0)
            writeUInt64(epoch.value)
        case .failure(.alreadyExists(let keyspace, let table)):
            writeUInt8(1)
            writeSizedString(keyspace)
            writeSizedString(table)
        case .failure(.notFound(let what)):
            writeUInt8(2)
            writeSizedString(what)
        case .failure(.invalid(let why)):
            writeUInt8(3)
            writeSizedString(why)
        case .failure(.undecided(let why)):
            writeUInt8(4)
            writeSizedString(why)
        }
    }
}

extension ByteReader {
    fileprivate mutating func readMessage(kind: UInt8) throws(ByteDecodingError) -> PeerMessage {
        switch kind {
        case 1: return .gossip(readRemaining())
        case 2: return .fetchLog(after: Epoch(try readUInt64("epoch")))
        case 3:
            let count = try readCount("entry count")
            var entries: [LogEntry] = []
            for _ in 0..<count {
                entries.append(try LogEntry(decoding: try readSizedBytes("entry")))
            }
            return .logEntries(entries)
        case 10: return .propose(try readClusterChange())
        case 11: return .write(try readMutations())
        case 12: return .read(try readReadRequest())
        case 13: return .score(try readScoreRequest())
        case 14:
            let name = try readPeerModelName()
            let hash = try readHash()
            let byteCount = Int(clamping: try readUInt64("model length"))
            return .loadModel(
                name,
                hash: hash,
                byteCount: byteCount,
                signature: try readSignature()
            )
        case 15:
            return .fetchModel(
                try readHash(),
                offset: Int(clamping: try readUInt64("offset")),
                count: Int(clamping: try readUInt64("count"))
            )
        case 16: return .awaitEpoch(Epoch(try readUInt64("epoch")))
        case 17: return .scan(try readScanRequest())
        case 18: return .rangeDigests(try readRangeDigestRequest())
        case 19: return .storeBatch(try readStoredBatch())
        case 26: return .page(try readScanPage())
        case 27: return .digests(try readRangeDigests())
        case 30: return .noteDirty(try readDirtyMarks())
        case 31: return .noteRepaired(try readRepairNotes())
        case 32: return .removeBatches(try readNodeIDs())
        case 33:
            let oldestMicros = try readInt64("hint time")
            return .deliverHints(try readMutations(), oldestMicros: oldestMicros)
        case 20: return .proposed(try readProposed())
        case 21: return .done
        case 22: return .rows(try readGroupReplies())
        case 23: return .scored(try readScoreReply())
        case 24: return .modelBytes(readRemaining())
        case 25:
            let rawCode = try readUInt8("failure code")
            return .failed(
                PeerFailure(
                    code: PeerFailure.Code(rawValue: rawCode) ?? .failed,
                    text: try readSizedString("failure")
                )
            )
        default: throw .invalid(what: "message kind \(kind)")
        }
    }

    private mutating func readPeerModelName() throws(ByteDecodingError) -> ModelName {
        ModelName(
            keyspace: try readSizedString("keyspace"),
            name: try readSizedString("model name")
        )
    }

    private mutating func readHash() throws(ByteDecodingError) -> ModelHash {
        guard let hash = ModelHash(try readBytes(32, "model hash")) else {
            throw .invalid(what: "model hash")
        }
        return hash
    }

    mutating func readPartition() throws(ByteDecodingError) -> PartitionRef {
        let token = Token(try readInt64("token"))
        return PartitionRef(token: token, key: try readSizedBytes("partition key"))
    }

    private mutating func readPartitions() throws(ByteDecodingError) -> [PartitionRef] {
        let count = try readCount("partition count")
        var partitions: [PartitionRef] = []
        partitions.reserveCapacity(count)
        for _ in 0..<count { partitions.append(try readPartition()) }
        return partitions
    }

    mutating func readDigest() throws(ByteDecodingError) -> RowDigest {
        RowDigest(high: try readUInt64("digest"), low: try readUInt64("digest"))
    }

    private mutating func readOptional() throws(ByteDecodingError) -> [UInt8]? {
        let mark = try readVarint("length")
        guard mark > 0 else { return nil }
        return try readBytes(Int(clamping: mark - 1))
    }

    private mutating func readReadRequest() throws(ByteDecodingError) -> ReadRequest {
        let table = TableID(try readUInt32("table"))
        let nowSeconds = try readInt64("now")
        let count = try readCount("group count")
        var groups: [ReadRequest.Group] = []
        for _ in 0..<count {
            let rawMode = try readUInt8("read mode")
            guard let mode = ReadRequest.Mode(rawValue: rawMode) else {
                throw .invalid(what: "read mode \(rawMode)")
            }
            groups.append(ReadRequest.Group(mode: mode, partitions: try readPartitions()))
        }
        return ReadRequest(table: table, nowSeconds: nowSeconds, groups: groups)
    }

    private mutating func readScoreRequest() throws(ByteDecodingError) -> ScoreRequest {
        let table = TableID(try readUInt32("table"))
        let model = try readHash()
        let name = try readPeerModelName()
        let argumentCount = try readCount("argument count")
        var arguments: [ScoreArgument] = []
        for _ in 0..<argumentCount {
            switch try readUInt8("kind of argument") {
            case 0: arguments.append(.column(ColumnID(try readUInt32("column"))))
            case 1: arguments.append(.value(try readOptional()))
            case let other: throw .invalid(what: "kind of argument \(other)")
            }
        }
        let rawOrder = try readUInt8("order")
        guard let order = ScoreOrder(rawValue: rawOrder) else {
            throw .invalid(what: "order \(rawOrder)")
        }
        let limit = Int(try readUInt32("limit"))
        let columnCount = try readCount("column count")
        var columns: [ColumnID] = []
        for _ in 0..<columnCount { columns.append(ColumnID(try readUInt32("column"))) }
        let nowSeconds = try readInt64("now")
        let groupCount = try readCount("group count")
        var groups: [[PartitionRef]] = []
        for _ in 0..<groupCount { groups.append(try readPartitions()) }
        return ScoreRequest(
            table: table,
            model: model,
            modelName: name,
            arguments: arguments,
            order: order,
            limit: limit,
            columns: columns,
            nowSeconds: nowSeconds,
            groups: groups
        )
    }

    private mutating func readGroupReplies() throws(ByteDecodingError) -> [ReadGroupReply] {
        let count = try readCount("group count")
        var groups: [ReadGroupReply] = []
        groups.reserveCapacity(count)
        for _ in 0..<count {
            let digest = try readDigest()
            let rowCount = try readCount("row count")
            var rows: [[UInt8]?] = []
            rows.reserveCapacity(rowCount)
            for _ in 0..<rowCount { rows.append(try readOptional()) }
            groups.append(ReadGroupReply(digest: digest, rows: rows))
        }
        return groups
    }

    private mutating func readScoreReply() throws(ByteDecodingError) -> ScoreReply {
        let rowCount = try readCount("row count")
        var rows: [ScoredRow] = []
        rows.reserveCapacity(rowCount)
        for _ in 0..<rowCount {
            let group = Int(try readUInt32("group"))
            let index = Int(try readUInt32("index"))
            let score =
                try readBool("has score") ? Float(bitPattern: try readUInt32("score")) : nil
            let valueCount = try readCount("value count")
            var values: [[UInt8]?] = []
            values.reserveCapacity(valueCount)
            for _ in 0..<valueCount { values.append(try readOptional()) }
            rows.append(ScoredRow(group: group, index: index, score: score, values: values))
        }
        let digestCount = try readCount("digest count")
        var digests: [RowDigest] = []
        for _ in 0..<digestCount { digests.append(try readDigest()) }
        var counts = ScoreCounts()
        counts.rows = Int(clamping: try readVarint("rows"))
        counts.batch = Int(clamping: try readVarint("batch"))
        counts.defaulted = Int(clamping: try readVarint("defaulted"))
        counts.null = Int(clamping: try readVarint("null"))
        counts.nonFinite = Int(clamping: try readVarint("non-finite"))
        return ScoreReply(rows: rows, digests: digests, counts: counts)
    }

    private mutating func readProposed()
        throws(ByteDecodingError) -> Result<Epoch, ClusterChangeError>
    {
        switch try readUInt8("outcome") {
        case 0: return .success(Epoch(try readUInt64("epoch")))
        case 1:
            return .failure(
                .alreadyExists(
                    keyspace: try readSizedString("keyspace"),
                    table: try readSizedString("table")
                )
            )
        case 2: return .failure(.notFound(try readSizedString("what")))
        case 3: return .failure(.invalid(try readSizedString("why")))
        case 4: return .failure(.undecided(try readSizedString("why")))
        case let other: throw .invalid(what: "outcome \(other)")
        }
    }
}

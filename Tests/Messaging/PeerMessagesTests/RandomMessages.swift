import Catalog
import ClusterLog
import PeerMessages
import Storage
import TokenPlacement

/// A small seeded generator (splitmix64), so that random tests are the same in every run.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

/// Makes messages of every kind with random content.
struct RandomMessages {
    /// The kinds, by the names of their cases.
    enum Kind: CaseIterable {
        case gossip, fetchLog, logEntries, propose, write, read, score, loadModel, fetchModel
        case awaitEpoch, proposed, done, rows, scored, modelBytes, failed
        case scan, rangeDigests, storeBatch, noteDirty, noteRepaired, removeBatches, page, digests
        case deliverHints
    }

    var random: SplitMix

    init(seed: UInt64) { random = SplitMix(state: seed) }

    mutating func envelope(_ kind: Kind) -> PeerEnvelope {
        PeerEnvelope(
            epoch: Epoch(random.next()),
            correlation: random.next(),
            message: message(kind)
        )
    }

    mutating func message(_ kind: Kind) -> PeerMessage {
        switch kind {
        case .gossip: .gossip(bytes())
        case .fetchLog: .fetchLog(after: Epoch(random.next()))
        case .logEntries: .logEntries(list { $0.entry() })
        case .propose: .propose(change())
        case .write: .write(list { $0.mutation() })
        case .read: .read(readRequest())
        case .score: .score(scoreRequest())
        case .loadModel:
            .loadModel(
                modelName(),
                hash: hash(),
                byteCount: count(1 << 40),
                signature: signature()
            )
        case .fetchModel: .fetchModel(hash(), offset: count(1 << 40), count: count(1 << 20))
        case .awaitEpoch: .awaitEpoch(Epoch(random.next()))
        case .proposed: .proposed(proposed())
        case .done: .done
        case .rows:
            .rows(
                list { messages in
                    ReadGroupReply(
                        digest: messages.digest(),
                        rows: messages.list { $0.optionalBytes() }
                    )
                }
            )
        case .scored: .scored(scoreReply())
        case .modelBytes: .modelBytes(bytes())
        case .failed: .failed(PeerFailure(code: failureCode(), text: text()))
        case .scan, .rangeDigests, .storeBatch, .noteDirty, .noteRepaired, .removeBatches, .page,
            .digests, .deliverHints:
            rangeMessage(kind)
        }
    }

    // MARK: Parts

    mutating func count(_ limit: Int) -> Int { Int.random(in: 0..<limit, using: &random) }

    /// Mostly a few, now and then none.
    mutating func list<Element>(_ element: (inout RandomMessages) -> Element) -> [Element] {
        var elements: [Element] = []
        for _ in 0..<count(4) { elements.append(element(&self)) }
        return elements
    }

    mutating func bytes() -> [UInt8] {
        let length = count(8) == 0 ? count(300) : count(12)
        return (0..<length).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    }

    mutating func optionalBytes() -> [UInt8]? { count(4) == 0 ? nil : bytes() }

    mutating func text() -> String {
        let letters = Array("abcæøå _\"😀")
        var text = ""
        for _ in 0..<count(12) { text.append(letters[count(letters.count)]) }
        return text
    }

    mutating func id() -> NodeID { NodeID(high: random.next(), low: random.next()) }

    mutating func digest() -> RowDigest { RowDigest(high: random.next(), low: random.next()) }

    mutating func hash() -> ModelHash {
        let bytes = (0..<32).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        guard let hash = ModelHash(bytes) else { preconditionFailure("32 bytes are a hash") }
        return hash
    }

    mutating func modelName() -> ModelName { ModelName(keyspace: text(), name: text()) }

    mutating func partition() -> PartitionRef {
        PartitionRef(token: Token(Int64(bitPattern: random.next())), key: bytes())
    }

    mutating func mutation() -> Mutation {
        Mutation(
            table: TableID(UInt32(truncatingIfNeeded: random.next())),
            partition: partition(),
            operand: bytes()
        )
    }

    mutating func node() -> NodeRecord {
        NodeRecord(
            id: id(),
            address: "127.0.0.\(count(256))",
            nativePort: UInt16(count(65_536)),
            internodePort: UInt16(count(65_536)),
            location: Location(datacenter: text(), rack: text())
        )
    }

    mutating func signature() -> ModelSignature {
        ModelSignature(
            parameters: list { messages in
                let width = 1 + messages.count(5)
                let types: [ModelParameterType] = [
                    .float, .double, .int, .bigint, .boolean, .floatVector(width: width),
                ]
                let type = types[messages.count(types.count)]
                let start = messages.count(10)
                return ModelParameter(
                    name: messages.text(),
                    type: type,
                    defaultValue: messages.count(2) == 0
                        ? nil : (0..<type.width).map { Double($0) - 0.5 },
                    input: messages.text(),
                    range: messages.count(2) == 0 ? nil : start..<start + type.width
                )
            },
            inputs: list { messages in
                ModelInput(
                    name: messages.text(),
                    elementType: TensorElementType.allCases[messages.count(5)],
                    width: 1 + messages.count(8),
                    rank: 1 + messages.count(2)
                )
            },
            output: text()
        )
    }

    mutating func change() -> ClusterChange {
        switch count(9) {
        case 0:
            .found(
                Founding(
                    clusterID: id(),
                    name: text(),
                    sliceCount: 1 << count(10),
                    expectedNodeCount: 1 + count(9),
                    node: node()
                )
            )
        case 1: .registerNode(node())
        case 2:
            .assignOwners(
                SliceMap(owners: (0..<8).map { NodeID(high: 0, low: UInt64($0 % 3 + 1)) })
            )
        case 3:
            .createKeyspace(
                KeyspaceDefinition(name: text(), replication: .simple(factor: 1 + count(5)))
            )
        case 4: .dropKeyspace(text())
        case 5:
            .createTable(
                TableDefinition(
                    // The fold gives the id and the uuid, so that messages carry neither.
                    id: TableID(0),
                    uuid: NodeID(high: 0, low: 0),
                    keyspace: text(),
                    name: text(),
                    columns: [
                        ColumnDefinition(
                            id: ColumnID(1),
                            name: "id",
                            type: .int,
                            kind: .partitionKey
                        ),
                        ColumnDefinition(
                            id: ColumnID(2),
                            name: "value",
                            type: .map(.text, .set(.vector(dimension: 3))),
                            kind: .regular
                        ),
                    ]
                )
            )
        case 6: .dropTable(keyspace: text(), name: text())
        case 7:
            .pushModel(
                ModelPush(
                    name: modelName(),
                    signature: signature(),
                    hash: hash(),
                    byteCount: count(1 << 30)
                )
            )
        default: .dropModel(modelName())
        }
    }

    mutating func entry() -> LogEntry {
        LogEntry(
            epoch: Epoch(random.next()),
            ballot: Ballot(round: random.next(), node: id()),
            change: change()
        )
    }

    mutating func readRequest() -> ReadRequest {
        ReadRequest(
            table: TableID(UInt32(truncatingIfNeeded: random.next())),
            nowSeconds: Int64(bitPattern: random.next()),
            groups: list { messages in
                ReadRequest.Group(
                    mode: [.data, .digest, .rows][messages.count(3)],
                    partitions: messages.list { $0.partition() }
                )
            }
        )
    }

    mutating func scoreRequest() -> ScoreRequest {
        let orders: [ScoreOrder] = [.none, .ascending, .descending]
        return ScoreRequest(
            table: TableID(UInt32(truncatingIfNeeded: random.next())),
            model: hash(),
            modelName: modelName(),
            arguments: list { messages in
                messages.count(2) == 0
                    ? .column(ColumnID(UInt32(messages.count(1000))))
                    : .value(messages.optionalBytes())
            },
            order: orders[count(3)],
            limit: count(Int(UInt32.max)),
            columns: list { ColumnID(UInt32($0.count(1000))) },
            nowSeconds: Int64(bitPattern: random.next()),
            groups: list { messages in messages.list { $0.partition() } }
        )
    }

    mutating func scoreReply() -> ScoreReply {
        var counts = ScoreCounts()
        counts.rows = count(1000)
        counts.batch = count(1000)
        counts.defaulted = count(1000)
        counts.null = count(1000)
        counts.nonFinite = count(1000)
        return ScoreReply(
            rows: list { messages in
                ScoredRow(
                    group: messages.count(100),
                    index: messages.count(100),
                    score: messages.count(3) == 0 ? nil : Float(messages.count(1000)) / 7,
                    values: messages.list { $0.optionalBytes() }
                )
            },
            digests: list { $0.digest() },
            counts: counts
        )
    }

    mutating func proposed() -> Result<Epoch, ClusterChangeError> {
        switch count(5) {
        case 0: .success(Epoch(random.next()))
        case 1: .failure(.alreadyExists(keyspace: text(), table: text()))
        case 2: .failure(.notFound(text()))
        case 3: .failure(.invalid(text()))
        default: .failure(.undecided(text()))
        }
    }

    mutating func failureCode() -> PeerFailure.Code {
        PeerFailure.Code(rawValue: UInt8(count(7))) ?? .failed
    }
}

package import ByteCoding
import TokenPlacement

/// The bytes of a gossip message, all integers big-endian.
///
///     +------+----------+-------------+-----------------+-------+-----------------+
///     | kind | sequence | incarnation | target          | count | count x update  |
///     | u8   | u64      | u64         | 16 bytes        | u8    | 25 bytes each   |
///     |      |          |             | (kind 2 only)   |       |                 |
///     +------+----------+-------------+-----------------+-------+-----------------+
///     kind: 1 ping, 2 ping-request, 3 ack
///     update: node id, 16 bytes | incarnation, u64 | claim, u8: 1 alive, 2 suspect, 3 dead
///
/// An incarnation is at most 2^63 - 1 and a count at most ``GossipMessage/updatesMax``.
extension GossipMessage {
    private enum Kind: UInt8 {
        case ping = 1
        case pingRequest = 2
        case ack = 3
    }

    /// The message as bytes.
    package var encoded: [UInt8] {
        var writer = ByteWriter(capacity: 34 + 25 * updates.count)
        encode(into: &writer)
        return writer.bytes
    }

    /// Appends the message to what a writer holds.
    package func encode(into writer: inout ByteWriter) {
        switch body {
        case .ping(let sequence):
            writeHead(.ping, sequence, into: &writer)
        case .pingRequest(let sequence, let target):
            writeHead(.pingRequest, sequence, into: &writer)
            writer.writeUInt64(target.high)
            writer.writeUInt64(target.low)
        case .ack(let sequence):
            writeHead(.ack, sequence, into: &writer)
        }
        writer.writeUInt8(UInt8(updates.count))
        for update in updates {
            writer.writeUInt64(update.node.high)
            writer.writeUInt64(update.node.low)
            writer.writeUInt64(update.incarnation.number)
            writer.writeUInt8(update.claim.rawValue)
        }
    }

    /// The message that a whole array of bytes holds, and nothing behind it.
    ///
    /// - Parameter bytes: the bytes of one message.
    /// - Throws: `truncated` if they end too soon, `overLimit` for too many updates, `invalid` for
    ///   an unknown kind or claim, too high an incarnation, or bytes behind the end.
    package init(decoding bytes: [UInt8]) throws(ByteDecodingError) {
        var reader = ByteReader(bytes)
        try self.init(decoding: &reader)
        try reader.requireEnd("gossip message")
    }

    /// The message that starts at a reader's position; the reader then stands behind it.
    ///
    /// - Parameter reader: where to read.
    /// - Throws: `truncated` if the bytes end too soon, `overLimit` for too many updates, `invalid`
    ///   for an unknown kind or claim, or too high an incarnation.
    package init(decoding reader: inout ByteReader) throws(ByteDecodingError) {
        let kindByte = try reader.readUInt8("gossip kind")
        guard let kind = Kind(rawValue: kindByte) else {
            throw .invalid(
                what: "gossip kind \(kindByte): 1 (ping), 2 (ping-request) or 3 (ack) is expected"
            )
        }
        let sequence = ProbeSequence(try reader.readUInt64("gossip sequence"))
        let incarnation = try Self.readIncarnation(from: &reader)
        let body: Body =
            switch kind {
            case .ping: .ping(sequence)
            case .pingRequest: .pingRequest(sequence, target: try Self.readNode(from: &reader))
            case .ack: .ack(sequence)
            }
        let count = Int(try reader.readUInt8("gossip update count"))
        guard count <= Self.updatesMax else {
            throw .overLimit(what: "gossip update count", limit: Self.updatesMax, actual: count)
        }
        var updates: [MemberUpdate] = []
        updates.reserveCapacity(count)
        for _ in 0..<count {
            updates.append(try Self.readUpdate(from: &reader))
        }
        self.init(body, incarnation: incarnation, updates: updates)
    }

    private func writeHead(_ kind: Kind, _ sequence: ProbeSequence, into writer: inout ByteWriter) {
        writer.writeUInt8(kind.rawValue)
        writer.writeUInt64(sequence.number)
        writer.writeUInt64(incarnation.number)
    }

    private static func readUpdate(
        from reader: inout ByteReader
    ) throws(ByteDecodingError) -> MemberUpdate {
        let node = try readNode(from: &reader)
        let incarnation = try readIncarnation(from: &reader)
        let claimByte = try reader.readUInt8("gossip claim")
        guard let claim = MemberUpdate.Claim(rawValue: claimByte) else {
            throw .invalid(
                what: "gossip claim \(claimByte): 1 (alive), 2 (suspect) or 3 (dead) is expected"
            )
        }
        return MemberUpdate(node: node, incarnation: incarnation, claim: claim)
    }

    private static func readNode(
        from reader: inout ByteReader
    ) throws(ByteDecodingError) -> NodeID {
        let high = try reader.readUInt64("gossip node id")
        let low = try reader.readUInt64("gossip node id")
        return NodeID(high: high, low: low)
    }

    private static func readIncarnation(
        from reader: inout ByteReader
    ) throws(ByteDecodingError) -> Incarnation {
        let number = try reader.readUInt64("gossip incarnation")
        guard number <= Incarnation.max.number else {
            throw .invalid(
                what: "gossip incarnation \(number): at most \(Incarnation.max) is expected"
            )
        }
        return Incarnation(clamping: number)
    }
}

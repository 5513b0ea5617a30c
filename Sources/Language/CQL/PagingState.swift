internal import ByteCoding
internal import Catalog
package import PeerMessages
package import TokenPlacement

/// Where the next page of a scan goes on: what a client gets with a page, and gives back as it is.
///
/// ```
/// version u8 = 1 | statement u64 | flags u8 | token i64 | [key: length, bytes] |
/// [remaining: varint] | checksum u64 of all that before it
/// ```
/// The statement is a fingerprint (`SelectPlan.fingerprint`), so that no other statement goes on
/// from here. Flag 1: a key follows, and the page ended with it; without one it ended behind all
/// keys of the token. Flag 2: the statement has a LIMIT, of which so many rows remain. Every node
/// reads every other's states; they hold nothing that a client may not see.
package struct PagingState: Hashable, Sendable {
    /// The version byte that every state starts with.
    package static let formatVersion: UInt8 = 1

    /// The token that the scan came to.
    package let token: Token
    /// The key that the scan came to; nil: all keys of the token are behind it.
    package let key: [UInt8]?
    /// How many rows of LIMIT remain, from 1; nil without LIMIT.
    package let remaining: Int?

    /// The state of a scan that ended a page with a partition.
    package init(after partition: PartitionRef, remaining: Int?) {
        token = partition.token
        key = partition.key
        self.remaining = remaining
    }

    /// The state of a scan that ended a page behind all keys of a token.
    package init(afterAllOf token: Token, remaining: Int?) {
        self.token = token
        key = nil
        self.remaining = remaining
    }

    /// The state as bytes, for the statement with a fingerprint.
    package func encoded(for statement: UInt64) -> [UInt8] {
        var writer = ByteWriter(capacity: 40 + (key?.count ?? 0))
        writer.writeUInt8(Self.formatVersion)
        writer.writeUInt64(statement)
        writer.writeUInt8((key == nil ? 0 : 1) | (remaining == nil ? 0 : 2))
        writer.writeInt64(token.value)
        if let key { writer.writeSizedBytes(key) }
        if let remaining { writer.writeCount(remaining) }
        writer.writeUInt64(Self.hash(writer.bytes))
        return writer.bytes
    }

    /// The state in some bytes that a client sent.
    ///
    /// - Throws: `invalid` for bytes that are no state, or the state of another statement.
    package init(decoding bytes: [UInt8], of statement: UInt64) throws(CQLError) {
        do throws(ByteDecodingError) {
            var reader = ByteReader(bytes)
            let version = try reader.readUInt8("version")
            guard version == Self.formatVersion else {
                throw .invalid(what: "version \(version), this node reads version 1")
            }
            let given = try reader.readUInt64("statement")
            let flags = try reader.readUInt8("flags")
            guard flags <= 3 else { throw .invalid(what: "flags \(flags)") }
            let token = Token(try reader.readInt64("token"))
            let key = flags & 1 == 0 ? nil : try reader.readSizedBytes("key")
            var remaining: Int?
            if flags & 2 != 0 {
                let number = try reader.readVarint("remaining rows")
                guard (1...UInt64(Int32.max)).contains(number) else {
                    throw .invalid(what: "remaining rows \(number)")
                }
                remaining = Int(number)
            }
            let body = bytes[..<reader.position]
            let checksum = try reader.readUInt64("checksum")
            try reader.requireEnd("paging state")
            guard checksum == Self.hash(Array(body)) else { throw .invalid(what: "checksum") }
            if let key, Token(partitionKey: key) != token {
                throw .invalid(what: "key: its token is not \(token)")
            }
            guard given == statement else { throw .invalid(what: Self.otherStatement) }
            (self.token, self.key, self.remaining) = (token, key, remaining)
        } catch {
            throw .invalid(
                "Invalid value for the paging state (\(error)): give back the bytes of the page "
                    + "before, with the same statement and values"
            )
        }
    }

    private static let otherStatement = "statement: it belongs to another one"

    static func hash(_ bytes: [UInt8]) -> UInt64 {
        bytes.withUnsafeBytes { Murmur3.hash128($0).0 }
    }
}

/// Where a scan starts or goes on.
package struct ScanStart: Hashable, Sendable {
    /// The tokens to read, ascending.
    package let ranges: [ClosedRange<Token>]
    /// The partition to start behind, whose token is the first of `ranges`; nil: the very start.
    package let after: PartitionRef?
    /// How many rows may still be returned; nil: any number.
    package let remaining: Int?
}

extension SelectPlan {
    /// Where a request goes on: at the start, or where its paging state says.
    ///
    /// - Throws: `invalid` for a paging state of another statement or of none, and for any beside
    ///   a SELECT by keys or of count(*), whose answer is one page.
    package func start(
        _ bound: BoundSelect,
        pagingState: [UInt8]?
    ) throws(CQLError) -> ScanStart {
        guard let pagingState else {
            return ScanStart(ranges: bound.ranges, after: nil, remaining: bound.limit)
        }
        guard isScan, !isCount else {
            throw .invalid(
                "a SELECT by keys or of count(*) is answered in one page, so that there is no page "
                    + "to go on with: leave the paging state out"
            )
        }
        let state = try PagingState(decoding: pagingState, of: fingerprint(of: bound))
        guard let place = bound.ranges.firstIndex(where: { $0.contains(state.token) }),
            (state.remaining == nil) == (bound.limit == nil),
            state.remaining ?? 0 <= bound.limit ?? 0
        else {
            throw .invalid(
                "Invalid value for the paging state: it lies outside of the statement's range or "
                    + "LIMIT"
            )
        }
        var ranges = Array(bound.ranges[place...])
        guard let key = state.key else {
            if state.token == ranges[0].upperBound {
                ranges.removeFirst()
            } else {
                ranges[0] = Token(state.token.value + 1)...ranges[0].upperBound
            }
            return ScanStart(ranges: ranges, after: nil, remaining: state.remaining)
        }
        ranges[0] = state.token...ranges[0].upperBound
        return ScanStart(
            ranges: ranges,
            after: PartitionRef(token: state.token, key: key),
            remaining: state.remaining
        )
    }

    /// What tells a scan from others, the same on every node: its table, range, conditions, LIMIT
    /// and columns.
    package func fingerprint(of bound: BoundSelect) -> UInt64 {
        var bytes = table.uuid.bytes
        for range in bound.ranges {
            bytes.append(number: 1, Int(range.lowerBound.value))
            bytes.append(number: 2, Int(range.upperBound.value))
        }
        bytes.append(number: 3, bound.limit ?? 0)
        for output in outputs {
            bytes.append(sized: Array(output.column.name.utf8))
            bytes.append(sized: Array(output.column.type.cqlText.utf8))
        }
        for column in readColumns { bytes.append(number: 4, Int(column.value)) }
        bound.filter?.append(to: &bytes)
        return PagingState.hash(bytes)
    }
}

extension [UInt8] {
    /// Appends a number behind a byte that says what it is.
    mutating func append(number tag: UInt8, _ number: Int) {
        append(tag)
        append(contentsOf: LiteralEncoding.bigEndian(Int64(number)))
    }

    /// Appends bytes behind their number.
    mutating func append(sized bytes: [UInt8]) {
        append(number: 0, bytes.count)
        append(contentsOf: bytes)
    }
}

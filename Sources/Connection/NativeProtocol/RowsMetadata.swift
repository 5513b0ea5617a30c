import ByteCoding
package import Catalog

/// A column of a result, or a marker of a prepared statement.
package struct ColumnSpecification: Hashable, Sendable {
    /// The keyspace of the table.
    package var keyspace: String
    /// The table.
    package var table: String
    /// The column's or marker's name, an alias, or the selected expression.
    package var name: String
    /// The type of the values.
    package var type: ColumnType

    /// A column of a type of this cluster.
    package init(keyspace: String, table: String, name: String, type: CQLType) {
        self.init(keyspace: keyspace, table: table, name: name, columnType: .cql(type))
    }

    /// A column of any type.
    package init(keyspace: String, table: String, name: String, columnType: ColumnType) {
        self.keyspace = keyspace
        self.table = table
        self.name = name
        type = columnType
    }
}

/// What stands before the rows of a result (section 4.2.5.2).
package struct RowsMetadata: Hashable, Sendable {
    /// The bit that says that a paging state follows.
    static let hasMorePagesFlag: Int32 = 0x0002

    /// How many cells a row has.
    package var columnCount: Int
    /// The columns, or nil if they are left out because the client knows them.
    package var columns: [ColumnSpecification]?
    /// Where the next page starts, or nil if this is the last one.
    package var pagingState: [UInt8]?

    /// Metadata that lists its columns.
    package init(columns: [ColumnSpecification], pagingState: [UInt8]? = nil) {
        columnCount = columns.count
        self.columns = columns
        self.pagingState = pagingState
    }

    /// Metadata that leaves its columns out; with none at all, that of a prepared statement which
    /// returns no rows.
    package init(columnCount: Int, pagingState: [UInt8]? = nil) {
        self.columnCount = columnCount
        columns = nil
        self.pagingState = pagingState
    }

    /// The same metadata without the list of columns, for a request that skips it.
    package var withoutColumns: RowsMetadata {
        RowsMetadata(columnCount: columnCount, pagingState: pagingState)
    }
}

/// The answer to a PREPARE (section 4.2.5.4).
package struct PreparedResult: Hashable, Sendable {
    /// The id by which EXECUTE names the statement, at most 65,535 bytes.
    package var id: [UInt8]
    /// The markers, in order.
    package var markers: [ColumnSpecification]
    /// For each column of the partition key the index of its marker; empty if one has none.
    ///
    /// Drivers compute the token, and so the replicas, from these values.
    package var partitionKeyIndexes: [Int]
    /// The columns of the rows that the statement returns.
    package var result: RowsMetadata

    /// The answer to a PREPARE.
    package init(
        id: [UInt8],
        markers: [ColumnSpecification],
        partitionKeyIndexes: [Int],
        result: RowsMetadata
    ) {
        self.id = id
        self.markers = markers
        self.partitionKeyIndexes = partitionKeyIndexes
        self.result = result
    }
}

/// The bits that say which metadata follow.
private struct MetadataFlags: OptionSet {
    let rawValue: Int32

    static let globalTableSpecification = MetadataFlags(rawValue: 0x0001)
    static let hasMorePages = MetadataFlags(rawValue: RowsMetadata.hasMorePagesFlag)
    static let noMetadata = MetadataFlags(rawValue: 0x0004)
}

extension ByteReader {
    private mutating func readMetadataFlags(
        allowed: MetadataFlags
    ) throws(ByteDecodingError) -> MetadataFlags {
        let flags = MetadataFlags(rawValue: try readInt32("flags of the metadata"))
        guard flags.isSubset(of: allowed) else {
            let value = UInt32(bitPattern: flags.rawValue)
            throw .invalid(what: "flags of the metadata: \(hexText(value))")
        }
        return flags
    }

    private mutating func readColumns(
        _ count: Int,
        _ flags: MetadataFlags,
        _ limits: NativeProtocolLimits
    ) throws(ByteDecodingError) -> [ColumnSpecification] {
        var keyspace = ""
        var table = ""
        let isGlobal = flags.contains(.globalTableSpecification)
        if isGlobal {
            keyspace = try readString("keyspace")
            table = try readString("table")
        }
        try require(
            count,
            "number of columns",
            atMost: limits.columnsMax,
            elementBytesMin: isGlobal ? 4 : 8
        )
        var columns: [ColumnSpecification] = []
        columns.reserveCapacity(count)
        for _ in 0..<count {
            if !isGlobal {
                keyspace = try readString("keyspace of a column")
                table = try readString("table of a column")
            }
            columns.append(
                ColumnSpecification(
                    keyspace: keyspace,
                    table: table,
                    name: try readString("name of a column"),
                    columnType: try readColumnType(limits)
                )
            )
        }
        return columns
    }

    private mutating func readColumnCount(
        _ limits: NativeProtocolLimits
    ) throws(ByteDecodingError) -> Int {
        let count = Int(try readInt32("number of columns"))
        guard count >= 0 else { throw .invalid(what: "number of columns: \(count)") }
        guard count <= limits.columnsMax else {
            throw .overLimit(what: "number of columns", limit: limits.columnsMax, actual: count)
        }
        return count
    }

    mutating func readRowsMetadata(
        _ limits: NativeProtocolLimits
    ) throws(ByteDecodingError) -> RowsMetadata {
        let flags = try readMetadataFlags(
            allowed: [.globalTableSpecification, .hasMorePages, .noMetadata]
        )
        let count = try readColumnCount(limits)
        let pagingState =
            flags.contains(.hasMorePages)
            ? try readOptionalBytes("paging state", atMost: limits.pagingStateBytesMax) : nil
        guard !flags.contains(.noMetadata) else {
            return RowsMetadata(columnCount: count, pagingState: pagingState)
        }
        return RowsMetadata(
            columns: try readColumns(count, flags, limits),
            pagingState: pagingState
        )
    }

    mutating func readPrepared(
        _ limits: NativeProtocolLimits
    ) throws(ByteDecodingError) -> PreparedResult {
        let id = try readShortBytes("id of a prepared statement")
        let flags = try readMetadataFlags(allowed: .globalTableSpecification)
        let count = try readColumnCount(limits)
        let indexCount = Int(try readInt32("number of partition key indexes"))
        guard (0...count).contains(indexCount) else {
            throw .overLimit(
                what: "number of partition key indexes",
                limit: count,
                actual: indexCount
            )
        }
        var indexes: [Int] = []
        for _ in 0..<indexCount {
            let index = Int(try readUInt16("partition key index"))
            guard index < count else {
                throw .invalid(what: "partition key index \(index) of \(count) markers")
            }
            indexes.append(index)
        }
        return PreparedResult(
            id: id,
            markers: try readColumns(count, flags, limits),
            partitionKeyIndexes: indexes,
            result: try readRowsMetadata(limits)
        )
    }
}

extension ByteWriter {
    /// Whether all columns are of one table, which is then written once.
    private func isOfOneTable(_ columns: [ColumnSpecification]) -> Bool {
        guard let first = columns.first else { return false }
        return columns.allSatisfy { $0.keyspace == first.keyspace && $0.table == first.table }
    }

    private mutating func writeColumns(_ columns: [ColumnSpecification], isGlobal: Bool) {
        if isGlobal, let first = columns.first {
            writeString(first.keyspace)
            writeString(first.table)
        }
        for column in columns {
            if !isGlobal {
                writeString(column.keyspace)
                writeString(column.table)
            }
            writeString(column.name)
            writeColumnType(column.type)
        }
    }

    mutating func writeRowsMetadata(_ metadata: RowsMetadata) {
        var flags: MetadataFlags = []
        let isGlobal = metadata.columns.map { isOfOneTable($0) } ?? false
        if isGlobal { flags.insert(.globalTableSpecification) }
        if metadata.pagingState != nil { flags.insert(.hasMorePages) }
        if metadata.columns == nil { flags.insert(.noMetadata) }
        writeInt32(flags.rawValue)
        writeInt32(Int32(metadata.columnCount))
        if let pagingState = metadata.pagingState { writeOptionalBytes(pagingState) }
        if let columns = metadata.columns { writeColumns(columns, isGlobal: isGlobal) }
    }

    mutating func writePrepared(_ prepared: PreparedResult) {
        writeShortBytes(prepared.id)
        let isGlobal = isOfOneTable(prepared.markers)
        writeInt32(isGlobal ? MetadataFlags.globalTableSpecification.rawValue : 0)
        writeInt32(Int32(prepared.markers.count))
        writeInt32(Int32(prepared.partitionKeyIndexes.count))
        for index in prepared.partitionKeyIndexes { writeUInt16(UInt16(index)) }
        writeColumns(prepared.markers, isGlobal: isGlobal)
        writeRowsMetadata(prepared.result)
    }
}

/// A value as the workload writes it: nobody else ever writes the same bytes.
package struct WrittenValue: Hashable, Sendable, CustomStringConvertible {
    /// The client.
    package let client: Int
    /// The operation.
    package let operation: Int
    /// The row of the operation, from 0.
    package let row: Int
    /// The column.
    package let column: Int

    private static let magic: UInt8 = 0xA7

    /// What an operation writes to a column of one of its rows.
    package init(client: Int, operation: Int, row: Int, column: Int) {
        self.client = client
        self.operation = operation
        self.row = row
        self.column = column
    }

    /// The value in some bytes, nil if it is none of the workload's.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count >= 9, bytes[0] == Self.magic else { return nil }
        client = Int(bytes[1]) << 8 | Int(bytes[2])
        operation = bytes[3..<7].reduce(0) { $0 << 8 | Int($1) }
        row = Int(bytes[7])
        column = Int(bytes[8])
    }

    /// The value's bytes, with padding behind them.
    package func bytes(padding: Int = 0) -> [UInt8] {
        var bytes = [Self.magic, UInt8(client >> 8 & 0xFF), UInt8(client & 0xFF)]
        for shift in [24, 16, 8, 0] { bytes.append(UInt8(operation >> shift & 0xFF)) }
        bytes.append(UInt8(row & 0xFF))
        bytes.append(UInt8(column & 0xFF))
        for index in 0..<padding { bytes.append(UInt8(truncatingIfNeeded: operation &+ index)) }
        return bytes
    }

    package var description: String { "<#\(operation).\(row) of client \(client)>" }
}

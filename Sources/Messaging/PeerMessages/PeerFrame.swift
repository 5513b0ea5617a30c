package import ByteCoding

/// How messages follow each other on a connection between nodes.
///
/// ```
/// length u32 · CRC-32C of the message u32 · message
/// ```
/// TCP's own checksum has 16 bits, and lets damage by memory and network cards through (Stone and
/// Partridge, "When the CRC and TCP checksum disagree", SIGCOMM 2000): a flipped bit in a value would
/// be stored by every replica.
package enum PeerFrame {
    /// The bytes in front of each message.
    package static let headerBytes = 8

    /// The header of a message.
    package static func header(of message: [UInt8]) -> (length: UInt32, checksum: UInt32) {
        (UInt32(message.count), CRC32C.checksum(message))
    }

    /// Checks a message that came.
    ///
    /// - Throws: `ByteDecodingError` if its checksum is another than its header says.
    package static func check(_ message: [UInt8], checksum: UInt32) throws(ByteDecodingError) {
        let actual = CRC32C.checksum(message)
        guard actual == checksum else {
            throw .invalid(
                what: """
                    frame of \(message.count) bytes: its CRC-32C is \(hex(actual)), its header says \
                    \(hex(checksum)): it was damaged on the way
                    """
            )
        }
    }

    private static func hex(_ number: UInt32) -> String { String(number, radix: 16) }
}

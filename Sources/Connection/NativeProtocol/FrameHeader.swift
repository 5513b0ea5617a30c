/// The nine bytes before every body, as they were sent: nothing in them is checked yet.
///
/// ```
/// +---------+-------+--------+--------+--------+-------------------+
/// | version | flags |     stream      | opcode |  length (4 bytes) |
/// +---------+-------+--------+--------+--------+-------------------+
/// ```
package struct FrameHeader: Hashable, Sendable {
    /// The bytes of a header.
    package static let byteCount = 9

    /// The version without the direction bit.
    package var versionNumber: UInt8
    /// The direction bit: whether a server sent the frame.
    package var isResponse: Bool
    /// The flags.
    package var flags: FrameFlags
    /// What ties a response to its request; events have -1.
    package var stream: Int16
    /// The opcode's byte, which may be unknown.
    package var opcodeByte: UInt8
    /// The length of the body, at most 4 GiB - 1 as sent.
    package var bodyByteCount: Int

    /// A header with the given fields.
    package init(
        versionNumber: UInt8,
        isResponse: Bool,
        flags: FrameFlags = [],
        stream: Int16,
        opcodeByte: UInt8,
        bodyByteCount: Int
    ) {
        self.versionNumber = versionNumber
        self.isResponse = isResponse
        self.flags = flags
        self.stream = stream
        self.opcodeByte = opcodeByte
        self.bodyByteCount = bodyByteCount
    }

    /// The header in the first nine bytes, or nil if there are fewer.
    package static func decode(_ bytes: UnsafeRawBufferPointer) -> FrameHeader? {
        guard bytes.count >= byteCount else { return nil }
        let stream = UInt16(bytes[2]) << 8 | UInt16(bytes[3])
        let length = bytes.loadUnaligned(fromByteOffset: 5, as: UInt32.self)
        return FrameHeader(
            versionNumber: bytes[0] & 0x7F,
            isResponse: bytes[0] & 0x80 != 0,
            flags: FrameFlags(rawValue: bytes[1]),
            stream: Int16(bitPattern: stream),
            opcodeByte: bytes[4],
            bodyByteCount: Int(UInt32(bigEndian: length))
        )
    }

    /// The header in the first nine bytes, or nil if there are fewer.
    package static func decode(_ bytes: [UInt8]) -> FrameHeader? {
        bytes.withUnsafeBytes { decode($0) }
    }
}

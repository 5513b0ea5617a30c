import ByteCoding
import Catalog

/// The notations of the protocol (native_protocol_v4.spec, section 3), as they are written.
///
/// What a server writes is never refused for its length: a [string] is cut at 65,535 bytes (an
/// error that quotes a long statement must still arrive). Requests are checked before.
extension ByteWriter {
    /// A [string], cut behind the last whole character that fits.
    mutating func writeString(_ text: String) {
        let limit = Int(UInt16.max)
        guard text.utf8.count > limit else {
            writeUInt16(UInt16(text.utf8.count))
            writeBytes(text.utf8)
            return
        }
        var utf8 = Array(text.utf8.prefix(limit + 1))
        var end = limit
        while end > 0, utf8[end] & 0xC0 == 0x80 { end -= 1 }
        utf8.removeLast(utf8.count - end)
        writeUInt16(UInt16(end))
        writeBytes(utf8)
    }

    /// A [long string].
    mutating func writeLongString(_ text: String) {
        writeInt32(Int32(text.utf8.count))
        writeBytes(text.utf8)
    }

    /// A [bytes].
    mutating func writeOptionalBytes(_ bytes: [UInt8]?) {
        guard let bytes else {
            writeInt32(-1)
            return
        }
        writeInt32(Int32(bytes.count))
        writeBytes(bytes)
    }

    /// A [short bytes].
    mutating func writeShortBytes(_ bytes: [UInt8]) {
        writeUInt16(UInt16(bytes.count))
        writeBytes(bytes)
    }

    /// A [value].
    mutating func writeBoundValue(_ value: BoundValue) {
        switch value {
        case .null: writeInt32(-1)
        case .unset: writeInt32(-2)
        case .bytes(let bytes): writeOptionalBytes(bytes)
        }
    }

    /// A [consistency].
    mutating func writeConsistency(_ level: ConsistencyLevel) { writeUInt16(level.rawValue) }

    /// A [string list] of at most 65,535 strings; what is beyond is left out.
    mutating func writeStringList(_ list: [String]) {
        let written = list.prefix(Int(UInt16.max))
        writeUInt16(UInt16(written.count))
        for text in written { writeString(text) }
    }

    /// A [bytes map] of at most 65,535 entries; what is beyond is left out.
    mutating func writePayload(_ entries: [PayloadEntry]) {
        let written = entries.prefix(Int(UInt16.max))
        writeUInt16(UInt16(written.count))
        for entry in written {
            writeString(entry.key)
            writeOptionalBytes(entry.value)
        }
    }

    /// An [inet] with its port.
    mutating func writeEndpoint(_ endpoint: InetEndpoint) {
        let bytes = endpoint.address.bytes
        writeUInt8(UInt8(bytes.count))
        writeBytes(bytes)
        writeInt32(Int32(endpoint.port))
    }
}

/// Builds a frame in one array: the header first, its length patched at the end.
struct FrameBuilder {
    var writer: ByteWriter

    init(
        version: ProtocolVersion,
        flags: FrameFlags,
        stream: Int16,
        opcode: Opcode,
        capacity: Int = 64
    ) {
        writer = ByteWriter(capacity: FrameHeader.byteCount + capacity)
        writer.writeUInt8(version.rawValue | (opcode.isRequest ? 0 : 0x80))
        writer.writeUInt8(flags.rawValue)
        writer.writeUInt16(UInt16(bitPattern: stream))
        writer.writeUInt8(opcode.rawValue)
        writer.writeUInt32(0)
    }

    /// The bytes of the body so far.
    var bodyByteCount: Int { writer.count - FrameHeader.byteCount }

    /// The whole frame.
    consuming func finish() -> [UInt8] {
        writer.patchUInt32(UInt32(bodyByteCount), at: 5)
        return writer.bytes
    }
}

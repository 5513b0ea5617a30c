/// Cuts a stream of bytes into frames, and survives whatever the bytes are.
///
/// A body is copied once into the frame; its array grows with what has come, never with what a
/// header announces, so that a peer holds at most twice the memory that it paid for by sending, and
/// never more than ``NativeProtocolLimits/frameBodyBytesMax``.
///
/// The framing of protocol v5 stands before this decoder: its payloads are a stream of the same
/// frames.
package struct FrameDecoder: Sendable {
    /// What came out of the bytes.
    package enum Output: Hashable, Sendable {
        /// A frame to be decoded.
        case frame(Frame)
        /// Answer the stream with the error; the connection lives on.
        case reject(stream: Int16, ProtocolError)
        /// Answer the stream with the error, then close; all further bytes are ignored.
        case close(stream: Int16, ProtocolError)
    }

    private enum State: Sendable {
        /// Collects a header. Exits: `body`, `skipping`, `closed`.
        case header
        /// Collects a body. Exits: `header`.
        case body(FrameHeader, ProtocolVersion, Opcode)
        /// Throws the rest of a refused body away. Exits: `header`.
        case skipping(remaining: Int)
        /// Takes nothing more. No exits.
        case closed
    }

    /// The rules; a connection changes them when STARTUP agrees on a compression.
    package var admission: FrameAdmission

    private var state = State.header
    /// The bytes of a header or body that is not whole yet.
    private var collected: [UInt8] = []

    /// A decoder at the start of a connection.
    package init(_ admission: FrameAdmission) { self.admission = admission }

    /// Whether the stream may end here: between two frames.
    package var isBetweenFrames: Bool {
        switch state {
        case .header: collected.isEmpty
        case .closed: true
        case .body, .skipping: false
        }
    }

    /// Takes the next bytes of the stream, and appends what they complete.
    package mutating func receive(_ chunk: [UInt8], into outputs: inout [Output]) {
        chunk.withUnsafeBytes { receive($0, into: &outputs) }
    }

    /// Takes the next bytes of the stream, and appends what they complete.
    package mutating func receive(_ chunk: UnsafeRawBufferPointer, into outputs: inout [Output]) {
        var rest = chunk[...]
        while !rest.isEmpty {
            switch state {
            case .header: collectHeader(&rest, into: &outputs)
            case .body(let header, let version, let opcode):
                collect(&rest, upTo: header.bodyByteCount)
                if collected.count == header.bodyByteCount {
                    finish(header, version, opcode, into: &outputs)
                }
            case .skipping(let remaining):
                let count = min(remaining, rest.count)
                rest = rest.dropFirst(count)
                state = count == remaining ? .header : .skipping(remaining: remaining - count)
            case .closed: return
            }
        }
    }

    private mutating func collectHeader(
        _ rest: inout Slice<UnsafeRawBufferPointer>,
        into outputs: inout [Output]
    ) {
        collect(&rest, upTo: FrameHeader.byteCount)
        if let close = refusalOfShortHeader() {
            closeStream(close.stream, close.error, into: &outputs)
            return
        }
        guard let header = FrameHeader.decode(collected) else { return }
        switch admission.verdict(on: header) {
        case .admit(let version, let opcode):
            collected.removeAll(keepingCapacity: true)
            if header.bodyByteCount == 0 {
                finish(header, version, opcode, into: &outputs)
            } else {
                state = .body(header, version, opcode)
            }
        case .skip(let error):
            collected.removeAll(keepingCapacity: true)
            state = header.bodyByteCount == 0 ? .header : .skipping(remaining: header.bodyByteCount)
            outputs.append(.reject(stream: header.stream, error))
        case .close(let error): closeStream(header.stream, error, into: &outputs)
        }
    }

    /// The versions before 3 have a header of eight bytes with one byte for the stream, so that
    /// waiting for a ninth would leave such a client without an answer.
    private func refusalOfShortHeader() -> (stream: Int16, error: ProtocolError)? {
        guard collected.count >= 8, collected[0] & 0x7F < 3 else { return nil }
        let stream = Int16(Int8(bitPattern: collected[2]))
        return (stream, ProtocolVersion.refusal(ofVersion: collected[0] & 0x7F))
    }

    private mutating func collect(
        _ rest: inout Slice<UnsafeRawBufferPointer>,
        upTo total: Int
    ) {
        let count = min(total - collected.count, rest.count)
        let needed = collected.count + count
        if collected.capacity < needed {
            collected.reserveCapacity(min(total, max(needed, 2 * collected.count)))
        }
        collected.append(contentsOf: UnsafeRawBufferPointer(rebasing: rest.prefix(count)))
        rest = rest.dropFirst(count)
    }

    private mutating func finish(
        _ header: FrameHeader,
        _ version: ProtocolVersion,
        _ opcode: Opcode,
        into outputs: inout [Output]
    ) {
        var body: [UInt8] = []
        if header.bodyByteCount > 0 { swap(&body, &collected) }
        state = .header
        outputs.append(
            .frame(
                Frame(
                    version: version,
                    flags: header.flags,
                    stream: header.stream,
                    opcode: opcode,
                    body: body
                )
            )
        )
    }

    private mutating func closeStream(
        _ stream: Int16,
        _ error: ProtocolError,
        into outputs: inout [Output]
    ) {
        collected = []
        state = .closed
        outputs.append(.close(stream: stream, error))
    }
}

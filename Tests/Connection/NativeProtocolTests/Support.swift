import NativeProtocol

/// The bytes of a hexadecimal text, in which spaces and line ends may stand.
func hex(_ text: String) -> [UInt8] {
    let digits = text.filter { $0.isHexDigit }.compactMap(\.hexDigitValue)
    precondition(digits.count.isMultiple(of: 2), "half a byte in \(text)")
    return stride(from: 0, to: digits.count, by: 2).map {
        UInt8(digits[$0] << 4 | digits[$0 + 1])
    }
}

/// All outputs of a decoder for one stream of bytes.
func outputs(
    of bytes: [UInt8],
    role: FrameAdmission.Role = .server,
    limits: NativeProtocolLimits = NativeProtocolLimits(),
    chunk: Int = .max
) -> [FrameDecoder.Output] {
    var decoder = FrameDecoder(FrameAdmission(role: role, limits: limits))
    var outputs: [FrameDecoder.Output] = []
    var start = 0
    while start < bytes.count {
        let end = start + min(chunk, bytes.count - start)
        decoder.receive(Array(bytes[start..<end]), into: &outputs)
        start = end
    }
    return outputs
}

/// The one frame that the bytes are.
func frame(_ bytes: [UInt8], role: FrameAdmission.Role = .server) -> Frame? {
    let all = outputs(of: bytes, role: role)
    guard all.count == 1, case .frame(let frame) = all[0] else { return nil }
    return frame
}

/// The request that the bytes of a frame are.
func request(_ bytes: [UInt8]) throws(ProtocolError) -> RequestMessage {
    guard let frame = frame(bytes) else { throw ProtocolError("no frame") }
    return try RequestMessage(decoding: frame)
}

/// The response that the bytes of a frame are.
func response(_ bytes: [UInt8]) throws(ProtocolError) -> ResponseMessage {
    guard let frame = frame(bytes, role: .client) else { throw ProtocolError("no frame") }
    return try ResponseMessage(decoding: frame)
}

/// A small generator with a seed (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

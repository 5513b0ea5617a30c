import NativeProtocol
import Testing

struct FrameDecoderTests {
    private let first = hex("04 02 0007 09 00000003 616263")
    private let second = hex("04 00 0008 05 00000000")

    private var bothFrames: [FrameDecoder.Output] {
        [
            .frame(Frame(flags: .tracing, stream: 7, opcode: .prepare, body: hex("616263"))),
            .frame(Frame(stream: 8, opcode: .options, body: [])),
        ]
    }

    private func limits(body: Int, skipped: Int) -> NativeProtocolLimits {
        var limits = NativeProtocolLimits()
        limits.frameBodyBytesMax = body
        limits.skippedBodyBytesMax = skipped
        return limits
    }

    @Test func `a header is read as it was sent`() {
        #expect(
            FrameHeader.decode(hex("84 0F FFFF 0C 000F4240"))
                == FrameHeader(
                    versionNumber: 4,
                    isResponse: true,
                    flags: [.compression, .tracing, .customPayload, .warning],
                    stream: -1,
                    opcodeByte: 0x0C,
                    bodyByteCount: 1_000_000
                )
        )
        #expect(FrameHeader.decode(hex("84 0F FFFF 0C 000F42")) == nil)
    }

    @Test func `many frames in one chunk come out in order`() {
        let many = (0..<50).flatMap { _ in first + second }
        #expect(outputs(of: many) == (0..<50).flatMap { _ in bothFrames })
    }

    @Test func `frames split at every boundary come out the same`() {
        for chunk in 1...first.count + second.count {
            #expect(outputs(of: first + second, chunk: chunk) == bothFrames)
        }
        for cut in 0...first.count + second.count {
            var decoder = FrameDecoder(FrameAdmission(role: .server))
            var all: [FrameDecoder.Output] = []
            decoder.receive(Array((first + second)[..<cut]), into: &all)
            #expect(decoder.isBetweenFrames == [0, first.count, 21].contains(cut))
            decoder.receive(Array((first + second)[cut...]), into: &all)
            #expect(all == bothFrames)
        }
    }

    @Test func `a large body in small chunks is collected whole`() {
        let size = 4 << 20
        let body = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let bytes = hex("04 00 0001 09 00400000") + body
        let all = outputs(of: bytes, chunk: 1000)
        #expect(all == [.frame(Frame(stream: 1, opcode: .prepare, body: body))])
    }

    @Test func `an oversize body is skipped and the following frame is intact`() {
        let oversize = hex("04 00 0005 07 0000000B") + Array(repeating: 0xFF, count: 11)
        let limits = limits(body: 10, skipped: 11)
        for chunk in [1, 2, 9, 10, 100] {
            let all = outputs(of: oversize + first, limits: limits, chunk: chunk)
            #expect(all.count == 2)
            guard case .reject(5, let error) = all.first else {
                Issue.record("not rejected: \(all)")
                continue
            }
            #expect(error.code == .invalid)
            #expect(error.message.contains("11 bytes") && error.message.contains("10"))
            #expect(all.last == bothFrames[0])
        }
    }

    @Test func `a body of exactly the limit is taken`() {
        #expect(outputs(of: first, limits: limits(body: 3, skipped: 3)) == [bothFrames[0]])
    }

    @Test func `a body over what may be skipped closes`() {
        let bytes = hex("04 00 0005 07 0000000C") + first
        let all = outputs(of: bytes, limits: limits(body: 10, skipped: 11))
        guard case .close(5, let error) = all.first else {
            Issue.record("not closed: \(all)")
            return
        }
        #expect(all.count == 1)
        #expect(error.message.contains("12 bytes"))
        #expect(outputs(of: hex("04 00 0005 07 FFFFFFFF")).count == 1)
    }

    @Test(arguments: [UInt8(0x42), 0x41, 5, 3]) func `an unknown version closes`(version: UInt8) {
        let bytes = [version] + hex("00 0009 05 00000000")
        let text =
            "Invalid or unsupported protocol version (\(version)); "
            + "the lowest supported version is 4 and the greatest is 4"
        #expect(outputs(of: bytes + first) == [.close(stream: 9, ProtocolError(text))])
    }

    @Test func `versions with a short header are answered too`() {
        let all = outputs(of: hex("02 00 09 05 00000000"))
        #expect(all == [.close(stream: 9, ProtocolVersion.refusal(ofVersion: 2))])
    }

    @Test func `an unknown opcode is skipped with its body`() {
        let all = outputs(of: hex("04 00 0003 77 00000002 FFFF") + first)
        #expect(
            all == [.reject(stream: 3, ProtocolError("unknown opcode 0x77")), bothFrames[0]]
        )
        #expect(outputs(of: hex("04 00 0003 04 00000000") + first).count == 2)
    }

    @Test func `a response closes a server's connection and a request a client's`() {
        let toServer = outputs(of: hex("84 00 0003 02 00000000") + first)
        let toClient = outputs(of: first + first, role: .client)
        for all in [toServer, toClient] {
            guard all.count == 1, case .close = all[0] else {
                Issue.record("not closed: \(all)")
                continue
            }
        }
    }

    @Test func `an opcode of the other side is refused on its stream`() {
        let all = outputs(of: hex("04 00 0003 02 00000000") + first)
        #expect(
            all == [
                .reject(stream: 3, ProtocolError("a client does not send READY")), bothFrames[0],
            ]
        )
    }

    @Test func `a negative stream of a request is refused`() {
        let all = outputs(of: hex("04 00 FFFF 05 00000000") + first)
        guard all.count == 2, case .reject(-1, _) = all[0] else {
            Issue.record("not rejected: \(all)")
            return
        }
    }

    @Test func `a compressed body is taken only after compression was agreed`() {
        let bytes = hex("04 01 0003 07 00000002 FFFF")
        var decoder = FrameDecoder(FrameAdmission(role: .server))
        var all: [FrameDecoder.Output] = []
        decoder.receive(bytes, into: &all)
        guard case .reject(3, _) = all.first else {
            Issue.record("not rejected: \(all)")
            return
        }
        decoder.admission.acceptsCompression = true
        all = []
        decoder.receive(bytes, into: &all)
        let frame = Frame(flags: .compression, stream: 3, opcode: .query, body: [0xFF, 0xFF])
        #expect(all == [.frame(frame)])
        #expect(throws: ProtocolError.self) { try RequestMessage(decoding: frame) }
    }

    @Test func `noise never traps`() {
        var generator = SeededGenerator(seed: 1)
        for _ in 0..<20_000 {
            let size = Int.random(in: 0..<64, using: &generator)
            var bytes = (0..<size).map { _ in UInt8.random(in: 0...255, using: &generator) }
            if size > 8 {
                bytes[0] = Bool.random(using: &generator) ? 4 : 0x84
                bytes[2] &= 0x7F
                bytes[4] &= 0x0F
                bytes[5] = 0
                bytes[6] = 0
                bytes[7] = 0
            }
            let role: FrameAdmission.Role = bytes.first == 4 ? .server : .client
            let chunk = Int.random(in: 1...70, using: &generator)
            for case .frame(let frame) in outputs(of: bytes, role: role, chunk: chunk) {
                _ = try? RequestMessage(decoding: frame)
                _ = try? ResponseMessage(decoding: frame)
            }
        }
    }
}

/// A version of the native protocol that Martlet speaks.
///
/// Every codec of this module switches over the version without a `default`, so that a further
/// version shows by compiler errors where its layout differs.
package enum ProtocolVersion: UInt8, Hashable, Sendable, CaseIterable {
    case v4 = 4

    /// The lowest version that is spoken.
    package static let lowest = ProtocolVersion.v4
    /// The greatest version that is spoken.
    package static let greatest = ProtocolVersion.v4

    /// The version as SUPPORTED lists it under `PROTOCOL_VERSIONS`, such as `4/v4`.
    package var supportedText: String { "\(rawValue)/v\(rawValue)" }

    /// The answer to a frame of a version that is not spoken.
    ///
    /// Drivers parse this sentence in order to retry with a lower version: its wording is fixed.
    package static func refusal(ofVersion number: UInt8) -> ProtocolError {
        ProtocolError(
            """
            Invalid or unsupported protocol version (\(number)); the lowest supported version is \
            \(lowest.rawValue) and the greatest is \(greatest.rawValue)
            """
        )
    }
}

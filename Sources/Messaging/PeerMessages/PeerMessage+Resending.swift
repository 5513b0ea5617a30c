/// What it takes to send a request once more whose connection broke.
extension PeerMessage {
    /// Whether a node may get this request twice.
    ///
    /// A change of the cluster that was made already is refused the second time, as if somebody else
    /// had made it. That a slice is repaired must not be told to the next life of a node, which may
    /// have lost its disk.
    package var mayComeTwice: Bool {
        switch self {
        case .propose, .noteRepaired: false
        default: true
        }
    }

    /// Whether a refusal of this request says that nothing was done, on which its sender counts.
    package var isRefusedWhole: Bool {
        switch self {
        case .write, .deliverHints, .storeBatch: true
        default: false
        }
    }

    /// The failure of this request, as its sender takes it after it was sent twice: that its second
    /// coming was refused does not tell what became of the first.
    package func failureAfterSecondSending(_ failure: PeerFailure) -> PeerFailure {
        guard isRefusedWhole, failure.code != .failed else { return failure }
        return PeerFailure(
            code: .disconnected,
            text: """
                the connection broke, and the node refused the request when it came again: \
                \(failure.text)
                """
        )
    }
}

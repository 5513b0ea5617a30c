/// What it takes to send a request once more whose connection broke.
extension PeerMessage {
    /// Whether a node may get this request twice: a change of the cluster that was made already is
    /// refused the second time, as if somebody else had made it.
    package var mayComeTwice: Bool {
        if case .propose = self { false } else { true }
    }
}

extension PeerFailure {
    /// The failure of a request that was sent twice: that its second coming was refused does not tell
    /// what became of the first.
    package var afterSecondSending: PeerFailure {
        switch code {
        case .failed, .disconnected: self
        case .overloaded, .unknownTable, .modelNotReady, .invalid, .unreadable, .tooOld:
            PeerFailure(
                code: .disconnected,
                text:
                    "the connection broke, and the node refused the request when it came again: \(text)"
            )
        }
    }
}

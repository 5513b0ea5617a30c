package import Catalog
package import TokenPlacement

/// What a node does with the messages of others; all calls come on the loop that owns the peers.
package protocol PeerReceiver: AnyObject {
    /// A request (then `reply` sends its answer, at most once) or a one-way message came.
    func messageReceived(
        _ message: PeerMessage,
        from peer: NodeID,
        reply: @escaping (PeerMessage) -> Void
    )
    /// A message carried its sender's epoch.
    func epochSeen(_ epoch: Epoch, from peer: NodeID)
    /// A connection to a peer was lost.
    func connectionLost(to peer: NodeID)
}

/// The answer to a request, and its length on the wire in bytes.
package struct PeerAnswer: Sendable {
    /// The message.
    package var message: PeerMessage
    /// Its length in bytes.
    package var byteCount: Int

    /// An answer with all its parts.
    package init(message: PeerMessage, byteCount: Int) {
        self.message = message
        self.byteCount = byteCount
    }
}

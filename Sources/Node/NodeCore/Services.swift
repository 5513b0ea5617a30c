package import Catalog
package import PeerMessages
package import TokenPlacement

/// Runs models on rows that a replica has read.
package protocol RowScorer: AnyObject {
    /// Scores the rows of a request, group by group as in the request, and returns the best.
    ///
    /// Called on the loop; the completion is too.
    func score(
        _ rows: [[UInt8]?],
        _ request: ScoreRequest,
        _ table: TableDefinition,
        _ model: ModelDefinition,
        completion: @escaping (Result<ScoreReply, PeerFailure>) -> Void
    )
}

/// Answers what other nodes ask about models' bytes.
package protocol ModelService: AnyObject {
    /// Answers `loadModel` and `fetchModel`; called on the loop, and `reply` is too.
    func answer(
        _ message: PeerMessage,
        from peer: NodeID,
        reply: @escaping (PeerMessage) -> Void
    )
}

/// The promises that are checked.
package enum Invariant: String, Hashable, Sendable, CaseIterable {
    case noInventedValue = "no value is invented"
    case refusedStaysAbsent = "a refused write never appears"
    case acknowledgedIsSeen = "a read sees what was acknowledged before it began"
    case noResurrection = "a deleted value never comes back"
    case readsNeverGoBack = "later reads never see less than earlier ones"
    case rowIsAtomic = "one write of a row appears as a whole"
    case expiryIsExact = "an expired value is not seen"
    case acknowledgedIsKept = "an acknowledged write is there in the end"
    case replicasAgree = "replicas are identical in the end"
    case batchIsAtomic = "a logged batch is written as a whole in the end"
    case scoresAreOfRows = "a score belongs to a version that a read would have returned"
    case scanIsExact = "a scan returns every row once"
    case cacheAgrees = "a cached row is what the store holds"
    case hintsArrive = "a hint goes only once its target has the write"
    case onlyDamageIsDropped = "only damaged slices are dropped"
    case droppedIsGone = "nothing of a dropped table is left in the end"
    case pendingIsEmpty = "nothing is left to do in the end"
    case everythingAnswers = "every request is answered in its time"
    case nodesStart = "a node starts on its own disk"
    case clusterServes = "requests succeed once everything is healed"
    case runsAlike = "one seed gives one trace"
}

/// A broken promise, with what happened around it.
package struct Violation: Sendable, CustomStringConvertible {
    /// The promise.
    package let invariant: Invariant
    /// What was seen instead.
    package let text: String
    /// The history around it, line by line.
    package let history: [String]

    /// A broken promise.
    package init(_ invariant: Invariant, _ text: String, history: [String] = []) {
        self.invariant = invariant
        self.text = text
        self.history = history
    }

    package var description: String {
        (["violated: \(invariant.rawValue)", "  \(text)"] + history.map { "    \($0)" })
            .joined(separator: "\n")
    }
}

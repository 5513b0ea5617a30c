internal import Martlet

/// What each node said about itself, in the order of the nodes.
struct NodeSurvey<Answer: Sendable>: Sendable {
    /// A node with what it said.
    struct Entry: Sendable {
        var node: NodeRow
        /// What it said, or why it said nothing.
        var answer: Result<Answer, MartletError>
    }

    /// The nodes with their answers.
    var entries: [Entry]

    /// The nodes that answered, with what they said.
    var answers: [(node: NodeRow, answer: Answer)] {
        entries.compactMap { entry in
            (try? entry.answer.get()).map { (entry.node, $0) }
        }
    }

    /// Why nodes said nothing, a line for each of them.
    var problems: [String] {
        entries.compactMap { entry in
            guard case .failure(let error) = entry.answer else { return nil }
            return "\(entry.node.place) could not be asked: \(error.message)"
        }
    }
}

extension ClusterOptions {
    /// The nodes that are asked at a time.
    private static let askedAtOnceMax = 16

    /// All nodes of the cluster, as one that answers knows them.
    func nodes() async throws -> [NodeRow] {
        try await withClient { try await $0.nodeRows() }
    }

    /// Asks each node over a connection of its own: what a node knows of its own work, no other
    /// node can tell.
    func askEach<Answer: Sendable>(
        _ nodes: [NodeRow],
        _ body: @escaping @Sendable (NodeRow, MartletClient) async throws -> Answer
    ) async throws -> NodeSurvey<Answer> {
        var configuration = configuration
        configuration.asksContactPointOnly = true
        let ask: @Sendable (Int) async throws -> (Int, Result<Answer, MartletError>) = {
            [configuration] index in
            var configuration = configuration
            configuration.contactPoints = [nodes[index].place]
            do {
                let client = try await MartletClient.connect(configuration)
                do {
                    let answer = try await body(nodes[index], client)
                    await client.close()
                    return (index, .success(answer))
                } catch {
                    await client.close()
                    throw error
                }
            } catch let error as MartletError {
                return (index, .failure(error))
            }
        }
        let answers = try await withThrowingTaskGroup(
            of: (Int, Result<Answer, MartletError>).self
        ) { group in
            var answers: [Int: Result<Answer, MartletError>] = [:]
            for index in nodes.indices {
                if index >= Self.askedAtOnceMax, let (done, answer) = try await group.next() {
                    answers[done] = answer
                }
                group.addTask { try await ask(index) }
            }
            for try await (done, answer) in group { answers[done] = answer }
            return answers
        }
        return NodeSurvey(
            entries: nodes.indices.compactMap { index in
                answers[index].map { .init(node: nodes[index], answer: $0) }
            }
        )
    }
}

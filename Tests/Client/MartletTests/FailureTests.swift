import Catalog
import Martlet
import NativeProtocol
import Testing

/// What a request that fails says of its outcome.
struct FailureTests {
    private static let cases: [(ErrorResponse.Detail, MartletError.Code, MartletError.Outcome)] = [
        (.unavailable(.quorum, required: 2, alive: 1), .unavailable, .notDone),
        (.writeTimeout(.quorum, received: 1, blockFor: 2, .simple), .writeTimeout, .unknown),
        (.overloaded, .overloaded, .notDone),
        (.syntaxError, .syntax, .notDone),
        (.invalid, .invalid, .notDone),
        (.unauthorized, .unauthorized, .notDone),
        (.alreadyExists(keyspace: "ks", table: "t"), .alreadyExists, .notDone),
        (.serverError, .serverError, .unknown),
    ]

    @Test(arguments: cases.indices)
    func `an error of the server tells refused from unknown`(_ index: Int) async throws {
        let (detail, code, outcome) = Self.cases[index]
        let server = try await FakeServer.start { request, _ in
            switch request {
            case .query("INSERT a", _), .query("SELECT a", _):
                .response(.error(ErrorResponse(detail, "the text")))
            default: nil
            }
        }
        let client = try await connect(server)
        let ofWrite = try await martletError { try await client.execute("INSERT a") }
        #expect(ofWrite.code == code)
        #expect(ofWrite.outcome == outcome)
        #expect(ofWrite.message == "the text")
        #expect(ofWrite.node == server.address)
        let ofRead = try await martletError { try await client.execute("SELECT a") }
        #expect(ofRead.code == code)
        #expect(ofRead.outcome == .notApplicable)
        await client.close()
        try await server.stop()
    }

    @Test func `replicas that were needed and alive are told`() async throws {
        let server = try await FakeServer.start { request, _ in
            guard case .query("INSERT a", _) = request else { return nil }
            let detail = ErrorResponse.Detail.unavailable(.quorum, required: 2, alive: 1)
            return .response(.error(ErrorResponse(detail, "too few")))
        }
        let client = try await connect(server)
        let error = try await martletError { try await client.execute("INSERT a") }
        #expect(error.requiredReplicas == 2)
        #expect(error.receivedReplicas == 1)
        await client.close()
        try await server.stop()
    }

    @Test func `a connection that drops leaves a write's outcome unknown`() async throws {
        let server = try await FakeServer.start { request, _ in
            if case .query("INSERT a", _) = request { .drop } else { nil }
        }
        let client = try await connect(server)
        let error = try await martletError { try await client.execute("INSERT a") }
        #expect(error.code == .connectionLost)
        #expect(error.outcome == .unknown)
        #expect(server.statements == ["QUERY INSERT a"])
        await client.close()
        try await server.stop()
    }

    @Test func `a connection that was lost is opened again`() async throws {
        let counter = Counter()
        let server = try await FakeServer.start { request, _ in
            guard case .query("INSERT a", _) = request else { return nil }
            return counter.next() == 1 ? .drop : .response(.void)
        }
        let client = try await connect(server)
        _ = try await martletError { try await client.execute("INSERT a") }
        let isBack = try await eventually {
            do {
                try await client.execute("INSERT a")
                return true
            } catch let error as MartletError where error.outcome == .notDone {
                return false
            }
        }
        #expect(isBack)
        await client.close()
        try await server.stop()
    }

    @Test func `an idempotent write and a read go to the next node`() async throws {
        let dropping: FakeServer.Behaviour = { request, _ in
            switch request {
            case .query("INSERT a", _), .query("SELECT a", _): .drop
            default: nil
            }
        }
        let bad = try await FakeServer.start(id: 1, tokens: [0], behaviour: dropping)
        let good = try await FakeServer.start(id: 2, tokens: [.max])
        bad.change { $0.peers = [good.peer] }
        let client = try await connect(bad)
        for _ in 0..<4 {
            try await client.execute("SELECT a")
            try await client.execute("INSERT a", isIdempotent: true)
        }
        #expect(bad.statements.count >= 1)
        #expect(good.statements.count == 8)
        await client.close()
        try await bad.stop()
        try await good.stop()
    }

    @Test func `an answer that does not come is a timeout with an unknown outcome`() async throws {
        let server = try await FakeServer.start { request, _ in
            if case .query("INSERT a", _) = request { .silence } else { nil }
        }
        let client = try await connect(server) { $0.requestTimeout = .seconds(2) }
        let error = try await martletError { try await client.execute("INSERT a") }
        #expect(error.code == .requestTimedOut)
        #expect(error.outcome == .unknown)
        // The connection lives on.
        try await client.execute("INSERT b")
        await client.close()
        try await server.stop()
    }

    @Test func `requests over the streams wait, and over the queue are refused`() async throws {
        let server = try await FakeServer.start { request, _ in
            if case .query("INSERT a", _) = request { .silence } else { nil }
        }
        let client = try await connect(server) {
            $0.requestsInFlightMax = 2
            $0.requestsQueuedMax = 3
            $0.requestTimeout = .seconds(5)
        }
        let errors = await withTaskGroup(of: MartletError?.self) { group in
            for _ in 0..<9 {
                group.addTask {
                    do {
                        try await client.execute("INSERT a")
                        return nil
                    } catch {
                        return error as? MartletError
                    }
                }
            }
            return await group.reduce(into: [MartletError]()) { list, error in
                if let error { list.append(error) }
            }
        }
        func count(_ code: MartletError.Code, _ outcome: MartletError.Outcome) -> Int {
            errors.count { $0.code == code && $0.outcome == outcome }
        }
        #expect(count(.requestTimedOut, .unknown) == 2)
        #expect(count(.requestTimedOut, .notDone) == 3)
        #expect(count(.clientOverloaded, .notDone) == 4)
        #expect(server.statements.count == 2)
        await client.close()
        try await server.stop()
    }

    @Test func `many requests share a connection with few streams`() async throws {
        let server = try await FakeServer.start()
        let client = try await connect(server) { $0.requestsInFlightMax = 8 }
        try await withThrowingTaskGroup { group in
            for id in 0..<500 { group.addTask { try await client.execute("INSERT a", id) } }
            try await group.waitForAll()
        }
        let values = server.requests.compactMap { request -> [UInt8]? in
            guard case .execute(_, let parameters) = request,
                case .positional(let bound) = parameters.values, case .bytes(let value) = bound[0]
            else { return nil }
            return value
        }
        #expect(Set(values) == Set((0..<500).map { bytes(Int32($0)) }))
        // The control connection and one for data.
        #expect(server.channels.count == 2)
        await client.close()
        try await server.stop()
    }

    @Test func `a cancelled task stops waiting`() async throws {
        let server = try await FakeServer.start { request, _ in
            if case .query("INSERT a", _) = request { .silence } else { nil }
        }
        let client = try await connect(server)
        let task = Task { try await client.execute("INSERT a") }
        #expect(try await eventually { !server.statements.isEmpty })
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        await client.close()
        try await server.stop()
    }

    @Test func `close gives up on requests that are not answered in time`() async throws {
        let server = try await FakeServer.start { request, _ in
            if case .query("INSERT a", _) = request { .silence } else { nil }
        }
        let client = try await connect(server) { $0.closeTimeout = .milliseconds(50) }
        let task = Task { try await client.execute("INSERT a") }
        #expect(try await eventually { !server.statements.isEmpty })
        await client.close()
        let error = try await martletError { _ = try await task.value }
        #expect(error.code == .connectionLost)
        #expect(error.outcome == .unknown)
        try await server.stop()
    }

    @Test func `noise instead of an answer ends the connection, not the client`() async throws {
        let counter = Counter()
        let server = try await FakeServer.start { request, _ in
            guard case .query("SELECT a", _) = request, counter.next() == 1 else { return nil }
            return .bytes(Array(repeating: 0xEE, count: 64))
        }
        let client = try await connect(server)
        let first = try await martletError { try await client.execute("SELECT a") }
        #expect(first.outcome == .notApplicable)
        #expect(
            try await eventually {
                do {
                    try await client.execute("SELECT a")
                    return true
                } catch let error as MartletError where error.code == .connectionFailed {
                    return false
                }
            }
        )
        await client.close()
        try await server.stop()
    }

    @Test func `a server that wants credentials is refused by name`() async throws {
        let server = try await FakeServer.start { request, _ in
            if case .startup = request { .response(.authenticate("Password")) } else { nil }
        }
        let error = try await martletError { _ = try await connect(server) }
        #expect(error.message.contains("Password"))
        try await server.stop()
    }

    @Test func `a value that does not fit is not sent`() async throws {
        let server = try await FakeServer.start()
        let client = try await connect(server)
        let tooLarge = try await martletError { try await client.execute("INSERT a", 1 << 40) }
        #expect(tooLarge.code == .invalidValue)
        #expect(tooLarge.outcome == .notDone)
        #expect(tooLarge.message.contains("'id'"))
        let wrongType = try await martletError { try await client.execute("INSERT a", "x") }
        #expect(wrongType.message.contains("int"))
        let tooMany = try await martletError { try await client.execute("INSERT a", 1, 2) }
        #expect(tooMany.message.contains("1 markers, 2 values"))
        #expect(server.statements == ["PREPARE INSERT a"])
        await client.close()
        try await server.stop()
    }
}

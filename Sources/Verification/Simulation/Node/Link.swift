internal import ByteCoding
internal import HistoryChecking
internal import PeerMessages

/// A connection that a loop makes to a node for one class of traffic, and what waits on it.
final class Link {
    private enum State {
        /// -> connecting, when something is sent.
        case closed
        /// -> open, closed.
        case connecting
        /// -> closed: reset by either side, or given up.
        case open
    }

    private struct Pending {
        let timer: Kernel.EventID
        let message: PeerMessage
        let completion: (Result<PeerAnswer, PeerFailure>) -> Void
        /// Kept until it is answered: it may have to be sent once more.
        var frame: [UInt8] = []
        /// Whether it was sent over a connection that broke, and is sent for the second time.
        var isSecond = false
    }

    let target: Int
    let trafficClass: TrafficClass
    /// Frames of one direction do not overtake each other, unless faults say so.
    var forwardFloor: Nanoseconds = 0
    var backwardFloor: Nanoseconds = 0

    private unowned let loop: SimulatedLoop
    private var state = State.closed
    /// Which connection this is: what belongs to an earlier one is not heard any more.
    private var number = 0
    private var acceptor: SimulatedLoop?
    private var acceptingLife: NodeLife?
    private var retryAfter: Nanoseconds = 0
    private var waiting: [[UInt8]] = []
    private var pending: [UInt64: Pending] = [:]
    private var isForgotten = false

    private static let connectTimeout = Nanoseconds.seconds(2)
    private static let reconnectDelay = Nanoseconds.milliseconds(250)
    private static let waitingMax = 4096

    init(from loop: SimulatedLoop, to target: Int, _ trafficClass: TrafficClass) {
        self.loop = loop
        self.target = target
        self.trafficClass = trafficClass
    }

    var pendingCount: Int { pending.count }

    var isOpen: Bool {
        if case .open = state { true } else { false }
    }

    private var kernel: Kernel { loop.life.kernel }
    private var network: SimulatedNetwork { loop.life.network }
    private var source: Int { loop.life.node }

    func expect(
        _ correlation: UInt64,
        _ timer: Kernel.EventID,
        _ message: PeerMessage,
        _ completion: @escaping (Result<PeerAnswer, PeerFailure>) -> Void
    ) {
        pending[correlation] = Pending(
            timer: timer,
            message: message,
            completion: completion
        )
    }

    /// The node that made it crashed.
    func forget() {
        isForgotten = true
        waiting = []
        pending = [:]
        acceptor = nil
        acceptingLife = nil
    }

    // MARK: Sending

    func send(_ frame: [UInt8], _ correlation: UInt64) {
        pending[correlation]?.frame = frame
        switch state {
        case .open: transmit(frame)
        case .connecting where waiting.count < Self.waitingMax: waiting.append(frame)
        case .closed where retryAfter <= kernel.now:
            waiting.append(frame)
            connect()
        case .connecting, .closed:
            let text = "node \(target) cannot be reached: not connected"
            complete(correlation, .failure(PeerFailure(code: .disconnected, text: text)))
        }
    }

    private func connect() {
        state = .connecting
        number += 1
        retryAfter = kernel.now + Self.reconnectDelay
        let attempt = number
        let roundTrip = network.delay(source, target) + network.delay(target, source)
        kernel.schedule(after: roundTrip, node: source, kind: .connection) { [self] in
            loop.deliver { [self] in attempted(attempt) }
        }
        kernel.schedule(after: Self.connectTimeout, node: source, kind: .connection) { [self] in
            loop.deliver { [self] in
                guard attempt == number, case .connecting = state else { return }
                fail("connecting took too long")
            }
        }
    }

    private func attempted(_ attempt: Int) {
        guard attempt == number, case .connecting = state else { return }
        guard !network.isBlocked(source, target), !network.isBlocked(target, source) else {
            return  // Nobody answers: the time-out follows.
        }
        guard let life = network.life(of: target) else {
            fail("connection refused")
            return
        }
        state = .open
        acceptingLife = life
        acceptor = life.loops[network.pickLoop(of: life.loops.count)]
        forwardFloor = 0
        backwardFloor = 0
        let frames = waiting
        waiting = []
        for frame in frames { transmit(frame) }
    }

    private func transmit(_ frame: [UInt8]) {
        let connection = number
        network.transmit(
            frame,
            source,
            target,
            floor: &forwardFloor,
            isOneWay: isOneWay(frame)
        ) { [self] frame in
            guard connection == number, isOpen, let acceptor, let acceptingLife else { return }
            guard acceptingLife.isAlive else {
                // A node that knows nothing of the connection resets it; a dead one says nothing.
                if network.life(of: target) != nil { resetArrives(after: connection) }
                return
            }
            acceptor.deliver { [self] in received(frame, by: acceptor, connection) }
        }
    }

    /// The correlation stands behind the frame's header, kind and epoch.
    private func isOneWay(_ frame: [UInt8]) -> Bool {
        let place = PeerFrame.headerBytes + 9
        return frame.count < place + 8 || frame[place..<place + 8].allSatisfy { $0 == 0 }
    }

    // MARK: The other side

    private func received(_ frame: [UInt8], by acceptor: SimulatedLoop, _ connection: Int) {
        guard !isForgotten, connection == number, isOpen else { return }
        guard let envelope = network.decode(frame) else {
            resetArrives(after: connection)
            return
        }
        let sender = loop.life.id
        acceptor.receiver?.epochSeen(envelope.epoch, from: sender)
        let correlation = envelope.correlation
        var isAnswered = false
        acceptor.receiver?.messageReceived(envelope.message, from: sender) {
            [self, unowned acceptor] reply in
            guard correlation != 0, !isAnswered else { return }
            isAnswered = true
            answer(acceptor.encode(reply, correlation), connection)
        }
    }

    private func answer(_ frame: [UInt8], _ connection: Int) {
        guard !isForgotten, connection == number, isOpen else { return }
        network.transmit(
            frame,
            target,
            source,
            floor: &backwardFloor,
            isOneWay: false
        ) { [self] frame in
            guard !isForgotten, connection == number, isOpen else { return }
            loop.deliver { [self] in answered(frame, connection) }
        }
    }

    private func answered(_ frame: [UInt8], _ connection: Int) {
        guard connection == number, isOpen else { return }
        guard let envelope = network.decode(frame) else {
            broke("broken message")
            return
        }
        loop.receiver?.epochSeen(envelope.epoch, from: network.id(of: target))
        if case .failed(let failure) = envelope.message {
            let request = pending[envelope.correlation]
            let isSecond = request?.isSecond == true
            complete(
                envelope.correlation,
                .failure(
                    isSecond
                        ? request?.message.failureAfterSecondSending(failure) ?? failure : failure
                )
            )
        } else {
            let answer = PeerAnswer(message: envelope.message, byteCount: frame.count)
            complete(envelope.correlation, .success(answer))
        }
    }

    private func complete(
        _ correlation: UInt64,
        _ result: Result<PeerAnswer, PeerFailure>
    ) {
        guard let found = pending.removeValue(forKey: correlation) else { return }
        kernel.cancel(found.timer)
        found.completion(result)
    }

    // MARK: Ends

    func timedOut(_ correlation: UInt64) {
        let text = "node \(target) did not answer in time"
        complete(correlation, .failure(PeerFailure(code: .disconnected, text: text)))
    }

    /// Lets the loop hear, a while from now, that the present connection is gone.
    func reset() {
        guard !isForgotten, isOpen else { return }
        resetArrives(after: number)
    }

    private func resetArrives(after connection: Int) {
        guard !isForgotten else { return }
        let delay = network.delay(target, source)
        kernel.schedule(after: delay, node: source, kind: .connection) { [self] in
            loop.deliver { [self] in
                guard connection == number, isOpen else { return }
                broke("connection closed by the other side")
            }
        }
    }

    /// The open connection is gone: what was sent over it for the first time is sent once more, unless
    /// it is too soon for another attempt.
    private func broke(_ reason: String) {
        guard retryAfter <= kernel.now else {
            fail(reason)
            return
        }
        state = .closed
        acceptor = nil
        acceptingLife = nil
        var over: [Pending] = []
        for (correlation, request) in pending.sorted(by: { $0.key < $1.key }) {
            if !request.isSecond, request.message.mayComeTwice, waiting.count < Self.waitingMax {
                pending[correlation]?.isSecond = true
                waiting.append(request.frame)
            } else {
                pending[correlation] = nil
                over.append(request)
            }
        }
        // Before anybody is told: who asks again at once must find the attempt, and comes last.
        if !waiting.isEmpty { connect() }
        complete(over, reason)
        loop.receiver?.connectionLost(to: network.id(of: target))
    }

    /// Closes the connection, on the loop; what waits on it fails.
    func fail(_ reason: String) {
        let wasOpen = isOpen
        state = .closed
        acceptor = nil
        acceptingLife = nil
        waiting = []
        let failed = pending.sorted { $0.key < $1.key }.map(\.value)
        pending = [:]
        complete(failed, reason)
        if wasOpen { loop.receiver?.connectionLost(to: network.id(of: target)) }
    }

    private func complete(_ requests: [Pending], _ reason: String) {
        let text = "the connection to node \(target) failed: \(reason)"
        for request in requests {
            kernel.cancel(request.timer)
            request.completion(.failure(PeerFailure(code: .disconnected, text: text)))
        }
    }
}

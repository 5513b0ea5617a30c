internal import HistoryChecking
internal import Storage
package import TokenPlacement

/// A machine of the run: its disk and clocks stay, its program comes and goes.
package final class SimulatedNode {
    /// The node's place in the run.
    package let index: Int
    /// The node's id.
    package let id: NodeID
    /// Its clocks.
    package var clock = NodeClock()
    /// What is on its disk.
    package let disk: any NodeDisk
    /// The program that runs on it now.
    package private(set) var subject: (any Subject)?
    /// The life that it leads now.
    package private(set) var life: NodeLife?
    /// Why it did not start the last time, or nil.
    package private(set) var startProblem: String?

    private let kernel: Kernel
    private let network: SimulatedNetwork
    private let settings: MachineSettings
    private let program: any SubjectProgram
    private let setup: ClusterSetup
    private var random: SimulatedRandom
    private var starts = 0

    init(
        index: Int,
        disk: any NodeDisk,
        kernel: Kernel,
        network: SimulatedNetwork,
        settings: MachineSettings,
        program: any SubjectProgram,
        setup: ClusterSetup,
        random: SimulatedRandom
    ) {
        self.index = index
        id = setup.nodeIDs[index]
        self.disk = disk
        self.kernel = kernel
        self.network = network
        self.settings = settings
        self.program = program
        self.setup = setup
        self.random = random
    }

    /// Whether its program runs.
    package var isUp: Bool { life != nil }

    /// Starts the program on what is on the disk; false if it cannot.
    @discardableResult
    func start() -> Bool {
        precondition(life == nil, "node \(index) runs already")
        starts += 1
        clock.origin = random.number(in: 0...Nanoseconds.seconds(1_000_000))
        let store: any StoreBackend
        do throws(StorageError) {
            store = try disk.open()
        } catch {
            startProblem = "\(error)"
            return false
        }
        let life = NodeLife(
            node: self,
            store: store,
            settings: settings,
            kernel: kernel,
            network: network,
            random: random.forked("life", starts)
        )
        do {
            let subject = try program.makeSubject(
                SubjectContext(node: index, setup: setup, life: life)
            )
            self.life = life
            self.subject = subject
            startProblem = nil
            for loop in life.loops { loop.receiver = subject.receiver(loop: loop.index) }
            network.nodeStarted(life)
            let first = life.loops[0]
            kernel.schedule(after: 0, node: index, kind: .boot) {
                first.post { subject.start() }
            }
            return true
        } catch {
            startProblem = "\(error)"
            life.end()
            disk.processEnded()
            return false
        }
    }

    /// Ends the program at once.
    ///
    /// Without power nobody hears of it, and what was not synced goes.
    func crash(losesPower: Bool) {
        guard let life else { return }
        life.end()
        subject?.end()
        subject = nil
        self.life = nil
        network.nodeEnded(index, isHeard: !losesPower || random.chance(0.5))
        if losesPower {
            disk.powerLost(&random)
        } else {
            disk.processEnded()
        }
    }
}

import Catalog
import PeerMessages
import Replication
import Storage
import Testing
import TokenPlacement

/// A dispatcher among nodes and disks that fail, against what must become of every hint.
@Suite struct HintModelTests {
    @Test(arguments: 0..<40 as Range<UInt64>)
    func `every hint is acknowledged, or its slice becomes dirty`(seed: UInt64) {
        var model = Model(seed: seed)
        for _ in 0..<250 { model.step() }
        model.finish()
        #expect(model.violations == [])
        #expect(model.acknowledged.count > 10)
    }

    @Test func `a planted early removal is seen with nearly all seeds`() {
        let caught = (0..<40 as Range<UInt64>).count { seed in
            var model = Model(seed: seed, removesEarly: true)
            for _ in 0..<250 { model.step() }
            return !model.violations.isEmpty
        }
        #expect(caught > 35)
    }

    @Test func `the seeds reach every kind of event`() {
        var seen: Set<String> = []
        for seed in 0..<40 as Range<UInt64> {
            var model = Model(seed: seed)
            for _ in 0..<250 { model.step() }
            seen.formUnion(model.seen)
        }
        #expect(
            seen == ["crash", "discard", "lost answer", "lost request", "late answer", "resend"]
        )
    }
}

private struct Model {
    /// What the dispatcher must not do.
    enum Violation: Hashable {
        case removedUnacknowledged, sentTooOld, twoStepsAtOnce, notDrained, lost, sentToDown
    }

    private static let targets = 1...3
    private static let windowSeconds: Int64 = 400

    private let removesEarly: Bool
    private var rig: HintRig
    private var random: CacheRandom
    private(set) var violations: Set<Violation> = []
    private(set) var seen: Set<String> = []
    /// The hints that their nodes have for certain.
    private(set) var acknowledged: Set<[UInt8]> = []
    private var dirty: Set<[UInt8]> = []
    private var all: [[UInt8]: [UInt8]] = [:]
    private var next = 0
    private var alive: Set<Int> = []
    private var sent: Set<[UInt8]> = []
    private var readMicros: [NodeID: Int64] = [:]

    init(seed: UInt64, removesEarly: Bool = false) {
        random = CacheRandom(seed: seed)
        self.removesEarly = removesEarly
        rig = HintRig(Self.settings, removesEarly: removesEarly)
    }

    private static var settings: HintSettings {
        var settings = HintSettings()
        settings.pageRowsMax = 4
        settings.pageBytesMax = 150
        settings.bytesPerSecond = 2_000
        settings.windowSeconds = windowSeconds
        settings.expiryInterval = .seconds(60)
        return settings
    }

    mutating func step() {
        switch random.below(20) {
        case 0..<5: store()
        case 5:
            let target = random.below(3) + 1
            if alive.remove(target) == nil { alive.insert(target) }
            rig.alive(target, alive.contains(target))
        case 6: rig.advance(.milliseconds(random.below(120_000)))
        case 7, 8:
            if let wake = rig.dispatcher.nextWake(now: rig.now) {
                rig.advance(max(.milliseconds(1), wake - rig.now))
            }
        case 9: if random.below(6) == 0 { crash() }
        default:
            guard !rig.actions.isEmpty else { return }
            answer(rig.take(at: random.below(rig.actions.count)))
        }
        checkSteps()
    }

    /// All nodes live and nothing fails any more.
    mutating func finish() {
        for target in Self.targets where !alive.contains(target) { rig.alive(target) }
        alive = Set(Self.targets)
        for _ in 0..<20_000 {
            checkSteps()
            if !rig.actions.isEmpty {
                perform(rig.take(at: 0))
            } else if rig.dispatcher.isDrained {
                break
            } else if let wake = rig.dispatcher.nextWake(now: rig.now) {
                rig.advance(max(.milliseconds(1), wake - rig.now))
            }
        }
        if !rig.dispatcher.isDrained || !rig.hints.isEmpty { violations.insert(.notDrained) }
        let done = acknowledged.union(dirty)
        if !all.keys.allSatisfy(done.contains) { violations.insert(.lost) }
    }

    private mutating func store() {
        let target = random.below(3) + 1
        for _ in 0...random.below(4) {
            let key = rig.put(next, for: target, slice: random.below(3))
            all[key] = rig.hints[key]
            next += 1
        }
        rig.stored(target)
    }

    private mutating func crash() {
        seen.insert("crash")
        rig.dispatcher = HintDispatcher(settings: Self.settings, removesEarly: removesEarly)
        rig.dispatcher.tablesChanged([testTable], next: TableID(100))
        _ = rig.take()
        for target in Self.targets { rig.stored(target) }
        for target in alive.sorted() { rig.alive(target) }
    }

    private mutating func answer(_ action: HintRig.Action) {
        switch random.below(10) {
        case 0..<6: perform(action)
        case 6, 7:
            seen.insert("lost request")
            rig.fail(action)
        case 8:
            // It was done, and nobody heard of it.
            seen.insert("lost answer")
            if case .remove(_, let removals, let marks) = action {
                note(removals, marks)
                for removal in removals { rig.hints[removal.key] = nil }
            }
            rig.fail(action)
        default:
            seen.insert("late answer")
            perform(action)
            guard case .send(let target, _, _) = action else { return }
            var actions: [HintRig.Action] = []
            rig.dispatcher.acknowledged(by: target, now: rig.now, actions: &actions)
            if !actions.isEmpty { violations.insert(.twoStepsAtOnce) }
        }
    }

    private mutating func perform(_ action: HintRig.Action) {
        switch action {
        case .read(let target, _, _, _): readMicros[target] = rig.wallMicros
        case .send(let target, let mutations, _):
            for key in keys(mutations, target) where !acknowledged.insert(key).inserted {
                seen.insert("resend")
            }
        case .remove(_, let removals, let marks):
            note(removals, marks)
        }
        rig.perform(action)
    }

    private mutating func note(_ removals: [HintDispatcher.Removal], _ marks: [DirtyMark]) {
        for removal in removals {
            guard let key = HintKey(decoding: removal.key) else { continue }
            if marks.contains(where: { $0.slice == key.slice && $0.target == key.target }) {
                dirty.insert(removal.key)
                seen.insert("discard")
            }
        }
    }

    /// Looks at what the dispatcher asks for, as soon as it does.
    private mutating func checkSteps() {
        if Set(rig.actions.map(\.target)).count < rig.actions.count {
            violations.insert(.twoStepsAtOnce)
        }
        for action in rig.actions {
            switch action {
            case .read: continue
            case .send(let target, let mutations, _):
                let read = readMicros[target] ?? 0
                for key in keys(mutations, target).compactMap(HintKey.init(decoding:))
                where read - key.createdMicros > Self.windowSeconds * 1_000_000 {
                    violations.insert(.sentTooOld)
                }
            case .remove(let target, let removals, let marks):
                for removal in removals where !acknowledged.contains(removal.key) {
                    let slice = HintKey(decoding: removal.key)?.slice
                    if !marks.contains(where: { $0.slice == slice && $0.target == target }) {
                        violations.insert(.removedUnacknowledged)
                    }
                }
            }
        }
    }

    /// The hints of mutations, each of which was made once.
    private func keys(_ mutations: [Mutation], _ target: NodeID) -> [[UInt8]] {
        mutations.compactMap { mutation in
            let value = mutation.encoded
            return all.first { HintKey(decoding: $0.key)?.target == target && $0.value == value }?
                .key
        }
    }
}

import CQL
import CQLSyntax
import Catalog
import PeerMessages
import Testing

struct NoiseTests {
    static let templates = [
        ScoreTests.rankerQuery,
        "SELECT a, b, token(a, b), ttl(v) FROM ml.pairs WHERE a IN (1, ?) AND b IN ? LIMIT ?",
        "SELECT count(*) FROM ml.movies WHERE movie_id = ?",
        "SELECT * FROM system_schema.tables WHERE keyspace_name = ? LIMIT ?",
        "INSERT INTO ml.types (k, t, ts, ip, v, i) "
            + "VALUES (?, ?, '2011-02-03', '::1', [1, 2, 3], 1)",
        "UPDATE ml.pairs USING TTL ? AND TIMESTAMP ? SET v = ? WHERE a = ? AND b = ?",
        "DELETE v FROM ml.pairs USING TIMESTAMP ? WHERE a = 1 AND b = ?",
        "BEGIN UNLOGGED BATCH USING TIMESTAMP ? INSERT INTO ml.movies (movie_id) VALUES (?); "
            + "DELETE FROM ml.users WHERE user_id = ? APPLY BATCH",
        "CREATE TABLE ml.new (a int, v vector<float, 3>, PRIMARY KEY ((a))) WITH comment = 'x'",
        "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
        "CREATE MODEL ml.m FROM ? WITH signature = 'a float DEFAULT 1'",
        "SELECT * FROM ml.pairs WHERE token(a, b) > ? AND token(a, b) <= token(?, 'x') "
            + "PER PARTITION LIMIT 1 LIMIT ? ALLOW FILTERING",
        "SELECT t FROM ml.types WHERE i >= ? AND tu < ? AND f IN (1, ?) AND k > 'a' ALLOW FILTERING",
        "SELECT plain(popularity, ?) AS s FROM ml.movies WHERE movie_id IN ? ORDER BY s LIMIT ?",
    ]

    private func value(_ generator: inout SeededGenerator) -> MarkerValue {
        switch Int.random(in: 0..<10, using: &generator) {
        case 0: return .null
        case 1: return .unset
        case 2: return .value(list([int(1), int(2)]))
        case 3: return .value(floats(64))
        case 4, 5: return .value(int(Int32.random(in: .min ... .max, using: &generator)))
        case 6: return .value(bigint(Int64.random(in: .min ... .max, using: &generator)))
        default:
            let count = Int.random(in: 0..<20, using: &generator)
            return .value((0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) })
        }
    }

    /// Binds values to whatever was planned; every outcome but a trap is right.
    private func bind(_ plan: Plan, _ generator: inout SeededGenerator) -> Bool {
        var count = plan.markers.count
        if Int.random(in: 0..<20, using: &generator) == 0 { count += 1 }
        let values = (0..<count).map { _ in value(&generator) }
        let now = Int64.random(in: .min ... .max, using: &generator)
        do throws(CQLError) {
            switch plan.action {
            case .select(let select):
                let bound = try select.bind(values, keyCountMax: 100)
                if let score = bound.score {
                    _ = score.arguments(subqueryValues: score.subqueries.map { _ in nil })
                }
                let noise = (0..<24).map { _ in UInt8.random(in: 0...255, using: &generator) }
                let ranges = select.readColumns.map { _ -> Range<Int>? in
                    let start = Int.random(in: 0...24, using: &generator)
                    return start..<Int.random(in: start...24, using: &generator)
                }
                _ = bound.filter?.accepts(row: noise, ranges: ranges, key: noise)
                if select.isScan { _ = try select.start(bound, pagingState: nil) }
                for partition in bound.partitions {
                    _ = select.keyRange(component: 1, of: partition.key)
                }
            case .selectSystem(let system):
                _ = try system.evaluate(rows: SystemSelectTests.rows, values: values)
            case .write(let write):
                _ = try write.bind(values, defaultTimestampMicros: now, nowSeconds: now)
            case .batch(let batch):
                _ = try batch.bind(values, defaultTimestampMicros: now, nowSeconds: now)
            case .pushModel(let push): _ = try push.bytes(values)
            case .schema, .use, .dropModel, .describe, .repair: break
            }
            return true
        } catch {
            return false
        }
    }

    @Test func `statements with their words exchanged are answered`() throws {
        var generator = SeededGenerator(seed: 0x6371_6C21)
        let world = try World.movies()
        let words = Self.templates.flatMap { $0.split(whereSeparator: \.isWhitespace) }
        var planned = 0
        for _ in 0..<6000 {
            let template = Self.templates.randomElement(using: &generator) ?? ""
            var text = template.split(whereSeparator: \.isWhitespace)
            for _ in 0..<Int.random(in: 0...2, using: &generator) {
                let place = Int.random(in: 0..<text.count, using: &generator)
                text[place] = words.randomElement(using: &generator) ?? ""
            }
            let cql = text.joined(separator: " ")
            guard let plan = try? world.plan(cql) else { continue }
            planned += 1
            _ = bind(plan, &generator)
        }
        #expect(planned > 1000)
    }

    @Test func `values of noise are refused or bound`() throws {
        var generator = SeededGenerator(seed: 0x6269_6E64)
        let world = try World.movies()
        var bound = 0
        for template in Self.templates {
            let plan = try world.plan(template)
            for _ in 0..<500 where bind(plan, &generator) { bound += 1 }
        }
        #expect(bound > 100)
    }
}

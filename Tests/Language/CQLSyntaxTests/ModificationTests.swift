import CQLSyntax
import Testing

struct ModificationTests {
    @Test func `an insert keeps columns, values and options`() throws {
        let statement = try CQLParser.parse(
            """
            INSERT INTO ml.t (a, "B", c) VALUES (?, [1.0, 2.0], 'x') IF NOT EXISTS
            USING TTL 60 AND TIMESTAMP :ts;
            """
        )
        let insert = try #require(insertion(of: statement))
        #expect(insert.table.description == "ml.t")
        #expect(insert.columns.map(\.name) == ["a", "B", "c"])
        #expect(insert.values.map(\.description) == ["?", "[1.0, 2.0]", "'x'"])
        #expect(insert.condition == .notExists)
        #expect(insert.options.ttl?.description == "60")
        #expect(insert.options.timestamp?.kind.marker?.index == 1)
        #expect(statement.markers.map(\.name) == [nil, "ts"])
    }

    @Test func `options of a write come in either order, each once`() throws {
        let swapped = try CQLParser.parse(
            "INSERT INTO t (a) VALUES (1) USING TIMESTAMP -5 AND TTL ?"
        )
        #expect(insertion(of: swapped)?.options.timestamp?.description == "-5")
        #expect(insertion(of: swapped)?.options.ttl?.kind.marker?.index == 0)
        let plain = try CQLParser.parse("INSERT INTO t (a) VALUES (1)")
        #expect(insertion(of: plain)?.options.ttl == nil)
        #expect(insertion(of: plain)?.options.timestamp == nil)
        #expect(insertion(of: plain)?.condition == nil)
        #expect(parseError("INSERT INTO t (a) VALUES (1) USING TTL 1 AND TTL 2")?.column == 45)
        #expect(parseError("INSERT INTO t (a) VALUES (1) USING TTL 'x'")?.column == 39)
        #expect(parseError("DELETE FROM t USING TTL 1 WHERE a = 1")?.column == 20)
    }

    @Test func `feast's insert parses`() throws {
        let statement = try CQLParser.parse(
            """
            INSERT INTO "ks"."proj_fv" (feature_name, value, entity_key, event_ts)
            VALUES (?, ?, ?, ?) USING TTL ?;
            """
        )
        #expect(statement.markers.count == 5)
        #expect(insertion(of: statement)?.table.keyspace?.name == "ks")
    }

    @Test func `every assignment has its own form`() throws {
        let update = try #require(
            try parseUpdate(
                """
                UPDATE ks.t USING TIMESTAMP 1 AND TTL 2 SET a = ?, b = b + 1, c = [1] + c,
                d = d - {2}, e['k'] = 3, f += 4, g -= 5, h.street = 'x', i = j + k, l = l * 2,
                m = m + n + o WHERE k = 1 AND c IN (1, 2)
                """
            )
        )
        typealias Operation = UpdateStatement.Assignment.Operation
        let forms = update.assignments.map { assignment in
            let column = assignment.column.name
            return switch assignment.operation {
            case .set(let value): "\(column) := \(value)"
            case .add(let value): "\(column) add \(value)"
            case .prepend(let value): "\(column) prepend \(value)"
            case .subtract(let value): "\(column) subtract \(value)"
            case .setElement(let key, let value): "\(column)[\(key)] := \(value)"
            case .setField(let field, let value): "\(column).\(field) := \(value)"
            }
        }
        #expect(
            forms == [
                "a := ?", "b add 1", "c prepend [1]", "d subtract {2}", "e['k'] := 3", "f add 4",
                "g subtract 5", "h.street := 'x'", "i := j + k", "l := l * 2", "m := (m + n) + o",
            ]
        )
        #expect(update.options.timestamp?.description == "1")
        #expect(update.options.ttl?.description == "2")
        #expect(update.relations.map(\.description) == ["k = 1", "c IN (1, 2)"])
        #expect(update.condition == nil)
    }

    @Test func `an update may have a condition`() throws {
        #expect(try parseUpdate("UPDATE t SET a = 1 WHERE k = 1 IF EXISTS")?.condition == .exists)
        guard
            case .all(let relations) = try parseUpdate(
                "UPDATE t SET a = 1 WHERE k = 1 IF a = 2 AND exists IN (1) AND m['x'] != null;"
            )?
            .condition
        else {
            Issue.record("no conditions")
            return
        }
        #expect(relations.map(\.description) == ["a = 2", "exists IN (1)", "m['x'] != null"])
        #expect(parseError("UPDATE t SET a = 1")?.message.contains("(expected WHERE)") == true)
    }

    @Test func `a delete takes rows, columns or elements`() throws {
        let rows = try #require(try parseDelete("DELETE FROM t WHERE k = ?"))
        #expect(rows.targets.isEmpty)
        let parts = try #require(
            try parseDelete("DELETE a, m['k'] FROM ks.t USING TIMESTAMP ? WHERE k = 1 IF EXISTS")
        )
        #expect(parts.targets.map(\.column.name) == ["a", "m"])
        #expect(parts.targets.map { $0.element?.description } == [nil, "'k'"])
        #expect(parts.options.timestamp?.kind.marker?.index == 0)
        #expect(parts.condition == .exists)
        guard case .all = try parseDelete("DELETE FROM t WHERE k = 1 IF a = 2")?.condition else {
            Issue.record("no conditions")
            return
        }
    }

    @Test func `a batch keeps its kind and its writes`() throws {
        let statement = try CQLParser.parse(
            """
            BEGIN UNLOGGED BATCH USING TIMESTAMP ?
              INSERT INTO t (a) VALUES (?);
              UPDATE t SET b = ? WHERE a = ? IF EXISTS
              DELETE FROM t WHERE a = ?
            APPLY BATCH;
            """
        )
        guard case .batch(let batch) = statement.kind else {
            Issue.record("\(statement)")
            return
        }
        #expect(batch.kind == .unlogged)
        #expect(batch.options.timestamp?.kind.marker?.index == 0)
        #expect(statement.markers.count == 5)
        guard case .insert = batch.modifications[0],
            case .update(let update) = batch.modifications[1],
            case .delete = batch.modifications[2]
        else {
            Issue.record("\(batch)")
            return
        }
        #expect(batch.modifications.count == 3)
        #expect(update.condition == .exists)
        #expect(try batchKind("BEGIN BATCH APPLY BATCH") == .logged)
        #expect(try batchKind("BEGIN COUNTER BATCH APPLY BATCH;") == .counter)
    }

    @Test func `a batch takes writes only`() {
        #expect(
            parseError("BEGIN BATCH SELECT * FROM t APPLY BATCH")?.message
                == "line 1:12 no viable alternative at input 'SELECT'"
                + " (expected INSERT, UPDATE, DELETE or APPLY BATCH)"
        )
        #expect(
            parseError("BEGIN BATCH INSERT INTO t JSON '{}' APPLY BATCH")?.message
                == "line 1:26 INSERT JSON is not supported; list the columns and their VALUES"
        )
    }

    private func insertion(of statement: Statement) -> InsertStatement? {
        guard case .insert(let insert) = statement.kind else { return nil }
        return insert
    }

    private func parseUpdate(_ cql: String) throws -> UpdateStatement? {
        guard case .update(let update) = try CQLParser.parse(cql).kind else { return nil }
        return update
    }

    private func parseDelete(_ cql: String) throws -> DeleteStatement? {
        guard case .delete(let delete) = try CQLParser.parse(cql).kind else { return nil }
        return delete
    }

    private func batchKind(_ cql: String) throws -> BatchStatement.Kind? {
        guard case .batch(let batch) = try CQLParser.parse(cql).kind else { return nil }
        return batch.kind
    }
}

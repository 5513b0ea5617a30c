"""cassandra-driver against three nodes: what a Cassandra user relies on."""

from __future__ import annotations

import datetime
import uuid
from bisect import bisect_left

import pytest
from cassandra import AlreadyExists, ConsistencyLevel, InvalidRequest
from cassandra.cluster import Session
from cassandra.concurrent import execute_concurrent_with_args
from cassandra.query import BatchStatement, BatchType, SimpleStatement, dict_factory

from support import (
    EXECUTE,
    UNPREPARED,
    RawClient,
    Ring,
    create_keyspace,
    eventually,
    execute_body,
    rows_at,
    run_at,
    write_all,
)

LEVELS = ["ONE", "TWO", "THREE", "QUORUM", "ALL", "LOCAL_ONE", "LOCAL_QUORUM"]

# Name of the type, values that must come back exactly.
TYPES = [
    ("ascii", ["", "plain ~"]),
    ("text", ["", "grüße 鳥 🐦", "x" * 100_000]),
    ("blob", [b"", b"\x00\xff" * 50_000]),
    ("boolean", [True, False]),
    ("tinyint", [-128, 0, 127]),
    ("smallint", [-32768, 32767]),
    ("int", [-(2**31), 0, 2**31 - 1]),
    ("bigint", [-(2**63), 0, 2**63 - 1]),
    ("float", [0.0, -1.5, 3.4028234663852886e38, float("inf")]),
    ("double", [0.1, -1.7976931348623157e308, 5e-324]),
    ("uuid", [uuid.UUID("6ba7b810-9dad-41d1-80b4-00c04fd430c8")]),
    ("timeuuid", [uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")]),
    ("timestamp", [datetime.datetime(1969, 12, 31, 23, 59, 59, 999000), datetime.datetime(2026, 5, 4)]),
    ("inet", ["127.0.0.1", "2001:db8::1"]),
    ("vector<float, 1>", [[0.5]]),
    ("vector<float, 64>", [[float(n) / 4 for n in range(64)]]),
]  # fmt: skip


@pytest.fixture(scope="module")
def session(three: Ring, session3: Session) -> Session:
    create_keyspace(session3, "drv")
    session3.execute("CREATE TABLE drv.kv (k int PRIMARY KEY, a text, b int)")
    return session3


def kv(session: Session, key: int, consistency: int = ConsistencyLevel.QUORUM) -> tuple | None:
    rows = rows_at(session, consistency, "SELECT a, b FROM drv.kv WHERE k = ?", key)
    return tuple(rows[0]) if rows else None


# Metadata


def test_metadata_shows_nodes_keyspaces_and_tables(three: Ring, session: Session):
    metadata = session.cluster.metadata
    assert {host.address for host in metadata.all_hosts()} == set(three.addresses)
    assert {(host.datacenter, host.rack) for host in metadata.all_hosts()} == {
        ("datacenter1", "rack1")
    }
    assert all(host.is_up for host in metadata.all_hosts())
    assert len({host.host_id for host in metadata.all_hosts()}) == 3
    assert metadata.partitioner.endswith("Murmur3Partitioner")
    assert {"system", "system_schema", "drv"} <= set(metadata.keyspaces)
    table = metadata.keyspaces["drv"].tables["kv"]
    assert [column.name for column in table.partition_key] == ["k"]
    assert {name: column.cql_type for name, column in table.columns.items()} == {
        "k": "int",
        "a": "text",
        "b": "int",
    }
    assert not table.is_compact_storage


def test_the_token_map_agrees_with_the_ring_and_its_placement(three: Ring, session: Session):
    """Replicas as the driver sees them are those of a clockwise walk over the ring's own table."""
    create_keyspace(session, "drv_one", 1)
    create_keyspace(session, "drv_two", 2)
    session.execute(
        "CREATE KEYSPACE drv_simple WITH replication = "
        "{'class': 'SimpleStrategy', 'replication_factor': 2}"
    )
    rows = session.execute('SELECT "token", address FROM system_martlet.ring')
    ring = sorted((int(row.token), row.address) for row in rows)
    assert {address for _, address in ring} == set(three.addresses)
    token_map = session.cluster.metadata.token_map
    assert [token.value for token in token_map.ring] == [token for token, _ in ring]
    tokens = [token for token, _ in ring]
    for keyspace, factor in (("drv_one", 1), ("drv_two", 2), ("drv_simple", 2), ("drv", 3)):
        for key in range(300):
            encoded = key.to_bytes(4, "big")
            at = bisect_left(tokens, token_map.token_class.from_key(encoded).value)
            walk: list[str] = []
            while len(walk) < factor:
                address = ring[at % len(ring)][1]
                if address not in walk:
                    walk.append(address)
                at += 1
            replicas = session.cluster.metadata.get_replicas(keyspace, encoded)
            assert {host.address for host in replicas} == set(walk), (keyspace, key)


def test_a_prepared_statement_goes_to_a_replica(three: Ring, session: Session):
    create_keyspace(session, "drv_route", 1)
    session.execute("CREATE TABLE drv_route.t (k int PRIMARY KEY, v int)")
    session.execute("CREATE TABLE drv_route.two (b text, a int, v int, PRIMARY KEY ((a, b)))")
    insert = session.prepare("INSERT INTO drv_route.t (v, k) VALUES (?, ?)")
    select = session.prepare("SELECT v FROM drv_route.t WHERE k = ?")
    composite = session.prepare("INSERT INTO drv_route.two (v, b, a) VALUES (?, ?, ?)")
    coordinators = set()
    for key in range(100):
        bound = [insert.bind((1, key)), select.bind((key,)), composite.bind((1, "é", key))]
        for statement in bound:
            replicas = session.cluster.metadata.get_replicas("drv_route", statement.routing_key)
            future = session.execute_async(statement)
            future.result()
            assert future.coordinator_host.address == replicas[0].address, key
            coordinators.add(future.coordinator_host.address)
    assert coordinators == set(three.addresses)


# Values


@pytest.mark.parametrize("type_name, values", TYPES, ids=[name for name, _ in TYPES])
def test_every_type_comes_back_as_it_was_written(session: Session, type_name, values):
    table = "drv.t_" + "".join(letter for letter in type_name if letter.isalnum())
    session.execute(f"CREATE TABLE {table} (k int PRIMARY KEY, v {type_name}, other int)")
    insert = session.prepare(f"INSERT INTO {table} (k, v) VALUES (?, ?)")
    select = session.prepare(f"SELECT k, v, other FROM {table} WHERE k = ?")
    for key, value in enumerate([*values, None]):
        session.execute(insert, (key, value))
        row = session.execute(select, (key,)).one()
        back = list(row.v) if isinstance(value, list) else row.v
        assert (row.k, back, row.other) == (key, value, None)
    # Written without a value, then with one, then with null.
    session.execute(f"UPDATE {table} SET other = 1 WHERE k = 1000")
    assert session.execute(select, (1000,)).one() == (1000, None, 1)
    session.execute(insert, (1000, values[0]))
    assert session.execute(select, (1000,)).one().v is not None
    session.execute(insert, (1000, None))
    assert session.execute(select, (1000,)).one() == (1000, None, 1)


@pytest.mark.parametrize(
    "type_name, values",
    [(name, values) for name, values in TYPES if not name.startswith("vector")],
    ids=[name for name, _ in TYPES if not name.startswith("vector")],
)
def test_every_scalar_type_can_be_a_key(session: Session, type_name, values):
    table = f"drv.key_{type_name}"
    session.execute(f"CREATE TABLE {table} (k {type_name} PRIMARY KEY, v int)")
    insert = session.prepare(f"INSERT INTO {table} (k, v) VALUES (?, ?)")
    select = session.prepare(f"SELECT k, v FROM {table} WHERE k = ?")
    # Cassandra refuses an empty partition key and one over 64 KiB.
    keys = [value for value in values if value not in ("", b"") and len(str(value)) < 60_000]
    for number, key in enumerate(keys):
        session.execute(insert, (key, number))
    for number, key in enumerate(keys):
        assert session.execute(select, (key,)).one() == (key, number)


def test_named_and_positional_values(session: Session):
    session.execute("INSERT INTO drv.kv (k, a, b) VALUES (%s, %s, %s)", (1, "it's", 2))
    assert kv(session, 1) == ("it's", 2)
    session.execute(
        "INSERT INTO drv.kv (k, a, b) VALUES (%(k)s, %(a)s, %(b)s)", {"b": 4, "a": "x", "k": 1}
    )
    assert kv(session, 1) == ("x", 4)
    prepared = session.prepare("UPDATE drv.kv SET b = :number, a = :words WHERE k = :key")
    session.execute(prepared, {"key": 1, "words": "named", "number": 6})
    assert kv(session, 1) == ("named", 6)
    # A value that is left out is unset: the cell stays.
    session.execute(session.prepare("INSERT INTO drv.kv (k, a, b) VALUES (?, ?, ?)"), (1, "half"))
    assert kv(session, 1) == ("half", 6)


def test_in_limit_and_missing_rows(session: Session):
    insert = session.prepare("INSERT INTO drv.kv (k, b) VALUES (?, ?)")
    for key in range(100, 120):
        session.execute(insert, (key, key * 2))
    select = session.prepare("SELECT k, b FROM drv.kv WHERE k IN ?")
    rows = session.execute(select, (list(range(95, 125)),))
    assert sorted(tuple(row) for row in rows) == [(key, key * 2) for key in range(100, 120)]
    limited = session.prepare("SELECT k FROM drv.kv WHERE k IN ? LIMIT ?")
    assert len(list(session.execute(limited, ([100, 101, 102, 9999], 2)))) == 2
    assert list(session.execute(select, ([],))) == []
    assert kv(session, 9999) is None
    every = session.execute("SELECT * FROM drv.kv WHERE k = 100").one()
    assert every._asdict() == {"k": 100, "a": None, "b": 200}


def test_a_deleted_row_and_a_deleted_cell(session: Session):
    session.execute("INSERT INTO drv.kv (k, a, b) VALUES (200, 'x', 1)")
    session.execute("DELETE a FROM drv.kv WHERE k = 200")
    assert kv(session, 200) == (None, 1)
    session.execute("DELETE FROM drv.kv WHERE k = 200")
    assert kv(session, 200) is None
    # A row that only UPDATE made is gone with its last cell; one that INSERT made stays.
    session.execute("UPDATE drv.kv SET b = 1 WHERE k = 201")
    session.execute("DELETE b FROM drv.kv WHERE k = 201")
    assert kv(session, 201) is None
    session.execute("INSERT INTO drv.kv (k, b) VALUES (202, 1)")
    session.execute("DELETE b FROM drv.kv WHERE k = 202")
    assert kv(session, 202) == (None, None)


def test_ttl_expires_a_cell_and_a_row(session: Session):
    session.execute("INSERT INTO drv.kv (k, a) VALUES (300, 'stays')")
    session.execute("UPDATE drv.kv USING TTL 10 SET b = 1 WHERE k = 300")
    session.execute(
        session.prepare("INSERT INTO drv.kv (k, b) VALUES (?, ?) USING TTL ?"), (301, 1, 10)
    )
    assert kv(session, 300) == ("stays", 1)
    assert kv(session, 301) == (None, 1)
    left = session.execute("SELECT TTL(b) AS left FROM drv.kv WHERE k = 300").one().left
    assert left in range(1, 11)
    eventually(lambda: kv(session, 300) == ("stays", None))
    eventually(lambda: kv(session, 301) is None)


def test_the_greater_timestamp_wins_whatever_the_order(session: Session):
    insert = session.prepare("INSERT INTO drv.kv (k, a) VALUES (?, ?) USING TIMESTAMP ?")
    session.execute(insert, (400, "new", 2_000))
    session.execute(insert, (400, "old", 1_000))
    assert kv(session, 400) == ("new", None)
    session.execute("DELETE FROM drv.kv USING TIMESTAMP 1500 WHERE k = 400")
    assert kv(session, 400) == ("new", None)
    session.execute("DELETE FROM drv.kv USING TIMESTAMP 2000 WHERE k = 400")
    assert kv(session, 400) is None
    session.execute(insert, (400, "newest", 2_001))
    assert kv(session, 400) == ("newest", None)
    written = session.execute("SELECT WRITETIME(a) AS at FROM drv.kv WHERE k = 400").one().at
    assert written == 2_001


def test_the_clients_own_timestamp_counts(three: Ring, session: Session):
    """The driver sends a timestamp with each request; the last by that clock wins."""
    cluster = three.cluster()
    clock = [5_000_000]
    cluster.timestamp_generator = lambda: clock[0]
    ahead = cluster.connect()
    ahead.execute("INSERT INTO drv.kv (k, a) VALUES (401, 'at five seconds')")
    clock[0] = 4_000_000
    ahead.execute("INSERT INTO drv.kv (k, a) VALUES (401, 'at four seconds')")
    assert kv(session, 401) == ("at five seconds", None)
    row = session.execute("SELECT WRITETIME(a) AS at FROM drv.kv WHERE k = 401").one()
    assert row.at == 5_000_000
    ahead.shutdown()


# Consistency


def test_quorum_reads_what_quorum_wrote_through_other_nodes(three: Ring, session: Session):
    """3,000 writes and 3,000 reads, every read through another node than its write."""
    session.execute("CREATE TABLE drv.many (k int PRIMARY KEY, v int)")
    through = [three.connect(node) for node in (1, 2, 3)]
    for round_number in range(3):
        writer, reader = through[round_number], through[(round_number + 1) % 3]
        insert = writer.prepare("INSERT INTO drv.many (k, v) VALUES (?, ?)")
        select = reader.prepare("SELECT k, v FROM drv.many WHERE k = ?")
        expected = [(key, key * 10 + round_number) for key in range(1000)]
        write_all(writer, insert, expected, concurrency=32)
        read = execute_concurrent_with_args(
            reader, select, [(key,) for key, _ in expected], concurrency=32
        )
        assert [tuple(result.one()) for _, result in read] == expected


@pytest.mark.parametrize("name", LEVELS)
def test_consistency_levels(session: Session, name: str):
    level = ConsistencyLevel.name_to_value[name]
    key = 500 + LEVELS.index(name)
    run_at(session, level, "INSERT INTO drv.kv (k, a) VALUES (?, ?)", key, name)
    assert kv(session, key, ConsistencyLevel.ALL) == (name, None)
    assert kv(session, key, level) == (name, None)


# Batches


def test_batches(session: Session):
    insert = session.prepare("INSERT INTO drv.kv (k, a, b) VALUES (?, ?, ?)")
    batch = BatchStatement(BatchType.UNLOGGED)
    for key in range(600, 700):
        batch.add(insert, (key, "batch", key))
    batch.add(SimpleStatement("UPDATE drv.kv SET a = %s WHERE k = %s"), ("simple", 600))
    session.execute(batch)
    rows = session.execute(
        session.prepare("SELECT k, a, b FROM drv.kv WHERE k IN ?"), (list(range(600, 700)),)
    )
    found = {row.k: row.b for row in rows}
    assert found == {key: key for key in range(600, 700)}
    logged = BatchStatement(BatchType.LOGGED)
    # Unset, not null: a deletion of the same time would win.
    logged.add(insert, (700, "first"))
    logged.add(session.prepare("UPDATE drv.kv SET b = ? WHERE k = ?"), (7, 700))
    session.execute(logged)
    assert kv(session, 700) == ("first", 7)
    session.execute(
        "BEGIN UNLOGGED BATCH USING TIMESTAMP 77 INSERT INTO drv.kv (k, a) VALUES (701, 'x'); "
        "DELETE FROM drv.kv WHERE k = 702; APPLY BATCH"
    )
    assert session.execute("SELECT WRITETIME(a) AS at FROM drv.kv WHERE k = 701").one().at == 77


# Schema


def test_ddl_is_visible_on_all_nodes_at_once(three: Ring, session: Session):
    """The next request may go to any node: no node lags behind the answer to CREATE or DROP."""
    through = [three.connect(node) for node in (1, 2, 3)]
    for number in range(6):
        name = f"drv_at_once_{number}"
        create_keyspace(through[number % 3], name)
        through[(number + 1) % 3].execute(f"CREATE TABLE {name}.t (k int PRIMARY KEY, v int)")
        for node, each in enumerate(through):
            each.execute(f"INSERT INTO {name}.t (k, v) VALUES ({node}, {number})")
        for each in through:
            rows = each.execute(f"SELECT k, v FROM {name}.t WHERE k IN (0, 1, 2)")
            assert sorted(tuple(row) for row in rows) == [(n, number) for n in range(3)]
        versions = set()
        for node in (1, 2, 3):
            with RawClient(three.address(node), three.port) as client:
                client.start()
                answer = client.query("SELECT schema_version FROM system.local WHERE key='local'")
                versions.add(answer.body[-16:])
        assert len(versions) == 1
        through[(number + 2) % 3].execute(f"DROP TABLE {name}.t")
        for each in through:
            with pytest.raises(InvalidRequest, match="does not exist"):
                each.execute(f"SELECT v FROM {name}.t WHERE k = 1")
        through[number % 3].execute(f"DROP KEYSPACE {name}")


def test_if_not_exists_and_already_exists(session: Session):
    create_keyspace(session, "drv_twice")
    with pytest.raises(AlreadyExists) as keyspace:
        create_keyspace(session, "drv_twice")
    assert (keyspace.value.keyspace, keyspace.value.table) == ("drv_twice", "")
    session.execute("CREATE TABLE drv_twice.t (k int PRIMARY KEY)")
    with pytest.raises(AlreadyExists) as table:
        session.execute("CREATE TABLE drv_twice.t (k int PRIMARY KEY)")
    assert (table.value.keyspace, table.value.table) == ("drv_twice", "t")
    session.execute(
        "CREATE KEYSPACE IF NOT EXISTS drv_twice WITH replication = "
        "{'class': 'SimpleStrategy', 'replication_factor': 1}"
    )
    session.execute("CREATE TABLE IF NOT EXISTS drv_twice.t (k text PRIMARY KEY)")
    columns = session.cluster.metadata.keyspaces["drv_twice"].tables["t"].columns
    assert columns["k"].cql_type == "int"
    session.execute("DROP TABLE drv_twice.t")
    with pytest.raises(InvalidRequest):
        session.execute("DROP TABLE drv_twice.t")
    session.execute("DROP TABLE IF EXISTS drv_twice.t")
    session.execute("DROP KEYSPACE drv_twice")
    session.execute("DROP KEYSPACE IF EXISTS drv_twice")


def test_a_table_made_again_is_empty(session: Session):
    for value in (1, 2):
        session.execute("CREATE TABLE drv.again (k int PRIMARY KEY, v int)")
        assert session.execute("SELECT v FROM drv.again WHERE k = 1").one() is None
        session.execute(f"INSERT INTO drv.again (k, v) VALUES (1, {value})")
        assert session.execute("SELECT v FROM drv.again WHERE k = 1").one().v == value
        session.execute("DROP TABLE drv.again")


def test_a_statement_survives_that_its_table_is_made_anew(session: Session):
    session.execute("CREATE TABLE drv.anew (k int PRIMARY KEY, v int)")
    insert = session.prepare("INSERT INTO drv.anew (k, v) VALUES (?, ?)")
    session.execute(insert, (1, 1))
    session.execute("DROP TABLE drv.anew")
    with pytest.raises(InvalidRequest, match="anew"):
        session.execute(insert, (1, 1))
    session.execute("CREATE TABLE drv.anew (k int PRIMARY KEY, v int)")
    session.execute(insert, (1, 2))
    assert session.execute("SELECT v FROM drv.anew WHERE k = 1").one().v == 2


def test_a_statement_whose_columns_changed_is_prepared_again(session: Session):
    """The driver skips the metadata: with that of the old columns it would decode garbage."""
    session.execute("CREATE TABLE drv.columns (k int PRIMARY KEY, v int)")
    insert = session.prepare("INSERT INTO drv.columns (k, v) VALUES (?, ?)")
    select = session.prepare("SELECT * FROM drv.columns WHERE k = ?")
    session.execute(insert, (1, 7))
    assert tuple(session.execute(select, (1,)).one()) == (1, 7)
    session.execute("DROP TABLE drv.columns")
    session.execute("CREATE TABLE drv.columns (k int PRIMARY KEY, a text, v int)")
    session.execute("INSERT INTO drv.columns (k, a, v) VALUES (1, 'abcd', 8)")
    for _ in range(2 * 3):
        assert tuple(session.execute(select, (1,)).one()) == (1, "abcd", 8)


def test_a_node_that_lacks_a_statement_has_it_prepared_again(three: Ring, session: Session):
    """The id is made unknown by preparing at one node only and executing at the others."""
    cluster = three.cluster(1)
    cluster.prepare_on_all_hosts = False
    first = cluster.connect()
    prepared = first.prepare("INSERT INTO drv.kv (k, a) VALUES (?, 'unknown elsewhere')")
    for node in (2, 3):
        with RawClient(three.address(node), three.port) as client:
            client.start()
            answer = client.ask(EXECUTE, execute_body(prepared.query_id, [b"\0\0\0\1"]))
            assert answer.error[0] == UNPREPARED
            assert answer.body.endswith(prepared.query_id)
        other_cluster = three.cluster(node)
        other = other_cluster.connect()
        # The driver looks the text up by the id, and prepares it where it is unknown.
        other_cluster.add_prepared(prepared.query_id, prepared)
        other.execute(prepared, (800 + node,))
        assert kv(session, 800 + node) == ("unknown elsewhere", None)


# What is not there


def test_paging_beyond_one_page_is_not_needed(session: Session):
    """All rows come in the first page, however small a page the driver asks for."""
    insert = session.prepare("INSERT INTO drv.kv (k, b) VALUES (?, ?)")
    write_all(session, insert, [(key, 1) for key in range(10_000, 10_300)])
    every_key = list(range(10_000, 10_300))
    select = session.prepare("SELECT k FROM drv.kv WHERE k IN ?").bind((every_key,))
    select.fetch_size = 10
    result = session.execute(select)
    assert not result.has_more_pages
    assert len(list(result)) == 300
    with pytest.raises(InvalidRequest, match="paging"):
        session.execute(select, paging_state=b"\x01\x02")


@pytest.mark.parametrize(
    "statement, words",
    [
        ("INSERT INTO drv.kv (k, a) VALUES (1, 'x') IF NOT EXISTS", "IF NOT EXISTS"),
        ("CREATE TABLE drv.cl (k int, c int, PRIMARY KEY (k, c))", "clustering"),
        ("CREATE TABLE drv.lst (k int PRIMARY KEY, l list<int>)", "list"),
        ("CREATE INDEX i ON drv.kv (a)", "INDEX"),
        ("ALTER TABLE drv.kv ADD c int", "ALTER TABLE"),
        ("TRUNCATE drv.kv", "TRUNCATE"),
        ("DELETE FROM drv.kv", "WHERE"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(session: Session, statement: str, words: str):
    with pytest.raises(Exception, match=words) as refusal:
        session.execute(statement)
    assert type(refusal.value).__name__ in ("InvalidRequest", "SyntaxException")


def test_a_warning_reaches_the_client(session: Session):
    future = session.execute_async(
        "CREATE KEYSPACE drv_wide WITH replication = "
        "{'class': 'SimpleStrategy', 'replication_factor': 5}"
    )
    future.result()
    assert future.warnings and "replication factor 5" in future.warnings[0]
    session.execute("DROP KEYSPACE drv_wide")


def test_use_and_dict_rows(three: Ring, session: Session):
    cluster = three.cluster()
    cluster.profile_manager.default.row_factory = dict_factory
    own = cluster.connect("drv")
    own.execute("INSERT INTO kv (k, a) VALUES (900, 'by USE')")
    row = own.execute("SELECT * FROM kv WHERE k = 900").one()
    assert row == {"k": 900, "a": "by USE", "b": None}
    with pytest.raises(InvalidRequest, match="does not exist"):
        own.execute("SELECT * FROM nothing WHERE k = 1")

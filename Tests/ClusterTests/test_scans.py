"""SELECT without keys: every row exactly once, in token order, whatever the pages and nodes."""

from __future__ import annotations

import random
import struct
from typing import Any

import pytest
from cassandra import ConsistencyLevel, InvalidRequest
from cassandra.cluster import Session
from cassandra.metadata import Murmur3Token
from cassandra.query import SimpleStatement

from support import (
    INVALID,
    QUERY,
    RESULT,
    RawClient,
    Ring,
    create_keyspace,
    eventually,
    long_string,
    rows_at,
    run_at,
    write_all,
)

QUORUM, ALL, ONE = ConsistencyLevel.QUORUM, ConsistencyLevel.ALL, ConsistencyLevel.ONE
ROWS = 2000
TOKEN_MIN, TOKEN_MAX = -(2**63), 2**63 - 1


def token(key: int) -> int:
    return Murmur3Token.hash_fn(struct.pack(">i", key))


IN_ORDER = sorted(range(ROWS), key=token)


def fill(session: Session, table: str, keys: Any, level: int = ALL) -> None:
    insert = session.prepare(f"INSERT INTO {table} (k, v, bucket) VALUES (?, ?, ?)")
    insert.consistency_level = level
    rows = [(key, f"row {key}", key % 10) for key in keys]
    write_all(session, insert, rows)


@pytest.fixture(scope="module")
def session(three: Ring, session3: Session) -> Session:
    create_keyspace(session3, "scan")
    create_keyspace(session3, "scan_one", 1)
    for keyspace in ("scan", "scan_one"):
        session3.execute(f"CREATE TABLE {keyspace}.t (k int PRIMARY KEY, v text, bucket int)")
        fill(session3, f"{keyspace}.t", range(ROWS))
    return session3


def pages(
    session: Session, query: str, fetch_size: int, level: int = QUORUM, values: Any = None
) -> list[list[Any]]:
    """The rows of a statement, page by page."""
    statement: Any
    if values is None:
        statement = SimpleStatement(query, fetch_size=fetch_size, consistency_level=level)
    else:
        statement = session.prepare(query).bind(values)
        statement.fetch_size = fetch_size
        statement.consistency_level = level
    result = session.execute(statement)
    found = [list(result.current_rows)]
    while result.has_more_pages:
        result.fetch_next_page()
        found.append(list(result.current_rows))
    return found


def keys_of(found: list[list[Any]]) -> list[int]:
    return [row.k for page in found for row in page]


# Pages


@pytest.mark.parametrize("keyspace", ["scan", "scan_one"])
@pytest.mark.parametrize("fetch_size", [13, 100, 1000, 5000])
def test_every_row_comes_exactly_once_in_token_order(
    session: Session, keyspace: str, fetch_size: int
):
    found = pages(session, f"SELECT * FROM {keyspace}.t", fetch_size)
    assert keys_of(found) == IN_ORDER
    assert all(len(page) <= fetch_size for page in found)
    # Pages are full: a driver that counts on few round trips gets them.
    assert len(found) <= ROWS // fetch_size + 2, [len(page) for page in found]
    assert all(row == (row.k, row.k % 10, f"row {row.k}") for page in found for row in page)


def test_a_page_ends_by_the_bytes_of_its_frame(session: Session):
    """A column that is asked for several times counts as often."""
    session.execute("CREATE TABLE scan.wide (k int PRIMARY KEY, v blob)")
    insert = session.prepare("INSERT INTO scan.wide (k, v) VALUES (?, ?)")
    insert.consistency_level = QUORUM
    for key in range(8):
        session.execute(insert, (key, bytes([key]) * (1 << 20)))
    found = pages(session, "SELECT k, v AS a, v AS b, v AS c FROM scan.wide", 100)
    assert keys_of(found) == sorted(range(8), key=token)
    # 8 MiB, and the row that exceeds them.
    assert max(len(page) for page in found) == 3, [len(page) for page in found]
    assert all(row.a == row.b == row.c == bytes([row.k]) * (1 << 20) for row in sum(found, []))


def test_an_answer_that_is_too_long_is_an_error_and_is_not_made(session: Session):
    session.execute("CREATE TABLE scan.long (k int PRIMARY KEY, v blob)")
    insert = session.prepare("INSERT INTO scan.long (k, v) VALUES (?, ?)")
    insert.consistency_level = QUORUM
    session.execute(insert, (1, bytes(2 << 20)))
    outputs = ", ".join(f"v AS v{number}" for number in range(200))
    for query in (f"SELECT {outputs} FROM scan.long WHERE k = 1", f"SELECT {outputs} FROM scan.long"):
        with pytest.raises(InvalidRequest, match="answer is too long"):
            session.execute(query)
    assert session.execute("SELECT v FROM scan.long WHERE k = 1").one().v == bytes(2 << 20)


@pytest.mark.parametrize("level", [ONE, QUORUM, ALL], ids=["ONE", "QUORUM", "ALL"])
def test_each_node_scans_the_whole_ring(three: Ring, session: Session, level: int):
    for node in (1, 2, 3):
        for keyspace in ("scan", "scan_one"):
            found = pages(three.connect(node), f"SELECT k FROM {keyspace}.t", 700, level)
            assert keys_of(found) == IN_ORDER, (node, keyspace)


def test_without_a_page_size_all_rows_come_in_pages_of_the_server(session: Session):
    statement = SimpleStatement("SELECT k FROM scan.t", fetch_size=None)
    assert [row.k for row in session.execute(statement)] == IN_ORDER


@pytest.mark.parametrize("limit", [1, 99, 100, 101, 250, ROWS, ROWS + 1])
def test_limit_counts_across_pages(session: Session, limit: int):
    found = pages(session, f"SELECT k FROM scan.t LIMIT {limit}", 100)
    assert keys_of(found) == IN_ORDER[:limit]
    assert keys_of(pages(session, "SELECT k FROM scan.t LIMIT ?", 100, values=(limit,))) == (
        IN_ORDER[:limit]
    )


def test_count_counts_all_pages(session: Session):
    for fetch_size in (10, 5000):
        statement = SimpleStatement("SELECT COUNT(*) FROM scan.t", fetch_size=fetch_size)
        assert session.execute(statement).one()[0] == ROWS
    half = sum(1 for key in IN_ORDER if token(key) >= 0)
    row = session.execute("SELECT COUNT(*) FROM scan.t WHERE token(k) >= 0").one()
    assert row[0] == half
    row = session.execute("SELECT COUNT(*) FROM scan.t WHERE bucket = 3 ALLOW FILTERING").one()
    assert row[0] == ROWS // 10


def test_rows_that_are_deleted_or_changed_between_pages(three: Ring, session: Session):
    """Nine in ten are deleted, so that pages must reach over long stretches without a row."""
    session.execute("CREATE TABLE scan.holes (k int PRIMARY KEY, v text, bucket int)")
    fill(session, "scan.holes", range(1000))
    in_order = sorted(range(1000), key=token)
    statement = SimpleStatement("SELECT * FROM scan.holes", fetch_size=50)
    result = session.execute(statement)
    first = [row.k for row in result.current_rows]
    delete = session.prepare("DELETE FROM scan.holes WHERE k = ?")
    gone = [key for key in range(1000) if key % 10]
    write_all(session, delete, [(key,) for key in gone])
    rest = []
    while result.has_more_pages:
        result.fetch_next_page()
        rest += [row.k for row in result.current_rows]
    assert first == in_order[:50]
    assert rest == [key for key in in_order[50:] if not key % 10]
    for fetch_size in (3, 1000):
        assert keys_of(pages(session, "SELECT * FROM scan.holes", fetch_size)) == [
            key for key in in_order if not key % 10
        ]


def test_an_empty_table_and_one_row(session: Session):
    session.execute("CREATE TABLE scan.few (k text PRIMARY KEY, v int)")
    assert list(session.execute("SELECT * FROM scan.few")) == []
    assert session.execute("SELECT COUNT(*) FROM scan.few").one()[0] == 0
    session.execute("INSERT INTO scan.few (k, v) VALUES ('one', 1)")
    assert list(session.execute("SELECT * FROM scan.few")) == [("one", 1)]


def test_an_expired_row_is_not_scanned(session: Session):
    session.execute("CREATE TABLE scan.brief (k int PRIMARY KEY, v int)")
    session.execute("INSERT INTO scan.brief (k, v) VALUES (1, 1)")
    session.execute("INSERT INTO scan.brief (k, v) VALUES (2, 2) USING TTL 1")
    eventually(lambda: [tuple(row) for row in session.execute("SELECT * FROM scan.brief")] == [(1, 1)])


# Ranges of tokens


def test_the_ring_s_ranges_together_hold_every_row_once(session: Session):
    """What Spark's connector sends: for each range of the ring, (start, end]."""
    tokens = [each.value for each in session.cluster.metadata.token_map.ring]
    assert len(tokens) >= 3
    # Neighbours are joined as the connector does, so that there are few splits.
    bounds = tokens[:: max(1, len(tokens) // 24)]
    ranges = list(zip(bounds, bounds[1:]))
    query = "SELECT k, token(k) AS t FROM scan.t WHERE token(k) > ? AND token(k) <= ?"
    found: list[int] = []
    for start, end in ranges:
        part = pages(session, query, 50, values=(start, end))
        assert all(start < row.t <= end and row.t == token(row.k) for page in part for row in page)
        found += keys_of(part)
    # The last range wraps around.
    found += keys_of(
        pages(session, "SELECT k FROM scan.t WHERE token(k) > ?", 50, values=(bounds[-1],))
    )
    found += keys_of(
        pages(session, "SELECT k FROM scan.t WHERE token(k) <= ?", 50, values=(bounds[0],))
    )
    assert sorted(found) == list(range(ROWS))
    # All tokens, named by both ends.
    whole = f"SELECT k FROM scan.t WHERE token(k) >= {TOKEN_MIN} AND token(k) <= {TOKEN_MAX}"
    assert keys_of(pages(session, whole, 333)) == IN_ORDER


def test_any_bounds_hold_what_they_say(session: Session):
    generator = random.Random(11)
    for _ in range(12):
        low, high = sorted(token(key) for key in generator.sample(range(ROWS), 2))
        for above, below in ((">", "<"), (">=", "<"), (">", "<="), (">=", "<=")):
            query = f"SELECT k FROM scan.t WHERE token(k) {above} {low} AND token(k) {below} {high}"
            expected = [
                key
                for key in IN_ORDER
                if (token(key) > low or (above == ">=" and token(key) == low))
                and (token(key) < high or (below == "<=" and token(key) == high))
            ]
            assert keys_of(pages(session, query, 200)) == expected, query
    at = token(77)
    assert keys_of(pages(session, f"SELECT k FROM scan.t WHERE token(k) = {at}", 10)) == [77]
    assert keys_of(pages(session, "SELECT k FROM scan.t WHERE token(k) = token(77)", 10)) == [77]
    empty = f"SELECT k FROM scan.t WHERE token(k) > {at} AND token(k) < {at}"
    assert pages(session, empty, 10) == [[]]


# Filters


def test_filters_need_allow_filtering_and_pages_are_filled(session: Session):
    with pytest.raises(InvalidRequest, match="ALLOW FILTERING"):
        session.execute("SELECT k FROM scan.t WHERE bucket = 3")
    expected = [key for key in IN_ORDER if key % 10 == 3]
    query = "SELECT k FROM scan.t WHERE bucket = 3 ALLOW FILTERING"
    for fetch_size in (7, 1000):
        found = pages(session, query, fetch_size)
        assert keys_of(found) == expected
        assert all(len(page) <= fetch_size for page in found)
    assert keys_of(pages(session, query.replace(" ALLOW", " LIMIT 30 ALLOW"), 7)) == expected[:30]
    several = "SELECT k FROM scan.t WHERE bucket > ? AND bucket <= ? AND v IN ? ALLOW FILTERING"
    texts = [f"row {key}" for key in range(40)]
    assert keys_of(pages(session, several, 3, values=(5, 7, texts))) == [
        key for key in IN_ORDER if key < 40 and 5 < key % 10 <= 7
    ]
    both = "SELECT k FROM scan.t WHERE token(k) > 0 AND bucket = 3 ALLOW FILTERING"
    assert keys_of(pages(session, both, 20)) == [key for key in expected if token(key) > 0]


# Paging states


def state_after(session: Session, query: str, fetch_size: int = 100) -> bytes:
    """The state behind the first page."""
    result = session.execute(SimpleStatement(query, fetch_size=fetch_size))
    assert result.has_more_pages
    return result.paging_state


def test_a_page_can_be_fetched_again_and_through_another_node(three: Ring, session: Session):
    state = state_after(session, "SELECT * FROM scan.t")
    for node in (1, 2, 3, 1):
        again = three.connect(node)
        statement = SimpleStatement("SELECT * FROM scan.t", fetch_size=150)
        result = again.execute(statement, paging_state=state)
        assert [row.k for row in result.current_rows] == IN_ORDER[100:250]


def test_the_state_of_another_statement_is_refused(session: Session):
    state = state_after(session, "SELECT * FROM scan.t")
    for query in (
        "SELECT k FROM scan.t",
        "SELECT * FROM scan_one.t",
        "SELECT * FROM scan.t LIMIT 150",
        "SELECT * FROM scan.t WHERE token(k) > 0",
        "SELECT * FROM scan.t WHERE bucket = 1 ALLOW FILTERING",
        "SELECT COUNT(*) FROM scan.t",
        "SELECT * FROM scan.t WHERE k = 1",
        "SELECT * FROM scan.t WHERE k IN (1, 2)",
    ):
        with pytest.raises(InvalidRequest, match="paging|page"):
            session.execute(SimpleStatement(query), paging_state=state)
    # Nor is it taken by a prepared statement with other values.
    ranged = session.prepare("SELECT k FROM scan.t WHERE token(k) > ?")
    first = ranged.bind((TOKEN_MIN + 1,))
    first.fetch_size = 10
    state = session.execute(first).paging_state
    with pytest.raises(InvalidRequest, match="paging"):
        session.execute(ranged.bind((0,)), paging_state=state)
    assert len(list(session.execute(first, paging_state=state))) == ROWS - 10


def test_a_garbled_state_is_invalid_and_the_connection_lives(three: Ring, session: Session):
    query = "SELECT * FROM scan.t"
    state = state_after(session, query)
    generator = random.Random(3)
    garbled = [b"", b"\x00", b"garbage", state[:-1], state + b"\x00", bytes(len(state)), b"\xff" * 2000]
    for at in range(0, len(state), 3):
        changed = bytearray(state)
        changed[at] ^= 1 << generator.randrange(8)
        garbled.append(bytes(changed))
    garbled += [generator.randbytes(length) for length in (1, 9, len(state), 300)]
    with RawClient(three.address(1), three.port) as client:
        client.start()
        for bad in garbled:
            # QUORUM, flags: page size and paging state.
            body = long_string(query) + struct.pack(">HBi", 4, 0x04 | 0x08, 100)
            answer = client.ask(QUERY, body + struct.pack(">i", len(bad)) + bad)
            assert answer.error[0] == INVALID, (bad, answer)
        body = long_string(query) + struct.pack(">HBi", 4, 0x04 | 0x08, 100)
        answer = client.ask(QUERY, body + struct.pack(">i", len(state)) + state)
        assert answer.opcode == RESULT, answer
    three.assert_serves()


# Faults


def test_paging_goes_on_after_a_node_was_killed(hurt: Ring):
    """First a replica dies between two pages, then the very node that gave the pages."""
    through = hurt.connect(1)
    create_keyspace(through, "scan_hurt")
    through.execute("CREATE TABLE scan_hurt.t (k int PRIMARY KEY, v text, bucket int)")
    fill(through, "scan_hurt.t", range(ROWS))
    statement = SimpleStatement(
        "SELECT k FROM scan_hurt.t", fetch_size=150, consistency_level=QUORUM
    )
    result = through.execute(statement)
    found = [row.k for row in result.current_rows]
    hurt.kill(3)

    def next_page(session: Session, state: bytes) -> Any:
        """The page behind a state; it may time out until the death is known."""
        return eventually(lambda: session.execute(statement, paging_state=state))

    for _ in range(4):
        result = next_page(through, result.paging_state)
        found += [row.k for row in result.current_rows]
    assert len(found) == 750
    hurt.start(3)
    hurt.await_all_alive()
    last = hurt.connect(2)
    hurt.kill(1)
    while result.has_more_pages:
        result = next_page(last, result.paging_state)
        found += [row.k for row in result.current_rows]
    assert found == IN_ORDER


def test_a_scan_at_quorum_sees_what_a_replica_missed(forgetful: Ring):
    """A node lacks rows, changes and deletions; a scan through it at QUORUM is right all the same."""
    through = forgetful.connect(1)
    create_keyspace(through, "scan_old")
    through.execute("CREATE TABLE scan_old.t (k int PRIMARY KEY, v text, bucket int)")
    keys = range(300)
    fill(through, "scan_old.t", range(200))
    forgetful.kill(5)
    update = through.prepare("UPDATE scan_old.t SET v = 'changed' WHERE k = ?")
    delete = through.prepare("DELETE FROM scan_old.t WHERE k = ?")

    def all_written() -> bool:
        fill(through, "scan_old.t", range(200, 300), QUORUM)
        for key in range(50):
            run_at(through, QUORUM, update.query_string, key)
            run_at(through, QUORUM, delete.query_string, key + 50)
        return True

    eventually(all_written)
    forgetful.start(5)
    forgetful.await_all_alive()
    expected = [
        (key, "changed" if key < 50 else f"row {key}")
        for key in sorted(keys, key=token)
        if not 50 <= key < 100
    ]
    stale = forgetful.connect(5)
    # At ONE it shows that it lacks rows: were it not so, the rest would prove nothing.
    at_one = rows_at(stale, ONE, "SELECT k, v FROM scan_old.t")
    assert [tuple(row) for row in at_one] != expected
    for fetch_size in (17, 5000):
        found = pages(stale, "SELECT k, v FROM scan_old.t", fetch_size, QUORUM)
        assert [tuple(row) for page in found for row in page] == expected

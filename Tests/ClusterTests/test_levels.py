"""Consistency levels beyond the common ones, logged batches, and what a table's durability says."""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import Callable

import pytest
from cassandra import ConsistencyLevel, InvalidRequest, Unavailable
from cassandra.cluster import Session
from cassandra.query import BatchStatement, BatchType

from support import Ring, create_keyspace, eventually, rows_at, run_at, write_all

ONE, QUORUM, ALL = ConsistencyLevel.ONE, ConsistencyLevel.QUORUM, ConsistencyLevel.ALL
ANY, EACH_QUORUM = ConsistencyLevel.ANY, ConsistencyLevel.EACH_QUORUM


def replicas(session: Session, keyspace: str, key: int) -> set[str]:
    found = session.cluster.metadata.get_replicas(keyspace, key.to_bytes(4, "big"))
    return {host.address for host in found}


def keys_on(session: Session, keyspace: str, nodes: set[str], count: int) -> list[int]:
    """The first keys whose replicas are these nodes, all of them."""
    found = [key for key in range(20_000) if replicas(session, keyspace, key) == nodes][:count]
    assert len(found) == count
    return found


def is_unavailable(call: Callable[[], object]) -> bool:
    """Whether it is refused since its replicas are known to be dead."""
    try:
        call()
    except Unavailable:
        return True
    return False


# ANY


def test_any_is_acknowledged_while_all_replicas_are_down(five: Ring):
    """The rows appear once the replicas are back, and cannot be read before."""
    session = five.connect(1)
    for keyspace, factor in (("any_one", 1), ("any_two", 2)):
        create_keyspace(session, keyspace, factor)
        session.execute(f"CREATE TABLE {keyspace}.t (k int PRIMARY KEY, v int)")
    # Which nodes share rows is up to the founding; node 1 is to be asked.
    pairs = Counter(frozenset(replicas(session, "any_two", key)) for key in range(20_000))
    without_one = {pair: count for pair, count in pairs.items() if five.address(1) not in pair}
    dead = set(max(without_one, key=lambda pair: without_one[pair]))
    assert len(dead) == 2
    keys = {
        "any_one": [
            key for address in sorted(dead) for key in keys_on(session, "any_one", {address}, 10)
        ],
        "any_two": keys_on(session, "any_two", dead, 20),
    }
    nodes = sorted(five.addresses.index(address) + 1 for address in dead)
    five.kill(*nodes)
    for keyspace, several in keys.items():
        for key in several:
            eventually(
                lambda: is_unavailable(
                    lambda: run_at(
                        session, ONE, f"INSERT INTO {keyspace}.t (k, v) VALUES ({key}, 0)"
                    )
                )
            )
    for keyspace, several in keys.items():
        for key in several:
            run_at(session, ANY, f"INSERT INTO {keyspace}.t (k, v) VALUES ({key}, {key + 1})")
        with pytest.raises(Unavailable):
            rows_at(session, ONE, f"SELECT v FROM {keyspace}.t WHERE k = {several[0]}")
    five.start(*nodes)
    five.await_all_alive()
    for keyspace, several in keys.items():

        def all_there() -> bool:
            rows = rows_at(session, ONE, f"SELECT k, v FROM {keyspace}.t WHERE k IN ?", several)
            return {row.k: row.v for row in rows} == {key: key + 1 for key in several}

        eventually(all_there)


def test_any_writes_like_one_while_all_nodes_run(three: Ring):
    session = three.connect()
    create_keyspace(session, "any_all")
    session.execute("CREATE TABLE any_all.t (k int PRIMARY KEY, v int)")
    for key in range(100):
        run_at(session, ANY, "INSERT INTO any_all.t (k, v) VALUES (?, ?)", key, key)
    rows = rows_at(session, ALL, "SELECT k, v FROM any_all.t WHERE k IN ?", list(range(100)))
    assert sorted(tuple(row) for row in rows) == [(key, key) for key in range(100)]


def test_any_is_refused_for_reads(three: Ring, session3: Session):
    create_keyspace(session3, "reads_any")
    session3.execute("CREATE TABLE reads_any.t (k int PRIMARY KEY, v int)")
    for query in (
        "SELECT v FROM reads_any.t WHERE k = 1",
        "SELECT v FROM reads_any.t",
        "SELECT COUNT(*) FROM reads_any.t",
    ):
        with pytest.raises(InvalidRequest, match="ANY"):
            run_at(session3, ANY, query)


@pytest.mark.parametrize("name", ["SERIAL", "LOCAL_SERIAL"])
def test_serial_levels_are_refused(three: Ring, session3: Session, name: str):
    level = ConsistencyLevel.name_to_value[name]
    create_keyspace(session3, f"at_{name}")
    table = f"at_{name}.t"
    session3.execute(f"CREATE TABLE {table} (k int PRIMARY KEY, v int)")
    for query in (
        f"INSERT INTO {table} (k, v) VALUES (1, 1)",
        f"BEGIN BATCH INSERT INTO {table} (k, v) VALUES (1, 1); "
        f"INSERT INTO {table} (k, v) VALUES (2, 2); APPLY BATCH",
        f"SELECT v FROM {table} WHERE k = 1",
        f"SELECT v FROM {table}",
    ):
        with pytest.raises(InvalidRequest, match=name):
            run_at(session3, level, query)
    assert list(session3.execute(f"SELECT * FROM {table}")) == []


# Two datacenters


@pytest.fixture(scope="module")
def centers(new_module_ring: Callable[..., Ring]) -> Ring:
    """Nodes 1 to 3 in datacenter1, node 4 in datacenter2."""
    return new_module_ring(4, node_config={4: {"datacenter": "datacenter2"}})


def test_each_quorum_needs_every_datacenter(centers: Ring):
    session = centers.connect(1)
    session.execute(
        "CREATE KEYSPACE far WITH replication = "
        "{'class': 'NetworkTopologyStrategy', 'datacenter1': 3, 'datacenter2': 1}"
    )
    session.execute("CREATE TABLE far.t (k int PRIMARY KEY, v int)")
    assert {host.datacenter for host in session.cluster.metadata.all_hosts()} == {
        "datacenter1",
        "datacenter2",
    }
    insert = "INSERT INTO far.t (k, v) VALUES (?, ?)"
    for key in range(100):
        run_at(session, EACH_QUORUM, insert, key, key)
    # A majority in each: the other datacenter's only replica has all, by itself.
    session4 = centers.connect(4)
    for level in (ConsistencyLevel.LOCAL_QUORUM, ConsistencyLevel.LOCAL_ONE):
        rows = rows_at(session4, level, "SELECT k, v FROM far.t WHERE k IN ?", list(range(100)))
        assert sorted(tuple(row) for row in rows) == [(key, key) for key in range(100)]
        assert len(rows_at(session4, level, "SELECT k FROM far.t")) == 100
    query = "SELECT k, v FROM far.t WHERE k IN ?"
    for reader in (session, session4):
        rows = rows_at(reader, EACH_QUORUM, query, list(range(100)))
        assert sorted(tuple(row) for row in rows) == [(key, key) for key in range(100)]
        assert len(rows_at(reader, EACH_QUORUM, "SELECT k FROM far.t")) == 100
    # What only the near ones acknowledged is seen there, too: two of them are always asked.
    run_at(session, ConsistencyLevel.LOCAL_QUORUM, insert, 200, 7)
    assert rows_at(session4, EACH_QUORUM, query, [200])[0].v == 7
    centers.kill(4)
    eventually(lambda: is_unavailable(lambda: run_at(session, EACH_QUORUM, insert, 4, 2)))
    for read in ("SELECT v FROM far.t WHERE k = 1", "SELECT v FROM far.t"):
        assert is_unavailable(lambda: run_at(session, EACH_QUORUM, read))
    for level in (QUORUM, ConsistencyLevel.LOCAL_QUORUM):
        run_at(session, level, insert, 1, 3)
    batch = BatchStatement(BatchType.LOGGED, consistency_level=EACH_QUORUM)
    for key in (1, 2):
        batch.add(session.prepare(insert), (key, 99))
    with pytest.raises(Unavailable):
        session.execute(batch)
    centers.start(4)
    centers.await_all_alive()
    # Two of three in the near one are a majority there, and node 4 is one of its own.
    centers.kill(3)

    def is_written() -> bool:
        run_at(session, EACH_QUORUM, insert, 1, 5)
        return True

    eventually(is_written)
    centers.kill(2)
    # Another key: until the death is known it times out, and may be written all the same.
    eventually(lambda: is_unavailable(lambda: run_at(session, EACH_QUORUM, insert, 3, 6)))
    far = centers.connect(4)
    assert rows_at(far, ONE, "SELECT v FROM far.t WHERE k = 1")[0].v == 5
    assert rows_at(far, ONE, "SELECT v FROM far.t WHERE k = 2")[0].v == 2


# Logged batches


def batch_of(session: Session, tables: tuple[str, ...], keys: range, value: int) -> BatchStatement:
    batch = BatchStatement(BatchType.LOGGED, consistency_level=QUORUM)
    for table in tables:
        insert = session.prepare(f"INSERT INTO {table} (k, v) VALUES (?, ?)")
        for key in keys:
            batch.add(insert, (key, value))
    return batch


def test_a_logged_batch_over_partitions_and_tables(three: Ring, session3: Session):
    """All of it is visible at QUORUM through any node as soon as it was acknowledged."""
    create_keyspace(session3, "logged")
    tables = ("logged.a", "logged.b")
    for table in tables:
        session3.execute(f"CREATE TABLE {table} (k int PRIMARY KEY, v int)")
    through = [three.connect(node) for node in (1, 2, 3)]
    for value in range(9):
        keys = range(value * 20, value * 20 + 40)
        through[value % 3].execute(batch_of(through[value % 3], tables, keys, value))
        for reader in through:
            for table in tables:
                query = f"SELECT k, v FROM {table} WHERE k IN ?"
                rows = rows_at(reader, QUORUM, query, list(keys))
                assert sorted(tuple(row) for row in rows) == [(key, value) for key in keys]
    # One with deletions, one timestamp for all of it.
    session3.execute(
        "BEGIN BATCH USING TIMESTAMP 1 INSERT INTO logged.a (k, v) VALUES (5000, 1); "
        "DELETE FROM logged.b WHERE k = 0; UPDATE logged.b SET v = 7 WHERE k = 5001; APPLY BATCH"
    )
    row = session3.execute("SELECT v, WRITETIME(v) AS at FROM logged.b WHERE k = 5001").one()
    assert tuple(row) == (7, 1)
    # The deletion is older than the row.
    assert session3.execute("SELECT v FROM logged.b WHERE k = 0").one().v == 0


def test_a_logged_batch_with_a_node_down(hurt: Ring):
    session = hurt.connect(1)
    create_keyspace(session, "logged_down")
    session.execute("CREATE TABLE logged_down.t (k int PRIMARY KEY, v int)")
    hurt.kill(3)
    keys = range(60)

    def written() -> bool:
        """The first may time out, until the death is known."""
        session.execute(batch_of(session, ("logged_down.t",), keys, 1))
        return True

    eventually(written)
    for value in (2, 3, 4):
        session.execute(batch_of(session, ("logged_down.t",), keys, value))
        for node in (1, 2):
            rows = rows_at(hurt.connect(node), QUORUM, "SELECT k, v FROM logged_down.t")
            assert sorted(tuple(row) for row in rows) == [(key, value) for key in keys]


def test_a_logged_batch_is_finished_though_its_coordinator_is_killed(five: Ring):
    """Half of each batch is written when the coordinator dies; those who keep its log do the rest.

    Each batch has a row of node 4 and one of node 5. Node 5 is stopped, so that it cannot write
    its row, then it is killed with the coordinator, node 2, which stays dead. Until the kill no
    write may time out, else the coordinator takes the rest upon itself; the others do it once two
    time-outs have passed. The coordinator is stopped before: it must not hear of the death of node
    5, for which it would keep hints, and forget the batch everywhere, and die with them.
    """
    session = five.connect(1)
    create_keyspace(session, "halves", 1)
    session.execute("CREATE TABLE halves.t (k int PRIMARY KEY, v int)")
    count = 20
    on_four = keys_on(session, "halves", {five.address(4)}, count)
    on_five = keys_on(session, "halves", {five.address(5)}, count)
    dying = five.connect(2)
    insert = dying.prepare("INSERT INTO halves.t (k, v) VALUES (?, ?)")
    os.kill(five.pid(5), signal.SIGSTOP)
    try:
        for pair in zip(on_four, on_five):
            batch = BatchStatement(BatchType.LOGGED, consistency_level=ONE)
            for key in pair:
                batch.add(insert, (key, 1))
            dying.execute_async(batch)

        def halves() -> list[int]:
            rows = rows_at(session, ONE, "SELECT k FROM halves.t WHERE k IN ?", on_four)
            return [row.k for row in rows]

        eventually(lambda: len(halves()) >= 3)
    finally:
        os.kill(five.pid(2), signal.SIGSTOP)
        five.kill(2, 5)
    try:
        five.start(5)
        there: set[int] = set()

        def whole() -> bool:
            nonlocal there
            rows = rows_at(session, ONE, "SELECT k FROM halves.t WHERE k IN ?", on_four + on_five)
            there = {row.k for row in rows}
            return all((four in there) == (other in there) for four, other in zip(on_four, on_five))

        eventually(whole)
        assert len(there) >= 6
    finally:
        five.start_all()
        five.await_all_alive()


# Durability


def create_statement(session: Session, table: str) -> str:
    return session.execute(f"DESCRIBE TABLE {table}").one().create_statement


def test_durability_is_an_option_of_tables(three: Ring, session3: Session):
    session = session3
    create_keyspace(session, "dur")
    session.execute("CREATE TABLE dur.plain (k int PRIMARY KEY, v int)")
    session.execute("CREATE TABLE dur.t (k int PRIMARY KEY, v int) WITH durability = 'periodic'")
    assert "durability" not in create_statement(session, "dur.plain")
    described = create_statement(session, "dur.t")
    assert "durability = 'periodic'" in described
    # What DESCRIBE prints makes the same table again.
    session.execute("DROP TABLE dur.t")
    session.execute(described.rstrip().rstrip(";"))
    assert create_statement(session, "dur.t") == described
    session.execute("ALTER TABLE dur.t WITH durability = 'synced' AND comment = 'kept'")
    for node in (1, 2, 3):
        text = create_statement(three.connect(node), "dur.t")
        assert "periodic" not in text and "comment = 'kept'" in text
    session.execute("ALTER TABLE dur.plain WITH durability = 'periodic'")
    assert "durability = 'periodic'" in create_statement(session, "dur.plain")
    for table in ("dur.t", "dur.plain"):
        run_at(session, ALL, f"INSERT INTO {table} (k, v) VALUES (1, 2)")
        assert rows_at(session, ALL, f"SELECT v FROM {table} WHERE k = 1")[0].v == 2
    for wrong in ("'sometimes'", "1", "''", "true"):
        with pytest.raises(Exception, match="durability must be 'synced'"):
            session.execute(f"ALTER TABLE dur.t WITH durability = {wrong}")
        with pytest.raises(Exception, match="durability must be 'synced'"):
            session.execute(f"CREATE TABLE dur.no (k int PRIMARY KEY) WITH durability = {wrong}")


def test_a_periodic_table_survives_that_all_nodes_are_killed(hurt: Ring):
    """What kill -9 can show of the option: a loss of power is the simulator's."""
    session = hurt.connect()
    create_keyspace(session, "lazy")
    session.execute("CREATE TABLE lazy.t (k int PRIMARY KEY, v int) WITH durability = 'periodic'")
    insert = session.prepare("INSERT INTO lazy.t (k, v) VALUES (?, ?)")
    insert.consistency_level = ALL
    rows = [(key, key) for key in range(500)]
    write_all(session, insert, rows)
    hurt.kill(1, 2, 3)
    hurt.start_all()
    hurt.await_all_alive()
    found = rows_at(hurt.connect(), ALL, "SELECT k, v FROM lazy.t")
    assert sorted(tuple(row) for row in found) == rows

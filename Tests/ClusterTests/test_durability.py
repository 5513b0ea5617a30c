"""kill -9 under load: what was acknowledged is never lost, and the founder may be down."""

from __future__ import annotations

import re
import threading
import time

import pytest
from cassandra import ConsistencyLevel, Unavailable, WriteTimeout
from cassandra.cluster import Session

from support import (
    RawClient,
    Ring,
    WriteLoad,
    create_keyspace,
    eventually,
    linear_model,
    push_model,
    rows_at,
    run_at,
)

QUORUM, ALL, ONE = ConsistencyLevel.QUORUM, ConsistencyLevel.ALL, ConsistencyLevel.ONE


def assert_nothing_lost(ring: Ring, load: WriteLoad, table: str) -> None:
    assert not load.violations, load.violations[:5]
    session = ring.connect()
    for level in (QUORUM, ALL):
        lost = load.lost(session, level)
        assert not lost, f"{len(lost)} of {len(load.acknowledged)} at {level}: {lost[:5]}"
    # QUORUM through each node alone agrees.
    for node in range(1, ring.nodes + 1):
        lost = load.lost(ring.connect(node), QUORUM)
        assert not lost, f"{len(lost)} through node {node}: {lost[:5]}"


def kill_one_under_load(ring: Ring, victim: int, keyspace: str) -> None:
    session = ring.connect()
    create_keyspace(session, keyspace)
    session.execute(f"CREATE TABLE {keyspace}.t (k int PRIMARY KEY, v int)")
    with WriteLoad(session, f"{keyspace}.t") as load:
        load.await_progress(3000)
        ring.kill(victim)
        # Without the victim the ring goes on, and so it does while the victim comes back.
        time.sleep(1)
        load.await_progress(3000)
        ring.start(victim)
        ring.await_all_alive()
        load.await_progress(1000)
    assert len(load.acknowledged) > 300
    assert_nothing_lost(ring, load, f"{keyspace}.t")


def test_a_node_of_three_is_killed_under_load(hurt: Ring):
    kill_one_under_load(hurt, 2, "killed_two")


def test_the_founder_of_three_is_killed_under_load(hurt: Ring):
    kill_one_under_load(hurt, 1, "killed_founder")


def test_a_node_of_five_is_killed_under_load(five: Ring):
    kill_one_under_load(five, 4, "killed_four")


def test_all_nodes_are_killed_at_once_under_load(hurt: Ring):
    session = hurt.connect()
    create_keyspace(session, "killed_all")
    session.execute("CREATE TABLE killed_all.t (k int PRIMARY KEY, v int)")
    with WriteLoad(session, "killed_all.t") as load:
        load.await_progress(5000)
        hurt.kill(1, 2, 3)
    assert load.refusals > 0, "nothing was under way when the nodes were killed"
    session.cluster.shutdown()
    hurt.start_all()
    hurt.await_all_alive()
    assert_nothing_lost(hurt, load, "killed_all.t")
    # Schema and ring outlive it too.
    session = hurt.connect()
    run_at(session, ALL, "INSERT INTO killed_all.t (k, v) VALUES (-1, 1)")
    create_keyspace(session, "killed_all_after")


def test_a_node_that_dies_makes_levels_unavailable(hurt: Ring):
    """Which levels fail, and the numbers that the error carries."""
    session = hurt.connect(1)
    create_keyspace(session, "short")
    session.execute("CREATE TABLE short.t (k int PRIMARY KEY, v int)")
    insert = "INSERT INTO short.t (k, v) VALUES (1, 2)"
    select = "SELECT v FROM short.t WHERE k = 1"
    run_at(session, ALL, insert)
    hurt.kill(3)

    def write_at_all_is_unavailable() -> Unavailable | None:
        try:
            run_at(session, ALL, insert)
        except Unavailable as error:
            return error
        except WriteTimeout:  # The others do not know yet.
            return None
        return None

    error = eventually(write_at_all_is_unavailable)
    assert (error.consistency, error.required_replicas, error.alive_replicas) == (ALL, 3, 2)
    for level in (ConsistencyLevel.THREE, ALL):
        with pytest.raises(Unavailable) as refusal:
            run_at(session, level, select)
        assert refusal.value.consistency == level
        assert (refusal.value.required_replicas, refusal.value.alive_replicas) == (3, 2)
    for level in (ONE, ConsistencyLevel.TWO, QUORUM, ConsistencyLevel.LOCAL_QUORUM):
        run_at(session, level, insert)
        assert rows_at(session, level, select)[0].v == 2
    hurt.kill(2)

    def quorum_is_unavailable() -> Unavailable | None:
        try:
            run_at(session, QUORUM, select)
        except Unavailable as error:
            return error
        except Exception:  # A time-out, until the death is known.
            return None
        return None

    error = eventually(quorum_is_unavailable)
    assert (error.consistency, error.required_replicas, error.alive_replicas) == (QUORUM, 2, 1)
    run_at(session, ONE, insert)
    assert rows_at(session, ONE, select)[0].v == 2
    hurt.start(2)
    hurt.start(3)
    hurt.await_all_alive()
    assert rows_at(session, ALL, select)[0].v == 2


def test_a_stale_replica_is_repaired_by_a_read(hurt: Ring):
    session = hurt.connect(1)
    create_keyspace(session, "stale")
    session.execute("CREATE TABLE stale.t (k int PRIMARY KEY, v int)")
    insert = session.prepare("INSERT INTO stale.t (k, v) VALUES (?, ?)")
    for key in range(50):
        session.execute(insert, (key, 1))
    hurt.kill(3)
    insert.consistency_level = QUORUM
    for key in range(50):
        session.execute(insert, (key, 2))
    hurt.start(3)
    hurt.await_all_alive()
    select = "SELECT k, v FROM stale.t WHERE k IN ?"
    keys = list(range(50))
    for level in (QUORUM, ALL):
        rows = rows_at(hurt.connect(3), level, select, keys)
        assert sorted(tuple(row) for row in rows) == [(key, 2) for key in keys]
    # After a read at ALL every replica has the newer rows, so ONE reads them anywhere.
    for node in (1, 2, 3):
        rows = rows_at(hurt.connect(node), ONE, select, keys)
        assert sorted(tuple(row) for row in rows) == [(key, 2) for key in keys], node


# The founder decides changes of the cluster.


@pytest.fixture()
def founder_down(hurt: Ring) -> Session:
    """The founder is down, node 2 answers; tables and a model were made before."""
    before = hurt.connect(2)
    before.execute(
        "CREATE KEYSPACE IF NOT EXISTS fnd WITH replication = "
        "{'class': 'NetworkTopologyStrategy', 'datacenter1': 3}"
    )
    before.execute(
        "CREATE TABLE IF NOT EXISTS fnd.t (k int PRIMARY KEY, features vector<float, 2>)"
    )
    push_model(before, "fnd.adder", linear_model([1.0, 10.0]))
    hurt.kill(1)
    yield before
    hurt.start_all()
    hurt.await_all_alive()


def scores_of(session: Session, keys: list[int], level: int = QUORUM) -> list[tuple]:
    query = (
        "SELECT k, adder(features => features) AS score FROM fnd.t WHERE k IN ? "
        "ORDER BY score DESC LIMIT 5"
    )
    return [tuple(row) for row in rows_at(session, level, query, keys)]


def test_without_the_founder_data_and_scores_go_on_and_changes_wait(
    hurt: Ring, founder_down: Session
):
    session = founder_down
    insert = session.prepare("INSERT INTO fnd.t (k, features) VALUES (?, ?)")

    def writes_succeed() -> bool:
        for key in range(20):
            session.execute(insert, (key, [float(key), 1.0]))
        return True

    eventually(writes_succeed)
    assert scores_of(session, [3, 7, 5]) == [(7, 17.0), (5, 15.0), (3, 13.0)]
    began = time.monotonic()
    for change in (
        "CREATE TABLE fnd.later (k int PRIMARY KEY)",
        "CREATE KEYSPACE fnd_later WITH replication = "
        "{'class': 'SimpleStrategy', 'replication_factor': 1}",
        "DROP TABLE fnd.t",
    ):
        with pytest.raises(Exception, match="decides changes of the cluster, cannot be reached"):
            session.execute(change)
    # A push right after the death fails too, but may say that the node cannot load the model.
    eventually(lambda: b"\x00\x00\x00\x02DN" in nodes_table(hurt, 2))
    with pytest.raises(Exception, match="decides changes of the cluster, cannot be reached"):
        push_model(session, "fnd.adder", linear_model([2.0, 20.0]))
    assert time.monotonic() - began < 60
    # What was refused has not happened.
    assert scores_of(session, [3]) == [(3, 13.0)]
    hurt.start(1)
    hurt.await_all_alive()
    session.execute("CREATE TABLE fnd.later (k int PRIMARY KEY)")
    session.execute("DROP TABLE fnd.later")
    push_model(session, "fnd.adder", linear_model([2.0, 20.0]))
    for node in (1, 2, 3):
        assert scores_of(hurt.connect(node), [3]) == [(3, 26.0)]


def test_a_node_that_was_down_during_changes_catches_up(hurt: Ring):
    """After its restart it knows the table, and it scores with the model that it had not seen."""
    session = hurt.connect(1)
    create_keyspace(session, "late")
    hurt.kill(3)
    eventually(lambda: b"\x00\x00\x00\x02DN" in nodes_table(hurt, 1))
    session.execute("CREATE TABLE late.t (k int PRIMARY KEY, features vector<float, 2>)")
    push_model(session, "late.adder", linear_model([1.0, 100.0]))
    insert = session.prepare("INSERT INTO late.t (k, features) VALUES (?, ?)")
    for key in range(30):
        session.execute(insert, (key, [float(key), 1.0]))
    hurt.start(3)
    through = hurt.connect(3)
    select = through.prepare("SELECT features FROM late.t WHERE k = ?")
    assert list(through.execute(select, (4,)).one().features) == [4.0, 1.0]
    query = through.prepare(
        "SELECT k, adder(features) AS score FROM late.t WHERE k IN ? ORDER BY score DESC LIMIT 2"
    )
    assert [tuple(row) for row in through.execute(query, (list(range(30)),))] == [
        (29, 129.0),
        (28, 128.0),
    ]
    hurt.await_all_alive()
    eventually(lambda: re.search(r"late\.adder .* is ready", hurt.log(3)))
    # It scores itself: with the two others gone, it is the only one who can.
    rows_at(through, ALL, "SELECT k FROM late.t WHERE k IN ?", list(range(30)))
    hurt.kill(1, 2)
    query.consistency_level = ONE
    try:

        def it_scores_alone() -> bool:
            rows = through.execute(query, (list(range(30)),))
            return [tuple(row) for row in rows] == [(29, 129.0), (28, 128.0)]

        eventually(it_scores_alone)
    finally:
        hurt.start_all()
        hurt.await_all_alive()


def test_a_node_that_comes_back_knows_tables_as_soon_as_it_gets_writes(hurt: Ring):
    """Tables are made without pause while a node restarts: it never refuses a table as unknown."""
    session = hurt.connect(1)
    create_keyspace(session, "busy")
    hurt.kill(3)
    eventually(lambda: b"\x00\x00\x00\x02DN" in nodes_table(hurt, 1))
    starter = threading.Thread(target=hurt.start, args=(3,))
    starter.start()
    acknowledged = 0
    number = 0
    deadline = time.monotonic() + 180
    while acknowledged < 20:
        assert time.monotonic() < deadline, f"{acknowledged} writes at ALL after the restart"
        number += 1
        session.execute(f"CREATE TABLE busy.t{number} (k int PRIMARY KEY)")
        try:
            run_at(session, ALL, f"INSERT INTO busy.t{number} (k) VALUES (1)")
        except (Unavailable, WriteTimeout):  # It is not back yet.
            continue
        acknowledged += 1
    starter.join(180)
    assert not starter.is_alive(), "the node still starts"


def nodes_table(ring: Ring, node: int) -> bytes:
    """The states of the nodes as one of them tells them, undecoded."""
    with RawClient(ring.address(node), ring.port) as client:
        client.start()
        return client.query("SELECT status FROM system_martlet.nodes").body

"""Bounds: requests under way, and the one memory limit."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Callable

import pytest
from cassandra import ConsistencyLevel, InvalidRequest
from cassandra.cluster import Session
from cassandra.protocol import OverloadedErrorMessage
from cassandra.query import BatchStatement, BatchType

from support import (
    Process,
    Ring,
    configuration,
    create_keyspace,
    eventually,
    free_port,
    rows_at,
    serves,
)


@pytest.fixture(scope="module")
def narrow(new_module_ring: Callable[..., Ring]) -> Ring:
    """One node that coordinates two requests at a time."""
    return new_module_ring(1, {"native": {"requests_max": 2}})


class Storm:
    """Sends requests without waiting for answers; sorts the answers."""

    def __init__(self, session: Session, requests: list[tuple[Any, tuple]]) -> None:
        self.succeeded: list[int] = []
        self.overloaded: list[str] = []
        self.refused: list[int] = []
        self.others: list[Exception] = []
        done = threading.Semaphore(0)

        def took(_: Any, number: int) -> None:
            self.succeeded.append(number)
            done.release()

        def failed(error: Exception, number: int) -> None:
            if isinstance(error, OverloadedErrorMessage):
                self.overloaded.append(str(error))
                self.refused.append(number)
            else:
                self.others.append(error)
            done.release()

        for number, (statement, values) in enumerate(requests):
            session.execute_async(statement, values).add_callbacks(
                took, failed, callback_args=(number,), errback_args=(number,)
            )
        for _ in requests:
            assert done.acquire(timeout=120), "a request has no answer"


def test_too_many_requests_at_a_time_are_refused_as_overloaded(narrow: Ring):
    """The refused were not done at all, the others were, and afterwards the node is as before."""
    session = narrow.connect()
    create_keyspace(session, "storm", 1)
    session.execute("CREATE TABLE storm.t (k int PRIMARY KEY, v int)")
    insert = session.prepare("INSERT INTO storm.t (k, v) VALUES (?, ?)")
    count = 2000
    storm = Storm(session, [(insert, (key, key)) for key in range(count)])
    assert not storm.others, storm.others[:3]
    assert storm.overloaded and len(storm.succeeded) >= 2
    assert all("native.requests_max" in text for text in storm.overloaded)
    rows = rows_at(session, ConsistencyLevel.ONE, "SELECT k FROM storm.t")
    assert {row.k for row in rows} == set(storm.succeeded)
    assert set(storm.succeeded) | set(storm.refused) == set(range(count))
    # Every place is free again.
    for key in range(200):
        session.execute(insert, (key, -1))
    assert session.execute("SELECT COUNT(*) FROM storm.t").one()[0] >= 200


def test_batches_and_scans_count_too(narrow: Ring):
    session = narrow.connect()
    create_keyspace(session, "storm_more", 1)
    session.execute("CREATE TABLE storm_more.t (k int PRIMARY KEY, v int)")
    batch = session.prepare(
        "BEGIN BATCH INSERT INTO storm_more.t (k, v) VALUES (?, 1); "
        "INSERT INTO storm_more.t (k, v) VALUES (?, 1); APPLY BATCH"
    )
    count = 500
    storm = Storm(session, [(batch, (key, key + 10_000)) for key in range(count)])
    assert not storm.others, storm.others[:3]
    assert storm.overloaded and storm.succeeded
    found = {row.k for row in session.execute("SELECT k FROM storm_more.t")}
    assert found == {key for number in storm.succeeded for key in (number, number + 10_000)}
    scan = session.prepare("SELECT * FROM storm_more.t")
    storm = Storm(session, [(scan, ()) for _ in range(300)])
    assert not storm.others and storm.succeeded
    assert all("native.requests_max" in text for text in storm.overloaded)
    assert len(list(session.execute(scan))) == len(found)


# Sizes


def test_a_write_that_no_node_could_take_is_invalid_before_any_is_asked(
    new_own_ring: Callable[..., Ring],
):
    """It is no failure of the replicas: nothing is written, hinted or marked for repair."""
    ring = new_own_ring(3, {"memory": {"parts_mib": {"writer_queue": 4}}})
    session = ring.connect()
    create_keyspace(session, "great", 3)
    session.execute("CREATE TABLE great.t (k int PRIMARY KEY, v blob)")
    insert = session.prepare("INSERT INTO great.t (k, v) VALUES (?, ?)")
    with pytest.raises(InvalidRequest, match="memory.parts_mib.writer_queue"):
        session.execute(insert, (1, bytes(5 << 20)))
    for kind in (BatchType.LOGGED, BatchType.UNLOGGED):
        batch = BatchStatement(batch_type=kind)
        for key in (1, 2):
            batch.add(insert, (key, bytes(3 << 20)))
        with pytest.raises(InvalidRequest, match="memory.parts_mib.writer_queue"):
            session.execute(batch)
    for key in (3, 4):
        session.execute(insert, (key, bytes(3 << 20)))
    rows = rows_at(session, ConsistencyLevel.ALL, "SELECT k FROM great.t")
    assert sorted(row.k for row in rows) == [3, 4]


# Memory


@pytest.mark.parametrize(
    "memory, words",
    [
        ("{limit_mib: 63}", "memory.limit_mib is 63; it must be 64 to"),
        (
            "{limit_mib: 64, parts_mib: {row_cache: 48}}",
            "memory.limit_mib is 64, but its parts need at least 80: raise it, or lower them",
        ),
        ("{limit_mib: 64, parts_mib: {inference: 1}}", "memory.parts_mib.inference is 1"),
        ("{limit_mib: 64, parts_mib: {attic: 1}}", "memory.parts_mib.attic is not a field"),
    ],
)
def test_a_memory_limit_that_is_too_small_is_refused(
    tmp_path: Path, processes: list[Process], memory: str, words: str
):
    text = configuration(tmp_path / "data", free_port(), free_port(), memory=memory)
    node = Process(tmp_path, text, "--bootstrap")
    processes.append(node)
    assert node.wait() > 0
    assert words in node.log
    assert not (tmp_path / "data").exists()


def test_the_least_memory_serves_and_is_split_over_its_consumers(
    tmp_path: Path, processes: list[Process]
):
    port = free_port()
    memory = "{limit_mib: 64, parts_mib: {row_cache: 8}}"
    text = configuration(tmp_path / "data", port, free_port(), memory=memory)
    node = Process(tmp_path, text, "--bootstrap")
    processes.append(node)
    eventually(lambda: serves(port))
    ring = Ring(tmp_path / "one", 1)
    ring.port = port
    session = ring.connect()
    try:
        rows = session.execute("SELECT consumer, limit_bytes FROM system_martlet.memory")
        limits = {row.consumer: row.limit_bytes for row in rows}
        assert 8 << 20 in limits.values(), limits
        assert len(limits) >= 6
        bounded = [limit for limit in limits.values() if limit]
        assert sum(bounded) <= 64 << 20, limits
    finally:
        ring.disconnect()
    assert node.stop() == 0

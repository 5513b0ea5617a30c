"""Damage that nobody reads first: in the write-ahead log, and where a compaction meets it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Callable

import pytest
from cassandra import ConsistencyLevel

from support import Ring, create_keyspace, eventually, write_all
from test_repair import (
    FEW_SLICES,
    assert_alone_has,
    fill,
    hints,
    refused,
    scanned,
    unreadable,
)

QUORUM, ALL = ConsistencyLevel.QUORUM, ConsistencyLevel.ALL


def files(ring: Ring, node: int, pattern: str) -> list[Path]:
    """Files of a node's store, the largest first."""
    found = (ring.data / f"node{node}" / "data" / "rows").glob(pattern)
    return sorted(found, key=lambda file: -file.stat().st_size)


def flip(file: Path, position: int) -> None:
    content = bytearray(file.read_bytes())
    content[position] ^= 0x10
    file.write_bytes(bytes(content))


def with_damaged_log(new_own_ring: Callable[..., Ring], rows: dict[int, int]) -> Ring:
    """Three nodes, the third of which is down and has a flipped bit amid its log."""
    ring = new_own_ring(3, {"repair": {"kib_per_second": 64}, "bootstrap": FEW_SLICES})
    fill(ring, "logged", rows)
    ring.kill(3)
    log = files(ring, 3, "*.log")[0]
    flip(log, log.stat().st_size // 2)
    return ring


def test_a_damaged_log_is_found_and_the_node_does_not_answer_without_what_it_lost(
    new_own_ring: Callable[..., Ring],
):
    rows = {key: key + 1 for key in range(2000)}
    ring = with_damaged_log(new_own_ring, rows)
    ring.kill(1, 2)
    # It knows who it is, but nobody can give back what it lost.
    ring.start(3)
    assert "the write-ahead log on this disk is damaged" in ring.log(3)
    through = ring.connect(3)
    assert refused(through, "logged.t", rows) == len(rows)
    ring.start(1, 2)
    ring.await_all_alive()
    assert scanned(through, "logged.t") == rows
    eventually(lambda: unreadable(ring, 3) == 0, 600)
    assert_alone_has(ring, 3, "logged.t", rows, range(4000))
    # It is told once: the next start is like any other.
    before = len(ring.log(3))
    ring.kill(3)
    ring.start(3)
    assert "is damaged" not in ring.log(3)[before:]


@pytest.mark.parametrize("was_refused", [False, True])
def test_who_accepts_the_loss_answers_with_what_is_left_and_has_the_rest_repaired(
    new_own_ring: Callable[..., Ring], was_refused: bool
):
    """At its first start, or when it has refused all its slices before."""
    rows = {key: key + 1 for key in range(2000)}
    ring = with_damaged_log(new_own_ring, rows)
    ring.kill(1, 2)
    if was_refused:
        ring.start(3)
        assert refused(ring.connect(3), "logged.t", rows) == len(rows)
        ring.kill(3)
    ring.start(3, options=("--accept-log-loss",))
    through = ring.connect(3)
    left = scanned(through, "logged.t")
    assert 0 < len(left) < len(rows) and left.items() <= rows.items()
    assert refused(through, "logged.t", left) == 0
    assert "as --accept-log-loss says, this node answers with" in ring.log(3)
    ring.start(1, 2)
    ring.await_all_alive()
    assert scanned(ring.connect(3), "logged.t", ALL) == rows


def test_a_compaction_that_meets_damage_ends_the_node_once_and_the_next_start_rebuilds_it(
    new_own_ring: Callable[..., Ring],
):
    """Its slices are looked through while nothing is compacted; then compactions work again."""
    ring = new_own_ring(3, {"memory": {"parts_mib": {"memtables": 4}}, "bootstrap": FEW_SLICES})
    session = ring.connect(1)
    create_keyspace(session, "packed")
    session.execute("CREATE TABLE packed.t (k int PRIMARY KEY, v int, filler blob)")
    rows: dict[int, int] = {}

    def write(keys: range) -> None:
        insert = session.prepare("INSERT INTO packed.t (k, v, filler) VALUES (?, ?, ?)")
        insert.consistency_level = QUORUM
        # Too unlike each other to be compressed, so that they fill files.
        rest = [(key, 7 * key, key.to_bytes(4, "big") * 4 + random_bytes(key)) for key in keys]
        write_all(session, insert, rest)
        rows.update({key: 7 * key for key in keys})

    write(range(12_000))
    ring.kill(3)
    oldest = files(ring, 3, "*.sst")[0]
    flip(oldest, oldest.stat().st_size // 2)
    ring.start(3)
    ring.await_all_alive()
    written = len(rows)
    while ring_runs(ring, 3):
        assert written < 120_000, "no compaction met the damage"
        write(range(written, written + 4000))
        written += 4000
    said = ring.log(3)
    assert "a compaction met damage: start this node again" in said, said[-2000:]
    before = len(said)
    ring.start(3)
    ring.await_all_alive()
    through = ring.connect(3)
    assert scanned(through, "packed.t", QUORUM) == rows
    eventually(lambda: "no damage is left" in ring.log(3)[before:], 600)
    eventually(lambda: unreadable(ring, 3) == 0, 600)
    # Compactions work: what is written now ends in files that were merged.
    write(range(written, written + 12_000))
    assert ring_runs(ring, 3)
    eventually(lambda: hints(ring, 1) == hints(ring, 2) == {}, 300)
    assert_alone_has(ring, 3, "packed.t", rows, range(written + 12_000))


def test_a_node_with_a_table_file_that_cannot_be_opened_starts_and_is_rebuilt(
    new_own_ring: Callable[..., Ring],
):
    """One that is cut short, as the footer stands at its end: the rest of it is of no use."""
    ring = new_own_ring(3, {"bootstrap": FEW_SLICES})
    rows = {key: 3 * key for key in range(2000)}
    fill(ring, "opened", rows)
    for _ in range(2):
        # A start writes what the log holds to files.
        ring.kill(3)
        ring.start(3)
        ring.await_all_alive()
    ring.kill(3)
    largest = files(ring, 3, "*.sst")[0]
    largest.write_bytes(largest.read_bytes()[:-20])
    ring.kill(1, 2)
    ring.start(3)
    assert "could not be opened and are taken out" in ring.log(3)
    through = ring.connect(3)
    assert refused(through, "opened.t", rows) == len(rows)
    ring.kill(3)
    ring.start(3)
    assert refused(ring.connect(3), "opened.t", rows) == len(rows)
    ring.start(1, 2)
    ring.await_all_alive()
    assert scanned(ring.connect(3), "opened.t", QUORUM) == rows
    eventually(lambda: unreadable(ring, 3) == 0, 600)
    assert_alone_has(ring, 3, "opened.t", rows, range(4000))
    # It is told once.
    before = len(ring.log(3))
    ring.kill(3)
    ring.start(3)
    assert "taken out" not in ring.log(3)[before:]


def random_bytes(seed: int) -> bytes:
    """A kilobyte that is always the same for a seed."""
    return random.Random(seed).randbytes(1000)


def ring_runs(ring: Ring, node: int) -> bool:
    """Whether the process of a node lives."""
    try:
        return Path(f"/proc/{ring.pid(node)}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

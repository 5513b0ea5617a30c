"""What a node missed, it gets: by hints, by REPAIR, and all of it anew when its disk was lost."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Callable

import pytest
from cassandra import ConsistencyLevel, ReadFailure, ReadTimeout, Unavailable
from cassandra.cluster import Session
from cassandra.query import BatchStatement, BatchType, SimpleStatement

from support import Ring, build_folder, create_keyspace, eventually, rows_at, write_all

ONE, QUORUM, ALL = ConsistencyLevel.ONE, ConsistencyLevel.QUORUM, ConsistencyLevel.ALL
# What says that a read has no answer: the replicas that are needed cannot be read, or are gone.
REFUSALS = (ReadFailure, ReadTimeout, Unavailable)


def put(session: Session, table: str, rows: dict[int, int], level: int = QUORUM) -> None:
    insert = session.prepare(f"INSERT INTO {table} (k, v) VALUES (?, ?)")
    insert.consistency_level = level
    write_all(session, insert, list(rows.items()))


def fill(ring: Ring, keyspace: str, rows: dict[int, int], factor: int = 3) -> Session:
    """Makes a table `t` of rows that all its replicas have; returns a session with node 1."""
    session = ring.connect(1)
    create_keyspace(session, keyspace, factor)
    session.execute(f"CREATE TABLE {keyspace}.t (k int PRIMARY KEY, v int)")
    put(session, f"{keyspace}.t", rows, ALL)
    return session


def remove(session: Session, table: str, keys: Any, level: int = QUORUM) -> None:
    delete = session.prepare(f"DELETE FROM {table} WHERE k = ?")
    delete.consistency_level = level
    for key in keys:
        session.execute(delete, (key,))


def without(session: Session, table: str, rows: dict[int, int], keys: Any) -> dict[int, int]:
    """Removes some of a table's rows from all replicas; returns the others."""
    remove(session, table, keys, ALL)
    return {key: value for key, value in rows.items() if key not in keys}


def scanned(session: Session, table: str, level: int = ONE) -> dict[int, int]:
    """All rows, by a scan."""
    statement = SimpleStatement(
        f"SELECT k, v FROM {table}", fetch_size=500, consistency_level=level
    )
    found = [(row.k, row.v) for row in session.execute(statement)]
    assert len(found) == len(dict(found))
    return dict(found)


def picked(session: Session, table: str, keys: Any, level: int = ONE) -> dict[int, int]:
    """Rows by their keys."""
    keys = list(keys)
    found: dict[int, int] = {}
    for start in range(0, len(keys), 500):
        query = f"SELECT k, v FROM {table} WHERE k IN ?"
        rows = rows_at(session, level, query, keys[start : start + 500])
        found.update((row.k, row.v) for row in rows)
    return found


def assert_alone_has(ring: Ring, node: int, table: str, rows: dict[int, int], span: range) -> None:
    """A node has exactly these rows of a span by itself; the others are killed for it."""
    alone = ring.leave_alone(node)
    found = eventually(lambda: [picked(alone, table, span)])[0]
    assert found == rows
    assert scanned(alone, table) == rows


def told(ring: Ring, node: int, query: str) -> list[Any]:
    """What a node says about itself, over a connection of its own."""
    cluster = ring.cluster(node)
    try:
        return list(cluster.connect().execute(query))
    finally:
        cluster.shutdown()


# Hints


# What follows the slices one after the other is faster with few: the least that 3 nodes may have.
FEW_SLICES = {"expected_nodes": 3, "slice_count": 64}


@dataclass
class Hinted:
    """Three nodes, one of which lost the hints that it kept for another one."""

    ring: Ring
    rows: dict[int, int]
    dropped: datetime
    said: str


@pytest.fixture(scope="module")
def hinted(new_module_ring: Callable[..., Ring]) -> Hinted:
    ring = new_module_ring(3, {"repair": {"automatic": True}, "bootstrap": FEW_SLICES})
    rows = dict.fromkeys(range(200), 0)
    session = fill(ring, "hinted", rows)
    # Then none of its slices is due for days, but for what the hints are about.
    repair_all(ring, "hinted")
    # A node that repaired a slice waits for five minutes before it does so again, while it lives.
    ring.kill(2)
    ring.start(2)
    ring.await_all_alive()
    ring.kill(3)
    missed = {key: key + 1 for key in range(100, 400)}
    put(session, "hinted.t", missed)
    rows.update(missed)
    eventually(lambda: hints(ring, 1).get(ring.address(3), 0) >= len(missed))
    damage(ring, 1, "hints")
    before = len(ring.log(1))
    dropped = datetime.now(timezone.utc).replace(tzinfo=None)
    ring.start(1)
    said = ring.log(1)[before:]
    # Node 3 was down all the time: nobody has handed them over.
    assert hints(ring, 1) == {}
    ring.start(3)
    ring.await_all_alive()
    ring.disconnect()
    return Hinted(ring, rows, dropped, said)


def test_damaged_hints_do_not_stop_a_node(hinted: Hinted):
    """It starts and says so; the last test of this module sees what they held.

    That takes two minutes: a mark stands for what is lacking up to 90 s later (the cover of marks,
    twice, and the clocks' margin), so that no repair before then is late enough.
    """
    lines = hinted.said.splitlines()
    assert any("hints" in line and "damaged and dropped" in line for line in lines), lines
    for node in (1, 2, 3):
        assert scanned(hinted.ring.connect(node), "hinted.t", QUORUM) == hinted.rows, node


def hints(ring: Ring, node: int) -> dict[str, int]:
    """How many hints a node keeps, by the address that they are for."""
    rows = told(ring, node, "SELECT address, count FROM system_martlet.hints")
    return {str(row.address): row.count for row in rows if row.count}


def test_hints_bring_a_node_all_that_it_missed(hurt: Ring):
    """Rows, deletions and a batch; a coordinator that keeps hints is killed as well meanwhile."""
    session = fill(hurt, "missed", dict.fromkeys(range(100), 0))
    hurt.kill(3)
    wanted = {key: key + 1 for key in range(50, 600)}
    for node in (1, 2):
        through = hurt.connect(node)
        part = {key: value for key, value in wanted.items() if key % 2 == node % 2}

        def all_written() -> bool:
            """The first may time out, until the death is known."""
            put(through, "missed.t", part)
            return True

        eventually(all_written)
    remove(session, "missed.t", range(50))
    batch = BatchStatement(BatchType.LOGGED, consistency_level=QUORUM)
    insert = session.prepare("INSERT INTO missed.t (k, v) VALUES (?, ?)")
    for key in range(1000, 1040):
        batch.add(insert, (key, key))
        wanted[key] = key
    session.execute(batch)
    lost = hurt.address(3)
    for node in (1, 2):
        eventually(lambda: hints(hurt, node).get(lost, 0) >= 200)
        assert set(hints(hurt, node)) == {lost}
    hurt.kill(1)
    hurt.start(1)
    assert hints(hurt, 1)[lost] >= 200
    hurt.start(3)
    hurt.await_all_alive()
    eventually(lambda: not any(hints(hurt, node) for node in (1, 2, 3)), 600)
    assert_alone_has(hurt, 3, "missed.t", wanted, range(1100))


# REPAIR


def repair_runs(ring: Ring, node: int) -> list[Any]:
    return told(ring, node, "SELECT * FROM system_martlet.repair_runs")


def diverge(ring: Ring, keyspace: str) -> tuple[dict[int, int], range]:
    """Two replicas each miss other rows, changes and deletions, and no hint tells them."""
    table = f"{keyspace}.t"
    rows = dict.fromkeys(range(400), 0)
    session = fill(ring, keyspace, rows, 5)
    for node, start in ((4, 0), (5, 200)):
        ring.kill(node)
        changed = {key: node for key in [*range(start, start + 100), *range(1000 * node, 1000 * node + 50)]}

        def all_written() -> bool:
            put(session, table, changed)
            remove(session, table, range(start + 100, start + 150))
            return True

        eventually(all_written)
        rows.update(changed)
        for key in range(start + 100, start + 150):
            rows.pop(key, None)
        ring.start(node)
        ring.await_all_alive()
    return rows, range(6000)


def assert_is_behind(ring: Ring, nodes: tuple[int, ...], table: str, rows: dict[int, int]) -> None:
    """Else a test would prove nothing."""
    for node in nodes:
        assert scanned(ring.connect(node), table) != rows, node


def test_the_statement_repair_makes_all_replicas_equal(forgetful: Ring):
    """Each node repairs the slices that it is first of; afterwards each has all by itself."""
    rows, span = diverge(forgetful, "rep")
    assert_is_behind(forgetful, (4, 5), "rep.t", rows)
    runs = {node: len(repair_runs(forgetful, node)) for node in range(1, 6)}
    for node in range(1, 6):
        told(forgetful, node, "REPAIR rep")

    def all_are_finished() -> bool:
        for node in range(1, 6):
            found = repair_runs(forgetful, node)
            assert len(found) == runs[node] + 1
            states = {run.state for run in found}
            assert "failed" not in states, found
            if states != {"finished"}:
                return False
        return True

    eventually(all_are_finished, 600)
    for node in range(1, 6):
        (run,) = (run for run in repair_runs(forgetful, node) if run.keyspace_name == "rep")
        assert run.slices_done == run.slices_total > 0
    streamed = sum(
        run.rows_streamed
        for node in range(1, 6)
        for run in repair_runs(forgetful, node)
        if run.keyspace_name == "rep"
    )
    # 200 rows each were missed by two nodes: no more than these are sent.
    assert 0 < streamed <= 2 * 200 * 4, streamed
    for node in (4, 5):
        assert_alone_has(forgetful, node, "rep.t", rows, span)
        forgetful.start_all()


def martlet(ring: Ring, *words: str, code: int = 0) -> str:
    done = subprocess.run(
        [
            str(build_folder() / "martlet"), *words,
            "--contact-points", f"{ring.address(1)}:{ring.port}",
        ],
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr if code else done.stdout


def test_the_command_repairs_the_whole_ring_and_tells_of_it(forgetful: Ring):
    rows, span = diverge(forgetful, "repcli")
    assert_is_behind(forgetful, (4, 5), "repcli.t", rows)
    done = json.loads(martlet(forgetful, "repair", "run", "repcli.t", "--format", "json"))
    assert not done["problems"]
    assert [run["state"] for run in done["runs"]] == ["finished"] * 5
    assert sum(run["slices_done"] for run in done["runs"]) == 1024
    assert 0 < sum(run["rows_streamed"] for run in done["runs"]) <= 2 * 200 * 4
    again = martlet(forgetful, "repair", "run", "repcli")
    assert again.count("finished") == 5, again
    assert "repcli.t" in martlet(forgetful, "repair", "status")
    status = json.loads(martlet(forgetful, "repair", "status", "--format", "json"))
    (table,) = (table for table in status["tables"] if table["table"] == "repcli.t")
    # What was dirty a moment ago stays so: a clock that is ahead may have written it since.
    assert (table["slices"], table["never_repaired"]) == (1024, 0)
    assert len([run for run in status["runs"] if run["keyspace"] == "repcli"]) == 10
    for node in range(1, 6):
        assert scanned(forgetful.connect(node), "repcli.t") == rows, node
        slices = told(
            forgetful,
            node,
            "SELECT slice, last_repair FROM system_martlet.slice_repairs "
            "WHERE keyspace_name = 'repcli'",
        )
        assert slices and all(slice.last_repair is not None for slice in slices)
    assert_alone_has(forgetful, 5, "repcli.t", rows, span)


def test_a_repair_that_cannot_be_whole_says_so(forgetful: Ring):
    """What can be repaired is; the exit code and the texts tell of the rest."""
    session = forgetful.connect(1)
    create_keyspace(session, "reppart")
    session.execute("CREATE TABLE reppart.t (k int PRIMARY KEY, v int)")
    assert "nope" in martlet(forgetful, "repair", "run", "nope", code=1)
    assert "no keyspace or table" in martlet(forgetful, "repair", "run", "a.b.c", code=64)
    forgetful.kill(5)
    eventually(lambda: "DN" in martlet(forgetful, "status", code=10))
    said = martlet(forgetful, "repair", "run", "reppart", code=1)
    assert f"{forgetful.address(5)}:{forgetful.port} could not be asked" in said
    assert "were not repaired by all their replicas" in said
    assert "could not be asked" in martlet(forgetful, "repair", "status", code=1)
    forgetful.start_all()
    forgetful.await_all_alive()
    martlet(forgetful, "repair", "run", "reppart")


# A disk that was lost


@pytest.fixture()
def wiped_ring(new_own_ring: Callable[..., Ring]) -> Ring:
    """It rebuilds slowly, so that it can be watched.

    A row of the test counts 36 bytes, of which two replicas are read and one is written: its 2,100
    rows and tombstones take half a minute at this rate.
    """
    return new_own_ring(3, {"repair": {"kib_per_second": 8}})


def host_id(ring: Ring, node: int) -> Any:
    return told(ring, node, "SELECT host_id FROM system.local WHERE key = 'local'")[0].host_id


def unreadable(ring: Ring, node: int) -> int:
    """How many slices of a node wait for their rows."""
    states = [
        row.state for row in told(ring, node, "SELECT state FROM system_martlet.slice_repairs")
    ]
    assert states and set(states) <= {"readable", "rebuilding"}, set(states)
    return states.count("rebuilding")


def refused(session: Session, table: str, rows: dict[int, int], refusals: Any = REFUSALS) -> int:
    """Reads each row; returns how many were refused, as all others must be there."""
    count = 0
    for key, value in rows.items():
        try:
            found = picked(session, table, [key])
        except refusals:
            count += 1
        else:
            assert found == {key: value}, "an empty answer is a lie"
    return count


def test_a_node_that_lost_its_disk_is_rebuilt_and_never_answers_as_if_it_were_empty(
    wiped_ring: Ring,
):
    ring = wiped_ring
    rows = {key: key + 1 for key in range(2000)}
    session = fill(ring, "wiped", rows)
    rows = without(session, "wiped.t", rows, range(100))
    before = host_id(ring, 3)
    ring.kill(3)
    ring.lose_disk(3)
    # As a new node it is refused, and told what to do.
    said = ring.start_fails(3)
    assert "--rebuild" in said, said
    missed = {key: key for key in range(3000, 3100)}
    eventually(lambda: put(session, "wiped.t", missed) is None)
    rows.update(missed)

    # That start left an id behind, which no cluster took in: it is not in the way.
    ring.start(3, options=("--rebuild",))
    assert host_id(ring, 3) == before
    through = [ring.connect(node) for node in (1, 2, 3)]
    watched = through[2]
    waiting = unreadable(ring, 3)
    assert waiting > 0, "it was rebuilt before anybody could look"
    rounds = 0
    written: dict[int, int] = {}
    keys = [*range(0, 2000, 7), *missed]
    expected = {key: rows[key] for key in keys if key in rows}
    while unreadable(ring, 3) > 0:
        rounds += 1
        new = {5000 + rounds: rounds}
        put(watched, "wiped.t", new)
        written.update(new)
        for reader in through:
            for level in (ONE, QUORUM):
                assert picked(reader, "wiped.t", keys, level) == expected
            assert picked(reader, "wiped.t", written, QUORUM) == written
        assert {k: v for k, v in scanned(watched, "wiped.t").items() if k < 5000} == rows
        try:
            # Every replica must answer, and one cannot: an error or the truth.
            assert picked(watched, "wiped.t", keys, ALL) == expected
        except REFUSALS:
            pass
        assert rounds < 1000, "it is never rebuilt"
    assert rounds >= 2, "too fast to have been watched"
    rows.update(written)
    ring.await_all_alive()
    assert_alone_has(ring, 3, "wiped.t", rows, range(6000))
    # What it has is on its disk: it starts without the option, and with it, which changes nothing.
    ring.kill(3)
    ring.start_all()
    ring.await_all_alive()
    assert unreadable(ring, 3) == 0
    ring.kill(2)
    ring.start(2, options=("--rebuild",))
    assert "--rebuild is ignored" in ring.log(2)
    assert unreadable(ring, 2) == 0
    ring.await_all_alive()
    assert_alone_has(ring, 2, "wiped.t", rows, range(6000))


def test_rows_without_another_replica_are_an_error_once_their_disk_is_lost(
    new_own_ring: Callable[..., Ring],
):
    ring = new_own_ring(3)
    rows = {key: key for key in range(300)}
    fill(ring, "alone", rows, 1)
    ring.kill(3)
    ring.lose_disk(3)
    ring.start(3, options=("--rebuild",))
    ring.await_all_alive()
    through = ring.connect(3)
    # Of some rows it is the only replica, and says that it cannot be read.
    assert 0 < refused(through, "alone.t", rows, ReadFailure) < len(rows)
    lost = [line for line in ring.log(3).splitlines() if "had no other replica" in line]
    assert len(lost) == 1 and "alone.t" in lost[0], lost
    through.execute("DROP TABLE alone.t")

    def a_new_table_works() -> bool:
        # Not at once: until its log has surely caught up, which takes ten rounds in which no table
        # appears, the node takes no table for new.
        time.sleep(15)
        through.execute("DROP TABLE IF EXISTS alone.u")
        through.execute("CREATE TABLE alone.u (k int PRIMARY KEY, v int)")
        put(through, "alone.u", rows)
        return picked(through, "alone.u", rows) == rows

    eventually(a_new_table_works, 120)


# The disk of the node that decides


def test_a_founder_that_lost_its_disk_is_rebuilt_and_decides_again(
    new_own_ring: Callable[..., Ring],
):
    """Its rows come slowly, so that it can be watched; without the others it refuses the rest."""
    ring = new_own_ring(3, {"repair": {"kib_per_second": 8}, "bootstrap": FEW_SLICES})
    rows = {key: key + 1 for key in range(900)}
    fill(ring, "decided", rows)
    session = ring.connect(2)
    rows = without(session, "decided.t", rows, range(100))
    before = host_id(ring, 1)
    ring.kill(1)
    ring.lose_disk(1)
    missed = {key: key for key in range(3000, 3100)}
    eventually(lambda: put(session, "decided.t", missed) is None)
    rows.update(missed)

    ring.launch(1, "--rebuild", seeds=(2,))
    ring.start(1)
    assert host_id(ring, 1) == before
    through = ring.connect(1)
    while True:
        assert picked(through, "decided.t", range(4000)) == rows
        assert scanned(through, "decided.t") == rows
        if unreadable(ring, 1) < FEW_SLICES["slice_count"]:
            break
    alone = ring.leave_alone(1)
    # Some of its slices are back and some are not, so they were not while it was asked before.
    assert 0 < refused(alone, "decided.t", rows) < len(rows)
    with pytest.raises(REFUSALS):
        scanned(alone, "decided.t")
    ring.start(2, 3)
    ring.await_all_alive()
    # It knows all that was decided, and decides while its own rows are not back.
    assert unreadable(ring, 1) > 0, "it was rebuilt before it decided"
    through.execute("CREATE TABLE decided.later (k int PRIMARY KEY, v int)")
    later = {key: -key for key in range(50)}
    put(through, "decided.later", later)
    for node in (1, 2, 3):
        assert scanned(ring.connect(node), "decided.later", QUORUM) == later, node
    eventually(lambda: unreadable(ring, 1) == 0, 600)
    for level in (QUORUM, ALL):
        assert scanned(through, "decided.t", level) == rows
    assert_alone_has(ring, 1, "decided.t", rows, range(4000))
    assert scanned(ring.connect(1), "decided.later") == later
    # What it decided is on its disk: it starts in the usual way, and goes on.
    ring.kill(1)
    ring.start_all()
    ring.await_all_alive()
    ring.connect(1).execute("CREATE TABLE decided.last (k int PRIMARY KEY, v int)")
    for node in (1, 2, 3):
        assert scanned(ring.connect(node), "decided.later") == later, node
        assert scanned(ring.connect(node), "decided.last") == {}, node


def test_a_founder_is_rebuilt_only_with_the_log_of_every_other_node(
    new_own_ring: Callable[..., Ring],
):
    """Else it would decide anew what another one has already; nor does it found a new cluster."""
    ring = new_own_ring(3, {"bootstrap": FEW_SLICES})
    rows = {key: key for key in range(500)}
    fill(ring, "founded", rows)
    before = host_id(ring, 1)
    ring.kill(1, 3)
    ring.lose_disk(1)
    said = ring.launch_fails(1, "--rebuild")
    assert "name living nodes in seeds" in said, said
    # As who started it first may start it always.
    options = ("--bootstrap", "--rebuild")
    said = ring.launch_fails(1, *options, seeds=(2,))
    assert "this node decides the changes of the cluster" in said, said
    assert f"every other node: {ring.address(3)}:{ring.internode_port}" in said, said
    assert "start those first" in said and "founded" not in said, said
    ring.start(3)
    ring.launch(1, *options, seeds=(2,))
    ring.start(1)
    assert host_id(ring, 1) == before
    ring.await_all_alive()
    eventually(lambda: unreadable(ring, 1) == 0)
    ring.connect(1).execute("CREATE TABLE founded.later (k int PRIMARY KEY, v int)")
    for node in (1, 2, 3):
        assert scanned(ring.connect(node), "founded.t", ALL) == rows, node
        assert scanned(ring.connect(node), "founded.later") == {}, node


# A damaged block


def damage(ring: Ring, node: int, family: str = "rows") -> None:
    """Kills a node and flips a byte in each of some blocks of its table files.

    It is restarted before, as what is in its log gets into these files when it starts. The
    properties at a file's end name its column family: `rows`, `hints` or `local`, which holds the
    node's own records.
    """
    ring.kill(node)
    ring.start(node)
    ring.kill(node)
    count = 0
    for file in sorted((ring.data / f"node{node}" / "data" / "rows").glob("*.sst")):
        content = bytearray(file.read_bytes())
        if b"name" + family.encode() not in content[-4096:]:
            continue
        # In the first half, where the blocks are; index and footer stand behind them.
        start, step = (2_000, 40_000) if family == "rows" else (10, 1_000)
        for position in range(start, len(content) // 2, step):
            content[position] ^= 0x55
            count += 1
        file.write_bytes(bytes(content))
    assert count > 0, "there was no block to damage"


def repair_all(ring: Ring, keyspace: str) -> None:
    """Has each node repair the slices that it is first of."""
    for node in range(1, ring.nodes + 1):
        told(ring, node, f"REPAIR {keyspace}")

    def all_are_finished() -> bool:
        states = {run.state for n in range(1, ring.nodes + 1) for run in repair_runs(ring, n)}
        return states == {"finished"}

    eventually(all_are_finished, 600)


def test_damaged_blocks_are_found_reported_and_rebuilt_and_never_show(
    new_own_ring: Callable[..., Ring],
):
    # Of its own and with one table: the fewer files lie over a damaged one, the surer it can go.
    ring = new_own_ring(3)
    rows = {key: 3 * key for key in range(20_000)}
    session = fill(ring, "damaged", rows)
    damage(ring, 3)
    ring.start(3)
    ring.await_all_alive()
    through = ring.connect(3)
    keys = list(range(0, 20_000, 37))
    expected = {key: rows[key] for key in keys}
    for level in (ONE, QUORUM):
        for reader in (through, session):
            assert picked(reader, "damaged.t", keys, level) == expected
    eventually(lambda: "damaged" in ring.log(3), 600)
    assert scanned(session, "damaged.t", QUORUM) == rows

    def all_is_whole() -> bool:
        if unreadable(ring, 3) > 0:
            return False
        return picked(through, "damaged.t", keys, ALL) == expected

    eventually(all_is_whole, 600)
    assert_alone_has(ring, 3, "damaged.t", rows, range(20_000))


def test_damage_to_a_node_s_own_records_stops_it_and_an_empty_folder_brings_it_back(
    new_own_ring: Callable[..., Ring],
):
    """Other nodes do not have these records: the message says what to do, and that helps."""
    ring = new_own_ring(3)
    rows = {key: 5 * key for key in range(2000)}
    session = fill(ring, "own", rows)
    before = host_id(ring, 3)
    damage(ring, 3, "local")
    said = ring.start_fails(3)
    assert "damaged" in said and str(ring.data / "node3" / "data") in said, said
    assert "--rebuild" in said, said
    # The others go on meanwhile.
    missed = {key: key for key in range(3000, 3100)}
    put(session, "own.t", missed)
    rows.update(missed)
    ring.lose_disk(3)
    ring.start(3, options=("--rebuild",))
    assert host_id(ring, 3) == before
    ring.await_all_alive()
    eventually(lambda: unreadable(ring, 3) == 0, 600)
    assert picked(session, "own.t", range(4000), ALL) == rows
    assert_alone_has(ring, 3, "own.t", rows, range(4000))


# What repair makes up for by itself: begun by the first test of this module, and due by now.


def test_repair_makes_up_for_damaged_hints(hinted: Hinted):
    """All slices were marked, and each was repaired by all its replicas since."""
    ring = hinted.ring

    def all_slices_are_repaired() -> bool:
        """As every node knows it: a read could be answered by another one."""
        for node in (1, 2, 3):
            slices = told(
                ring,
                node,
                "SELECT is_dirty, last_repair FROM system_martlet.slice_repairs "
                "WHERE keyspace_name = 'hinted'",
            )
            assert len(slices) == FEW_SLICES["slice_count"]
            if any(slice.is_dirty or slice.last_repair < hinted.dropped for slice in slices):
                return False
        return True

    eventually(all_slices_are_repaired, 600)
    assert_alone_has(ring, 3, "hinted.t", hinted.rows, range(500))

"""Models on five nodes, three replicas: MovieLens scored where it lies, and hostile models."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from cassandra import ConsistencyLevel, InvalidRequest
from cassandra.cluster import Session

from support import (
    DEMO,
    Ring,
    create_keyspace,
    eventually,
    linear_model,
    push_model,
    rows_at,
    write_all,
)

QUORUM, ALL, ONE = ConsistencyLevel.QUORUM, ConsistencyLevel.ALL, ConsistencyLevel.ONE
USERS = (1, 2, 610)
RANK = (
    "SELECT movie_id, title, ranker(user_vec => (SELECT embedding FROM ml.users WHERE user_id = ?), "
    "movie_vec => embedding, genres => genres, popularity => popularity) AS score "
    "FROM ml.movies WHERE movie_id IN ? ORDER BY score {order} LIMIT {limit}"
)


class Scored:
    """The answer of a scoring statement with what came beside the rows."""

    def __init__(self, session: Session, level: int, query: str, *values: Any) -> None:
        statement = session.prepare(query).bind(values)
        statement.consistency_level = level
        future = session.execute_async(statement)
        self.rows = [tuple(row) for row in future.result()]
        self.warnings = future.warnings or []
        self.report = json.loads(future.custom_payload["martlet.scoring"])
        self.coordinator = future.coordinator_host.address

    @property
    def ids(self) -> list[int]:
        return [row[0] for row in self.rows]

    @property
    def scores(self) -> list[float | None]:
        return [row[-1] for row in self.rows]


@pytest.fixture(scope="module")
def candidates() -> dict[int, list[int]]:
    """Of each user, the 500 movies to rank (tools/demo/make_model.py made the file)."""
    users = json.loads((DEMO / "out" / "holdout.json").read_text())["users"]
    return {user: users[str(user)]["candidates"] for user in USERS}


@pytest.fixture(scope="module")
def ml(five: Ring, session5: Session, candidates: dict[int, list[int]]) -> Session:
    """The demo's tables with the rows that the tests need, and its ranker."""
    session = session5
    create_keyspace(session, "ml")
    session.execute(
        "CREATE TABLE ml.movies (movie_id int PRIMARY KEY, title text, genres vector<float, 20>, "
        "popularity float, embedding vector<float, 64>)"
    )
    session.execute("CREATE TABLE ml.users (user_id int PRIMARY KEY, embedding vector<float, 64>)")
    wanted = set().union(*candidates.values())
    with open(DEMO / "out" / "movies.csv", newline="") as file:
        movies = [
            (
                int(row["movie_id"]),
                row["title"],
                json.loads(row["genres"]),
                float(row["popularity"]),
                json.loads(row["embedding"]),
            )
            for row in csv.DictReader(file)
            if int(row["movie_id"]) in wanted
        ]
    with open(DEMO / "out" / "users.csv", newline="") as file:
        users = [
            (int(row["user_id"]), json.loads(row["embedding"]))
            for row in csv.DictReader(file)
            if int(row["user_id"]) in USERS
        ]
    insert_movie = session.prepare(
        "INSERT INTO ml.movies (movie_id, title, genres, popularity, embedding) VALUES (?, ?, ?, ?, ?)"
    )
    insert_user = session.prepare("INSERT INTO ml.users (user_id, embedding) VALUES (?, ?)")
    for insert, rows in ((insert_movie, movies), (insert_user, users)):
        insert.consistency_level = ALL
        write_all(session, insert, rows, concurrency=32)
    push_model(session, "ml.ranker", (DEMO / "out" / "ranker.onnx").read_bytes())
    return session


# The main job


@pytest.mark.parametrize("level", [ONE, QUORUM, ALL], ids=["ONE", "QUORUM", "ALL"])
def test_remote_replicas_score_disjoint_candidates(five: Ring, ml: Session, candidates, level):
    """At least two nodes beside the coordinator score, each other rows, and send only their best."""
    asked = candidates[1]
    limit = 10
    for node in range(1, 6):
        through = five.connect(node)
        scored = Scored(through, level, RANK.format(order="DESC", limit=limit), 1, asked)
        replicas = scored.report["replicas"]
        assert (scored.report["model"], scored.report["version"]) == ("ml.ranker", 1)
        remote = [each for each in replicas if each["node"] != five.address(node)]
        assert len([each for each in remote if each["rows"] > 0]) >= 2, replicas
        # Disjoint: the rows add up to the candidates, so none was scored twice.
        assert sum(each["rows"] for each in replicas) == len(asked)
        for each in replicas:
            assert each["batch"] == each["rows"], each
            assert each["returned_rows"] <= limit, each
        for each in remote:
            assert 0 < each["bytes"] < 4000, each
        assert len(scored.ids) == limit and not scored.warnings
        assert scored.scores == sorted(scored.scores, reverse=True)


def test_one_candidate_is_scored_by_a_replica_of_its_key(five: Ring, ml: Session, candidates):
    """Placement as the driver has it is where the nodes really look."""
    metadata = ml.cluster.metadata
    query = RANK.format(order="DESC", limit=1)
    for movie in candidates[1][:60]:
        scored = Scored(ml, ONE, query, 1, [movie])
        hosts = metadata.get_replicas("ml", movie.to_bytes(4, "big"))
        (replica,) = scored.report["replicas"]
        assert len(hosts) == 3
        assert replica["node"] in {host.address for host in hosts}
        assert (replica["rows"], replica["returned_rows"], scored.ids) == (1, 1, [movie])


@pytest.mark.parametrize("level", ["ONE", "QUORUM", "ALL"])
def test_python_computes_the_same_scores(five: Ring, ml: Session, level: str):
    """tools/demo/score.py reads the rows by SELECT and scores them with onnxruntime."""
    done = subprocess.run(
        [
            os.environ.get("MARTLET_PYTHON", sys.executable), str(DEMO / "score.py"),
            "--contact-points", ",".join(five.addresses), "--port", str(five.port),
            "--user", ",".join(str(user) for user in USERS), "--consistency", level,
            "--timeout", "60",
        ],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(USERS)} of {len(USERS)} users agree" in done.stdout


def test_both_orders_and_no_order(ml: Session, candidates):
    asked = candidates[2]
    best = Scored(ml, QUORUM, RANK.format(order="DESC", limit=500), 2, asked)
    worst = Scored(ml, QUORUM, RANK.format(order="ASC", limit=500), 2, asked)
    assert sorted(best.ids) == sorted(asked)
    assert best.scores == sorted(best.scores, reverse=True)
    assert worst.scores == sorted(worst.scores)
    assert dict(zip(best.ids, best.scores)) == dict(zip(worst.ids, worst.scores))
    short = Scored(ml, QUORUM, RANK.format(order="ASC", limit=3), 2, asked)
    assert short.rows == worst.rows[:3]
    unordered = Scored(
        ml, QUORUM, RANK.format(order="ASC", limit=500).split(" ORDER BY")[0], 2, asked[:20]
    )
    assert sorted(unordered.ids) == sorted(asked[:20])
    assert dict(zip(unordered.ids, unordered.scores)).items() <= dict(
        zip(best.ids, best.scores)
    ).items()


def test_whatever_page_size_the_driver_asks_for_the_top_comes_whole(ml: Session, candidates):
    statement = ml.prepare(RANK.format(order="DESC", limit=50)).bind((1, candidates[1]))
    statement.fetch_size = 7
    result = ml.execute(statement)
    assert not result.has_more_pages
    assert len(list(result)) == 50


def test_one_node_killed_gives_the_same_answer(five: Ring, ml: Session, candidates):
    query = RANK.format(order="DESC", limit=10)
    through = five.connect(1)
    before = Scored(through, QUORUM, query, 1, candidates[1])
    five.kill(3)
    try:
        after = eventually(lambda: Scored(through, QUORUM, query, 1, candidates[1]))
        assert after.rows == before.rows
        assert five.address(3) not in {
            each["node"]
            for each in eventually(
                lambda: Scored(through, QUORUM, query, 1, candidates[1])
            ).report["replicas"]
        }
    finally:
        five.start(3)
        five.await_all_alive()


# Nulls


@pytest.fixture(scope="module")
def lin(five: Ring, session5: Session) -> Session:
    """A table of four rows and a model that adds three features."""
    session = session5
    create_keyspace(session, "lin")
    session.execute("CREATE TABLE lin.t (k int PRIMARY KEY, f vector<float, 3>, w float)")
    push_model(session, "lin.adder", linear_model([1.0, 1.0, 1.0]))
    insert = session.prepare("INSERT INTO lin.t (k, f) VALUES (?, ?)")
    for key, features in enumerate([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0], None, [3.0, 3.0, 3.0]]):
        session.execute(insert, (key, features))
    return session


@pytest.mark.parametrize("order, ids", [("DESC", [3, 1, 0, 2]), ("ASC", [0, 1, 3, 2])])
def test_a_null_argument_gives_a_null_score_last_and_a_warning(lin: Session, order, ids):
    query = f"SELECT k, adder(f) AS score FROM lin.t WHERE k IN ? ORDER BY score {order} LIMIT 10"
    # Keys 7 and 8 have no rows: they are left out, as CQL does.
    scored = Scored(lin, QUORUM, query, [0, 1, 2, 3, 7, 8])
    assert scored.ids == ids
    assert scored.scores[-1] is None and None not in scored.scores[:-1]
    assert len(scored.warnings) == 1
    assert "lin.adder: of 4 rows, 1 not scored for a null argument" in scored.warnings[0]
    assert Scored(lin, QUORUM, query, [0, 1]).warnings == []


def test_an_expired_argument_counts_as_null(lin: Session):
    lin.execute("INSERT INTO lin.t (k) VALUES (20)")
    lin.execute("UPDATE lin.t USING TTL 1 SET f = [9, 9, 9] WHERE k = 20")
    query = "SELECT k, adder(f) AS score FROM lin.t WHERE k IN ? ORDER BY score DESC LIMIT 1"
    eventually(lambda: Scored(lin, QUORUM, query, [20]).rows == [(20, None)])


def test_a_score_that_is_not_finite_becomes_null(lin: Session):
    largest = float(np.finfo(np.float32).max)
    insert = lin.prepare("INSERT INTO lin.t (k, f) VALUES (?, ?)")
    lin.execute(insert, (21, [largest, largest, largest]))
    query = "SELECT k, adder(f) AS score FROM lin.t WHERE k IN ? ORDER BY score DESC LIMIT 5"
    scored = Scored(lin, QUORUM, query, [21, 1])
    assert scored.rows == [(1, 6.0), (21, None)]
    assert "not finite" in scored.warnings[0]


def test_a_missing_context_row_gives_null_scores(ml: Session, candidates):
    scored = Scored(ml, QUORUM, RANK.format(order="DESC", limit=5), 999_999, candidates[1][:9])
    assert scored.scores == [None] * 5
    assert "of 9 rows, 9 not scored for a null argument" in scored.warnings[0]


def test_a_default_stands_in_for_a_null(lin: Session):
    content = linear_model([1.0, 10.0])
    push_model(
        lin,
        "lin.weighted",
        content,
        " WITH signature = 'a float => features[0..1], b float => features[1..2] DEFAULT 5'",
    )
    lin.execute("CREATE TABLE lin.two (k int PRIMARY KEY, a float, b float)")
    for values in ("1, 1, 1", "2, 2, null", "3, null, 3"):
        lin.execute(f"INSERT INTO lin.two (k, a, b) VALUES ({values})")
    query = (
        "SELECT k, weighted(a => a, b => b) AS score FROM lin.two WHERE k IN ? "
        "ORDER BY score DESC LIMIT 9"
    )
    scored = Scored(lin, QUORUM, query, [1, 2, 3])
    assert scored.rows == [(2, 52.0), (1, 11.0), (3, None)]
    assert "1 with a DEFAULT" in scored.warnings[0] and "1 not scored" in scored.warnings[0]


# Errors of a statement


@pytest.mark.parametrize(
    "call, words",
    [
        ("nobody(f)", "no model lin.nobody"),
        ("nowhere.adder(f)", "nowhere"),
        ('"adder@99"(f)', "no version 99"),
        ('"adder@x"(f)', "version"),
        ("adder(w)", "vector<float, 3>.*float"),
        ("adder(nothing)", "nothing"),
        ("adder(f, f)", "takes 1 argument"),
        ("adder()", "features"),
        ("adder(wrong => f)", "wrong"),
        ("adder([1, 2])", "3"),
    ],
)
def test_a_wrong_call_is_a_clear_error(five: Ring, lin: Session, call: str, words: str):
    with pytest.raises(InvalidRequest, match=words):
        lin.execute(f"SELECT k, {call} AS score FROM lin.t WHERE k = 1")
    five.assert_serves()


def test_a_bound_vector_of_the_wrong_width_is_refused(five: Ring, ml: Session, candidates):
    """The raw bytes are 63 floats where the user's vector has 64."""
    statement = ml.prepare(
        "SELECT movie_id, ranker(user_vec => ?, movie_vec => embedding, genres => genres, "
        "popularity => popularity) AS score FROM ml.movies WHERE movie_id IN ? "
        "ORDER BY score DESC LIMIT 2"
    )
    good = statement.bind(([0.5] * 64, candidates[1][:5]))
    assert len(list(ml.execute(good))) == 2
    for width in (0, 63, 65):
        bad = statement.bind(([0.5] * 64, candidates[1][:5]))
        bad.values[0] = np.full(width, 0.5, ">f4").tobytes()
        with pytest.raises(InvalidRequest, match="user_vec"):
            ml.execute(bad)
    five.assert_serves()


# Versions


def test_a_new_version_counts_at_once_for_prepared_statements(five: Ring, lin: Session):
    """Every node uses it as soon as the push has returned; a pinned version stays."""
    push_model(lin, "lin.grown", linear_model([1.0, 1.0, 1.0]))
    query = "SELECT k, {}(f) AS score FROM lin.t WHERE k = 1"
    through = [five.connect(node) for node in range(1, 6)]
    newest = [each.prepare(query.format("grown")) for each in through]
    pinned = [each.prepare(query.format('"grown@1"')) for each in through]
    for version, weight in ((2, 10.0), (3, -1.0), (4, 100.0)):
        push_model(through[version % 5], "lin.grown", linear_model([weight] * 3))
        for session, new, old in zip(through, newest, pinned):
            assert session.execute(new).one().score == 6.0 * weight
            assert session.execute(old).one().score == 6.0
            future = session.execute_async(new)
            future.result()
            assert json.loads(future.custom_payload["martlet.scoring"])["version"] == version
    rows = lin.execute(
        "SELECT version, sha256, current FROM system_martlet.models WHERE keyspace_name = 'lin' "
        "AND name = 'grown'"
    )
    known = {row.version: (row.sha256, row.current) for row in rows}
    assert known[4] == (hashlib.sha256(linear_model([100.0] * 3)).hexdigest(), True)
    assert sorted(known) == [1, 2, 3, 4] and not known[1][1]


def test_a_dropped_model_is_gone(lin: Session):
    push_model(lin, "lin.shortlived", linear_model([1.0, 1.0, 1.0]))
    statement = lin.prepare("SELECT k, shortlived(f) AS score FROM lin.t WHERE k = 1")
    assert lin.execute(statement).one().score == 6.0
    lin.execute("DROP MODEL lin.shortlived")
    with pytest.raises(InvalidRequest, match="shortlived"):
        lin.execute(statement)
    with pytest.raises(InvalidRequest, match="shortlived"):
        lin.execute("DROP MODEL lin.shortlived")
    lin.execute("DROP MODEL IF EXISTS lin.shortlived")


# Models that must be refused


def test_a_bad_model_is_refused_and_harms_nothing(five: Ring, lin: Session):
    good = linear_model([1.0, 1.0, 1.0])
    ranker = (DEMO / "out" / "ranker.onnx").read_bytes()
    noise = np.random.default_rng(5).bytes(20_000)
    refused = [
        ("noise", noise, ""),
        ("text", b"this is no model", ""),
        ("truncated", ranker[: len(ranker) // 2], ""),
        ("one byte less", ranker[:-1], ""),
        ("oversize", bytes(49 << 20), ""),
        ("empty", b"", ""),
        ("wrong width", good, " WITH signature = 'features vector<float, 4>'"),
        ("wrong type", good, " WITH signature = 'features text'"),
        ("unknown input", good, " WITH signature = 'other vector<float, 3>'"),
        ("no signature", good, " WITH signature = '%%%'"),
        ("wrong hash", good, f" WITH sha256 = '{'00' * 32}'"),
    ]
    for reason, content, extra in refused:
        with pytest.raises(Exception) as refusal:
            push_model(lin, "lin.bad", content, extra)
        error = str(refusal.value)
        assert "code=2" in error, f"{reason}: {error}"
        assert any(word in error for word in ("model", "signature", "sha256", "lin.bad")), error
    # One flipped bit in the middle: refused, or a model that still computes something.
    for position in range(10, len(good), 7):
        flipped = bytearray(good)
        flipped[position] ^= 0x10
        try:
            push_model(lin, "lin.flipped", bytes(flipped))
        except InvalidRequest:
            pass
    with pytest.raises(InvalidRequest, match="lin.bad"):
        lin.execute("SELECT k, bad(f) AS score FROM lin.t WHERE k = 1")
    query = "SELECT k, adder(f) AS score FROM lin.t WHERE k IN ? ORDER BY score DESC LIMIT 1"
    for node in range(1, 6):
        assert Scored(five.connect(node), QUORUM, query, [0, 1]).rows == [(1, 6.0)]


def test_a_new_version_with_another_signature_is_refused(lin: Session):
    with pytest.raises(InvalidRequest, match="signature.*fixed"):
        push_model(lin, "lin.adder", linear_model([1.0, 1.0]))
    with pytest.raises(InvalidRequest, match="exists already"):
        lin.execute(lin.prepare("CREATE MODEL lin.adder FROM ?"), (linear_model([1.0] * 3),))


# Consistency of scores


def test_quorum_never_scores_a_stale_row(forgetful: Ring):
    """A replica misses newer rows; scores at QUORUM are those of the newest, and it is repaired.

    Without hints and automatic repair, so that only the reads at QUORUM can have repaired it.
    """
    five = forgetful
    session = five.connect()
    create_keyspace(session, "old")
    session.execute("CREATE TABLE old.t (k int PRIMARY KEY, f vector<float, 2>)")
    push_model(session, "old.adder", linear_model([1.0, 1.0]))
    keys = list(range(60))
    stale = 5
    address = five.address(stale)
    insert = session.prepare("INSERT INTO old.t (k, f) VALUES (?, ?)")
    insert.consistency_level = ALL
    for key in keys:
        session.execute(insert, (key, [float(key), 0.0]))
    on_stale = [
        key
        for key in keys
        if address
        in {h.address for h in session.cluster.metadata.get_replicas("old", key.to_bytes(4, "big"))}
    ]
    assert len(on_stale) > 10
    five.kill(stale)
    through = five.connect(1)
    newer = through.prepare("INSERT INTO old.t (k, f) VALUES (?, ?)")
    newer.consistency_level = ONE

    def all_written() -> bool:
        for key in keys:
            through.execute(newer, (key, [float(key), 1000.0]))
        return True

    eventually(all_written)
    five.start(stale)
    five.await_all_alive()
    query = "SELECT k, adder(f) AS score FROM old.t WHERE k IN ? ORDER BY score DESC LIMIT 100"
    expected = [(key, key + 1000.0) for key in reversed(keys)]

    # At ONE old scores are seen: were it not so, the rest would prove nothing.
    def old_keys() -> set[int]:
        answers = [Scored(session, ONE, query, [key]).rows[0] for key in on_stale]
        return {key for key, score in answers if score < 1000}

    assert eventually(old_keys) <= set(on_stale)
    for node in (stale, 1, 2, 3, 4):
        assert Scored(five.connect(node), QUORUM, query, keys).rows == expected, node
    # ALL compares every replica, so that afterwards the stale one is repaired for certain.
    assert Scored(session, ALL, query, keys).rows == expected
    for node in range(1, 6):
        assert Scored(five.connect(node), ONE, query, keys).rows == expected, node
    # What it has by itself: without the other replicas of a key, it is the only one to ask.
    key = on_stale[0]
    replicas = session.cluster.metadata.get_replicas("old", key.to_bytes(4, "big"))
    others = [int(host.address.split(".")[-1]) for host in replicas if host.address != address]
    alone = five.connect(stale)
    five.kill(*others)
    try:
        rows = eventually(lambda: rows_at(alone, ONE, f"SELECT f FROM old.t WHERE k = {key}"))
        assert list(rows[0].f) == [float(key), 1000.0]
        assert Scored(alone, ONE, query, [key]).rows == [(key, key + 1000.0)]
    finally:
        five.start_all()
        five.await_all_alive()

#!/usr/bin/env python3
"""Checks the ring's scores: the same rows, read by SELECT and scored here, must give the same answer.

Exit code 0: the same ids in the same order (neighbours whose scores tie within 1e-6 may be swapped)
and every score within 1e-5. 1: they differ. 2: the check could not be made.
"""

from __future__ import annotations

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # Before ONNX Runtime loads.

import argparse
import sys
from pathlib import Path
from typing import Any, Sequence

import numpy as np

import cluster

HERE = Path(__file__).resolve().parent
SCORE_TOLERANCE = 1e-5
TIE_TOLERANCE = 1e-6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    cluster.add_arguments(parser, HERE / "out" / "holdout.json")
    parser.add_argument("--user", "--users", dest="users", default="1", help="ids: 1 or 1,2,3")
    parser.add_argument("--model-file", type=Path, default=HERE / "out" / "ranker.onnx")
    parser.add_argument("--self-test", action="store_true", help="check the comparison, offline")
    options = parser.parse_args()
    if options.self_test:
        return self_test()
    try:
        user_ids = [int(text) for text in options.users.split(",")]
        everyone = cluster.load_candidates(options.candidates)
        session = load_model(options.model_file)
        failures = 0
        with cluster.Ring(options) as ring:
            for user_id in user_ids:
                candidates = cluster.user_entry(everyone, user_id, options.candidates)["candidates"]
                failures += not check_user(ring, session, user_id, candidates, options.limit)
    except Exception as error:  # The driver, the runtime and the files each have their own kinds.
        print(f"score.py: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    print(f"{len(user_ids) - failures} of {len(user_ids)} users agree")
    return 1 if failures else 0


def check_user(
    ring: cluster.Ring, session: Any, user_id: int, candidates: list[int], limit: int
) -> bool:
    """Asks both ways for one user, prints the two side by side, returns whether they agree."""
    answer = ring.top(user_id, candidates, limit)
    expected = score_rows(session, ring.user_vector(user_id), ring.movies(candidates))
    returned = [(movie_id, score) for movie_id, _, score in answer.rows]
    problems = compare(returned, expected, limit)
    print(f"user {user_id}: {len(expected)} of {len(candidates)} candidates have rows")
    print(f"  {'movie':>7} {'ring':>12} {'python':>12} {'difference':>10}  title")
    for movie_id, title, score in answer.rows:
        here = expected.get(movie_id)
        both = cluster.is_score(score) and cluster.is_score(here)
        difference = f"{abs(score - here):.1e}" if both else "-"
        print(f"  {movie_id:>7} {number(score):>12} {number(here):>12} {difference:>10}  {title}")
    for problem in problems:
        print(f"  WRONG: {problem}")
    return not problems


def number(value: float | None) -> str:
    """A score for the table."""
    return "null" if value is None else f"{value:.7f}"


def load_model(path: Path) -> Any:
    """Opens the model with the settings that the nodes use: one thread."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    settings.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        path.read_bytes(), settings, providers=["CPUExecutionProvider"]
    )


def score_rows(
    session: Any, user_vector: Sequence[float] | None, rows: Sequence[Any]
) -> dict[int, float | None]:
    """Scores rows as the ring must: a null popularity is 0, another null argument a null score."""
    scores: dict[int, float | None] = {row.movie_id: None for row in rows}
    whole = [row for row in rows if row.embedding is not None and row.genres is not None]
    if user_vector is None or not whole:
        return scores
    inputs = {
        "user_vec": [list(user_vector)] * len(whole),
        "movie_vec": [list(row.embedding) for row in whole],
        "genres": [list(row.genres) for row in whole],
        "popularity": [[0.0 if row.popularity is None else row.popularity] for row in whole],
    }
    arrays = {name: np.array(values, dtype=np.float32) for name, values in inputs.items()}
    for row, value in zip(whole, session.run(["score"], arrays)[0][:, 0].tolist()):
        scores[row.movie_id] = value if cluster.is_score(value) else None
    return scores


def compare(
    returned: Sequence[tuple[int, float | None]], expected: dict[int, float | None], limit: int
) -> list[str]:
    """What is wrong with the ring's answer, given the Python score of every candidate row.

    At each place must stand the row that stands there by the Python scores, or one whose Python score
    is within the tie tolerance of it. Rows without a score come last, in any order.
    """
    problems = []
    ids = [movie_id for movie_id, _ in returned]
    if len(set(ids)) != len(ids):
        problems.append(f"the ring returned an id twice: {ids}")
    wanted = min(limit, len(expected))
    if len(ids) != wanted:
        problems.append(f"the ring returned {len(ids)} rows, expected {wanted}")
    best = sorted(expected, key=lambda movie_id: _rank(expected[movie_id]))
    for place, ((movie_id, score), best_id) in enumerate(zip(returned, best), start=1):
        if movie_id not in expected:
            problems.append(f"place {place}: id {movie_id} is no candidate with a row")
            continue
        here, there = expected[movie_id], expected[best_id]
        if movie_id != best_id and not _close(here, there, TIE_TOLERANCE):
            problems.append(
                f"place {place}: id {movie_id} ({number(here)} in Python), "
                f"expected id {best_id} ({number(there)})"
            )
        if not _close(score, here, SCORE_TOLERANCE):
            problems.append(
                f"place {place}: id {movie_id} has score {number(score)}, in Python "
                f"{number(here)}; allowed difference {SCORE_TOLERANCE}"
            )
    return problems


def _rank(score: float | None) -> tuple[bool, float]:
    return (False, -score) if cluster.is_score(score) else (True, 0.0)


def _close(one: float | None, other: float | None, tolerance: float) -> bool:
    if one is None or other is None:
        return one is None and other is None
    return cluster.is_score(one) and cluster.is_score(other) and abs(one - other) <= tolerance


# Name, what the ring returned, whether that agrees with SELF_TEST_SCORES at limit 3.
SELF_TEST_SCORES = {1: 3.0, 2: 2.0, 3: 1.0, 4: 1.0 - 5e-7, 5: 0.5, 6: None}
SELF_TEST_CASES: list[tuple[str, list[tuple[int, float | None]], bool]] = [
    ("equal", [(1, 3.0), (2, 2.0), (3, 1.0)], True),
    ("scores within tolerance", [(1, 3.000009), (2, 1.999991), (3, 1.0)], True),
    ("a tie at the cut", [(1, 3.0), (2, 2.0), (4, 1.0)], True),
    ("score too far", [(1, 3.00002), (2, 2.0), (3, 1.0)], False),
    ("swapped", [(2, 2.0), (1, 3.0), (3, 1.0)], False),
    ("wrong id at the cut", [(1, 3.0), (2, 2.0), (5, 0.5)], False),
    ("missing row", [(1, 3.0), (2, 2.0)], False),
    ("row too many", [(1, 3.0), (2, 2.0), (3, 1.0), (5, 0.5)], False),
    ("id twice", [(1, 3.0), (2, 2.0), (2, 2.0)], False),
    ("unknown id", [(1, 3.0), (9, 2.0), (3, 1.0)], False),
    ("null instead of a score", [(1, None), (2, 2.0), (3, 1.0)], False),
    ("not a number", [(1, float("nan")), (2, 2.0), (3, 1.0)], False),
    ("nothing", [], False),
]


def self_test() -> int:
    """Runs the comparison on answers whose verdict is known."""
    failures = 0
    for name, returned, agrees in SELF_TEST_CASES:
        right = (not compare(returned, SELF_TEST_SCORES, 3)) == agrees
        failures += not right
        print(f"{'ok' if right else 'FAILED':6} {name}: {'accepted' if agrees else 'refused'}")
    nulls_last = not compare([(1, 1.0), (2, None)], {2: None, 1: 1.0}, 5)
    failures += not nulls_last
    print(f"{'ok' if nulls_last else 'FAILED':6} nulls last: accepted")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

"""Talks to the ring with cassandra-driver: connecting, the scoring statement, plain reads.

The driver is imported only where it is needed, so that offline parts run without it.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# The key under which a node reports what each replica did for a scoring statement.
PAYLOAD_KEY = "martlet.scoring"

_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")


@dataclass(frozen=True)
class Scored:
    """One answer of the ring: rows best first, and how it came about."""

    rows: list[tuple[int, str, float | None]]
    elapsed_ms: float
    scoring: dict[str, Any] | None
    warnings: list[str] = field(default_factory=list)


def add_arguments(parser: argparse.ArgumentParser, candidates: Path) -> None:
    """The options that every script which talks to the ring has."""
    parser.add_argument(
        "--contact-points", default="127.0.0.1", help="addresses, separated by commas"
    )
    parser.add_argument("--port", type=int, default=9042)
    parser.add_argument("--keyspace", type=keyspace_name, default="ml")
    parser.add_argument(
        "--consistency", choices=["ONE", "LOCAL_ONE", "QUORUM", "LOCAL_QUORUM", "ALL"],
        default="QUORUM",
    )  # fmt: skip
    parser.add_argument(
        "--candidates", type=Path, default=candidates, help="holdout.json of make_model.py"
    )
    parser.add_argument("--limit", type=positive, default=10)
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds per request")


def keyspace_name(text: str) -> str:
    """A keyspace name that needs no quotes."""
    if not _NAME.match(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a name of a-z, 0-9 and _")
    return text


def positive(text: str) -> int:
    """A count of at least 1."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def load_candidates(path: Path) -> dict[str, Any]:
    """The users of holdout.json, by user id as text."""
    return json.loads(path.read_text(encoding="utf-8"))["users"]


def user_entry(users: dict[str, Any], user_id: int, source: Path) -> dict[str, Any]:
    """One user's held-out ratings and candidates."""
    if str(user_id) not in users:
        raise ValueError(f"user {user_id} is not among the {len(users)} users of {source}")
    return users[str(user_id)]


class Ring:
    """A session with the ring; use it in a `with` statement."""

    def __init__(self, options: argparse.Namespace) -> None:
        from cassandra import ConsistencyLevel
        from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
        from cassandra.policies import DCAwareRoundRobinPolicy, RetryPolicy, TokenAwarePolicy

        class OnceMoreElsewhere(RetryPolicy):
            """Reads only: whatever failed is tried once on another node, then reported."""

            def on_read_timeout(self, *args: Any, retry_num: int, **named: Any) -> Any:
                return self._once(retry_num)

            def on_unavailable(self, *args: Any, retry_num: int, **named: Any) -> Any:
                return self._once(retry_num)

            def on_request_error(self, *args: Any, retry_num: int, **named: Any) -> Any:
                return self._once(retry_num)

            def _once(self, retry_num: int) -> Any:
                return (self.RETRY_NEXT_HOST if retry_num == 0 else self.RETHROW), None

        contact_points = [
            point.strip() for point in options.contact_points.split(",") if point.strip()
        ]
        profile = ExecutionProfile(
            load_balancing_policy=TokenAwarePolicy(DCAwareRoundRobinPolicy()),
            retry_policy=OnceMoreElsewhere(),
            consistency_level=ConsistencyLevel.name_to_value[options.consistency],
            request_timeout=options.timeout,
        )
        self._cluster = Cluster(
            contact_points,
            port=options.port,
            protocol_version=4,
            execution_profiles={EXEC_PROFILE_DEFAULT: profile},
            connect_timeout=options.timeout,
        )
        self._keyspace = options.keyspace
        self._consistency = profile.consistency_level
        try:
            self._session = self._cluster.connect()
        except BaseException:
            self._cluster.shutdown()
            raise
        self._prepared: dict[str, Any] = {}

    def __enter__(self) -> Ring:
        return self

    def __exit__(self, *error: object) -> None:
        self._cluster.shutdown()

    def top(self, user_id: int, candidates: list[int], limit: int) -> Scored:
        """Scores the candidates on their replicas and returns the best."""
        statement = self._bind(scoring_statement(self._keyspace, limit), (user_id, candidates))
        began = time.perf_counter()
        future = self._session.execute_async(statement)
        rows = [(row.movie_id, row.title, row.score) for row in future.result()]
        elapsed_ms = (time.perf_counter() - began) * 1000.0
        return Scored(
            rows, elapsed_ms, decode_payload(future.custom_payload), list(future.warnings or [])
        )

    def user_vector(self, user_id: int) -> list[float] | None:
        """One user's embedding, or None if the row or the value is absent."""
        query = f"SELECT embedding FROM {self._keyspace}.users WHERE user_id = ?"
        row = self._session.execute(self._bind(query, (user_id,))).one()
        return None if row is None or row.embedding is None else list(row.embedding)

    def movies(self, movie_ids: list[int]) -> list[Any]:
        """The rows that the scoring statement reads, by plain SELECT."""
        query = (
            f"SELECT movie_id, embedding, genres, popularity FROM {self._keyspace}.movies "
            "WHERE movie_id IN ?"
        )
        return list(self._session.execute(self._bind(query, (movie_ids,))))

    def _bind(self, query: str, values: tuple[Any, ...]) -> Any:
        if query not in self._prepared:
            prepared = self._session.prepare(query)
            prepared.consistency_level = self._consistency
            prepared.is_idempotent = True
            self._prepared[query] = prepared
        return self._prepared[query].bind(values)


def scoring_statement(keyspace: str, limit: int) -> str:
    """The one CQL statement that runs the model where the rows are."""
    return (
        f"SELECT movie_id, title, ranker(user_vec => (SELECT embedding FROM {keyspace}.users "
        "WHERE user_id = ?), movie_vec => embedding, genres => genres, popularity => popularity) "
        f"AS score FROM {keyspace}.movies WHERE movie_id IN ? ORDER BY score DESC LIMIT {limit}"
    )


def decode_payload(payload: dict[str, bytes] | None) -> dict[str, Any] | None:
    """What the node reported about scoring, or None if it reported nothing."""
    if not payload or PAYLOAD_KEY not in payload:
        return None
    try:
        report = json.loads(bytes(payload[PAYLOAD_KEY]).decode("utf-8"))
    except ValueError as error:
        raise ValueError(f"custom payload {PAYLOAD_KEY} is not UTF-8 JSON: {error}") from error
    if not isinstance(report, dict):
        raise ValueError(f"custom payload {PAYLOAD_KEY} is not a JSON object: {report!r}")
    return report


def is_score(value: float | None) -> bool:
    """True for a finite score; a null or non-finite one is no score."""
    return value is not None and math.isfinite(value)

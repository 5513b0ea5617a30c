"""The clusters of the tests; each is started once and stopped at the end of the session."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Iterator

import pytest
from cassandra.cluster import Session

from support import Ring


@pytest.fixture(scope="session")
def new_ring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int], Ring]]:
    """Starts a cluster of its own for who asks."""
    rings: list[Ring] = []

    def start(nodes: int) -> Ring:
        folder: Path = tmp_path_factory.mktemp(f"ring-of-{nodes}-")
        ring = Ring(folder / "cluster", nodes)
        rings.append(ring)
        ring.up()
        return ring

    yield start
    problems = []
    for ring in rings:
        try:
            ring.down()
        except Exception as error:  # The others are stopped all the same.
            problems.append(error)
    assert not problems, problems


@pytest.fixture(scope="session")
def three(new_ring: Callable[[int], Ring]) -> Ring:
    """Three nodes that all run whenever a test begins."""
    return new_ring(3)


@pytest.fixture(scope="session")
def five(new_ring: Callable[[int], Ring]) -> Ring:
    """Five nodes that all run whenever a test begins."""
    return new_ring(5)


@pytest.fixture(scope="session")
def session3(three: Ring) -> Session:
    return three.connect()


@pytest.fixture(scope="session")
def session5(five: Ring) -> Session:
    return five.connect()

"""The clusters of the tests; each is started once and stopped when nothing needs it any more."""

from __future__ import annotations

import logging
import resource
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from cassandra.cluster import Session

from support import Process, Ring

# The driver tells of each attempt to reach a node that a test has killed.
logging.getLogger("cassandra").setLevel(logging.ERROR)

# A test opens more connections than a node takes, which are more than many systems allow a process.
FILES = 1 << 16


def raise_file_limit() -> None:
    """Lets this process and the nodes that it starts open as many files as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


raise_file_limit()


@contextmanager
def rings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Ring]]:
    """Gives what starts clusters; in the end all of them are stopped."""
    started: list[Ring] = []

    def start(
        nodes: int,
        config: dict[str, Any] | None = None,
        node_config: dict[int, dict[str, Any]] | None = None,
    ) -> Ring:
        folder: Path = tmp_path_factory.mktemp(f"ring-of-{nodes}-")
        ring = Ring(folder / "cluster", nodes, config, node_config)
        started.append(ring)
        ring.up()
        ring.await_all_alive()
        return ring

    yield start
    problems = []
    for ring in started:
        try:
            ring.down()
        except Exception as error:  # The others are stopped all the same.
            problems.append(error)
    assert not problems, problems


@pytest.fixture(scope="session")
def new_ring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Ring]]:
    """Starts a cluster that runs until all tests are done, configured as who asks wants it."""
    with rings(tmp_path_factory) as start:
        yield start


@pytest.fixture(scope="module")
def new_module_ring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Ring]]:
    """Starts a cluster that is stopped behind the module's last test."""
    with rings(tmp_path_factory) as start:
        yield start


@pytest.fixture()
def new_own_ring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Ring]]:
    """Starts a cluster that is stopped behind the test."""
    with rings(tmp_path_factory) as start:
        yield start


@pytest.fixture(scope="session")
def three(new_ring: Callable[..., Ring]) -> Ring:
    """Three nodes that all run whenever a test begins."""
    return new_ring(3)


@pytest.fixture(scope="session")
def five(new_ring: Callable[..., Ring]) -> Ring:
    """Five nodes that all run whenever a test begins."""
    return new_ring(5)


@pytest.fixture(scope="session")
def hurt_ring(new_ring: Callable[..., Ring]) -> Ring:
    return new_ring(3)


@pytest.fixture()
def hurt(hurt_ring: Ring) -> Iterator[Ring]:
    """Three nodes to be killed; they all run when a test begins."""
    hurt_ring.start_all()
    hurt_ring.await_all_alive()
    yield hurt_ring
    hurt_ring.disconnect()


@pytest.fixture(scope="session")
def forgetful_ring(new_ring: Callable[..., Ring]) -> Ring:
    config = {
        "hints": {"mib_max_per_node": 0, "mib_max": 0},
        "repair": {"automatic": False},
    }
    return new_ring(5, config)


@pytest.fixture()
def forgetful(forgetful_ring: Ring) -> Iterator[Ring]:
    """Five nodes that get what they missed by reads only, and by repairs that are asked for."""
    forgetful_ring.start_all()
    forgetful_ring.await_all_alive()
    yield forgetful_ring
    forgetful_ring.disconnect()


@pytest.fixture()
def processes() -> Iterator[list[Process]]:
    started: list[Process] = []
    yield started
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
            each.wait()


@pytest.fixture(scope="session")
def session3(three: Ring) -> Session:
    return three.connect()


@pytest.fixture(scope="session")
def session5(five: Ring) -> Session:
    return five.connect()

"""Starting and stopping one process: what must never happen, and what it says."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from support import (
    Process,
    RawClient,
    Ring,
    build_folder,
    configuration,
    eventually,
    free_port,
    serves,
)


def test_an_empty_node_never_founds_a_cluster(tmp_path: Path, processes: list[Process]):
    """Without --bootstrap and without a seed that answers it waits, does not serve and says why."""
    port, internode, nobody = free_port(), free_port(), free_port()
    text = configuration(tmp_path / "data", port, internode, seeds=f'["127.0.0.1:{nobody}"]')
    node = Process(tmp_path, text)
    processes.append(node)
    eventually(lambda: f"127.0.0.1:{nobody}" in node.log and "not joined" in node.log)
    assert node.process.poll() is None
    assert not serves(port)
    assert "founded" not in node.log
    assert node.stop() == 0
    # Nor does its second start.
    again = Process(tmp_path, text)
    processes.append(again)
    time.sleep(1)
    assert not serves(port) and "founded" not in again.log
    assert again.stop() == 0


def test_a_node_never_joins_another_cluster(
    tmp_path: Path, processes: list[Process], three: Ring
):
    """A node that has founded a cluster of its own does not move when it is given other seeds."""
    port, internode = free_port(), free_port()
    data = tmp_path / "data"
    founder = Process(tmp_path, configuration(data, port, internode), "--bootstrap")
    processes.append(founder)
    eventually(lambda: serves(port))
    assert founder.stop() == 0
    seed = f'["127.0.0.1:{three.internode_port}"]'
    other = Process(tmp_path, configuration(data, port, internode, seeds=seed))
    processes.append(other)
    eventually(lambda: serves(port))
    with RawClient("127.0.0.1", port) as client:
        client.start()
        own = client.query("SELECT cluster_id FROM system_martlet.cluster").body[-16:]
    with RawClient(three.address(1), three.port) as client:
        client.start()
        assert client.query("SELECT cluster_id FROM system_martlet.cluster").body[-16:] != own
        assert client.query("SELECT address FROM system_martlet.nodes").body.count(b"\x7f\0\0") == 3


def test_sigterm_stops_cleanly_and_the_data_stays(tmp_path: Path, processes: list[Process]):
    port, internode = free_port(), free_port()
    text = configuration(tmp_path / "data", port, internode)
    first = Process(tmp_path, text, "--bootstrap")
    processes.append(first)
    eventually(lambda: serves(port))
    idle = socket.create_connection(("127.0.0.1", port), 30)
    with RawClient("127.0.0.1", port) as client:
        client.start()
        for statement in (
            "CREATE KEYSPACE s WITH replication = "
            "{'class': 'SimpleStrategy', 'replication_factor': 1}",
            "CREATE TABLE s.t (k int PRIMARY KEY, v text)",
            "INSERT INTO s.t (k, v) VALUES (1, 'kept over the restart')",
        ):
            client.query(statement)
        began = time.monotonic()
        assert first.stop() == 0
        assert time.monotonic() - began < 30
    idle.close()
    assert "stopped" in first.log.splitlines()[-1]
    # --bootstrap again does not found a second cluster over the first.
    second = Process(tmp_path, text, "--bootstrap")
    processes.append(second)
    eventually(lambda: serves(port))
    with RawClient("127.0.0.1", port) as client:
        client.start()
        assert b"kept over the restart" in client.query("SELECT v FROM s.t WHERE k = 1").body
    assert second.log.count("founded cluster") == 1
    assert second.stop() == 0


def test_a_second_process_on_the_same_data_fails_with_one_line(
    tmp_path: Path, processes: list[Process]
):
    port, internode = free_port(), free_port()
    data = tmp_path / "data"
    first = Process(tmp_path / "one", configuration(data, port, internode), "--bootstrap")
    processes.append(first)
    eventually(lambda: serves(port))
    second = Process(tmp_path / "two", configuration(data, free_port(), free_port()))
    processes.append(second)
    assert second.wait() != 0
    lines = second.log.strip().splitlines()
    assert len(lines) == 1, second.log
    assert str(data) in lines[0] and "Another process" in lines[0], lines[0]
    assert serves(port)


def test_a_port_in_use_is_said_plainly(tmp_path: Path, processes: list[Process]):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = configuration(tmp_path / "data", port, free_port())
        node = Process(tmp_path, text, "--bootstrap")
        processes.append(node)
        assert node.wait() != 0
        assert str(port) in node.log.splitlines()[-1], node.log


def test_all_problems_of_a_configuration_are_said_at_once(
    tmp_path: Path, processes: list[Process]
):
    text = configuration(
        tmp_path / "data", 99_999, 7000, seeds="nowhere", frobnicate="1"
    ) + "storage:\n  sync: sometimes\nbootstrap:\n  slice_count: 1000\nlogging:\n  level: loud\n"
    node = Process(tmp_path, text)
    processes.append(node)
    assert node.wait() not in (0, -signal.SIGABRT, -signal.SIGILL, -signal.SIGTRAP)
    for field in (
        "native_port", "seeds", "frobnicate", "storage.sync", "bootstrap.slice_count",
        "logging.level",
    ):  # fmt: skip
        assert field in node.log, f"{field} is not named in: {node.log}"
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "text", ["just text\n", "[1, 2", "- a\n- b\n", "\x00\x01", "data_directory: {a: 1}\n"]
)
def test_a_broken_configuration_is_an_error(tmp_path: Path, processes: list[Process], text: str):
    node = Process(tmp_path, text)
    processes.append(node)
    assert node.wait() > 0
    assert str(node.file) in node.log


def test_a_missing_configuration_is_an_error(tmp_path: Path):
    done = subprocess.run(
        [str(build_folder() / "martletd"), "--config", str(tmp_path / "none.yaml")],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode > 0 and "none.yaml" in done.stderr


def test_a_library_that_cannot_be_opened_is_said(
    tmp_path: Path, processes: list[Process]
):
    port, internode = free_port(), free_port()
    text = configuration(tmp_path / "data", port, internode) + (
        f'scoring:\n  onnxruntime: "{tmp_path}/no-such-library.so"\n'
    )
    node = Process(tmp_path, text, "--bootstrap")
    processes.append(node)
    eventually(lambda: serves(port))
    # Whether another one was found in the usual places depends on the machine.
    assert "no-such-library" in node.log, node.log

"""tools/run-cluster with nodes that only pretend (fake/martletd)."""

import os
import socket
import subprocess
import time
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
RUN_CLUSTER = HERE.parents[1] / "run-cluster"


# Below the ephemeral ports, of which any program may be given one between this and its use.
FIRST_PORT = int(os.environ.get("MARTLET_TEST_PORT", "17042"))
ports = iter(range(FIRST_PORT, 32768))


def is_free(port: int) -> bool:
    for node in (1, 2, 3):
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind((f"127.0.0.{node}", port))
            except OSError:
                return False
    return True


def free_port() -> int:
    return next(port for port in ports if is_free(port))


def runs(pid: int) -> bool:
    """Whether a process is there and has not ended, be it reaped or not."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except (FileNotFoundError, ProcessLookupError):
        return False


class Cluster:
    def __init__(self, data: Path) -> None:
        self.data = data
        self.ports = ["--native-port", str(free_port()), "--internode-port", str(free_port())]

    def run(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [RUN_CLUSTER, *arguments, "--data", self.data],
            capture_output=True, text=True, timeout=400, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        output = done.stdout + done.stderr
        assert done.returncode == code, output
        return output

    def up(self, nodes: int = 3, code: int = 0) -> str:
        return self.run("up", "--nodes", str(nodes), "--build", str(HERE / "fake"), *self.ports, code=code)

    def pid(self, node: int) -> int:
        return int((self.data / f"node{node}" / "martletd.pid").read_text())

    def log(self, node: int) -> str:
        return self.run("logs", str(node))


@pytest.fixture
def cluster(tmp_path):
    one = Cluster(tmp_path / "a cluster")
    yield one
    subprocess.run([RUN_CLUSTER, "down", "--data", one.data], check=True, capture_output=True)


def test_up_serves_and_is_idempotent(cluster):
    assert "3 nodes serve CQL" in cluster.up()
    pids = [cluster.pid(node) for node in (1, 2, 3)]
    cluster.up()
    assert [cluster.pid(node) for node in (1, 2, 3)] == pids
    assert cluster.run("status").count("serving") == 3


def test_only_an_empty_first_node_founds(cluster):
    cluster.up()
    assert cluster.log(1).count("--bootstrap") == 1
    assert "--bootstrap" not in cluster.log(2)
    cluster.run("down")
    cluster.up()
    assert cluster.log(1).count("arguments:") == 2
    assert cluster.log(1).count("--bootstrap") == 1


def test_a_lost_founder_is_not_founded_again(cluster):
    cluster.up()
    cluster.run("kill", "1")
    (cluster.data / "node1" / "data" / "host").unlink()
    assert "split" in cluster.run("start", "1", code=1)


def test_kill_and_start_one_node(cluster):
    cluster.up()
    pid = cluster.pid(2)
    cluster.run("kill", "2")
    assert not runs(pid)
    assert "stopped" in cluster.run("status", code=10)
    assert "does not run" in cluster.run("kill", "2", code=1)
    cluster.run("start", "2")
    assert cluster.pid(2) != pid
    cluster.run("status")


def test_kill_leaves_another_process_alone(cluster):
    cluster.up(nodes=1)
    cluster.run("down")
    with subprocess.Popen(["sleep", "300"]) as stranger:
        (cluster.data / "node1" / "martletd.pid").write_text(str(stranger.pid))
        cluster.run("kill", "1", code=1)
        cluster.run("down")
        assert stranger.poll() is None
        stranger.kill()


def test_another_number_of_nodes_says_what_to_do(cluster):
    cluster.up(nodes=2)
    output = cluster.up(nodes=3, code=1)
    assert "has 2 nodes" in output and "wipe" in output
    assert cluster.run("status").count("serving") == 2


def test_a_node_that_stops_shows_its_log_and_nothing_stays(cluster):
    (cluster.data / "node2").mkdir(parents=True)
    (cluster.data / "node2" / "fail").touch()
    output = cluster.up(code=1)
    assert "node 2" in output and "the planted failure" in output
    assert cluster.run("status", code=10).count("stopped") == 3


def test_a_port_in_use_is_named_with_its_owner(cluster):
    with socket.socket() as other:
        other.bind(("127.0.0.2", int(cluster.ports[1])))
        other.listen()
        output = cluster.up(code=1)
    assert f"127.0.0.2:{cluster.ports[1]} is in use by process {os.getpid()}" in output


def test_a_port_of_another_cluster_says_how_to_stop_it(cluster, tmp_path):
    cluster.up(nodes=1)
    other = Cluster(tmp_path / "other")
    other.ports = cluster.ports
    assert f"down --data {cluster.data}" in other.up(code=1)


def test_wipe_needs_a_stopped_cluster(cluster):
    cluster.up(nodes=1)
    assert "still run" in cluster.run("wipe", code=1)
    cluster.run("down")
    cluster.run("wipe")
    assert not cluster.data.exists()


def test_nodes_outlive_the_session_and_stop_cleanly(cluster):
    cluster.up(nodes=1)
    assert os.getsid(cluster.pid(1)) == cluster.pid(1)
    began = time.monotonic()
    assert "kill -9" not in cluster.run("down")
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["up", "--nodes", "0"], "whole number from 1 to 50"),
        (["up", "--nodes", "51"], "whole number from 1 to 50"),
        (["up", "--nodes", "three"], "whole number from 1 to 50"),
        (["up", "--build", "/nowhere"], "swift build -c release"),
        (["up", "--nodes"], "needs a value"),
        (["restart"], "unknown command"),
        (["kill"], "needs the number of a node"),
        (["logs", "1"], "there is no cluster"),
        (["status", "--nodes", "3"], "options of 'up' only"),
    ],
)  # fmt: skip
def test_wrong_arguments_say_what_is_right(tmp_path, arguments, said):
    done = subprocess.run(
        [RUN_CLUSTER, *([arguments[0], "--data", tmp_path] + arguments[1:])], capture_output=True, text=True
    )
    assert done.returncode == 1 and said in done.stderr, done.stderr

"""What the tests of real processes share: clusters, driver sessions, a raw client, models."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, TypeVar

from cassandra import ConsistencyLevel
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, Session
from cassandra.concurrent import execute_concurrent_with_args
from cassandra.policies import (
    ConstantReconnectionPolicy,
    DCAwareRoundRobinPolicy,
    FallthroughRetryPolicy,
    TokenAwarePolicy,
    WhiteListRoundRobinPolicy,
)
from cassandra.query import SimpleStatement

from configured_martletd import overridden

CHECKOUT = Path(__file__).resolve().parents[2]
RUN_CLUSTER = CHECKOUT / "tools" / "run-cluster"
DEMO = CHECKOUT / "tools" / "demo"

Result = TypeVar("Result")


def build_folder() -> Path:
    """The folder that holds martletd."""
    given = os.environ.get("MARTLET_BUILD")
    if given:
        return Path(given).resolve()
    debug = CHECKOUT / ".build" / "debug"
    return debug if (debug / "martletd").exists() else CHECKOUT / ".build" / "release"


# Waiting is cheap where all is well, so no test gives up before a busy machine had its time.
SECONDS_MIN = 120.0


def eventually(check: Callable[[], Result], seconds: float = SECONDS_MIN) -> Result:
    """Calls until it returns something true; the last error or falsehood fails the test.

    It waits `seconds`, but never less than SECONDS_MIN, so it proves no upper bound of a time.
    """
    seconds = max(seconds, SECONDS_MIN)
    deadline = time.monotonic() + seconds
    while True:
        problem: object
        try:
            result = check()
            if result:
                return result
            problem = f"still {result!r}"
        except Exception as error:  # Whatever it is, it may be over by the next try.
            problem = error
        if time.monotonic() >= deadline:
            raise AssertionError(f"not so after {seconds} s: {problem}")
        time.sleep(0.1)


# Ports


def _is_free(port: int, addresses: int) -> bool:
    for node in range(1, addresses + 1):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((f"127.0.0.{node}", port))
            except OSError:
                return False
    return True


# Who runs these tests twice at a time gives each run a port of its own to count from.
FIRST_PORT = int(os.environ.get("MARTLET_TEST_PORT", "19042"))
_next_port = FIRST_PORT


def free_port(addresses: int = 5) -> int:
    """A port below the ephemeral range that is free on 127.0.0.1 to 127.0.0.`addresses`."""
    global _next_port
    while True:
        port = _next_port
        _next_port += 1
        assert port < 32768, f"no free port from {FIRST_PORT} to 32767"
        if _is_free(port, addresses):
            return port


# Clusters


def onnxruntime() -> str:
    """The library that tools/run-cluster gives its nodes; empty if there is none."""
    libraries = sorted((CHECKOUT / ".martlet" / "onnxruntime").glob("libonnxruntime.so.*"))
    return str(libraries[-1]) if libraries else ""


def fields_of_tests() -> dict[str, dict[str, Any]]:
    """What all nodes of the tests have otherwise than the nodes of users.

    An fsync that takes seconds, or a core that others hold, must fail no test that is about
    something else, so they wait long. Nor do they repair what nobody asked them to: it would take
    cores from the tests.
    """
    return {
        "timeouts": {
            "read_ms": 20_000,
            "write_ms": 15_000,
            "score_ms": 20_000,
            "schema_ms": 30_000,
        },
        "repair": {"automatic": False},
        "scoring": {"onnxruntime": onnxruntime(), "time_limit_ms": 20_000},
    }


def merged(*several: dict[str, Any]) -> dict[str, Any]:
    """Fields of node.yaml over those before them, section by section."""
    result: dict[str, Any] = {}
    for fields in several:
        for name, value in fields.items():
            before = result.get(name)
            is_section = isinstance(before, dict) and isinstance(value, dict)
            result[name] = {**before, **value} if is_section else value
    return result


class Ring:
    """A cluster of real nodes, started and stopped by tools/run-cluster; nodes count from 1.

    `config` has fields of node.yaml that differ from run-cluster's and from `fields_of_tests`, for
    all nodes; `node_config` has those of single nodes.
    """

    def __init__(
        self,
        data: Path,
        nodes: int,
        config: dict[str, Any] | None = None,
        node_config: dict[int, dict[str, Any]] | None = None,
    ) -> None:
        self.data = data
        self.nodes = nodes
        self.port = free_port()
        self.internode_port = free_port()
        self._clusters: list[Cluster] = []
        self._launched: list[Process] = []
        self._fields = {
            node: merged(fields_of_tests(), config or {}, (node_config or {}).get(node, {}))
            for node in range(1, nodes + 1)
        }

    def _execute(self, *arguments: str, seconds: float = 700) -> tuple[int, str]:
        command = [str(RUN_CLUSTER), *arguments, "--data", str(self.data)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
        return done.returncode, f"{' '.join(command)}\n{done.stdout}{done.stderr}"

    def _run(self, *arguments: str) -> None:
        code, output = self._execute(*arguments)
        assert code == 0, output

    def _prepare_launch(self, node: int, options: tuple[str, ...] = ()) -> None:
        """Says what configured_martletd.py is to do at the next starts of a node."""
        folder = self.data / f"node{node}"
        folder.mkdir(parents=True, exist_ok=True)
        launch = {"fields": self._fields[node], "options": options}
        (folder / "launch.json").write_text(json.dumps(launch))

    def _programs(self) -> Path:
        """The folder with the martletd that run-cluster is to start."""
        folder = self.data.parent / "bin"
        folder.mkdir(exist_ok=True)
        program = folder / "martletd"
        wrapper = Path(__file__).with_name("configured_martletd.py")
        martletd = build_folder() / "martletd"
        program.write_text(
            f"#!/bin/sh\nexec '{sys.executable}' -IS '{wrapper}' '{martletd}' \"$@\"\n"
        )
        program.chmod(0o755)
        return folder

    def up(self) -> None:
        for node in self._fields:
            self._prepare_launch(node)
        self._run(
            "up", "--nodes", str(self.nodes), "--build", str(self._programs()),
            "--native-port", str(self.port), "--internode-port", str(self.internode_port),
        )  # fmt: skip

    def down(self) -> None:
        self.disconnect()
        self._run("down")
        for each in self._launched:
            each.wait()

    def kill(self, *nodes: int) -> None:
        """Kills nodes with -9, all at the same time."""
        commands = [[str(RUN_CLUSTER), "kill", str(n), "--data", str(self.data)] for n in nodes]
        running = [subprocess.Popen(each, stdout=subprocess.DEVNULL) for each in commands]
        assert [each.wait(120) for each in running] == [0] * len(nodes)

    def start(self, *nodes: int, options: tuple[str, ...] = ()) -> None:
        """Starts nodes, with options of martletd beside those of run-cluster."""
        for node in nodes:
            self._prepare_launch(node, options)
            self._run("start", str(node))
            self._prepare_launch(node)

    def start_fails(self, node: int, options: tuple[str, ...] = ()) -> str:
        """Starts a node that must stop by itself; returns what it said this time."""
        before = len(self.log(node))
        self._prepare_launch(node, options)
        code, output = self._execute("start", str(node))
        self._prepare_launch(node)
        assert code != 0, output
        return self.log(node)[before:]

    def launch(self, node: int, *options: str, seeds: tuple[int, ...] = ()) -> Process:
        """Starts martletd with the configuration that a node had last, but for its seeds.

        Without run-cluster, which takes no founder whose data is gone, and gives none seeds.
        `start` then waits until it serves.
        """
        folder = self.data / f"node{node}"
        fields = {"seeds": [f"{self.address(each)}:{self.internode_port}" for each in seeds]}
        text = overridden((folder / "node.yaml").read_text(), fields)
        launched = Process(folder, text, *options)
        self._launched.append(launched)
        (folder / "martletd.pid").write_text(f"{launched.process.pid}\n")
        return launched

    def launch_fails(self, node: int, *options: str, seeds: tuple[int, ...] = ()) -> str:
        """Launches a node that must fail; returns what it said this time."""
        before = len(self.log(node))
        code = self.launch(node, *options, seeds=seeds).wait()
        said = self.log(node)[before:]
        assert code != 0, said
        return said

    def lose_disk(self, node: int) -> None:
        """Deletes the data of a node that does not run."""
        shutil.rmtree(self.data / f"node{node}" / "data")

    def leave_alone(self, node: int) -> Session:
        """Kills all other nodes that run; returns a session with the one that is left."""
        self.kill(*(each for each in range(1, self.nodes + 1) if each != node and self.runs(each)))
        return self.connect(node)

    def runs(self, node: int) -> bool:
        """Whether a node was started and not killed since."""
        return (self.data / f"node{node}" / "martletd.pid").exists()

    def start_all(self) -> None:
        self._run("up", "--nodes", str(self.nodes))

    def pid(self, node: int) -> int:
        return int((self.data / f"node{node}" / "martletd.pid").read_text())

    def memory_bytes(self, node: int) -> int:
        """The resident memory of a node."""
        pages = Path(f"/proc/{self.pid(node)}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def log(self, node: int) -> str:
        return (self.data / f"node{node}" / "martletd.log").read_text()

    def address(self, node: int) -> str:
        return f"127.0.0.{node}"

    @property
    def addresses(self) -> list[str]:
        return [self.address(node) for node in range(1, self.nodes + 1)]

    def cluster(self, *nodes: int, timeout: float = 60.0) -> Cluster:
        """A driver's cluster; with nodes given it asks only these. It never repeats a request."""
        points = [self.address(node) for node in nodes] or self.addresses
        policy = (
            WhiteListRoundRobinPolicy(points)
            if nodes
            else TokenAwarePolicy(DCAwareRoundRobinPolicy(), shuffle_replicas=True)
        )
        profile = ExecutionProfile(
            load_balancing_policy=policy,
            retry_policy=FallthroughRetryPolicy(),
            consistency_level=ConsistencyLevel.QUORUM,
            request_timeout=timeout,
        )
        cluster = Cluster(
            points,
            port=self.port,
            protocol_version=4,
            execution_profiles={EXEC_PROFILE_DEFAULT: profile},
            reconnection_policy=ConstantReconnectionPolicy(0.25, max_attempts=None),
            connect_timeout=60,
            control_connection_timeout=60,
            idle_heartbeat_interval=5,
        )
        self._clusters.append(cluster)
        return cluster

    def connect(self, *nodes: int, timeout: float = 60.0) -> Session:
        """A session; with nodes given it asks only these."""
        return self.cluster(*nodes, timeout=timeout).connect()

    def await_all_alive(self) -> None:
        """Returns when every node holds every other to be alive."""

        def everyone_sees_everyone() -> bool:
            for address in self.addresses:
                with RawClient(address, self.port) as client:
                    client.start()
                    body = client.query("SELECT status FROM system_martlet.nodes").body
                    if body.count(b"\x00\x00\x00\x02UN") != self.nodes:
                        return False
            return True

        eventually(everyone_sees_everyone)

    def disconnect(self) -> None:
        """Closes the sessions that this object made."""
        for cluster in self._clusters:
            cluster.shutdown()
        self._clusters = []

    def assert_serves(self, *nodes: int) -> None:
        """Each node answers a healthy client."""
        for node in nodes or range(1, self.nodes + 1):
            with RawClient(self.address(node), self.port) as client:
                client.start()
                answer = client.query("SELECT key FROM system.local WHERE key = 'local'")
                assert answer.opcode == RESULT, f"node {node}: {answer}"


class Process:
    """One martletd that a test started with a configuration of its own."""

    def __init__(self, folder: Path, text: str, *options: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "node.yaml"
        self.file.write_text(text)
        self.log_file = folder / "martletd.log"
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                [str(build_folder() / "martletd"), "--config", str(self.file), *options],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def wait(self, seconds: float = 120) -> int:
        return self.process.wait(seconds)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.wait()


def configuration(data: Path, port: int, internode: int, **extra: str) -> str:
    fields = {
        "data_directory": f'"{data}"',
        "listen_address": "127.0.0.1",
        "native_port": str(port),
        "internode_port": str(internode),
        "seeds": "[]",
        **extra,
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items())


def serves(port: int) -> bool:
    try:
        with RawClient("127.0.0.1", port, seconds=10) as client:
            client.start()
            return True
    except (OSError, Closed):
        return False


def rows_at(session: Session, consistency: int, query: str, *values: Any) -> list[Any]:
    """Runs a statement, prepared if it has values, at a level."""
    return list(run_at(session, consistency, query, *values))


def run_at(session: Session, consistency: int, query: str, *values: Any) -> Any:
    """Runs a statement, prepared if it has values, at a level; returns the driver's result."""
    if not values:
        return session.execute(SimpleStatement(query, consistency_level=consistency))
    statement = session.prepare(query).bind(values)
    statement.consistency_level = consistency
    return session.execute(statement)


def create_keyspace(session: Session, name: str, factor: int = 3) -> None:
    session.execute(
        f"CREATE KEYSPACE {name} WITH replication = "
        f"{{'class': 'NetworkTopologyStrategy', 'datacenter1': {factor}}}"
    )


def write_all(
    session: Session, statement: Any, rows: list[tuple], concurrency: int = 64, tries: int = 5
) -> None:
    """Executes a statement with each of these values; what fails is tried again, some times.

    For tests that are about something else than a write that fails.
    """
    left = list(rows)
    for attempt in range(tries):
        time.sleep(attempt)
        done = execute_concurrent_with_args(
            session, statement, left, concurrency=concurrency, raise_on_first_error=False
        )
        failed = [(row, result) for row, (success, result) in zip(left, done) if not success]
        if not failed:
            return
        left = [row for row, _ in failed]
    raise failed[0][1]


# Load


class WriteLoad:
    """Threads that write numbered values at QUORUM and read them back, over and over.

    `acknowledged` maps a key to the last value that the ring acknowledged. Each key has one writer
    and its values only grow, so a later read may show that value or a later one that was tried.
    """

    def __init__(self, session: Session, table: str, threads: int = 4, keys: int = 4000) -> None:
        self.table = table
        self.acknowledged: dict[int, int] = {}
        self.attempted: dict[int, int] = {}
        self.violations: list[str] = []
        self.refusals = 0
        self._session = session
        self._insert = session.prepare(f"INSERT INTO {table} (k, v) VALUES (?, ?)")
        self._select = session.prepare(f"SELECT v FROM {table} WHERE k = ?")
        for statement in (self._insert, self._select):
            statement.consistency_level = ConsistencyLevel.QUORUM
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(range(n, keys, threads),), daemon=True)
            for n in range(threads)
        ]

    def __enter__(self) -> WriteLoad:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(120)
        assert not any(thread.is_alive() for thread in self._threads), "the load hangs"

    def _work(self, keys: range) -> None:
        value = 0
        while not self._stopped.is_set():
            for start in range(0, len(keys), 16):
                if self._stopped.is_set():
                    return
                value += 1
                self._write_and_read(keys[start : start + 16], value)

    def _write_and_read(self, keys: range, value: int) -> None:
        self.attempted.update(dict.fromkeys(keys, value))
        futures = [(key, self._session.execute_async(self._insert, (key, value))) for key in keys]
        written = []
        for key, future in futures:
            if self._succeeds(future) is not None:
                self.acknowledged[key] = value
                written.append(key)
        for key in written[:4]:
            rows = self._succeeds(self._session.execute_async(self._select, (key,)))
            if rows is not None and [row.v for row in rows] != [value]:
                self.violations.append(f"key {key}: wrote {value}, read {rows}")

    def _succeeds(self, future: Any) -> list[Any] | None:
        try:
            return list(future.result() or [])
        except Exception:  # A refusal or an unknown outcome: no promise was made.
            self.refusals += 1
            return None

    def await_progress(self, count: int) -> None:
        """Returns after at least that many further acknowledgements or overwrites."""
        before = sum(list(self.acknowledged.values()))
        eventually(lambda: sum(list(self.acknowledged.values())) >= before + count)

    def lost(self, session: Session, consistency: int) -> list[str]:
        """Acknowledged writes that a read at a level does not show."""
        statement = session.prepare(f"SELECT k, v FROM {self.table} WHERE k IN ?")
        statement.consistency_level = consistency
        keys = sorted(self.acknowledged)
        found: dict[int, int] = {}
        for start in range(0, len(keys), 100):
            rows = session.execute(statement, (keys[start : start + 100],))
            found.update((row.k, row.v) for row in rows)
        return [
            f"key {key}: acknowledged {self.acknowledged[key]}, read {found.get(key)}"
            for key in keys
            if not self.acknowledged[key] <= found.get(key, -1) <= self.attempted[key]
        ]


# The native protocol, bare

ERROR, STARTUP, READY, OPTIONS, SUPPORTED = 0x00, 0x01, 0x02, 0x05, 0x06
QUERY, RESULT, PREPARE, EXECUTE, REGISTER = 0x07, 0x08, 0x09, 0x0A, 0x0B
PROTOCOL_ERROR, OVERLOADED, SYNTAX_ERROR, INVALID = 0x000A, 0x1001, 0x2000, 0x2200
ALREADY_EXISTS, UNPREPARED, CONFIGURATION_ERROR = 0x2400, 0x2500, 0x2300


class Closed(Exception):
    """The node closed the connection."""


class Answer:
    """One frame of the node."""

    def __init__(self, version: int, flags: int, stream: int, opcode: int, body: bytes) -> None:
        self.version, self.flags, self.stream = version, flags, stream
        self.opcode, self.body = opcode, body

    @property
    def error(self) -> tuple[int, str]:
        assert self.opcode == ERROR, f"no error but {self}"
        code, count = struct.unpack(">iH", self.body[:6])
        return code, self.body[6 : 6 + count].decode()

    def __repr__(self) -> str:
        return f"Answer(stream {self.stream}, opcode {self.opcode:#04x}, {self.body[:300]!r})"


def string(text: str) -> bytes:
    return struct.pack(">H", len(text.encode())) + text.encode()


def long_string(text: str) -> bytes:
    return struct.pack(">i", len(text.encode())) + text.encode()


def frame(opcode: int, body: bytes = b"", stream: int = 1, version: int = 4) -> bytes:
    return struct.pack(">BBhBi", version, 0, stream, opcode, len(body)) + body


def query_body(text: str, consistency: int = 1) -> bytes:
    return long_string(text) + struct.pack(">HB", consistency, 0)


def execute_body(statement: bytes, values: list[bytes | None], consistency: int = 1) -> bytes:
    body = struct.pack(">H", len(statement)) + statement
    body += struct.pack(">HBH", consistency, 0x01, len(values))
    for value in values:
        body += struct.pack(">i", -1) if value is None else struct.pack(">i", len(value)) + value
    return body


class RawClient:
    """A connection that sends whatever it is told to."""

    def __init__(self, address: str, port: int, seconds: float = 60.0) -> None:
        self.socket = socket.create_connection((address, port), seconds)

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def _take(self, count: int) -> bytes:
        parts = []
        while count:
            try:
                part = self.socket.recv(min(count, 1 << 20))
            except ConnectionError as error:
                raise Closed(str(error)) from error
            if not part:
                raise Closed("end of stream")
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def receive(self) -> Answer:
        version, flags, stream, opcode, count = struct.unpack(">BBhBi", self._take(9))
        return Answer(version, flags, stream, opcode, self._take(count))

    def ask(self, opcode: int, body: bytes = b"", stream: int = 1) -> Answer:
        self.send(frame(opcode, body, stream))
        answer = self.receive()
        assert answer.stream == stream, f"asked on stream {stream}, got {answer}"
        return answer

    def start(self) -> None:
        body = struct.pack(">H", 1) + string("CQL_VERSION") + string("3.0.0")
        assert self.ask(STARTUP, body).opcode == READY

    def query(self, text: str, consistency: int = 1, stream: int = 1) -> Answer:
        return self.ask(QUERY, query_body(text, consistency), stream)

    def prepare(self, text: str) -> bytes:
        answer = self.ask(PREPARE, long_string(text))
        assert answer.opcode == RESULT, answer.error
        count = struct.unpack(">H", answer.body[4:6])[0]
        return answer.body[6 : 6 + count]

    def is_closed(self) -> bool:
        """True if the node closes the connection; what it still sends is thrown away."""
        try:
            while True:
                self.receive()
        except Closed:
            return True
        except TimeoutError:
            return False


# Models


def linear_model(weights: list[float], bias: float = 0.0) -> bytes:
    """An ONNX model `score = features . weights + bias`."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    width = len(weights)
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["features", "w", "b"], ["score"])],
        "linear",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", width])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n", 1])],
        [
            numpy_helper.from_array(np.array(weights, np.float32).reshape(width, 1), "w"),
            numpy_helper.from_array(np.array([bias], np.float32), "b"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


def push_model(session: Session, name: str, content: bytes, extra: str = "") -> None:
    """CREATE OR REPLACE MODEL at whatever node the session asks."""
    session.execute(session.prepare(f"CREATE OR REPLACE MODEL {name} FROM ?{extra}"), (content,))

"""Bytes that no honest client sends: the error is on that request, and the node lives on."""

from __future__ import annotations

import random
import select
import socket
import struct
import time
from typing import Iterator

import pytest
from cassandra.cluster import Session

from support import (
    CONFIGURATION_ERROR,
    ERROR,
    EXECUTE,
    INVALID,
    OPTIONS,
    OVERLOADED,
    PREPARE,
    PROTOCOL_ERROR,
    QUERY,
    READY,
    REGISTER,
    RESULT,
    STARTUP,
    SUPPORTED,
    SYNTAX_ERROR,
    UNPREPARED,
    RawClient,
    Ring,
    create_keyspace,
    eventually,
    execute_body,
    frame,
    long_string,
    query_body,
    string,
)

FRAME_LIMIT = 64 << 20
HEALTHY = "SELECT key FROM system.local WHERE key = 'local'"


@pytest.fixture(scope="module")
def table(session3: Session) -> str:
    create_keyspace(session3, "bad")
    session3.execute(
        "CREATE TABLE bad.t (k int PRIMARY KEY, a text, b bigint, f vector<float, 4>, u uuid, "
        "flag boolean, at timestamp, host inet, plain ascii)"
    )
    return "bad.t"


@pytest.fixture()
def ring(three: Ring, table: str) -> Iterator[Ring]:
    """Three nodes; whatever a test did, the same processes then answer a healthy client."""
    before = [three.pid(node) for node in (1, 2, 3)]
    yield three
    three.assert_serves()
    assert [three.pid(node) for node in (1, 2, 3)] == before


@pytest.fixture()
def client(ring: Ring) -> Iterator[RawClient]:
    """A started connection to node 1."""
    with RawClient(ring.address(1), ring.port) as client:
        client.start()
        yield client


def assert_lives(client: RawClient) -> None:
    """The connection itself answers a good request."""
    assert client.query(HEALTHY, stream=7).opcode == RESULT


# Frames


def test_a_truncated_frame(ring: Ring):
    whole = frame(QUERY, query_body(HEALTHY))
    for length in (1, 4, 8, 9, 10, len(whole) - 1):
        with RawClient(ring.address(1), ring.port) as client:
            client.start()
            client.send(whole[:length])
    # Half closed: the node sees the end while a frame is open, and closes too.
    with RawClient(ring.address(1), ring.port) as client:
        client.start()
        client.send(whole[:-1])
        client.socket.shutdown(socket.SHUT_WR)
        assert client.is_closed()


def test_a_frame_that_comes_byte_by_byte(client: RawClient):
    for byte in frame(QUERY, query_body(HEALTHY)):
        client.send(bytes([byte]))
    assert client.receive().opcode == RESULT


def test_a_frame_over_the_limit_is_skipped(client: RawClient):
    size = FRAME_LIMIT + 1
    client.send(struct.pack(">BBhBi", 4, 0, 9, QUERY, size))
    code, text = client.receive().error
    assert code == INVALID and str(size) in text and str(FRAME_LIMIT) in text
    block = bytes(1 << 20)
    for _ in range(size // len(block)):
        client.send(block)
    client.send(block[: size % len(block)])
    assert_lives(client)


@pytest.mark.parametrize("size", [0x7FFFFFFF, -1, -(2**31)])
def test_a_length_that_cannot_be_closes_the_connection(ring: Ring, size: int):
    before = ring.memory_bytes(1)
    with RawClient(ring.address(1), ring.port) as client:
        client.start()
        client.send(struct.pack(">BBhBi", 4, 0, 9, QUERY, size))
        answer = client.receive()
        assert answer.stream == 9 and answer.error[0] in (INVALID, PROTOCOL_ERROR)
        assert client.is_closed()
    assert ring.memory_bytes(1) - before < 64 << 20


@pytest.mark.parametrize("opcode", [0x03, 0x04, 0x11, 0x7F, 0xFF, RESULT, READY, ERROR])
def test_an_unknown_opcode_or_one_of_the_server(client: RawClient, opcode: int):
    code, _ = client.ask(opcode, b"whatever", stream=3).error
    assert code == PROTOCOL_ERROR
    assert_lives(client)


@pytest.mark.parametrize("version", [1, 2, 3, 5, 6, 65, 66, 127])
def test_an_unknown_version_gets_the_text_that_drivers_parse(ring: Ring, version: int):
    with RawClient(ring.address(1), ring.port) as client:
        client.send(frame(OPTIONS, version=version))
        answer = client.receive()
        assert answer.version == 0x84
        assert answer.error == (
            PROTOCOL_ERROR,
            f"Invalid or unsupported protocol version ({version}); the lowest supported version "
            "is 4 and the greatest is 4",
        )
        assert client.is_closed()


def test_a_frame_of_the_wrong_direction(ring: Ring):
    with RawClient(ring.address(1), ring.port) as client:
        client.send(frame(OPTIONS, version=0x84))
        assert client.receive().error[0] == PROTOCOL_ERROR
        assert client.is_closed()


def test_a_negative_stream(client: RawClient):
    answer = client.ask(QUERY, query_body(HEALTHY), stream=-5)
    assert answer.error[0] == PROTOCOL_ERROR
    assert_lives(client)


def test_a_compressed_frame_without_compression(client: RawClient):
    body = query_body(HEALTHY)
    client.send(struct.pack(">BBhBi", 4, 0x01, 2, QUERY, len(body)) + body)
    assert client.receive().error[0] == PROTOCOL_ERROR
    assert_lives(client)


def test_bytes_of_noise(ring: Ring):
    """Noise from the first byte, and noise after an honest start."""
    dice = random.Random(20_261)
    for attempt in range(150):
        with RawClient(ring.address(attempt % 3 + 1), ring.port) as client:
            if attempt % 2:
                client.start()
            try:
                client.send(dice.randbytes(dice.choice((1, 9, 100, 5000))))
            except OSError:
                pass


def test_noise_in_the_body_of_every_request(ring: Ring):
    """The header is right, the body is noise or a good body with a byte changed."""
    dice = random.Random(20_262)
    good = {
        STARTUP: struct.pack(">H", 1) + string("CQL_VERSION") + string("3.0.0"),
        OPTIONS: b"",
        QUERY: query_body("SELECT a FROM bad.t WHERE k = 1"),
        PREPARE: long_string("SELECT a FROM bad.t WHERE k = ?"),
        EXECUTE: execute_body(bytes(16), [bytes(4)]),
        0x0D: struct.pack(">BHB", 0, 1, 0) + long_string("DELETE FROM bad.t WHERE k = 1")
        + struct.pack(">HHB", 0, 1, 0),
        REGISTER: struct.pack(">H", 1) + string("STATUS_CHANGE"),
        0x0F: struct.pack(">i", 3) + b"abc",
    }  # fmt: skip
    with RawClient(ring.address(2), ring.port) as client:
        client.start()
        for opcode, body in good.items():
            bodies = [dice.randbytes(dice.randrange(0, 60)) for _ in range(30)]
            for _ in range(60):
                changed = bytearray(body + bytes(dice.randrange(3)))
                if changed:
                    changed[dice.randrange(len(changed))] = dice.randrange(256)
                bodies.append(bytes(changed[: dice.randrange(len(changed) + 1)]))
            for body in bodies:
                # Each is answered, on its stream.
                client.ask(opcode, body, stream=4)
        assert_lives(client)


# The start of a connection


def test_query_before_startup(ring: Ring):
    with RawClient(ring.address(1), ring.port) as client:
        for opcode, body in ((QUERY, query_body(HEALTHY)), (PREPARE, long_string(HEALTHY))):
            code, text = client.ask(opcode, body).error
            assert code == PROTOCOL_ERROR and "STARTUP" in text
        assert client.ask(OPTIONS).opcode == SUPPORTED
        client.start()
        assert_lives(client)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00",
        b"\xff\xff",
        b"\x00\x01\x00\x0bCQL_VERSION",
        struct.pack(">H", 0),
        struct.pack(">H", 1) + string("CQL_VERSION") + string("9.9.9"),
        struct.pack(">H", 1) + string("CQL_VERSION") + b"\x00\x02\xff\xfe",
        struct.pack(">H", 2) + string("CQL_VERSION") + string("3.0.0") + string("COMPRESSION") + string("zip"),
        struct.pack(">H", 65535) + b"\x00" * 100,
    ],
)  # fmt: skip
def test_garbage_in_startup(ring: Ring, body: bytes):
    with RawClient(ring.address(1), ring.port) as client:
        assert client.ask(STARTUP, body).error[0] == PROTOCOL_ERROR
        client.start()
        assert_lives(client)


def test_startup_twice_and_an_unexpected_auth_response(client: RawClient):
    body = struct.pack(">H", 1) + string("CQL_VERSION") + string("3.0.0")
    assert client.ask(STARTUP, body).error[0] == PROTOCOL_ERROR
    assert client.ask(0x0F, struct.pack(">i", 0)).error[0] == PROTOCOL_ERROR
    assert_lives(client)


# Streams


def test_a_stream_id_that_is_in_use(client: RawClient):
    """The second request on a stream is refused, the first one is answered."""
    keys = ", ".join(str(key) for key in range(300))
    slow = frame(QUERY, query_body(f"SELECT a FROM bad.t WHERE k IN ({keys})", 4), stream=5)
    client.send(slow + slow + frame(QUERY, query_body(HEALTHY), stream=6))
    answers = [client.receive() for _ in range(3)]
    on_five = [answer for answer in answers if answer.stream == 5]
    assert sorted(answer.opcode for answer in on_five) == [ERROR, RESULT]
    (refusal,) = [answer for answer in on_five if answer.opcode == ERROR]
    assert refusal.error[0] == PROTOCOL_ERROR and "stream 5" in refusal.error[1]
    assert [answer.opcode for answer in answers if answer.stream == 6] == [RESULT]
    assert_lives(client)


def test_more_requests_in_flight_than_the_limit_are_overloaded(client: RawClient):
    body = query_body("SELECT a FROM bad.t WHERE k IN (1, 2, 3, 4, 5)", 4)
    client.send(b"".join(frame(QUERY, body, stream) for stream in range(2000)))
    answers = [client.receive() for _ in range(2000)]
    assert sorted(answer.stream for answer in answers) == list(range(2000))
    codes = {answer.error[0] for answer in answers if answer.opcode == ERROR}
    assert codes <= {OVERLOADED}
    assert sum(answer.opcode == RESULT for answer in answers) >= 1024
    assert_lives(client)


def test_a_client_that_never_reads_is_not_read_from(ring: Ring):
    """Small answers: the node stops reading its requests, keeps little, and answers all in the end."""
    block = b"".join(frame(OPTIONS, stream=stream) for stream in range(512))
    with RawClient(ring.address(1), ring.port) as client:
        client.start()
        answer_bytes = 9 + len(client.ask(OPTIONS).body)
        before = ring.memory_bytes(1)
        client.socket.setblocking(False)
        sent = 0
        stuck_since = began = time.monotonic()
        while time.monotonic() - stuck_since < 1:
            assert time.monotonic() < began + 120, f"{sent} bytes were taken without a pause"
            try:
                sent += client.socket.send(block[sent % len(block) :])
                stuck_since = time.monotonic()
            except BlockingIOError:
                time.sleep(0.01)
        assert ring.memory_bytes(1) - before < 64 << 20
        ring.assert_serves(1)
        client.socket.settimeout(120)
        expected = sent // 9 * answer_bytes
        while expected > 0:
            part = client.socket.recv(min(expected, 1 << 20))
            assert part, f"closed with {expected} bytes of answers to come"
            expected -= len(part)


def megabytes(session: Session) -> bytes:
    """A request whose answer has 1 MB."""
    for key in range(20):
        session.execute("INSERT INTO bad.t (k, a) VALUES (%s, %s)", (key, "x" * 50_000))
    keys = ", ".join(str(key) for key in range(20))
    return query_body(f"SELECT a FROM bad.t WHERE k IN ({keys})")


def test_a_client_that_never_reads_great_answers(ring: Ring, session3: Session):
    """1 MB an answer, 4,000 requests of each of three clients: 12 GB if nothing held them back."""
    request = megabytes(session3)
    before = ring.memory_bytes(1)
    requests = b"".join(frame(QUERY, request, stream) for stream in range(4000))
    greedy = [RawClient(ring.address(1), ring.port) for _ in range(3)]
    try:
        for client in greedy:
            client.start()
            client.socket.setblocking(False)
        left = {client.socket: requests for client in greedy}
        most = 0
        deadline = time.monotonic() + 4
        while time.monotonic() < deadline:
            _, writable, _ = select.select([], list(left), [], 0.1)
            for each in writable:
                try:
                    left[each] = left[each][each.send(left[each][:65536]) :]
                except BlockingIOError:
                    continue
                except OSError:  # The node has closed it, which is a way to defend itself.
                    left[each] = b""
                if not left[each]:
                    del left[each]
            most = max(most, ring.memory_bytes(1) - before)
            ring.assert_serves(1)
            time.sleep(0.01)
        assert most < 512 << 20, f"{most >> 20} MiB more"
    finally:
        for client in greedy:
            client.socket.close()


def test_a_client_that_reads_late_gets_every_answer(ring: Ring, session3: Session):
    """Within the limit of requests in flight, 200 answers of 1 MB: slowed down, but not cut off."""
    request = megabytes(session3)
    with RawClient(ring.address(1), ring.port) as client:
        client.start()
        client.send(b"".join(frame(QUERY, request, stream) for stream in range(200)))
        time.sleep(1)
        answers = [client.receive() for _ in range(200)]
        assert sorted(answer.stream for answer in answers) == list(range(200))
        # A refusal would be honest as well; a lost answer is not.
        assert {answer.error[0] for answer in answers if answer.opcode == ERROR} <= {OVERLOADED}
        assert_lives(client)


# Statements


@pytest.mark.parametrize(
    "statement, code, words",
    [
        ("SELECT a FROM nowhere.t WHERE k = 1", INVALID, "nowhere"),
        ("SELECT a FROM bad.nothing WHERE k = 1", INVALID, "nothing"),
        ("SELECT nothing FROM bad.t WHERE k = 1", INVALID, "nothing"),
        ("SELECT a FROM bad.t WHERE nothing = 1", INVALID, "nothing"),
        ("SELECT nobody(f) AS s FROM bad.t WHERE k = 1", INVALID, "nobody"),
        ("INSERT INTO bad.t (k, nothing) VALUES (1, 2)", INVALID, "nothing"),
        ("INSERT INTO bad.t (k, a) VALUES (1)", INVALID, ""),
        ("INSERT INTO bad.t (a) VALUES ('x')", INVALID, "k"),
        ("UPDATE bad.t SET k = 2 WHERE k = 1", INVALID, "k"),
        ("INSERT INTO bad.t (k, a) VALUES ('x', 'x')", INVALID, "k"),
        ("INSERT INTO bad.t (k, b) VALUES (1, 9223372036854775808)", INVALID, "b"),
        ("INSERT INTO bad.t (k, f) VALUES (1, [1, 2, 3])", INVALID, "4"),
        ("INSERT INTO bad.t (k, u) VALUES (1, 'not-a-uuid')", INVALID, "u"),
        ("INSERT INTO system.local (key) VALUES ('x')", INVALID, "system"),
        ("USE nowhere", INVALID, "nowhere"),
        ("CREATE TABLE nowhere.t (k int PRIMARY KEY)", (INVALID, CONFIGURATION_ERROR), "nowhere"),
        ("CREATE TABLE bad.x (k frobnicate PRIMARY KEY)", INVALID, "frobnicate"),
        ("CREATE TABLE bad.x (k vector<float, 0> PRIMARY KEY)", (INVALID, SYNTAX_ERROR), ""),
        ("CREATE KEYSPACE x WITH replication = {'class': 'NoSuch'}", CONFIGURATION_ERROR, "NoSuch"),
        ("CREATE KEYSPACE x WITH replication = {'class': 'NetworkTopologyStrategy', 'mars': 3}",
         CONFIGURATION_ERROR, "mars"),
        ("SELEC a FROM bad.t", SYNTAX_ERROR, "SELEC"),
        ("SELECT a FROM bad.t WHERE k = 'open", SYNTAX_ERROR, ""),
        ("", SYNTAX_ERROR, ""),
        (";", SYNTAX_ERROR, ""),
        ("\x00\x01\x02", SYNTAX_ERROR, ""),
        ("SELECT " + "(" * 20_000, SYNTAX_ERROR, ""),
        ("SELECT a FROM bad.t WHERE k = " + "-" * 20_000 + "1", SYNTAX_ERROR, ""),
        ("SELECT a FROM bad.t WHERE k IN (" + "[" * 20_000, SYNTAX_ERROR, ""),
        ("CREATE TABLE bad.x (k " + "set<" * 20_000 + "int", (SYNTAX_ERROR, INVALID), ""),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else None,
)  # fmt: skip
def test_a_wrong_statement_is_an_error_that_names_it(client: RawClient, statement, code, words):
    given, text = client.query(statement).error
    codes = code if isinstance(code, tuple) else (code,)
    assert given in codes and words in text, (hex(given), text)
    assert len(text) < 2000
    assert_lives(client)


@pytest.mark.parametrize(
    "column, value",
    [
        ("k", b"\x00\x00\x01"), ("k", b""), ("k", bytes(8)), ("k", None),
        ("b", b"\x00" * 7), ("b", b"\x00" * 9),
        ("f", bytes(12)), ("f", bytes(15)), ("f", bytes(20)),
        ("u", bytes(15)), ("u", bytes(17)),
        ("flag", b"\x00\x01"), ("at", bytes(3)), ("host", bytes(5)),
        ("a", b"\xff\xfe\x80"), ("a", b"\xed\xa0\x80"), ("plain", b"\xc3\xa9"),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_length_or_content(client: RawClient, column: str, value):
    values = {"k": struct.pack(">i", 77), column: value}
    names = ", ".join(values)
    marks = ", ".join("?" for _ in values)
    statement = client.prepare(f"INSERT INTO bad.t ({names}) VALUES ({marks})")
    code, text = client.ask(EXECUTE, execute_body(statement, list(values.values()))).error
    assert code == INVALID and column in text, (hex(code), text)
    assert_lives(client)
    if column != "k":
        # Nothing of the refused row was written.
        answer = client.query(f"SELECT {column} FROM bad.t WHERE k = 77")
        assert answer.body.endswith(struct.pack(">i", 0)), answer


def test_a_wrong_number_of_values_and_an_unknown_statement(client: RawClient):
    statement = client.prepare("INSERT INTO bad.t (k, a) VALUES (?, ?)")
    for values in ([], [bytes(4)], [bytes(4), b"x", b"y"]):
        assert client.ask(EXECUTE, execute_body(statement, values)).error[0] == INVALID
    unknown = client.ask(EXECUTE, execute_body(b"\x01" * 16, []))
    assert unknown.error[0] == UNPREPARED and unknown.body.endswith(b"\x01" * 16)
    assert client.ask(EXECUTE, execute_body(b"", [])).opcode == ERROR
    # A value that claims more bytes than the frame has.
    body = struct.pack(">H", len(statement)) + statement + struct.pack(">HBHi", 1, 1, 2, 1 << 30)
    assert client.ask(EXECUTE, body).error[0] == PROTOCOL_ERROR
    assert_lives(client)


def test_an_unknown_consistency_level(client: RawClient):
    for level in (11, 99, 0xFFFF):
        answer = client.query("SELECT a FROM bad.t WHERE k = 1", consistency=level)
        assert answer.error[0] in (PROTOCOL_ERROR, INVALID)
    assert_lives(client)


def test_thousands_of_prepared_statements_are_bounded(client: RawClient):
    """More than the limit of 4,096: the oldest are forgotten, and prepared again on demand."""
    first = client.prepare("SELECT a AS c0 FROM bad.t WHERE k = ?")
    for number in range(1, 4500):
        client.prepare(f"SELECT a AS c{number} FROM bad.t WHERE k = ?")
    assert client.ask(EXECUTE, execute_body(first, [bytes(4)])).error[0] == UNPREPARED
    again = client.prepare("SELECT a AS c0 FROM bad.t WHERE k = ?")
    assert again == first
    assert client.ask(EXECUTE, execute_body(first, [bytes(4)])).opcode == RESULT


# Connections


def test_more_connections_than_the_limit(ring: Ring):
    """Of 1,200 connections at most 1,024 are kept; the rest are closed at once."""
    kept_max = 1024
    address = (ring.address(3), ring.port)
    idle: list[socket.socket] = []
    try:
        for _ in range(1200):
            try:
                idle.append(socket.create_connection(address, 30))
            except OSError:
                pass
        assert len(idle) > kept_max, "too few connections could be opened to tell anything"
        for each in idle:
            each.setblocking(False)

        def closed() -> int:
            count = 0
            for each in idle:
                try:
                    count += each.recv(1) == b""
                except BlockingIOError:
                    pass
                except ConnectionError:
                    count += 1
            return count

        surplus = len(idle) - kept_max
        refused = eventually(lambda: (closed() >= surplus) and closed())
        assert refused < surplus + 224
        # Those that were let in are served.
        idle[0].setblocking(True)
        idle[0].settimeout(60)
        idle[0].sendall(frame(OPTIONS))
        assert idle[0].recv(9)[4] == SUPPORTED
    finally:
        for each in idle:
            each.close()
    eventually(lambda: ring.assert_serves(3) is None)


def test_connections_that_reset(ring: Ring):
    """Closed with a reset while requests are under way."""
    for attempt in range(50):
        client = RawClient(ring.address(1), ring.port)
        client.start()
        client.send(b"".join(
            frame(QUERY, query_body("SELECT a FROM bad.t WHERE k IN (1, 2, 3)", 4), stream)
            for stream in range(50)
        ))  # fmt: skip
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.socket.close()

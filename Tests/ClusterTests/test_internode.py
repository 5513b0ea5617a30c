"""The port between nodes: noise, strangers and connections that never finish."""

from __future__ import annotations

import random
import re
import socket
import struct
import zlib
from typing import Iterator

import pytest

from support import RawClient, Ring

MAGIC = b"MRTL"
HANDSHAKE_BYTES = 38


@pytest.fixture()
def ring(three: Ring) -> Iterator[Ring]:
    before = [three.pid(node) for node in (1, 2, 3)]
    yield three
    three.assert_serves()
    three.await_all_alive()
    assert [three.pid(node) for node in (1, 2, 3)] == before


def dial(ring: Ring, node: int = 2) -> socket.socket:
    return socket.create_connection((ring.address(node), ring.internode_port), 30)


def handshake(cluster: bytes, node: bytes, traffic_class: int = 1, version: int = 2) -> bytes:
    return MAGIC + bytes([version, traffic_class]) + cluster + node


def cluster_id(ring: Ring) -> bytes:
    with RawClient(ring.address(1), ring.port) as client:
        client.start()
        answer = client.query("SELECT cluster_id FROM system_martlet.cluster")
        return answer.body[-16:]


def read_to_end(connection: socket.socket) -> bytes:
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except ConnectionError:
        pass
    return b"".join(parts)


def test_bytes_of_noise(ring: Ring):
    dice = random.Random(7)
    for attempt in range(100):
        with dial(ring, attempt % 3 + 1) as connection:
            try:
                connection.sendall(dice.randbytes(dice.choice((1, 37, 38, 39, 5000))))
            except OSError:
                pass


def test_noise_after_a_good_handshake(ring: Ring):
    """A stranger that knows the cluster's id: its broken messages close its own connection."""
    dice = random.Random(8)
    identity = cluster_id(ring)
    for attempt in range(60):
        with dial(ring) as connection:
            connection.sendall(handshake(identity, dice.randbytes(16), attempt % 3 + 1))
            assert connection.recv(1) == b"\x00"
            body = dice.randbytes(dice.randrange(1, 400))
            length = len(body) if attempt % 2 else dice.choice((0, 1, 2**31, 2**32 - 1))
            try:
                connection.sendall(struct.pack(">II", length, zlib.crc32(body)) + body)
            except OSError:
                pass


def test_another_cluster_is_refused_with_the_reason(ring: Ring):
    with dial(ring) as connection:
        connection.sendall(handshake(b"\x11" * 16, b"\x22" * 16))
        answer = read_to_end(connection)
    assert answer[0] == 1
    count = struct.unpack(">H", answer[33:35])[0]
    assert re.search("belongs to another cluster", answer[35 : 35 + count].decode())
    # With the right id the same node is let in: the id made the difference.
    with dial(ring) as connection:
        connection.sendall(handshake(cluster_id(ring), b"\x22" * 16))
        assert connection.recv(1) == b"\x00"


@pytest.mark.parametrize(
    "greeting",
    [
        b"HTTP" + bytes(34),
        handshake(bytes(16), bytes(16), version=9),
        handshake(bytes(16), bytes(16), traffic_class=77),
    ],
    ids=["magic", "version", "class"],
)
def test_a_wrong_greeting_is_closed(ring: Ring, greeting: bytes):
    assert len(greeting) == HANDSHAKE_BYTES
    with dial(ring) as connection:
        connection.sendall(greeting)
        assert read_to_end(connection)[:1] in (b"", b"\x01")


def test_half_open_connections(ring: Ring):
    """Connections that say nothing or half of a greeting keep no one from being served."""
    open_ones = []
    try:
        for attempt in range(200):
            connection = dial(ring, attempt % 3 + 1)
            open_ones.append(connection)
            if attempt % 2:
                connection.sendall(handshake(bytes(16), bytes(16))[: attempt % 38])
        ring.assert_serves()
        ring.await_all_alive()
    finally:
        for connection in open_ones:
            connection.close()

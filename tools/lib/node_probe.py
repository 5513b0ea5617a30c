#!/usr/bin/env python3
"""Asks a node, over the Cassandra native protocol, whether it serves and knows the ring's owners.

Standard library only, so that tools/run-cluster works before anything is installed.

  node_probe.py serves ADDRESS PORT          exit 0 if OPTIONS is answered by SUPPORTED
  node_probe.py ring ADDRESS PORT NODES      exit 0 if it also knows NODES nodes that own tokens
  node_probe.py free ADDRESS PORT            exit 0 if the port is free, else 1 and who has it

Each says on stdout why not.
"""

from __future__ import annotations

import errno
import glob
import os
import socket
import struct
import sys

TIMEOUT_SECONDS = 10.0
# A peers table of 50 nodes with 1,024 tokens each is about 1 MB.
BODY_BYTES_MAX = 16 << 20

REQUEST, RESPONSE = 0x04, 0x84
ERROR, STARTUP, READY, OPTIONS, SUPPORTED, QUERY, RESULT = 0x00, 0x01, 0x02, 0x05, 0x06, 0x07, 0x08
FLAG_WARNING, FLAG_CUSTOM_PAYLOAD, FLAG_TRACING = 0x08, 0x04, 0x02
ROWS = 2
ONE = 1


class NotReady(Exception):
    """Why the node is not (yet) what was asked for."""


class Reader:
    """Reads the notations of the native protocol, section 3."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def take(self, count: int) -> bytes:
        if count < 0 or self._at + count > len(self._body):
            raise NotReady(f"its answer ends early, at byte {len(self._body)}")
        self._at += count
        return self._body[self._at - count : self._at]

    def short(self) -> int:
        return struct.unpack(">H", self.take(2))[0]

    def int(self) -> int:
        return struct.unpack(">i", self.take(4))[0]

    def string(self) -> str:
        return self.take(self.short()).decode("utf-8", "replace")

    def value(self) -> bytes | None:
        count = self.int()
        return None if count < 0 else self.take(count)

    def option(self) -> None:
        """Skips a type: only custom, list, map, set, UDT and tuple have parameters."""
        kind = self.short()
        if kind == 0x00:
            self.string()
        elif kind in (0x20, 0x22):
            self.option()
        elif kind == 0x21:
            self.option()
            self.option()
        elif kind == 0x30:
            self.string()
            self.string()
            for _ in range(self.short()):
                self.string()
                self.option()
        elif kind == 0x31:
            for _ in range(self.short()):
                self.option()


def exchange(connection: socket.socket, opcode: int, body: bytes = b"") -> tuple[int, Reader]:
    """Sends one frame and returns the opcode and the body of the answer."""
    connection.sendall(struct.pack(">BBhBi", REQUEST, 0, 1, opcode, len(body)) + body)
    version, flags, stream, answer, count = struct.unpack(">BBhBi", receive(connection, 9))
    if version != RESPONSE or stream != 1:
        raise NotReady(f"what listens there does not speak the native protocol (byte {version:#04x})")
    if not 0 <= count <= BODY_BYTES_MAX:
        raise NotReady(f"its answer claims {count} bytes, the limit is {BODY_BYTES_MAX}")
    reader = Reader(receive(connection, count))
    if flags & FLAG_TRACING:
        reader.take(16)
    if flags & FLAG_WARNING:
        for _ in range(reader.short()):
            reader.string()
    if flags & FLAG_CUSTOM_PAYLOAD:
        for _ in range(reader.short()):
            reader.string()
            reader.value()
    if answer == ERROR:
        raise NotReady(f"it answers with error {reader.int():#06x}: {reader.string()}")
    return answer, reader


def receive(connection: socket.socket, count: int) -> bytes:
    """Reads exactly that many bytes."""
    parts = []
    while count:
        part = connection.recv(min(count, 65536))
        if not part:
            raise NotReady("it closed the connection")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def query(connection: socket.socket, text: str) -> list[dict[str, bytes | None]]:
    """Runs one statement and returns its rows, values undecoded."""
    body = struct.pack(">i", len(text)) + text.encode() + struct.pack(">HB", ONE, 0)
    opcode, reader = exchange(connection, QUERY, body)
    if opcode != RESULT or reader.int() != ROWS:
        raise NotReady(f"it answers {text!r} with no rows")
    flags, count = reader.int(), reader.int()
    if flags & 0x02:
        reader.value()
    if flags & 0x01:
        reader.string()
        reader.string()
    names = []
    for _ in range(count):
        if not flags & 0x01:
            reader.string()
            reader.string()
        names.append(reader.string())
        reader.option()
    return [{name: reader.value() for name in names} for _ in range(reader.int())]


def owns_tokens(row: dict[str, bytes | None]) -> bool:
    """True if the column `tokens`, a set<text>, has an element."""
    tokens = row.get("tokens")
    return tokens is not None and len(tokens) >= 4 and struct.unpack(">i", tokens[:4])[0] > 0


def serves(address: str, port: int, nodes: int | None = None) -> None:
    """Returns if the node serves, and if `nodes` nodes own tokens; else raises why not."""
    try:
        with socket.create_connection((address, port), TIMEOUT_SECONDS) as connection:
            connection.settimeout(TIMEOUT_SECONDS)
            opcode, _ = exchange(connection, OPTIONS)
            if opcode != SUPPORTED:
                raise NotReady(f"it answers OPTIONS with opcode {opcode:#04x}, not SUPPORTED")
            if nodes is None:
                return
            startup = struct.pack(">H", 1) + b"\0\x0bCQL_VERSION" + b"\0\x053.0.0"
            opcode, _ = exchange(connection, STARTUP, startup)
            if opcode != READY:
                raise NotReady(f"it answers STARTUP with opcode {opcode:#04x}, not READY")
            rows = query(connection, "SELECT * FROM system.local WHERE key='local'")
            rows += query(connection, "SELECT * FROM system.peers_v2")
            owners = sum(map(owns_tokens, rows))
            if owners != nodes:
                raise NotReady(f"it knows {owners} nodes that own tokens, {nodes} are expected")
    except OSError as error:
        raise NotReady(f"{address}:{port}: {error.strerror or error}") from error


def free(address: str, port: int) -> None:
    """Returns if the address can be bound; else raises who has it."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise NotReady(f"{address}:{port} is in use by {holder(address, port)}") from error
            raise NotReady(f"{address}:{port} cannot be bound: {error.strerror}") from error


def holder(address: str, port: int) -> str:
    """The process that listens there, as far as this user may see it."""
    wanted = {f"{text}:{port:04X}" for text in (little_endian(address), "00000000")}
    sockets = set()
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(path, encoding="ascii") as table:
                for line in list(table)[1:]:
                    cells = line.split()
                    any_v6 = cells[1] == f"{'0' * 32}:{port:04X}"
                    if (cells[1] in wanted or any_v6) and cells[3] == "0A":
                        sockets.add(f"socket:[{cells[9]}]")
        except OSError:
            continue
    for path in glob.glob("/proc/[0-9]*/fd/*"):
        try:
            if os.readlink(path) in sockets:
                process = path.split("/")[2]
                with open(f"/proc/{process}/cmdline", "rb") as command:
                    text = command.read().replace(b"\0", b" ").decode("utf-8", "replace").strip()
                return f"process {process}: {text[:200]}"
        except OSError:
            continue
    return "a process that this user may not see (as root: ss -ltnp)"


def little_endian(address: str) -> str:
    """An IPv4 address as /proc/net/tcp writes it."""
    return f"{struct.unpack('=I', socket.inet_aton(address))[0]:08X}"


def main(arguments: list[str]) -> int:
    try:
        match arguments:
            case ["serves", address, port]:
                serves(address, int(port))
            case ["ring", address, port, nodes]:
                serves(address, int(port), int(nodes))
            case ["free", address, port]:
                free(address, int(port))
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except NotReady as reason:
        print(reason)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""cqlsh against three nodes: scans, batches, DESCRIBE and COPY as a user types them."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cassandra.cluster import Session

from support import Ring, create_keyspace
from test_scans import IN_ORDER, ROWS, fill


def cqlsh(ring: Ring, text: str, code: int = 0) -> str:
    """What cqlsh prints for some statements; it must end with the given exit code."""
    program = os.environ.get("MARTLET_CQLSH", str(Path(sys.executable).with_name("cqlsh")))
    assert Path(program).exists(), f"there is no {program}; pip install cqlsh, or set MARTLET_CQLSH"
    done = subprocess.run(
        [
            program, ring.address(1), str(ring.port), "--no-color", "--encoding", "utf-8",
            "--connect-timeout", "60", "--request-timeout", "60", "-e", text,
        ],
        capture_output=True, text=True, timeout=300, check=False,
        # It reads and writes files there; those of whoever runs the tests are not for it.
        env={**os.environ, "HOME": str(ring.data.parent)},
    )  # fmt: skip
    assert done.returncode == code, f"{done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def shell(three: Ring, session3: Session) -> Ring:
    create_keyspace(session3, "sh")
    session3.execute("CREATE TABLE sh.t (k int PRIMARY KEY, v text, bucket int)")
    fill(session3, "sh.t", range(ROWS))
    return three


def first_cells(output: str) -> list[int]:
    """The first column of a printed result, which is a number."""
    cells = [line.split("|")[0].strip() for line in output.splitlines()]
    return [int(cell) for cell in cells if cell.isdigit()]


def test_a_whole_table_is_printed_page_by_page(shell: Ring):
    output = cqlsh(shell, "PAGING 70; CONSISTENCY QUORUM; SELECT k, v FROM sh.t;")
    assert first_cells(output) == IN_ORDER
    assert f"({ROWS} rows)" in output
    output = cqlsh(shell, "SELECT k FROM sh.t LIMIT 250;")
    assert first_cells(output) == IN_ORDER[:250]
    assert first_cells(cqlsh(shell, "SELECT COUNT(*) FROM sh.t;")) == [ROWS]
    output = cqlsh(shell, "SELECT k, v FROM sh.t WHERE bucket = 4 AND token(k) > 0 ALLOW FILTERING;")
    assert first_cells(output) and all(key % 10 == 4 for key in first_cells(output))
    assert "ALLOW FILTERING" in cqlsh(shell, "SELECT k FROM sh.t WHERE bucket = 4;", code=2)


def test_batches_and_levels(shell: Ring):
    output = cqlsh(
        shell,
        "CREATE TABLE sh.b (k int PRIMARY KEY, v int); CONSISTENCY ANY; "
        "BEGIN BATCH INSERT INTO sh.b (k, v) VALUES (1, 10); "
        "INSERT INTO sh.b (k, v) VALUES (2, 20); UPDATE sh.b SET v = 30 WHERE k = 3; APPLY BATCH; "
        "CONSISTENCY ALL; SELECT k, v FROM sh.b;",
    )
    assert "Consistency level set to ANY" in output
    assert sorted(first_cells(output)) == [1, 2, 3]
    assert "SERIAL" in cqlsh(shell, "CONSISTENCY SERIAL; SELECT * FROM sh.b WHERE k = 1;", code=2)
    assert sorted(
        first_cells(cqlsh(shell, "CONSISTENCY EACH_QUORUM; SELECT k, v FROM sh.b;"))
    ) == [1, 2, 3]
    assert "ANY" in cqlsh(shell, "CONSISTENCY ANY; SELECT * FROM sh.b;", code=2)


def test_describe_tells_the_durability_and_can_be_run_again(shell: Ring):
    cqlsh(shell, "CREATE TABLE sh.d (k int PRIMARY KEY, v text) WITH durability = 'periodic';")
    described = cqlsh(shell, "DESCRIBE TABLE sh.d;")
    assert "durability = 'periodic'" in described
    cqlsh(shell, described.replace("sh.d", "sh.again").strip())
    assert cqlsh(shell, "DESCRIBE TABLE sh.again;").replace("sh.again", "sh.d") == described
    cqlsh(shell, "ALTER TABLE sh.d WITH durability = 'synced';")
    assert "durability" not in cqlsh(shell, "DESCRIBE TABLE sh.d;")
    assert "durability = 'periodic'" in cqlsh(shell, "DESCRIBE KEYSPACE sh;")


def test_copy_to_a_file_and_back(shell: Ring, tmp_path: Path):
    """COPY TO reads the ring by ranges of tokens, COPY FROM writes by batches."""
    file = tmp_path / "t.csv"
    output = cqlsh(shell, f"COPY sh.t (k, v, bucket) TO '{file}' WITH PAGESIZE = 100;")
    assert f"{ROWS} rows exported" in output, output
    with open(file, newline="", encoding="utf-8") as lines:
        rows = [(int(k), v, int(bucket)) for k, v, bucket in csv.reader(lines)]
    assert sorted(rows) == [(key, f"row {key}", key % 10) for key in range(ROWS)]
    cqlsh(shell, "CREATE TABLE sh.copied (k int PRIMARY KEY, v text, bucket int);")
    output = cqlsh(shell, f"COPY sh.copied (k, v, bucket) FROM '{file}';")
    assert f"{ROWS} rows imported" in output, output
    assert first_cells(cqlsh(shell, "SELECT k, v FROM sh.copied;")) == IN_ORDER

"""The programs that a user meets, on a real cluster: the README's snippet and the admin CLI."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from cassandra.cluster import Session

from support import Ring, build_folder, create_keyspace

CHECKOUT = Path(__file__).resolve().parents[2]


def run(*command: str | Path, code: int = 0) -> str:
    """What a program printed; it must end with the given exit code."""
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        cwd=CHECKOUT,
    )
    assert done.returncode == code, f"exit code {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture(name="movies", scope="module")
def movies_fixture(three: Ring, session3: Session) -> Ring:
    """A ring with the table that the README's snippet reads."""
    session3.execute("DROP KEYSPACE IF EXISTS ml")
    create_keyspace(session3, "ml")
    session3.execute(
        "CREATE TABLE ml.movies (movie_id int PRIMARY KEY, title text, genres vector<float, 2>)"
    )
    return three


def cli(ring: Ring, *words: str | Path, code: int = 0) -> str:
    return run(
        build_folder() / "martlet",
        *words,
        "--contact-points",
        f"{ring.address(1)}:{ring.port}",
        code=code,
    )


def test_the_readme_s_snippet_is_the_program_that_was_built() -> None:
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    snippet = re.search(r"<!-- snippet: client -->\n```swift\n(.*?)```", readme, re.DOTALL)
    assert snippet is not None
    program = CHECKOUT / "Sources/Verification/ReadmeSnippet/main.swift"
    assert snippet.group(1) == program.read_text(encoding="utf-8")


def test_the_cli_imports_events_and_the_readme_s_snippet_reads_them(
    movies: Ring, session3: Session, tmp_path: Path
) -> None:
    table = tmp_path / "movies.csv"
    table.write_text(
        "movie_id,title,genres,updated_at\n"
        '1,"Toy Story, ""the first"" (1995)","[1, 0.5]",1000000000000\n'
        "2,Jumanji (1995),,1000000000001\n",
        encoding="utf-8",
    )
    cli(movies, "import", table, "--table", "ml.movies", "--timestamp-column", "updated_at")
    row = session3.execute(
        "SELECT title, genres, writetime(title) AS at FROM ml.movies WHERE movie_id = 1"
    ).one()
    assert row.title == 'Toy Story, "the first" (1995)'
    assert list(row.genres) == [1.0, 0.5]
    assert row.at == 1_000_000_000_000_000
    output = run(build_folder() / "ReadmeSnippet", f"{movies.address(2)}:{movies.port}")
    assert output.splitlines() == ['1 Toy Story, "the first" (1995)', "2 Jumanji (1995)"]


def test_the_cli_says_which_line_of_a_file_is_wrong(movies: Ring, tmp_path: Path) -> None:
    table = tmp_path / "wrong.csv"
    table.write_text("movie_id,title\n1,one\nnope,two\n", encoding="utf-8")
    output = cli(movies, "import", table, "--table", "ml.movies", code=1)
    assert "3" in output and "movie_id" in output


def test_the_cli_shows_status_ring_and_models(movies: Ring) -> None:
    status = json.loads(cli(movies, "status", "--format", "json"))
    assert status["healthy"] is True
    assert [node["status"] for node in status["nodes"]] == ["UN"] * 3
    assert "127.0.0.3" in cli(movies, "ring", "show")
    assert "row_cache" in cli(movies, "status", "--memory")
    memory = json.loads(cli(movies, "status", "--memory", "--format", "json"))["memory"]
    assert len(memory) == 3
    for node in memory:
        limits = {part["consumer"]: part["limit_bytes"] for part in node["consumers"]}
        assert limits["row_cache"] > 0
        assert {cache["name"] for cache in node["caches"]} >= {"rows"}
    model = CHECKOUT / "Tests/Scoring/Fixtures"
    pushed = sorted(model.glob("*linear*.onnx"))
    assert pushed, "the fixtures have no linear model"
    cli(movies, "model", "push", pushed[0], "--name", "ml.linear")
    assert "ml.linear" in cli(movies, "model", "list")
    cli(movies, "model", "remove", "ml.linear", "--yes")
    assert "ml.linear" not in cli(movies, "model", "list")


def test_the_cli_fails_plainly(movies: Ring) -> None:
    assert "nope" in cli(movies, "cql", "SELECT nope FROM ml.movies WHERE movie_id = 1", code=1)
    output = run(
        build_folder() / "martlet", "status", "--contact-points", "127.0.0.1:1", code=10
    )
    assert "127.0.0.1:1" in output


def test_a_returned_row_costs_a_constant_number_of_allocations() -> None:
    output = run(build_folder() / "AllocationCheck")
    assert "allocations per returned row" in output

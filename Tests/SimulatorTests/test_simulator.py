"""The simulator on trial: planted mistakes, fixed seeds, fresh seeds, and one trace per seed.

What a seed breaks is printed with the command that runs it again. Longer runs: `martlet-sim soak`.
"""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

BUILD = Path(os.environ.get("MARTLET_BUILD", ".build/release"))

SCENARIOS = [
    "calm", "crash-recover", "partitions", "clock-trouble", "disk-faults", "damage", "slow-node",
    "overload", "schema-changes", "sweeping", "everything",
]  # fmt: skip

FIXED_SEEDS = 60
FRESH_SECONDS = 20


def simulate(*words: object, hashing: bool = False) -> str:
    """What martlet-sim prints; it must end well."""
    environment = {**os.environ}
    environment.pop("SWIFT_DETERMINISTIC_HASHING", None)
    if hashing:
        environment["SWIFT_DETERMINISTIC_HASHING"] = "1"
    done = subprocess.run(
        [str(BUILD / "martlet-sim"), *map(str, words)],
        capture_output=True, text=True, timeout=1800, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, f"{' '.join(done.args)}\n{done.stdout[-8000:]}{done.stderr[-2000:]}"
    return done.stdout


def mutants() -> list[str]:
    """The planted mistakes, as the program names them."""
    try:
        return simulate("mutants", "--list").split()
    except FileNotFoundError:
        # Nothing is built: the tests themselves say so.
        return []


@pytest.mark.parametrize("mutant", mutants())
def test_a_planted_mistake_is_found_by_a_promise_that_it_breaks(mutant: str):
    assert f"{mutant}: found after " in simulate("mutants", "--mutant", mutant)


def test_planted_mistakes_are_on_trial():
    assert len(mutants()) >= 26


def test_a_mistake_that_is_not_found_fails():
    # This program makes no such mistake, whatever is planted.
    done = subprocess.run(
        [
            str(BUILD / "martlet-sim"), "mutants", "--program", "plain", "--mutant", "reversedRows",
            "--operations", "20",
        ],
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "reversedRows: NOT found within 100 seeds by: no value is invented" in done.stdout


@pytest.mark.parametrize("store", ["model", "rocks"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_fixed_seeds(scenario: str, store: str):
    count = FIXED_SEEDS if store == "model" else FIXED_SEEDS // 6
    said = simulate("soak", "--seeds", f"1..{count}", "--scenario", scenario, "--store", store)
    assert said.startswith(f"{count} seeds in ") and said.endswith("; 0 failed\n")


@pytest.mark.parametrize(
    ("seed", "scenario", "store"),
    [(19, "disk-faults", "rocks"), (20000386, "everything", "rocks"), (13000000614, "everything", "model")],
)
def test_seeds_that_once_broke_a_promise(seed: int, scenario: str, store: str):
    simulate("run", "--seed", seed, "--scenario", scenario, "--store", store)


@pytest.mark.parametrize("store", ["model", "rocks"])
def test_fresh_seeds(store: str, capsys: pytest.CaptureFixture[str]):
    first = random.SystemRandom().randrange(1, 1 << 40)
    said = simulate(
        "soak", "--seeds", f"{first}..{first + 1_000_000}", "--time", f"{FRESH_SECONDS}s",
        "--store", store,
    )  # fmt: skip
    with capsys.disabled():
        print(f"\n{store} store, fresh seeds from {first}: {said.strip()}")
    assert int(said.split()[0]) >= 10, "hardly any seed was run"


@pytest.mark.parametrize("store", ["model", "rocks"])
def test_one_seed_gives_one_trace_whatever_the_process_hashes_with(store: str):
    for seed in range(101, 105):
        traces = {
            simulate("run", "--seed", seed, "--store", store, "--twice", hashing=hashing)
            for hashing in (True, False, False)
        }
        assert len(traces) == 1, traces

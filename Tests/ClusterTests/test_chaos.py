"""Real processes under kills, pauses and cut links; longer runs: tools/chaos."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
from pathlib import Path

from support import build_folder

# A run takes a minute, or a good while longer where the machine has other things to do.
SECONDS_MAX = 1200


def chaos(folder: Path, *words: str) -> tuple[int, str]:
    # Addresses of its own, beside those of other tests, which may run at the same time.
    numbers = random.SystemRandom()
    network = f"127.{numbers.randrange(1, 255)}.{numbers.randrange(1, 255)}"
    # The nodes are its children: all of them end with it, also if it hangs.
    with subprocess.Popen(
        [
            str(build_folder() / "martlet-chaos"), "--network", network,
            "--data", str(folder / "chaos"), *words,
        ],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    ) as running:  # fmt: skip
        try:
            output, _ = running.communicate(timeout=SECONDS_MAX)
        finally:
            try:
                os.killpg(running.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
    print(output)
    return running.returncode, output


def test_what_is_acknowledged_at_quorum_outlives_kills_pauses_and_cut_links(tmp_path: Path):
    code, output = chaos(tmp_path, "--nodes", "3", "--seconds", "30")
    assert code == 0, output
    assert "violations: 0" in output
    done = re.search(r"^writes +\d+ +(\d+)", output, re.MULTILINE)
    assert done is not None and int(done.group(1)) > 1000, output


def test_requests_at_one_break_the_promises_of_quorum_and_the_checker_sees_it(tmp_path: Path):
    code, output = chaos(
        tmp_path, "--nodes", "3", "--seconds", "25", "--seed", "2", "--sent-level", "ONE"
    )
    assert code == 1, output
    assert "violated: " in output


def test_wrong_options_are_refused(tmp_path: Path):
    for words in (("--nodes", "2"), ("--seconds", "0"), ("--network", "10.0.0"), ("--rate", "0")):
        code, output = chaos(tmp_path, *words)
        assert code == 64 and words[0] in output, output

"""Real processes under kills, pauses and cut links; longer runs: tools/chaos."""

from __future__ import annotations

import re
import subprocess

from support import build_folder


def chaos(*words: str) -> tuple[int, str]:
    # Addresses of its own, beside those of the other tests.
    done = subprocess.run(
        [str(build_folder() / "martlet-chaos"), "--network", "127.0.3", *words],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    output = done.stdout + done.stderr
    print(output)
    return done.returncode, output


def test_what_is_acknowledged_at_quorum_outlives_kills_pauses_and_cut_links():
    code, output = chaos("--nodes", "3", "--seconds", "30")
    assert code == 0, output
    assert "violations: 0" in output
    done = re.search(r"^writes +\d+ +(\d+)", output, re.MULTILINE)
    assert done is not None and int(done.group(1)) > 1000, output


def test_requests_at_one_break_the_promises_of_quorum_and_the_checker_sees_it():
    code, output = chaos("--nodes", "3", "--seconds", "25", "--seed", "2", "--sent-level", "ONE")
    assert code == 1, output
    assert "violated: " in output


def test_wrong_options_are_refused():
    for words in (("--nodes", "2"), ("--seconds", "0"), ("--network", "10.0.0"), ("--rate", "0")):
        code, output = chaos(*words)
        assert code == 64 and words[0] in output, output

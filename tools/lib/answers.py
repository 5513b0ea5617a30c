#!/usr/bin/env python3
"""Reads what `tools/demo/show.py --json` printed, for tools/quickstart.

  answers.py victim --nodes N   one answer on stdin; prints the number of the node to kill: a replica
                                that scored, never node 1; the last node if the answer names none
  answers.py compare            two answers on stdin, a line each; exit 0 if ids, order and scores
                                are identical
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from typing import Any


def victim(answer: dict[str, Any], nodes: int) -> int:
    """The node to kill: the scoring replica with the most rows, or the last node."""
    rows_by_node = {}
    for replica in (answer.get("scoring") or {}).get("replicas") or []:
        named = re.search(r"\b127\.0\.0\.(\d+)\b", str(replica.get("node", "")))
        if named and 2 <= int(named[1]) <= nodes:
            rows_by_node[int(named[1])] = replica.get("rows", 0)
    return max(rows_by_node, key=lambda node: (rows_by_node[node], node), default=nodes)


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What differs between two answers; scores are compared exactly."""
    found = []
    if not before["ids"]:
        found.append("the first answer has no rows")
    if len(before["ids"]) != len(after["ids"]):
        found.append(f"{len(before['ids'])} rows before, {len(after['ids'])} rows after")
    if None in before["scores"]:
        found.append("a score is null")
    pairs = zip(zip(before["ids"], before["scores"]), zip(after["ids"], after["scores"]))
    for place, (one, other) in enumerate(pairs, start=1):
        if one != other:
            found.append(f"place {place}: movie {one[0]} with {one[1]!r} before, "
                         f"movie {other[0]} with {other[1]!r} after")  # fmt: skip
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("command", choices=["victim", "compare"])
    parser.add_argument("--nodes", type=int, default=5)
    options = parser.parse_args()
    answers = [json.loads(line) for line in sys.stdin if line.strip()]
    if len(answers) != (1 if options.command == "victim" else 2):
        print(f"answers.py: {options.command} was given {len(answers)} answers", file=sys.stderr)
        return 2
    if options.command == "victim":
        print(victim(answers[0], options.nodes))
        return 0
    found = differences(*answers)
    for line in found:
        print(f"DIFFERENT: {line}", file=sys.stderr)
    if found:
        return 1
    print(f"Identical: the same {len(answers[0]['ids'])} ids in the same order with the same scores.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Shows a user's top movies as the ring scores them, beside what the user really liked."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import cluster

HERE = Path(__file__).resolve().parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    cluster.add_arguments(parser, HERE / "out" / "holdout.json")
    parser.add_argument("--user", type=int, default=1)
    parser.add_argument(
        "--json", action="store_true", help="print ids, scores (exact), time and replicas as JSON"
    )
    options = parser.parse_args()
    try:
        entry = cluster.user_entry(
            cluster.load_candidates(options.candidates), options.user, options.candidates
        )
        with cluster.Ring(options) as ring:
            answer = ring.top(options.user, entry["candidates"], options.limit)
    except Exception as error:  # The driver and the files each have their own kinds.
        print(f"show.py: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(as_json(answer) if options.json else as_text(answer, entry, options))
    return 0


def as_json(answer: cluster.Scored) -> str:
    """One line of JSON; floats are written by repr, so equal text means equal bits."""
    return json.dumps({
        "ids": [movie_id for movie_id, _, _ in answer.rows],
        "scores": [score if cluster.is_score(score) else None for _, _, score in answer.rows],
        "elapsed_ms": round(answer.elapsed_ms, 3),
        "scoring": answer.scoring or {},
        "warnings": answer.warnings,
    })  # fmt: skip


def as_text(answer: cluster.Scored, entry: dict[str, Any], options: argparse.Namespace) -> str:
    """The two lists side by side, then what each replica did."""
    liked = set(entry["liked"])
    top = [
        f"{'*' if movie_id in liked else ' '} {number(score)} {title[:44]}"
        for movie_id, title, score in answer.rows
    ]
    really = [
        f"{row['rating']:.1f} {row['title'][:44]}"
        for row in entry["held_out"]
        if row["movie_id"] in liked
    ] or ["(none of the held-out ratings is 4 or more)"]
    really += [""] * (len(top) - len(really))
    top += [""] * (len(really) - len(top))
    lines = [
        f"User {options.user}: top {options.limit} of {len(entry['candidates'])} unseen movies, "
        f"{options.consistency}, in {answer.elapsed_ms:.1f} ms",
        f"  {'scored on the replicas':56} really liked (held out, rating >= 4)",
    ]
    lines += [f"  {left:56} {right}".rstrip() for left, right in zip(top, really)]
    if any(row[0] in liked for row in answer.rows):
        lines.append("  (* the user liked this one)")
    lines += replica_lines(answer.scoring)
    warnings = answer.warnings + list((answer.scoring or {}).get("warnings") or [])
    lines += [f"  warning: {warning}" for warning in dict.fromkeys(warnings)]
    return "\n".join(lines)


def number(score: float | None) -> str:
    """A score in nine columns."""
    return f"{score:9.5f}" if cluster.is_score(score) else "     null"


def replica_lines(scoring: dict[str, Any] | None) -> list[str]:
    """The table of scoring replicas."""
    if not scoring:
        return [f"  (the response carried no custom payload {cluster.PAYLOAD_KEY})"]
    lines = [
        f"Model {scoring.get('model', '?')} version {scoring.get('version', '?')}; replicas:",
        f"  {'node':24} {'rows':>6} {'batch':>6} {'returned':>9} {'bytes':>9}",
    ]
    for replica in scoring.get("replicas") or []:
        cells = [str(replica.get(key, "?")) for key in ("rows", "batch", "returned_rows", "bytes")]
        lines.append(
            f"  {replica.get('node', '?'):24} "
            f"{cells[0]:>6} {cells[1]:>6} {cells[2]:>9} {cells[3]:>9}"
        )
    return lines


if __name__ == "__main__":
    sys.exit(main())

"""Starts martletd in the way of tools/run-cluster, but with what one test wants otherwise.

tools/run-cluster writes a node's node.yaml anew before each start. A `Ring` therefore gives it this
program for a martletd: it puts the fields of `launch.json`, which lies beside node.yaml, in the
place of run-cluster's, adds the options that stand there, and becomes martletd, with the same
process id.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any


def overridden(text: str, fields: dict[str, Any]) -> str:
    """The configuration with some top-level fields, whole sections among them, replaced."""
    kept = []
    is_replaced = False
    for line in text.splitlines():
        if line[:1] not in ("", " ", "#"):
            is_replaced = line.split(":")[0] in fields
        if not is_replaced:
            kept.append(line)
    # JSON is YAML too.
    kept += [f"{name}: {json.dumps(value)}" for name, value in fields.items()]
    return "\n".join(kept) + "\n"


def main() -> None:
    program, *arguments = sys.argv[1:]
    file = Path(arguments[arguments.index("--config") + 1])
    wanted = file.parent / "launch.json"
    launch = json.loads(wanted.read_text()) if wanted.exists() else {}
    file.write_text(overridden(file.read_text(), launch.get("fields", {})))
    os.execv(program, [program, *arguments, *launch.get("options", [])])


if __name__ == "__main__":
    main()

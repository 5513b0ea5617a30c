#!/usr/bin/env python3
"""Prints `PASSED FAILED` of one JUnit file; skipped tests, and a file without a test, are failed.

Exit code 1, and the reason on stderr, if there is no such file or it is not JUnit.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as xml
from pathlib import Path


def count(path: Path) -> tuple[int, int]:
    """Counts test by test: the sums that runners write differ in whether they hold skipped ones."""
    passed = failed = 0
    for case in xml.parse(path).getroot().iter("testcase"):
        bad = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
        if bad:
            failed += 1
            print(f"{bad[0]}: {case.get('classname')} {case.get('name')}", file=sys.stderr)
        else:
            passed += 1
    if passed + failed == 0:
        print(f"{path.name}: no test ran", file=sys.stderr)
        failed = 1
    return passed, failed


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        print(*count(Path(arguments[0])))
    except (OSError, xml.ParseError) as error:
        print(f"count_tests.py: {arguments[0]}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

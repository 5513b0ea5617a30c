"""Rules for all text: marks of unfinished work, paths of one machine, documents, tracked files."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import PurePosixPath
from typing import Callable, Iterable

from .finding import Finding

# Written in pieces, so that this file does not find itself.
_UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b|\bnotImple" r"mented\b|\"not imple" r"mented")
_MACHINE_PATH = re.compile(r"(?<![\w.~}$)/-])/(?:work|root|farm|home/\w+)/[A-Za-z.]")
_SKIPPED_PYTHON = re.compile(r"pytest\.(?:mark\.)?(?:skip|xfail|importor" r"skip)")

_TRACKED_BADLY = (
    ("Package.resolved", "untrack it: versions are pinned in Package.swift"),
    (".build", "untrack it: it is made by the build"),
    (".martlet", "untrack it: it is made by the tools"),
    ("__pycache__", "untrack it: it is made by Python"),
)

_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_PATH = re.compile(r"[A-Za-z0-9_.*{},+-]+(?:/[A-Za-z0-9_.*{},+-]+)*/?")
# A span without a slash is taken for a file only if it ends like one of these.
_FILE_ENDINGS = (".swift", ".md", ".py", ".yaml", ".sh", ".template", ".c", ".cc", ".h")


def text_findings(file: str, text: str) -> Iterable[Finding]:
    """Marks of unfinished work and paths of this machine."""
    for number, line in enumerate(text.split("\n"), start=1):
        if match := _UNFINISHED.search(line):
            yield Finding(file, number, "unfinished", f"`{match[0]}`: finish it, or write an issue")
        if match := _MACHINE_PATH.search(line):
            advice = f"`{match[0]}...` is a path of one machine: make it relative"
            yield Finding(file, number, "machine-path", advice)
        if file.endswith(".py") and (match := _SKIPPED_PYTHON.search(line)):
            yield Finding(file, number, "skipped-test", "mend the test or delete it")


def tracked_findings(tracked: Iterable[str]) -> Iterable[Finding]:
    """Files that git should not hold."""
    for file in tracked:
        for part, advice in _TRACKED_BADLY:
            if part in PurePosixPath(file).parts:
                yield Finding(file, 1, "tracked", advice)


def is_document(file: str) -> bool:
    """The documents whose paths are checked."""
    return fnmatch(file, "docs/*.md") or file in ("README.md", "CONTRIBUTING.md", "NOTICE")


def document_findings(
    file: str, text: str, files: set[str], is_ignored: Callable[[str], bool]
) -> Iterable[Finding]:
    """Backticked paths that lead nowhere; what git ignores is made later, and may be absent."""
    folders = {str(parent) for name in files for parent in PurePosixPath(name).parents}
    tops = {name.split("/")[0] for name in files}
    names = {PurePosixPath(name).name for name in files}
    for number, line in enumerate(_without_blocks(text), start=1):
        for span in _SPAN.findall(line):
            word = re.sub(r":\d+$", "", span.split()[0]) if span.split() else ""
            if not _PATH.fullmatch(word):
                continue
            path = word.rstrip("/")
            if "/" in path:
                looks_like_path = path.split("/")[0] in tops
                exists = path in files or path in folders or _matches(path, files | folders)
            else:
                looks_like_path = path.endswith(_FILE_ENDINGS) and "*" not in path
                exists = path in names
            if looks_like_path and not exists and not is_ignored(path):
                yield Finding(file, number, "dead-path", f"`{path}` does not exist: name what does")


def _without_blocks(text: str) -> Iterable[str]:
    """The lines, those of fenced code as empty ones."""
    fenced = False
    for line in text.split("\n"):
        mark = line.lstrip().startswith("```")
        yield "" if fenced or mark else line
        fenced ^= mark


def _matches(path: str, files: set[str]) -> bool:
    if braces := re.search(r"\{([^{}]*)\}", path):
        choices = braces[1].split(",")
        return all(
            _matches(path[: braces.start()] + choice + path[braces.end() :], files) for choice in choices
        )
    return path in files or ("*" in path and any(fnmatch(file, path) for file in files))

"""Reads the targets of Package.swift: what they are called, where they lie, what they depend on.

It reads the text instead of asking SwiftPM, because only the text says which targets are pure (those
under the comment "Pure targets"), and because it must work where nothing is built yet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from .finding import Finding
from .swift_source import closing, code_only, line_of

FILE = "Package.swift"

# The functions that declare a target, by what they make.
_KINDS = {
    "library": "library",
    "tests": "tests",
    "program": "program",
    ".target": "library",
    ".testTarget": "tests",
    ".executableTarget": "program",
    ".systemLibrary": "library",
}
_CALL = re.compile(r"(?<![\w.])(" + "|".join(re.escape(name) for name in _KINDS) + r")\s*\(")
_CONSTANT = re.compile(r"\blet\s+(\w+)\b[^=\n]*=\s*")
_ITEM = re.compile(
    r'\.product\(\s*name:\s*"(?P<product>\w+)"|'
    r'\.(?:target|byName)\(\s*name:\s*"(?P<target>\w+)"|'
    r'"(?P<string>[^"]*)"|(?P<name>\b[A-Za-z_]\w*)'
)


@dataclass
class Target:
    """One target as the manifest declares it."""

    name: str
    kind: str
    line: int
    is_pure: bool
    path: str | None
    dependencies: list[str] = field(default_factory=list)


@dataclass
class Manifest:
    """The targets by name, and what was wrong with the manifest itself."""

    targets: dict[str, Target] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def owner(self, file: str) -> Target | None:
        """The target whose folder holds a file."""
        holders = [
            target for target in self.targets.values()
            if target.path and file.startswith(target.path + "/")
        ]  # fmt: skip
        return max(holders, key=lambda target: len(target.path or ""), default=None)


def read(root: Path) -> Manifest:
    """Reads the manifest of the package in `root`."""
    source = (root / FILE).read_text(encoding="utf-8")
    code = code_only(source)
    manifest = Manifest()
    constants = _constants(source, code)
    # A product lists its targets too, but declares none.
    lists = re.finditer(r"\btargets\s*:\s*\[", code)
    start = next((one for one in lists if _CALL.search(code, one.end(), closing(code, one.end() - 1))), None)
    if not start:
        manifest.findings.append(Finding(FILE, 1, "manifest", "it has no `targets: [`"))
        return manifest
    list_end = closing(code, start.end() - 1)
    pure_from, pure_to = _pure_section(source, start.end(), list_end)
    at = start.end()
    while match := _CALL.search(code, at, list_end):
        at = closing(code, match.end() - 1) + 1
        target = _target(root, source, code, match, at - 1, constants, manifest)
        if target:
            target.is_pure = target.kind != "tests" and pure_from <= match.start() < pure_to
            manifest.targets[target.name] = target
    manifest.findings += _unpinned(source, code)
    return manifest


def _pure_section(source: str, start: int, end: int) -> tuple[int, int]:
    """From the comment "Pure targets" to the next comment that stands at the targets' own level."""
    first = re.compile(r"^([ \t]*)// Pure targets", re.MULTILINE).search(source, start, end)
    if not first:
        return end, end
    next_section = re.compile(rf"^{first[1]}// (?!Pure)[A-Z]\w*.*$", re.MULTILINE)
    after = next_section.search(source, _comment_block_end(source, first.end()), end)
    return first.start(), after.start() if after else end


def _comment_block_end(source: str, at: int) -> int:
    """The end of consecutive comment lines."""
    lines = re.compile(r"[^\n]*\n(?:[ \t]*//[^\n]*\n)*").match(source, at)
    return lines.end() if lines else at


def _constants(source: str, code: str) -> dict[str, str]:
    """The source text of each `let name = ...`, up to the end of its expression."""
    found = {}
    for match in _CONSTANT.finditer(code):
        at = match.end()
        while at < len(code) and code[at] != "\n":
            at = closing(code, at) + 1 if code[at] in "([{" else at + 1
        found[match[1]] = source[match.end() : at]
    return found


def _arguments(code: str, start: int, end: int) -> list[tuple[int, int]]:
    """The offsets of a call's arguments, cut at its own commas."""
    found, begin, at = [], start, start
    while at < end:
        if code[at] in "([{":
            at = closing(code, at)
        elif code[at] == ",":
            found.append((begin, at))
            begin = at + 1
        at += 1
    if code[begin:end].strip() or begin == start:
        found.append((begin, end))
    return found


def _target(
    root: Path, source: str, code: str, call: re.Match[str], end: int,
    constants: dict[str, str], manifest: Manifest,
) -> Target | None:  # fmt: skip
    kind = _KINDS[call[1]]
    line = line_of(source, call.start())
    labels: dict[str, str] = {}
    lists: list[str] = []
    for begin, stop in _arguments(code, call.end(), end):
        text = source[begin:stop].strip()
        label = re.match(r"(\w+)\s*:\s*", text)
        if label:
            labels[label[1]] = text[label.end() :]
        elif text.startswith('"'):
            labels.setdefault("name", text)
        else:
            lists.append(text)
    name = _literal(labels.get("name") or labels.get("of") or "")
    if not name:
        manifest.findings.append(
            Finding(FILE, line, "manifest", "write the target's name as a literal, for tidy")
        )
        return None
    dependencies = [] if call[1] != "tests" else [name]
    for text in lists + [labels[key] for key in ("dependencies",) if key in labels]:
        dependencies += _names(text, constants, line, manifest)
    if call[1] == "tests":
        name += "Tests"
    path = _literal(labels.get("path") or "") or _find_folder(root, name, kind, labels)
    return Target(name, kind, line, False, path, dependencies)


def _literal(text: str) -> str | None:
    match = re.fullmatch(r'\s*"([^"\\]*)"\s*', text)
    return match[1] if match else None


def _names(text: str, constants: dict[str, str], line: int, manifest: Manifest) -> list[str]:
    """The modules that a list of dependencies names; constants are followed."""
    found = []
    # Labels inside of .product(...) are no names.
    for match in _ITEM.finditer(re.sub(r",\s*(?:package|condition)\s*:[^)]*", "", text)):
        name = match["product"] or match["target"] or match["string"]
        if name:
            found.append(name)
        elif match["name"] in constants:
            rest = {key: value for key, value in constants.items() if key != match["name"]}
            found += _names(constants[match["name"]], rest, line, manifest)
        elif match["name"] not in ("Target", "Dependency"):
            advice = f"tidy cannot tell what `{match['name']}` is; name it by a `let` or a literal"
            manifest.findings.append(Finding(FILE, line, "manifest", advice))
    return found


def _find_folder(root: Path, name: str, kind: str, labels: dict[str, str]) -> str | None:
    """The folder: as the manifest's functions make it, else the one that bears the name."""
    top = "Tests" if kind == "tests" else "Sources"
    folder = _literal(labels.get("in") or "")
    if folder is not None and kind == "program":
        return f"{top}/executables/{folder}"
    if folder is not None:
        return f"{top}/{folder}/{name}"
    found = sorted(path for path in (root / top).rglob(name) if path.is_dir())
    return found[0].relative_to(root).as_posix() if found else None


def _unpinned(source: str, code: str) -> list[Finding]:
    """Packages that are not pinned to one version."""
    found = []
    for match in re.finditer(r"\.package\s*\(", code):
        call = source[match.start() : closing(code, match.end() - 1)]
        if "exact:" not in call and "path:" not in call:
            line = line_of(source, match.start())
            found.append(Finding(FILE, line, "unpinned", "pin the package with exact:"))
    return found

"""Swift source with comments and the text of strings blanked, line numbers kept."""

from __future__ import annotations

import re

_OPENING = re.compile(r'//|/\*|(?P<hashes>#*)(?P<quotes>"""|")')


def code_only(source: str) -> str:
    """Replaces comments and string contents by spaces; code in interpolations is blanked too."""
    pieces: list[str] = []
    at = 0
    while match := _OPENING.search(source, at):
        pieces.append(source[at : match.start()])
        if match[0] == "//":
            end = source.find("\n", match.end())
            end = len(source) if end < 0 else end
        elif match[0] == "/*":
            end = _comment_end(source, match.end())
        else:
            end = _string_end(source, match.end(), match["hashes"], match["quotes"])
        pieces.append(re.sub(r"[^\n]", " ", source[match.start() : end]))
        at = end
    pieces.append(source[at:])
    return "".join(pieces)


def _comment_end(source: str, at: int) -> int:
    """Block comments nest in Swift."""
    depth = 1
    while depth:
        match = re.compile(r"/\*|\*/").search(source, at)
        if not match:
            return len(source)
        depth += 1 if match[0] == "/*" else -1
        at = match.end()
    return at


def _string_end(source: str, at: int, hashes: str, quotes: str) -> int:
    """The end of a literal, over escapes and interpolations (which may hold literals)."""
    escape = "\\" + hashes
    while at < len(source):
        if source.startswith(quotes + hashes, at):
            return at + len(quotes + hashes)
        if source.startswith(escape + "(", at):
            at = _interpolation_end(source, at + len(escape) + 1)
        elif source.startswith(escape, at):
            at += len(escape) + 1
        elif source[at] == "\n" and quotes == '"':
            return at
        else:
            at += 1
    return at


def _interpolation_end(source: str, at: int) -> int:
    depth = 1
    while at < len(source) and depth:
        if match := _OPENING.match(source, at):
            if match["quotes"]:
                at = _string_end(source, match.end(), match["hashes"], match["quotes"])
                continue
        depth += {"(": 1, ")": -1}.get(source[at], 0)
        at += 1
    return at


def line_of(source: str, at: int) -> int:
    """The number, from 1, of the line that holds this offset."""
    return source.count("\n", 0, at) + 1


def closing(code: str, at: int) -> int:
    """The offset of the bracket that closes the one at `at`, or the end; `code` has no strings."""
    pairs = {"(": ")", "[": "]", "{": "}"}
    stack = []
    for i in range(at, len(code)):
        if code[i] in pairs:
            stack.append(pairs[code[i]])
        elif stack and code[i] == stack[-1]:
            stack.pop()
            if not stack:
                return i
    return len(code)


_IMPORT = re.compile(
    r"^[ \t]*(?:@\w+(?:\([^)]*\))?[ \t]+)*(?:(?:public|package|internal|private|fileprivate)[ \t]+)?"
    r"import[ \t]+(?:(?:struct|class|enum|protocol|func|var|let|typealias)[ \t]+)?(\w+)",
    re.MULTILINE,
)


def imports(code: str) -> list[tuple[str, int]]:
    """The imported modules with their lines."""
    return [(match[1], line_of(code, match.start(1))) for match in _IMPORT.finditer(code)]

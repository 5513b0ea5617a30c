"""Rules for Swift files and for the targets that hold them."""

from __future__ import annotations

import re
from typing import Iterable

from .finding import Finding
from .manifest import FILE, Manifest, Target
from .swift_source import closing, code_only, imports, line_of

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 60

# Modules that come with the tool-chain; shells, programs and tests may import them.
SYSTEM_MODULES = frozenset(
    "Dispatch Foundation FoundationEssentials Glibc Musl RegexBuilder Swift Synchronization Testing "
    "_Concurrency".split()
)
# The modules of the tool-chain that pure targets may import: `Mutex` and `Atomic` for what loops share.
PURE_SYSTEM_MODULES = frozenset({"Synchronization"})
# The modules of swift-collections, the one package that pure targets may use.
COLLECTIONS = frozenset(
    "BasicContainers BitCollections Collections DequeModule HashTreeCollections HeapModule "
    "OrderedCollections".split()
)

# What a pure target may not say, and what it should do instead. House style, rules 2 and 12.
_TIME = "a pure target reads no clock: take `now` as a parameter"
_CHANCE = "a pure target makes no random numbers: take `using: &generator` as a parameter"
_OUTPUT = "a pure target prints and logs nothing: return an action"
_TASKS = "a pure target starts nothing: return an action that its shell performs"
BANNED = (
    (re.compile(r"\bDate\("), _TIME),
    (re.compile(r"(?<![\w)\]?!.])\.now\b|\b[A-Z]\w*(?:\(\))?\.now\b|\bclock\.now\b"), _TIME),
    (re.compile(r"\b(?:Continuous|Suspending)Clock\b|\bclock_gettime\b|\bgettimeofday\b"), _TIME),
    (re.compile(r"\bTask(?:\.detached)?\s*(?:\([^)]*\)\s*)?\{|\bTask\.sleep\b|\bDispatchQueue\b"), _TASKS),
    (re.compile(r"(?<![\w.])(?:debugPrint|print|NSLog)\("), _OUTPUT),
    (re.compile(r"\bLogger\("), _OUTPUT),
    (re.compile(r"(?<!environment)\.(?:random|randomElement|shuffled|shuffle)\((?![^()]*(?:\([^()]*\)[^()]*)*\busing:)"),
     _CHANCE),
    (re.compile(r"\bSystemRandomNumberGenerator\b|\bUUID\(\)"), _CHANCE),
)  # fmt: skip

# Tests that do not run, or see more than the package's face.
NOT_RUN = (
    (re.compile(r"\.disabled\(|\.enabled\(if:\s*false|\bXCTSkip|\bwithKnownIssue\b"),
     "skipped-test", "mend the test or delete it"),
    (re.compile(r"@testable\b"), "testable", "test through the `package` face"),
)  # fmt: skip

_DECLARATION = re.compile(
    r"^[ \t]*(?:@\w+(?:\([^)\n]*\))?[ \t]+)*(?P<before>(?:[a-z]+(?:\([^)\n]*\))?[ \t]+)*)package"
    r"(?:\(set\))?[ \t]+(?!import\b)(?P<rest>[^\n]*)",
    re.MULTILINE,
)
# Witnesses of protocols that every reader knows: the protocol says what they are.
_KNOWN_WITNESS = re.compile(
    r"(?:(?:static|func|let|var|mutating|typealias|nonisolated)\s+)*(?:"
    r"(?:description|debugDescription|rawValue|errorDescription|id|hashValue)\s*[:{]|(?:<|==)\s*\(|"
    r"hash\(into|init\??\((?:rawValue|stringLiteral|integerLiteral|arrayLiteral|from):?|encode\(to|"
    r"(?:InboundIn|InboundOut|OutboundIn|OutboundOut|RawValue|Element|Index|ArrayLiteralElement)\b|"
    r"(?:handlerAdded|handlerRemoved|channel[A-Z]\w+|errorCaught|userInboundEventTriggered|write|flush|"
    r"close|read)\(context|next\(\)|makeIterator\(\)|run\(\) async throws)"
)
_FUNCTION = re.compile(r"\b(?:func[ \t]+(?P<name>`[^`\n]+`|[^\s(<]+)|(?<![.\w])init[?]?)[ \t]*(?=[(<])")


def file_findings(
    file: str,
    source: str,
    target: Target | None,
    manifest: Manifest,
    requirements: frozenset[str] = frozenset(),
) -> Iterable[Finding]:
    """All findings of one Swift file; `requirements` are those of documented_requirements."""
    code = code_only(source)
    lines = source.count("\n") + (not source.endswith("\n"))
    if lines > FILE_LINES_MAX:
        advice = f"{lines} lines, the limit is {FILE_LINES_MAX}: give what is not the main type its own file"
        yield Finding(file, FILE_LINES_MAX + 1, "file-length", advice)
    yield from _functions(file, code)
    yield from _undocumented(file, source, code, requirements)
    for pattern, rule, advice in NOT_RUN:
        for match in pattern.finditer(code):
            yield Finding(file, line_of(code, match.start()), rule, advice)
    if target is None:
        return
    yield from _imports(file, code, target, manifest)
    if target.is_pure:
        for pattern, advice in BANNED:
            for match in pattern.finditer(code):
                word = " ".join(match[0].split())
                yield Finding(file, line_of(code, match.start()), "pure", f"`{word}`: {advice}")


def _imports(file: str, code: str, target: Target, manifest: Manifest) -> Iterable[Finding]:
    declared = set(target.dependencies)
    if declared & COLLECTIONS:
        declared |= COLLECTIONS
    for module, line in imports(code):
        if target.is_pure:
            known = manifest.targets.get(module)
            allowed = module in COLLECTIONS or module in PURE_SYSTEM_MODULES
            if not allowed and not (known and known.is_pure):
                advice = (
                    f"pure target {target.name} imports {module}; it may import pure targets, "
                    "swift-collections and Synchronization"
                )
                yield Finding(file, line, "pure-import", advice)
        if module not in declared and module not in SYSTEM_MODULES and module != target.name:
            advice = f"{target.name} does not declare {module}: add it to its dependencies in {FILE}"
            yield Finding(file, line, "undeclared-import", advice)


def documented_requirements(sources: Iterable[str]) -> frozenset[str]:
    """The requirements of all protocols, by name and labels; tidy sees that each is documented itself."""
    found = set()
    for source in sources:
        code = code_only(source)
        for protocol in re.finditer(r"\bprotocol[ \t]+\w+[^{]*(?=\{)", code):
            end = closing(code, protocol.end())
            for member in re.finditer(r"\b(?:func|var)[ \t]+\w+", code[protocol.end() : end]):
                found.add(_face(code, protocol.end() + member.start()))
    return frozenset(found)


def _face(code: str, position: int) -> str:
    """The declaration at a `func` or `var` as `name(label:label:)` or `name`; empty if it is neither."""
    match = re.compile(r"(func|var)[ \t]+(\w+)").match(code, position)
    if not match:
        return ""
    if match[1] == "var":
        return match[2]
    opening = code.find("(", match.end())
    labels, depth, fresh = "", 0, True
    for token in re.finditer(r"[A-Za-z_]\w*|[(){}<>\[\],]|->", code[opening : closing(code, opening)]):
        if token[0] in "([{<":
            depth += 1
        elif token[0] in ")]}>":
            depth -= 1
        elif token[0] == "," and depth == 1:
            fresh = True
        elif fresh and depth == 1 and token[0] not in ("->", ","):
            labels += token[0] + ":"
            fresh = False
    return f"{match[2]}({labels})"


def _undocumented(file: str, source: str, code: str, requirements: frozenset[str]) -> Iterable[Finding]:
    lines = source.split("\n")
    for match in _DECLARATION.finditer(code):
        line = line_of(code, match.start("before"))
        if "override" in match[0].split() or _KNOWN_WITNESS.match(match["rest"]):
            continue
        keyword = re.search(r"\b(?:func|var)\b", match["rest"])
        if keyword and _face(code, match.start("rest") + keyword.start()) in requirements:
            continue
        above = line - 2
        # Attributes stand between the comment and the declaration, over several lines perhaps.
        while above >= 0 and re.match(r"\s*(?:@\w|\)\s*$)", lines[above]):
            above -= 1
        if above < 0 or not lines[above].lstrip().startswith(("///", "*/")):
            advice = f"`package {match['rest'].strip()[:50]}` has no `///` comment: say in one sentence what it is"
            yield Finding(file, line, "undocumented", advice)


def _functions(file: str, code: str) -> Iterable[Finding]:
    for match in _FUNCTION.finditer(code):
        opening = code.find("(", match.end() - 1)
        if opening < 0:
            continue
        # The body opens before the next declaration, or this is a requirement without a body.
        body = re.compile(r"\{|^[ \t]*\}|\b(?:func|init|var|let|case)\b", re.MULTILINE).search(
            code, closing(code, opening)
        )
        if not body or body[0] != "{":
            continue
        first = line_of(code, match.start())
        count = line_of(code, closing(code, body.start())) - first + 1
        if count > FUNCTION_LINES_MAX:
            name = match["name"] or "init"
            advice = f"`{name}` has {count} lines, aim under {FUNCTION_LINES_MAX}: name its steps"
            yield Finding(file, first, "function-length", advice, is_warning=True)


def target_findings(manifest: Manifest, sources: dict[str, str]) -> Iterable[Finding]:
    """Targets that nobody needs, dependencies that nobody imports, folders that nobody declares."""
    imported: dict[str, set[str]] = {name: set() for name in manifest.targets}
    for file, source in sources.items():
        target = manifest.owner(file)
        if target:
            imported[target.name] |= {module for module, _ in imports(code_only(source))}
        elif file.startswith(("Sources/", "Tests/")):
            yield Finding(file, 1, "undeclared-file", f"no target of {FILE} holds this file: declare one")
    # A target's own tests do not make it needed; what serves other tests is.
    needed = {
        name for target in manifest.targets.values() for name in target.dependencies
        if target.name != f"{name}Tests"
    }  # fmt: skip
    for target in manifest.targets.values():
        if target.kind == "library" and target.name not in needed:
            advice = f"nothing but its own tests depends on {target.name}: use it or delete it"
            yield Finding(FILE, target.line, "unused-target", advice)
        for name in target.dependencies:
            known = manifest.targets.get(name)
            if known and target.is_pure and not known.is_pure:
                advice = f"pure target {target.name} depends on {name}, which is not pure"
                yield Finding(FILE, target.line, "pure-import", advice)
            uses = imported[target.name] & (COLLECTIONS if name in COLLECTIONS else {name})
            is_program = known is not None and known.kind == "program"
            if not uses and imported[target.name] and not is_program and target.kind != "tests":
                advice = f"{target.name} declares {name} and never imports it: remove it"
                yield Finding(FILE, target.line, "unused-dependency", advice)

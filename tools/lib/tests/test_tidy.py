"""tools/tidy on small checkouts: each rule finds its fault, and finds nothing without it."""

import subprocess
from pathlib import Path

import pytest

from tidy.swift_source import code_only, imports

TIDY = Path(__file__).resolve().parents[2] / "tidy"

MANIFEST = """// swift-tools-version: 6.2
func library(_ name: String, in folder: String, _ d: [Target.Dependency] = []) -> Target { .target(name: name) }
let nio = Target.Dependency.product(
    name: "NIOCore",
    package: "swift-nio"
)
let package = Package(
    name: "P",
    products: [.library(name: "Shell", targets: ["Shell"])],
    dependencies: [.package(url: "https://example.org/swift-nio.git", exact: "1.0.0")],
    targets: [
        // Pure targets: they decide.
        library("Pure", in: "A"),
        library("Upper", in: "A", ["Pure"]),
        // Shells: the rest.
        library("Shell", in: "B", ["Upper", nio]),
        program("tool", ["Shell"]),
        tests(of: "Pure", in: "A"),
    ]
)
"""
FILES = {
    "Package.swift": MANIFEST,
    "Sources/A/Pure/Pure.swift": "/// One.\npackage func one() -> Int { 1 }\n",
    "Sources/A/Upper/Upper.swift": "import Pure\n\n/// Two.\npackage func two() -> Int { one() + 1 }\n",
    "Sources/B/Shell/Shell.swift": "import NIOCore\nimport Upper\n",
    "Sources/executables/tool/main.swift": "import Shell\nprint(1)\n",
    "Tests/A/PureTests/PureTests.swift": "import Pure\nimport Testing\n",
    "README.md": "See `Sources/A/Pure/Pure.swift`, `Sources/*/Pure` and `a/b`.\n",
}


def tidy(root: Path, changes: dict[str, str] | None = None, force: list[str] = ()) -> tuple[int, str]:
    for name, text in (FILES | (changes or {})).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    subprocess.run(["git", "init", "--quiet", root], check=True)
    if force:
        subprocess.run(["git", "-C", root, "add", "--force", *force], check=True)
    done = subprocess.run([TIDY, "--root", root], capture_output=True, text=True)
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def test_a_tidy_checkout_has_no_findings(tmp_path):
    assert tidy(tmp_path) == (0, "tidy: 0 to mend, 0 warnings\n")


PURE = "Sources/A/Pure/Pure.swift"


@pytest.mark.parametrize(
    "code",
    [
        "let a = Date()", "let a: ContinuousClock.Instant = .now", "let a = Date.now", "let a = clock.now",
        "Task { }", "Task.detached { }", "print(1)", "let a = Int.random(in: 0..<3)", "let a = b.shuffled()",
        "let a = b.randomElement()", "let a = UUID()", "Task(priority: .low) { }",
    ],
)  # fmt: skip
def test_banned_words_in_pure_targets(tmp_path, code):
    status, output = tidy(tmp_path, {PURE: f"\n{code}\n"})
    assert status == 1 and f"{PURE}:2: pure: " in output


@pytest.mark.parametrize(
    "code",
    [
        "// Date() and print(", 'let a = "Task { print(\\(b)) }"', "let a = request.now", "/* .now */",
        "let a = Int.random(in: 0..<f(3), using: &generator)", "let a = fingerprint(1)", 'let a = """\n print(1)\n """',
    ],
)  # fmt: skip
def test_words_that_only_look_banned(tmp_path, code):
    assert tidy(tmp_path, {PURE: f"\n{code}\n"})[0] == 0


def test_shells_may_print(tmp_path):
    assert tidy(tmp_path, {"Sources/B/Shell/Shell.swift": "import NIOCore\nimport Upper\nprint(1)\n"})[0] == 0


@pytest.mark.parametrize("line", ["import Foundation", "internal import NIOCore", "@preconcurrency import Dispatch"])
def test_pure_targets_import_pure_targets_only(tmp_path, line):
    assert f"{PURE}:1: pure-import: " in tidy(tmp_path, {PURE: line + "\n"})[1]


def test_a_transitive_import_is_undeclared(tmp_path):
    file = "Sources/B/Shell/Shell.swift"
    output = tidy(tmp_path, {file: "import NIOCore\nimport Upper\npackage import Pure\n"})[1]
    assert f"{file}:3: undeclared-import: Shell does not declare Pure" in output


def test_a_dependency_that_is_not_imported(tmp_path):
    output = tidy(tmp_path, {"Sources/B/Shell/Shell.swift": "import Upper\n"})[1]
    assert "unused-dependency: Shell declares NIOCore" in output


@pytest.mark.parametrize(
    ("declaration", "found"),
    [
        ("package func f() {}", True),
        ("package struct S {}", True),
        ("@inlinable\npackage func f() {}", True),
        ("package mutating func f() {}", True),
        ("nonisolated package let a = 1", True),
        ("/// F.\n@inlinable\npackage func f() {}", False),
        ("/// F.\npackage func f() {}", False),
        ("func f() {}", False),
        ("// package func f() {}", False),
        ("package var description: String { text }", False),
    ],
)
def test_package_declarations_are_documented(tmp_path, declaration, found):
    assert ("undocumented" in tidy(tmp_path, {PURE: declaration + "\n"})[1]) == found


@pytest.mark.parametrize(
    ("witness", "found"),
    [
        ("package func send(_ bytes: [UInt8], to peer: (Int, Int)) {}", False),
        ("package func send(_ bytes: [UInt8], at place: Int) {}", True),
        ("package var isOpen: Bool { true }", False),
        ("package var isShut: Bool { true }", True),
    ],
)
def test_a_witness_needs_no_comment_of_its_own(tmp_path, witness, found):
    protocol = """/// L.
package protocol Link {
    /// Sends.
    func send(_ bytes: [UInt8], to peer: (Int, Int))
    /// Whether it is open.
    var isOpen: Bool { get }
}
"""
    assert ("undocumented" in tidy(tmp_path, {PURE: protocol + witness + "\n"})[1]) == found


@pytest.mark.parametrize(("lines", "status"), [(600, 0), (601, 1)])
def test_the_length_of_files(tmp_path, lines, status):
    assert tidy(tmp_path, {PURE: "//\n" * lines})[0] == status


@pytest.mark.parametrize(("lines", "warnings"), [(60, 0), (61, 1)])
def test_a_long_function_is_a_warning_only(tmp_path, lines, warnings):
    status, output = tidy(tmp_path, {PURE: "func f() {\n" + "a()\n" * (lines - 2) + "}\n"})
    assert status == 0 and f"0 to mend, {warnings} warnings" in output


def test_a_target_that_nobody_uses(tmp_path):
    manifest = MANIFEST.replace('        program("tool"', '        library("Lonely", in: "B"),\n        tests(of: "Lonely", in: "B"),\n        program("tool"')
    files = {"Package.swift": manifest, "Sources/B/Lonely/L.swift": "let a = 1\n"}
    assert "unused-target: nothing but its own tests depends on Lonely" in tidy(tmp_path, files)[1]


def test_a_file_that_no_target_holds(tmp_path):
    assert "Sources/C/Lost/L.swift:1: undeclared-file" in tidy(tmp_path, {"Sources/C/Lost/L.swift": "\n"})[1]


def test_a_package_that_is_not_pinned(tmp_path):
    manifest = MANIFEST.replace('exact: "1.0.0"', 'from: "1.0.0"')
    assert "Package.swift:10: unpinned" in tidy(tmp_path, {"Package.swift": manifest})[1]


def test_a_dependency_that_tidy_cannot_follow(tmp_path):
    manifest = MANIFEST.replace('["Upper", nio]', '["Upper", nio, mystery]')
    assert "manifest: tidy cannot tell what `mystery` is" in tidy(tmp_path, {"Package.swift": manifest})[1]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("# TO" "DO: later", "unfinished"), ("FIX" "ME", "unfinished"), ("cd /wo" "rk/main", "machine-path"),
        ("/ro" "ot/x", "machine-path"), ("/ho" "me/ann/x", "machine-path"), ("pytest.mark." "skip", "skipped-test"),
    ],
)  # fmt: skip
def test_marks_in_any_text(tmp_path, text, rule):
    assert f"tools/x.py:1: {rule}: " in tidy(tmp_path, {"tools/x.py": text + "\n"})[1]


@pytest.mark.parametrize("text", ["a/wo" "rk/main", "the work/root", "https://example.org/wo" "rk/a", "$x/ro" "ot/y"])
def test_paths_that_are_relative(tmp_path, text):
    assert tidy(tmp_path, {"tools/x.py": text + "\n"})[0] == 0


@pytest.mark.parametrize(
    ("span", "dead"),
    [
        ("Sources/A/Gone.swift", True), ("Gone.swift", True), ("Sources/A/Gone.swift:3", True),
        ("tools/gone --yes", True), ("Pure.swift", False), ("Sources/A", False), ("Sources/A/Pure/", False),
        ("swift build", False), ("p99/p50", False), ("Sources/{A/Pure,B/Shell}/*.swift", False),
        ("Sources/{A,Gone}/*", True), ("Sources/made/later", False),
    ],
)  # fmt: skip
def test_paths_in_documents(tmp_path, span, dead):
    files = {"docs/x.md": f"\n`{span}`\n", "tools/x": "", ".gitignore": "/Sources/made/\n"}
    assert ("docs/x.md:2: dead-path" in tidy(tmp_path, files)[1]) == dead


def test_what_must_not_be_tracked(tmp_path):
    files = {".gitignore": ".build/\nPackage.resolved\n", "Package.resolved": "{}", ".build/a": ""}
    assert tidy(tmp_path, files)[0] == 0
    output = tidy(tmp_path, files, force=["Package.resolved", ".build/a"])[1]
    assert "Package.resolved:1: tracked" in output and ".build/a:1: tracked" in output


def test_comments_and_strings_are_blanked_in_place():
    source = 'a /* b /* c */ d */ e "f \\"g\\" \\(h("i")) j" k #"l " m"# n // o\np'
    code = code_only(source)
    assert len(code) == len(source)
    assert code.split() == ["a", "e", "k", "n", "p"]


def test_imports_of_every_kind():
    source = "import A\npackage import B\n  @preconcurrency import C\nimport struct D.E\nlet important = 1\n"
    assert imports(source) == [("A", 1), ("B", 2), ("C", 3), ("D", 4)]

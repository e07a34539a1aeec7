"""Which unit test runs which line of a room: recorded once, kept, and asked by scripts/mutate for each change.

A recording is one run of the tests under coverage with one context for each test. It is kept in a file, and holds as
long as the package and what the tests share stay as they are; test modules that changed or came run again alone.
"""

import ast
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import coverage

PACKAGE = "redmine_mailbridge"
OPTIONS = ("-q", "--tb=no", "-p", "no:cacheprovider", "--hypothesis-seed=0", "-m", "not real and not crash")
PLUGIN = """
import json, os, sys

seconds, failed = {}, set()

def pytest_runtest_logreport(report):
    seconds[report.nodeid] = seconds.get(report.nodeid, 0.0) + report.duration
    if report.failed:
        failed.add(report.nodeid.partition("::")[0])

def pytest_sessionfinish(session):
    told = [seconds, sorted(failed), [name for name in sys.modules if name != __name__]]
    (session.config.rootpath / f".told.{os.getpid()}").write_text(json.dumps(told), "utf-8")
"""


@dataclass(slots=True)
class Recording:
    """`seconds` by test; `lines`: module -> line -> the tests that run it; `imported`: the modules that were loaded."""

    base: str = ""
    digests: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    lines: dict[str, dict[int, list[str]]] = field(default_factory=dict)
    imported: list[str] = field(default_factory=list)

    def covering(self, file: str, text: str, line: int, *, own: str = "", noticed: Collection[str] = ()) -> list[str]:
        """Given a module, its text and a line, return the tests that can notice a change of it: those that run any
        line of its statement, none for a statement that no test runs, and all for one that runs once, whose
        effect may be anywhere. First those that `noticed` another change of the module, then those of the test module
        that bears its name, of the folder `own`, and the quickest.
        """
        span = span_of(text, line)
        lines = self.lines.get(file, {})
        if span is None or any("" in lines.get(one, ()) for one in span):
            tests = set(self.seconds)
        else:
            tests = {test for one in span for test in lines.get(one, ())}
        mirror = f"test_{Path(file).stem}.py::"

        def rank(test: str) -> tuple[object, ...]:
            passes = any(test in one for one in lines.values()) if span is None else True
            return (
                test not in noticed, mirror not in test, not passes, not test.startswith(f"{own}/"),
                self.seconds.get(test, 0.0), test,
            )  # fmt: skip

        return sorted(tests, key=rank)


def span_of(text: str, line: int) -> range | None:
    """Given a module's text and a line, return the lines of the statement there (the head alone, if it has a body);
    None if it may run but once for all tests: at import, being in no function, or in one whose result is cached.
    """
    found: range | None = None
    waiting: list[tuple[ast.AST, bool]] = [(ast.parse(text), False)]
    while waiting:
        node, within = waiting.pop()
        if isinstance(node, ast.stmt) and within and node.lineno <= line <= (node.end_lineno or 0):
            body = getattr(node, "body", None)
            head = range(node.lineno, max(node.lineno + 1, body[0].lineno) if body else (node.end_lineno or 0) + 1)
            found = head if line in head or found is None else found
        if (
            isinstance(node, ast.FunctionDef)
            and node.lineno <= line <= (node.end_lineno or 0)
            and any(map(_caches, node.decorator_list))
        ):
            return None
        inside = within or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        for name, value in ast.iter_fields(node):
            children = value if isinstance(value, list) else [value]
            runs = inside and (within or name == "body")
            waiting += [(child, runs) for child in children if isinstance(child, ast.AST)]
    return found


def _caches(decorator: ast.expr) -> bool:
    return ast.unparse(decorator).partition("(")[0].rpartition(".")[2] in ("cache", "lru_cache")


def record(tree: Path, room: str, folders: Iterable[str], kept: Path) -> Recording:
    """Given a tree, a room, folders or modules of tests and the file where the last recording is kept, return the
    recording, and keep it. End with what pytest printed when a test fails: one that fails anyway notices nothing.
    """
    folders = list(folders)
    modules = sorted({path.relative_to(tree).as_posix() for one in folders for path in _modules(tree / one)})
    digests = {one: _digest([tree / one]) for one in modules}
    base = _digest(path for path in _shared(tree) if not path.name.startswith("test_"))
    known = _read(kept)
    if known.base != base:
        known = Recording(base)
    asked = [one for one in modules if known.digests.get(one) != digests[one]]
    stays = {one for one in known.seconds if one.partition("::")[0] in set(modules) - set(asked)}
    made = Recording(base, digests, {one: known.seconds[one] for one in stays}, {}, list(known.imported))
    for file, lines in known.lines.items():
        made.lines[file] = {line: [one for one in tests if one in stays or not one] for line, tests in lines.items()}
    if asked:
        _run(tree, room, asked, made, " ".join(folders))
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(_packed(made)), "utf-8")
    print(f"mutate: {len(made.seconds)} tests, {len(asked)} of {len(modules)} modules recorded anew", file=sys.stderr)
    return made


def _run(tree: Path, room: str, asked: list[str], made: Recording, where: str) -> None:
    """Run these, and those that failed once more, alone: a test may have taken too long beside the others."""
    (tree / "mutate_tells.py").write_text(PLUGIN, "utf-8")
    run, failed = _once(tree, room, asked, made)
    if failed and run.returncode == 1:
        run, failed = _once(tree, room, failed, made)
    if run.returncode:
        raise SystemExit(f"{run.stdout}{run.stderr}\nmutate: the tests of {where} do not pass on the tree as it is")


def _once(
    tree: Path, room: str, asked: list[str], made: Recording
) -> tuple["subprocess.CompletedProcess[str]", list[str]]:
    for old in (*tree.glob(".told.*"), *tree.glob(".coverage*")):
        old.unlink()
    command = [sys.executable, "-m", "pytest", *OPTIONS, "-p", "mutate_tells", "-n", "2" if len(asked) > 1 else "0"]
    command += [f"--cov={PACKAGE}/{room}", "--cov-context=test", "--cov-report=", *asked]
    environment = os.environ | {"PYTHONPATH": str(tree)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # what is compiled now is there for every mutant
    run = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    failures: set[str] = set()
    for told in tree.glob(".told.*"):
        seconds, failed, imported = json.loads(told.read_text("utf-8"))
        made.seconds |= seconds
        failures |= set(failed)
        made.imported = sorted({*made.imported, *imported})
    if (tree / ".coverage").exists():
        _add_lines(tree, made)
    return run, sorted(failures)


def _add_lines(tree: Path, made: Recording) -> None:
    data = coverage.CoverageData(str(tree / ".coverage"))
    data.read()
    for measured in data.measured_files():
        file = Path(measured).resolve().relative_to(tree.resolve()).as_posix()
        for line, contexts in data.contexts_by_lineno(measured).items():
            tests = made.lines.setdefault(file, {}).setdefault(line, [])
            tests[:] = sorted({*tests, *(one.rpartition("|")[0] for one in contexts)})


def _modules(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(path.rglob("test_*.py"))


def _shared(tree: Path) -> Iterable[Path]:
    yield tree / "pyproject.toml"
    for folder in (PACKAGE, "tests"):
        yield from (path for path in sorted((tree / folder).rglob("*")) if path.suffix != ".pyc" and path.is_file())


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _packed(made: Recording) -> dict[str, object]:
    """With numbers in place of the tests' names, which are many."""
    tests = ["", *sorted(made.seconds)]
    number = {test: at for at, test in enumerate(tests)}
    lines = {
        file: {line: sorted(number[one] for one in names if one in number) for line, names in by_line.items()}
        for file, by_line in made.lines.items()
    }
    return asdict(made) | {"lines": lines, "tests": tests}


def _read(kept: Path) -> Recording:
    if not kept.exists():
        return Recording()
    told = json.loads(kept.read_text("utf-8"))
    tests = told.pop("tests")
    told["lines"] = {
        file: {int(line): [tests[one] for one in numbers] for line, numbers in by_line.items()}
        for file, by_line in told["lines"].items()
    }
    return Recording(**told)

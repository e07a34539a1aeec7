"""The rooms of the package in their order, what each imports, and the table of it in the architecture page.

A room may import rooms that stand above it, itself, and what stands at the top of the package. Every import counts:
those under TYPE_CHECKING and inside functions too.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = "redmine_mailbridge"
PAGE = ROOT / "docs" / "dev" / "architecture.md"

ROOMS = (
    "util", "model", "business_time", "sasl", "mail", "settings", "policy", "mailboxes", "redmine", "store",
    "conditions", "discovery", "oauth", "outgoing", "reports", "tasks.receive", "tasks.update", "tasks.aggregate",
    "tasks.service", "wiring", "checks", "web", "cli",
)  # fmt: skip
IMPORTS_LATE = ("wiring", "cli")
"""The rooms that may import inside functions, so that a command loads only what it needs."""
MOST_AT_THE_TOP, MOST_IN_A_FOLDER = 5, 30
MOST_LINES, MOST_LINES_OF_A_FUNCTION = 300, 60
ALLOWED: frozenset[tuple[str, str]] = frozenset()
"""Imports against the order that are known: (module, module). It only ever shrinks, and is empty."""


@dataclass(frozen=True, slots=True)
class Import:
    """One import of a module of ours by another, both without the package's name."""

    importer: str
    imported: str
    line: int

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


def modules() -> dict[str, Path]:
    """The modules of the package by dotted name, without the package's own; packages by their folder's name."""
    found = {}
    for file in sorted((ROOT / PACKAGE).rglob("*.py")):
        name = ".".join(file.relative_to(ROOT / PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip(".")
        if "migrations" not in file.parts and name:
            found[name] = file
    return found


def room_of(module: str) -> str:
    """Given a module, return its room, "" for what stands at the top."""
    parts = module.split(".")
    room = ".".join(parts[:2]) if parts[0] == "tasks" else parts[0]
    return room if room in ROOMS else ""


def imports() -> Iterator[Import]:
    """All imports of modules of ours by modules of ours."""
    known = modules()
    for name, file in known.items():
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            for imported in _named(node):
                module = imported.removeprefix(f"{PACKAGE}.")
                while module and module not in known:
                    module = module.rpartition(".")[0]
                if imported.startswith(f"{PACKAGE}.") and module:
                    yield Import(name, module, node.lineno)


def _named(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def against_the_order() -> list[Import]:
    """The imports of rooms that stand below, or of what starts the program."""
    order = {room: place for place, room in enumerate(ROOMS)}
    found = []
    for one in imports():
        here, there = room_of(one.importer), room_of(one.imported)
        if one.importer == "__main__" or (one.importer, one.imported) in ALLOWED:
            continue
        if there and (not here or order[there] > order[here]):
            found.append(one)
    return found


def inside_functions() -> list[str]:
    """The imports inside functions of modules that must not have them."""
    found = []
    for name, file in modules().items():
        tree = ast.parse(file.read_text("utf-8"))
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        late = [node for one in functions for node in ast.walk(one) if isinstance(node, ast.Import | ast.ImportFrom)]
        if late and room_of(name) not in IMPORTS_LATE:
            found += [f"{name}:{node.lineno}" for node in late]
    return found


def only_for_types() -> list[str]:
    """The imports under TYPE_CHECKING that no `lazy_import` in the other branch stands for."""
    found = []
    for name, file in modules().items():
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(node, ast.If) or "TYPE_CHECKING" not in ast.unparse(node.test):
                continue
            lazy = set(re.findall(r"^\s*(\w+) = lazy_import\(", ast.unparse(node), re.MULTILINE))
            for statement in node.body:
                bound = {alias.asname or alias.name for alias in getattr(statement, "names", ())}
                if not bound <= lazy and room_of(name) not in IMPORTS_LATE:
                    found.append(f"{name}:{statement.lineno}")
    return found


def table() -> str:
    """The rooms as a table: what each is for, by the docstring of its package, and which rooms it imports."""
    used: dict[str, set[str]] = {room: set() for room in ROOMS}
    for one in imports():
        here, there = room_of(one.importer), room_of(one.imported)
        if here and there and here != there:
            used[here].add(there)
    known = modules()
    lines = ["| room | what it is for | imports |", "|---|---|---|"]
    for room in ROOMS:
        words = (ast.get_docstring(ast.parse(known[room].read_text("utf-8"))) or "").split("\n\n")[0].replace("\n", " ")
        above = ", ".join(f"{name.replace('.', '/')}/" for name in ROOMS if name in used[room])
        lines.append(f"| `{room.replace('.', '/')}/` | {words} | {above} |")
    return "\n".join(lines) + "\n"


def with_table(text: str) -> str:
    """Given the text of the architecture page, return it with the table as it is now."""
    begin, end = "<!-- rooms: written by scripts/docs -->\n", "<!-- end of rooms -->\n"
    before, _, rest = text.partition(begin)
    after = rest.partition(end)[2]
    return before + begin + table() + end + after


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text("utf-8")), "utf-8")

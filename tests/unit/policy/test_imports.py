"""model/, mail/, policy/ and business_time/ stay pure: nothing they import, at any remove, speaks to the world."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PURE = tuple(f"redmine_mailbridge.{room}" for room in ("model", "mail", "policy", "business_time"))
ROOMS = ("mailboxes", "redmine", "store", "outgoing", "tasks", "wiring", "web", "cli")
FORBIDDEN = {f"redmine_mailbridge.{room}" for room in ROOMS} | {
    "socket", "ssl", "http", "urllib.request", "imaplib", "poplib", "smtplib", "ftplib", "asyncio", "subprocess",
    "sqlite3", "requests", "redminelib", "imap_tools", "sqlalchemy", "alembic", "apscheduler.schedulers", "structlog",
    "logging", "shutil", "tempfile", "pydantic_settings", "multiprocessing",
}  # fmt: skip


def file_of(module: str) -> Path | None:
    """The source of one of our modules; None for others'."""
    path = ROOT.joinpath(*module.split("."))
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


def imported(module: str) -> Iterator[str]:
    """The modules that a module of ours imports, anywhere in its source."""
    source = file_of(module)
    assert source is not None
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            name = node.module or ""
            yield name
            yield from (f"{name}.{a.name}" for a in node.names if file_of(f"{name}.{a.name}") is not None)


def pure_modules() -> list[str]:
    """All modules of the pure rooms."""
    files = (file for package in PURE for file in ROOT.joinpath(*package.split(".")).rglob("*.py"))
    dotted = (".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files)
    return sorted(name.removesuffix(".__init__") for name in dotted)


@pytest.mark.parametrize("start", pure_modules())
def test_imports_nothing_that_speaks_to_the_world(start: str) -> None:
    """No module of a pure room reaches a forbidden one, on any way through our own modules."""
    seen, waiting = set[str](), [(start, start)]
    while waiting:
        module, way = waiting.pop()
        for name in imported(module):
            bad = next((f for f in FORBIDDEN if name == f or name.startswith(f + ".")), None)
            assert bad is None, f"{way} → {name}"
            if file_of(name) is not None and name not in seen:
                seen.add(name)
                waiting.append((name, f"{way} → {name}"))
            parent = name.rpartition(".")[0]
            if parent and file_of(parent) is not None and parent not in seen:
                seen.add(parent)
                waiting.append((parent, f"{way} → {parent}"))


def test_the_walk_sees_what_is_there() -> None:
    """The walk finds modules at all, and would find a forbidden one."""
    assert "redmine_mailbridge.policy.decide" in pure_modules()
    assert "redmine_mailbridge.redmine.client" in set(imported("redmine_mailbridge.redmine.facts"))

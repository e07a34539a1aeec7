"""One place wires: nowhere else is an object of another room built that holds what does the work."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.facts import FactFinder
from redmine_mailbridge.redmine.trial import TrialWrites
from redmine_mailbridge.settings.redmine import RedmineSettings
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.mails.doubts import Doubts
from redmine_mailbridge.store.tokens import TokenRows
from redmine_mailbridge.tasks.receive.held_replies import HeldReplies
from tests import layout

Class = tuple[str, str]
"""The dotted name of a module, without the package's, and the name of a class in it."""


def class_of(known: type) -> Class:
    """Given a class of ours, return what it goes by here."""
    return known.__module__.removeprefix(f"{layout.PACKAGE}."), known.__name__


ROOTS = (Client, Database)
"""What does the work in the end; whatever holds one of them, or holds what holds one, is wired."""
WIRES = ("wiring", "web.wiring")
LET_BE = {
    ("checks.foretell", class_of(FactFinder)): "asks for a sender that nobody is, with the client of the check",
    ("checks.redmine", class_of(TrialWrites)): "tries an issue that is never made, with the client of the check",
    ("oauth.sign_in_service", class_of(TokenRows)): "the table of the sign-ins, which nobody else reads or writes",
    ("tasks.receive.fetch.fetch_each", class_of(Doubts)): "what one mailbox's fetching is in doubt of, for it alone",
    ("tasks.service.run_now", class_of(HeldReplies)): "one step of one run, around the receivers of that run",
    ("tasks.service.service", class_of(HeldReplies)): "one step of one run, around the receivers of that run",
}
"""Where something is built all the same, and why."""


@dataclass
class Module:
    """What the names of a module mean: classes and modules of ours by the name that they have there."""

    tree: ast.Module
    classes: dict[str, Class] = field(default_factory=dict)
    modules: dict[str, str] = field(default_factory=dict)

    def named(self, node: ast.expr) -> Class | None:
        """Given what a name or `module.Name` stands for, return the class, None where it is none of ours."""
        if isinstance(node, ast.Name):
            return self.classes.get(node.id)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in self.modules:
            return self.modules[node.value.id], node.attr
        return None


def read() -> dict[str, Module]:
    """All modules of the package."""
    found = {}
    files = layout.modules()
    for name, file in files.items():
        module = Module(ast.parse(file.read_text("utf-8")))
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                module.classes[node.name] = (name, node.name)
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(layout.PACKAGE):
                base = (node.module or "").removeprefix(layout.PACKAGE).lstrip(".")
                for one in node.names:
                    inner = f"{base}.{one.name}".lstrip(".")
                    known = module.modules if inner in files else module.classes
                    known[one.asname or one.name] = inner if inner in files else (base, one.name)  # type: ignore[assignment]
        found[name] = module
    return found


def held(definition: ast.ClassDef, module: Module) -> Iterator[Class]:
    """The classes that a class is given to hold: what its `__init__` takes, or its fields."""
    for node in definition.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            annotations = [one.annotation for one in (*node.args.args, *node.args.kwonlyargs)]
        elif isinstance(node, ast.AnnAssign):
            annotations = [node.annotation]
        else:
            continue
        for annotation in annotations:
            for part in ast.walk(annotation) if annotation is not None else ():
                if isinstance(part, ast.expr) and (known := module.named(part)) is not None:
                    yield known


def services(modules: dict[str, Module]) -> set[Class]:
    """The classes that hold, at any remove, what does the work; with those that inherit from them."""
    holds: dict[Class, set[Class]] = {}
    for name, module in modules.items():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                bases = {known for base in node.bases if (known := module.named(base)) is not None}
                holds[name, node.name] = {*held(node, module), *bases}
    found = {class_of(root) for root in ROOTS}
    while more := {one for one, has in holds.items() if has & found} - found:
        found |= more
    return found


def built_elsewhere() -> set[tuple[str, Class]]:
    """Where outside the wiring something of another room is built that is wired: the module, and the class."""
    modules = read()
    wired = services(modules)
    found = set()
    for name, module in modules.items():
        if name in WIRES or layout.room_of(name) in WIRES:
            continue
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Call):
                continue
            makers = [node.func, *([node.func.value] if isinstance(node.func, ast.Attribute) else [])]
            for known in filter(None, map(module.named, makers)):
                if known in wired and layout.room_of(known[0]) != layout.room_of(name):
                    found.add((name, known))
    return found


def test_one_place_wires() -> None:
    """Who needs something that works on Redmine or the store is given it; what an object is made up of in its own room
    is its own affair."""
    assert set(LET_BE) == built_elsewhere()


def test_the_walk_knows_what_is_wired() -> None:
    """The walk finds classes that are known to be wired, so that an empty list means something."""
    names = {name for _, name in services(read())}
    assert len(names) > 60


@pytest.mark.fault("A18-7")
@pytest.mark.parametrize(("given", "read"), [(None, ("de",)), ((), ()), (("fr",), ("fr",))])
def test_the_languages_of_keyword_lines(given: tuple[str, ...] | None, read: tuple[str, ...]) -> None:
    """They are Redmine's language where the settings name none, and English alone where they name an empty list."""
    from redmine_mailbridge.wiring.redmine import languages_read

    settings = RedmineSettings(url="https://redmine.example.com", api_key="k", language="de", keyword_languages=given)
    assert read == languages_read(settings)

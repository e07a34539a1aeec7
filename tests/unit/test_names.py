"""One name for one thing: what the package calls its classes and its commands."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import redmine_mailbridge
from tests import layout

PACKAGE = Path(redmine_mailbridge.__file__).parent


def test_no_class_name_stands_twice() -> None:
    """No two public classes of the package share a name: a name in a log, a trace or a search is one thing."""
    places = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(path.relative_to(PACKAGE).as_posix())

    assert {} == {name: where for name, where in places.items() if len(where) > 1}
    assert len(places) > 300


SAME_THING = {"Protocol", "Security"}
"""Choices of a server, of which a mailbox's settings offer one more than the search for servers finds."""


def test_no_alias_of_a_type_stands_twice() -> None:
    """No two modules define an alias of a type under one name: a signature means one thing wherever it is read."""
    places = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                name = node.targets[0].id
                if re.fullmatch(r"[A-Z][A-Za-z]*[a-z][A-Za-z]*", name):
                    places[name].append(path.relative_to(PACKAGE).as_posix())

    assert {} == {name: where for name, where in places.items() if len(where) > 1 and name not in SAME_THING}
    assert len(places) > 60


PRIVATE = re.compile(
    r"again$|anew|asked|_away|drift|fell|first_time|gone_back|goes_on|kept|known_again|left_behind|letter|looked_up|made|"
    r"mirror|nobody|not_yet|put_out|untold|waits|\.cut$"
)
"""Words of a private vocabulary that events of the log were named by."""


def test_log_events_are_named_in_the_fields_words() -> None:
    """An event is a topic and what happened, in words that an administrator can search for."""
    events = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("log.") and node.args:
                events |= {one.value for one in ast.walk(node.args[0]) if isinstance(one, ast.Constant)}

    names = {event for event in events if isinstance(event, str) and re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", event)}
    assert set() == {event for event in names if PRIVATE.search(event)}
    assert len(names) > 80


FILLERS = frozenset({"found", "one", "wanted", "said", "given", "told"})
"""Names that say nothing of what they hold."""


def _bound(node: ast.AST) -> Iterator[str]:
    """The names that a node binds: parameters, variables, fields, attributes, functions, methods, imports."""
    match node:
        case ast.arg():
            yield node.arg
        case ast.Name(ctx=ast.Store()):
            yield node.id
        case ast.Attribute(ctx=ast.Store()):
            yield node.attr
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name
        case ast.ExceptHandler() | ast.MatchAs() | ast.MatchStar():
            yield node.name or ""
        case ast.MatchMapping():
            yield node.rest or ""
        case ast.alias():
            yield node.asname or ""


def test_what_is_bound_is_named_for_what_it_holds() -> None:
    """No variable, parameter, field, attribute or function of the package has a name that fits anything."""
    bound = 0
    places = defaultdict(list)
    for path in layout.modules().values():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            for name in _bound(node):
                bound += 1
                if name in FILLERS:
                    places[path.relative_to(PACKAGE).as_posix()].append(f"{name} in line {getattr(node, 'lineno', 0)}")

    assert {} == places
    assert bound > 20_000

"""One name for one thing: what the package calls its classes and its commands."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import redmine_mailbridge

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
    r"again$|anew|asked|_away|fell|first_time|gone_back|goes_on|kept|known_again|left_behind|looked_up|made|nobody|"
    r"not_yet|put_out|untold|waits|\.cut$"
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

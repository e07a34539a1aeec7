"""The house: rooms in one order, each imports only those above it, none is crowded."""

import ast
from collections import Counter
from pathlib import Path

from tests import layout


def test_rooms_import_only_those_above_them() -> None:
    """No import of a module of ours, wherever it stands, goes against the order of the rooms."""
    assert [] == [str(one) for one in layout.against_the_order()]


def test_the_walk_sees_imports() -> None:
    """The walk finds imports that are known to be there, so that an empty list of faults means something."""
    seen = {(one.importer, one.imported) for one in layout.imports()}
    assert ("tasks.receive.processor", "tasks.receive.executor") in seen
    assert ("settings.tasks", "business_time.crontab") in seen  # under TYPE_CHECKING
    assert ("cli.commands.run", "cli.daemon") in seen  # inside a function
    assert len(seen) > 1000


def test_every_module_has_a_room() -> None:
    """What stands at the top of the package is what all rooms share, and little."""
    top = [name for name in layout.modules() if not layout.room_of(name) and name != "tasks"]
    assert ["__main__", "errors", "side_effects"] == top
    assert len(top) <= layout.MOST_AT_THE_TOP


def test_no_folder_is_crowded() -> None:
    """At most thirty modules lie in one folder."""
    folders = Counter(file.parent for file in layout.modules().values() if file.name != "__init__.py")
    assert {} == {folder.name: count for folder, count in folders.items() if count > layout.MOST_IN_A_FOLDER}


def test_imports_stand_at_the_top_of_modules() -> None:
    """Only the rooms that start things import inside functions, and an import for types alone stands for a lazy one."""
    assert ([], []) == (layout.inside_functions(), layout.only_for_types())


def test_no_import_is_excused() -> None:
    """The list of imports against the order that are let be is empty."""
    assert frozenset() == layout.ALLOWED


def test_the_page_shows_the_rooms_as_they_are() -> None:
    """The table of the architecture page is what the imports say; scripts/docs writes it."""
    text = layout.PAGE.read_text("utf-8")
    assert layout.table() in text
    assert text == layout.with_table(text)


LONGER = {
    "mail/mime/parts.py",  # one classifier: which part of a message is text, and which a file
    "mail/text/quotes.py",  # one verdict, whose signs are tried in order on the same lines
    "mailboxes/graph/mailbox.py",  # one class with one method per promise of the contract
    "mailboxes/pop3/mailbox.py",  # the same over POP3
    "oauth/client.py",  # one class: the requests to one provider
    "redmine/client.py",  # one class: each request to Redmine
    "redmine/metadata.py",  # one cache with one method per kind of metadata
    "redmine/write_intent.py",  # one value with each form in which it is sent again
    "redmine/writer.py",  # each write request to issues stands in this file alone
    "store/tables.py",  # all tables
    "tasks/receive/processor.py",  # one class: each failure of a message is classified here alone
    "tasks/receive/receiver.py",  # one class: one pass over one mailbox
}
"""The files that may have more lines, each with the reason. A file that holds two things is split instead."""

LONGER_FUNCTIONS = {
    "redmine/facts.py: gather",  # one value with one line per fact
}
"""The functions that may have more lines, each with the reason."""


def test_no_file_is_long() -> None:
    """A file has at most 300 lines, or is one thing and listed with the reason; the list holds nothing else."""
    lines = {name_of(path): path.read_text("utf-8").count("\n") for path in layout.modules().values()}
    assert LONGER == {name for name, count in lines.items() if count > layout.MOST_LINES}


def test_no_function_is_long() -> None:
    """A function has at most 60 lines, or is listed with the reason."""
    functions = [
        (f"{name_of(path)}: {node.name}", (node.end_lineno or node.lineno) - node.lineno + 1)
        for path in layout.modules().values()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert LONGER_FUNCTIONS == {name for name, lines in functions if lines > layout.MOST_LINES_OF_A_FUNCTION}
    assert len(functions) > 3000


def name_of(path: Path) -> str:
    """The path of a module below the package."""
    return path.relative_to(layout.ROOT / layout.PACKAGE).as_posix()

"""The house: rooms in one order, each imports only those above it, none is crowded."""

from collections import Counter

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

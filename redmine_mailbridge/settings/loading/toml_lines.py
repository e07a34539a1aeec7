"""In which line of a TOML text each key stands: for error texts only."""

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

Where = tuple[str | int, ...]


def line_numbers(text: str) -> dict[Where, int]:
    """Given a valid TOML text, return for each table and key the number of its line, from 1.

    A statement is the shortest run of lines that is TOML by itself; within one that spans several lines, all
    keys are said to be in its first.
    """
    found: dict[Where, int] = {}
    counts: dict[Where, int] = {}
    table: Where = ()
    for number, statement in _statements(text):
        parsed = tomllib.loads(statement)
        if statement.lstrip().startswith("["):
            table = _header(parsed, counts, is_list=statement.lstrip().startswith("[["))
            found.setdefault(table, number)
        else:
            for path in _paths(parsed):
                found.setdefault((*table, *path), number)
    return found


def _statements(text: str) -> Iterator[tuple[int, str]]:
    start, gathered = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        if not gathered and (not line.strip() or line.lstrip().startswith("#")):
            continue
        start, gathered = (start, f"{gathered}\n{line}") if gathered else (number, line)
        try:
            tomllib.loads(gathered)
        except tomllib.TOMLDecodeError:
            continue
        yield start, gathered
        gathered = ""


def _header(parsed: Mapping[str, Any], counts: dict[Where, int], *, is_list: bool) -> Where:
    """Given a parsed header, return its path with the indexes of the lists it lies in; count a new list element."""
    path: Where = ()
    at: Any = parsed
    while isinstance(at, dict) and at:
        step, at = next(iter(at.items()))
        path = (*path, step)
        if is_list and isinstance(at, list):
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path


def _paths(value: Any, path: Where = ()) -> Iterator[Where]:
    if path:
        yield path
    if isinstance(value, dict):
        for step, below in value.items():
            yield from _paths(below, (*path, step))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from _paths(below, (*path, index))

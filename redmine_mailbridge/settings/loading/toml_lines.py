"""The line of each key in a TOML text: for error texts only."""

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from redmine_mailbridge.settings.loading.origins import Where


def line_numbers(text: str) -> dict[Where, int]:
    """Given a valid TOML text, return the line number of each table and key, from 1.

    A statement is the shortest run of lines that is valid TOML; in one that spans several lines, all
    keys are reported on its first line.
    """
    numbers: dict[Where, int] = {}
    counts: dict[Where, int] = {}
    table: Where = ()
    for number, statement in _statements(text):
        parsed = tomllib.loads(statement)
        if statement.lstrip().startswith("["):
            table = _header(parsed, counts, is_list=statement.lstrip().startswith("[["))
            numbers.setdefault(table, number)
        else:
            for path in _paths(parsed):
                numbers.setdefault((*table, *path), number)
    return numbers


def toml_lines(text: str) -> list[str]:
    """Given TOML, return its lines. They end with LF or CRLF only: U+0085 or U+2028 may be in a comment."""
    return text.replace("\r\n", "\n").removesuffix("\n").split("\n")


def _statements(text: str) -> Iterator[tuple[int, str]]:
    start, gathered = 0, ""
    for number, line in enumerate(toml_lines(text), 1):
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
    """Given a parsed header, return its path with the indexes of the lists that contain it; count a new list
    element."""
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

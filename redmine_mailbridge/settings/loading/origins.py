"""Origins of values and problems with them: the small types that loading passes around."""

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any, Literal

from redmine_mailbridge.util.dataclass import dataclass

Where = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class ValueOrigin:
    """The origin of a value: `name` is a file, a variable, a preset or "" for a default.

    `line` counts from 1; 0 is unknown.
    """

    kind: Literal["file", "environment", "secret", "preset", "default"]
    name: str = ""
    line: int = 0

    def __str__(self) -> str:
        match self.kind:
            case "file":
                return f"{self.name}:{self.line}" if self.line else self.name
            case "environment":
                return f"environment {self.name}"
            case "secret" | "preset":
                return f"{self.kind} {self.name}"
            case _:
                return "default"


DEFAULT = ValueOrigin("default")


@dataclass(slots=True)
class Layer:
    """The values of one source: nested tables, the origin of each value, and its problems."""

    data: dict[str, Any] = field(default_factory=dict)
    origins: dict[Where, ValueOrigin] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def put(self, path: tuple[str, ...], value: Any, origin: ValueOrigin) -> None:
        """Set one value at a path, creating the tables on the way."""
        table = self.data
        for step in path[:-1]:
            table = table.setdefault(step, {})
        table[path[-1]] = value
        self.origins[path] = origin


def leaves(data: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Given nested tables, yield the path and value of everything that is not a table."""
    for name, value in data.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name), value

"""Where values come from, and what is wrong with them: the small values that loading passes about."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Where = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from: `name` is a file, a variable, a preset or "" for a default.

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


DEFAULT = Origin("default")


@dataclass(slots=True)
class Layer:
    """What one source says: its values as nested tables, where each comes from, and what is wrong with it."""

    data: dict[str, Any] = field(default_factory=dict)
    origins: dict[Where, Origin] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def put(self, path: tuple[str, ...], value: Any, origin: Origin) -> None:
        """Set one value at a path, making the tables on the way."""
        table = self.data
        for step in path[:-1]:
            table = table.setdefault(step, {})
        table[path[-1]] = value
        self.origins[path] = origin


def leaves(data: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Given nested tables, yield the path and value of everything that is no table."""
    for name, value in data.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name), value

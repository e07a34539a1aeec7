"""Which values are in force and where each comes from: for `settings show`, `check` and the admin page."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from redmine_mailbridge.settings import schema
from redmine_mailbridge.settings.load import Loaded
from redmine_mailbridge.settings.loading.origins import DEFAULT, Origin, Where
from redmine_mailbridge.settings.loading.problems import shown


@dataclass(frozen=True, slots=True)
class Value:
    """One value in force. `text` is as TOML writes it; a secret's is "set" or "not set"."""

    table: str
    key: str
    text: str
    origin: Origin
    description: str


def values(loaded: Loaded) -> tuple[Value, ...]:
    """Given loaded settings, return every value in force, in the order of the models."""
    return tuple(_values(loaded.settings, (), loaded))


def _values(table: BaseModel, path: Where, loaded: Loaded) -> Iterator[Value]:
    for name, field in type(table).model_fields.items():
        value, below = getattr(table, name), (*path, name)
        if value is None and schema.subtable(field.annotation):
            continue
        if isinstance(value, BaseModel):
            yield from _values(value, below, loaded)
        elif schema.named_tables(field.annotation):
            for key, inner in value.items():
                yield from _values(inner, (*below, key), loaded)
        elif schema.listed_tables(field.annotation):
            for index, inner in enumerate(value):
                yield from _values(inner, (*below, index), loaded)
        else:
            origin = _origin(below, loaded)
            yield Value(_header(path), name, _text(field, value), origin, field.description or "")


def _origin(path: Where, loaded: Loaded) -> Origin:
    """A secret that was read from a file comes from where the reference stands."""
    found = loaded.origins.get(path)
    if found is None and isinstance(path[-1], str):
        found = loaded.origins.get((*path[:-1], f"{path[-1]}_file"))
    if found is None:
        found = next((o for where, o in loaded.origins.items() if where[: len(path)] == path), None)
    return found or DEFAULT


def _header(path: Where) -> str:
    index = "".join(f" {step + 1}" for step in path if isinstance(step, int))
    return schema.dotted(path) + index


def _text(field: FieldInfo, value: Any) -> str:
    if schema.holds_secret(field.annotation):
        return "set" if isinstance(value, SecretStr) and value else "not set"
    return "not set" if value is None else shown(schema.written(field, value))

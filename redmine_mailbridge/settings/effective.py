"""The values in force and their origins: for `settings show`, `check` and the admin pages."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from redmine_mailbridge.settings import schema
from redmine_mailbridge.settings.load import Loaded
from redmine_mailbridge.settings.loading.origins import DEFAULT, ValueOrigin, Where
from redmine_mailbridge.settings.loading.problems import shown
from redmine_mailbridge.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class EffectiveValue:
    """One value in force. `text` is in TOML syntax; for a secret it is "set" or "not set"."""

    table: str
    key: str
    text: str
    origin: ValueOrigin
    description: str


def values(loaded: Loaded) -> tuple[EffectiveValue, ...]:
    """Given loaded settings, return all values in force, in the order of the models."""
    return tuple(_values(loaded.settings, (), loaded))


def _values(table: BaseModel, path: Where, loaded: Loaded) -> Iterator[EffectiveValue]:
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
            yield EffectiveValue(_header(path), name, _text(field, value), origin, field.description or "")


def _origin(path: Where, loaded: Loaded) -> ValueOrigin:
    """The origin of a value; for a secret read from a file, the place of the reference."""
    origin = loaded.origins.get(path)
    if origin is None and isinstance(path[-1], str):
        origin = loaded.origins.get((*path[:-1], f"{path[-1]}_file"))
    if origin is None:
        origin = next((inner for key_path, inner in loaded.origins.items() if key_path[: len(path)] == path), None)
    return origin or DEFAULT


def _header(path: Where) -> str:
    index = "".join(f" {step + 1}" for step in path if isinstance(step, int))
    return schema.dotted(path) + index


def _text(field: FieldInfo, value: Any) -> str:
    if schema.holds_secret(field.annotation):
        return "set" if isinstance(value, SecretStr) and value else "not set"
    return "not set" if value is None else shown(schema.written(field, value))

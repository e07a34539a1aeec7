"""The structure of the settings, read from the models: tables, keys, and their kinds."""

import datetime as dt
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import AwareDatetime, BaseModel, PlainSerializer, SecretStr
from pydantic.fields import FieldInfo

from redmine_mailbridge.settings.value_types import format_size, format_span
from redmine_mailbridge.util.dataclass import dataclass

KeyPath = tuple[str, ...]
NAME = "NAME"


@dataclass(frozen=True, slots=True)
class SettingKey:
    """One key: its path (NAME and # represent a mailbox's name and a list's index), and its field."""

    path: KeyPath
    field: FieldInfo
    model: type[BaseModel]

    @property
    def name(self) -> str:
        """The key itself."""
        return self.path[-1]

    @property
    def table(self) -> KeyPath:
        """The path of the table that contains it."""
        return self.path[:-1]

    @property
    def secret(self) -> bool:
        """Whether its value must never be shown."""
        return holds_secret(self.field.annotation)


def parts_of(annotation: Any) -> Iterator[Any]:
    """Given an annotation, yield the types inside Annotated and unions: `int | None` yields int."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from parts_of(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for part in get_args(annotation):
            yield from parts_of(part)
    elif annotation is not type(None):
        yield annotation


def _model(annotation: Any) -> type[BaseModel] | None:
    for part in parts_of(annotation):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None


def subtable(annotation: Any) -> type[BaseModel] | None:
    """Given an annotation, return the model if it is a single table, else None."""
    return _model(annotation)


def named_tables(annotation: Any) -> type[BaseModel] | None:
    """Given an annotation, return the model if it is tables by name (`[mailboxes.NAME]`), else None."""
    for part in parts_of(annotation):
        if get_origin(part) in (dict, Mapping, types.MappingProxyType) or part is dict:
            return _model(get_args(part)[1]) if get_args(part) else None
    return None


def listed_tables(annotation: Any) -> type[BaseModel] | None:
    """Given an annotation, return the model if it is a list of tables (`[[…rules]]`), else None."""
    for part in parts_of(annotation):
        if get_origin(part) in (tuple, list):
            return _model(get_args(part)[0])
    return None


def is_list(annotation: Any) -> bool:
    """Whether the value is a list."""
    return any(get_origin(part) in (tuple, list, frozenset, set) for part in parts_of(annotation))


def is_mapping(annotation: Any) -> bool:
    """Whether the value is a table with keys chosen by the admin."""
    return any(get_origin(part) in (dict, Mapping) for part in parts_of(annotation))


def holds_secret(annotation: Any) -> bool:
    """Whether the value is a secret."""
    return any(part is SecretStr for part in parts_of(annotation))


def is_size(field: FieldInfo) -> bool:
    """Whether the value is a number of bytes, written as "50MB"."""
    marks = [*field.metadata, *_metadata(field.annotation)]
    return any(isinstance(mark, PlainSerializer) and mark.func is format_size for mark in marks)


def _metadata(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Annotated:
        yield from annotation.__metadata__
    elif get_origin(annotation) in (Union, types.UnionType):
        for part in get_args(annotation):
            yield from _metadata(part)


def written(field: FieldInfo, value: Any) -> Any:
    """Given a value in force, return it as written in the settings file: spans and sizes with their unit."""
    if isinstance(value, dt.timedelta):
        return format_span(value)
    if is_size(field) and isinstance(value, int):
        return format_size(value)
    return str(value) if isinstance(value, Path) else value


def choices(annotation: Any) -> tuple[Any, ...]:
    """The allowed values if they are enumerated, else ()."""
    return tuple(value for part in parts_of(annotation) if get_origin(part) is Literal for value in get_args(part))


_KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    AwareDatetime: "a time such as 2026-01-31T08:00:00Z",
    dt.date: "a date such as 2026-01-31",
    dt.timedelta: "a time span",
    Path: "a file",
    SecretStr: "a secret",
}


def kinds(field: FieldInfo) -> tuple[str, ...]:
    """Given a key, return each kind of value that it accepts, as text: its choices, and its types."""
    texts = [f'"{choice}"' if isinstance(choice, str) else str(choice) for choice in choices(field.annotation)]
    for part in parts_of(field.annotation):
        if is_list(part):
            texts.append("a list")
        elif get_origin(part) is not Literal:
            texts.append("a size" if part is int and is_size(field) else _KINDS.get(part, "a table"))
    return tuple(dict.fromkeys(texts))


def _walked(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """The fields of a model except those that only repeat the keys of another table."""
    for name, field in model.model_fields.items():
        if not (isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("walked") is False):
            yield name, field


def keys(model: type[BaseModel], path: KeyPath = ()) -> Iterator[SettingKey]:
    """Given a model, yield all its keys and those of the tables below, in the order of the models."""
    for name, field in _walked(model):
        below = (*path, name)
        if (table := subtable(field.annotation)) is not None:
            yield from keys(table, below)
        elif (table := named_tables(field.annotation)) is not None:
            yield from keys(table, (*below, NAME))
        elif (table := listed_tables(field.annotation)) is not None:
            yield from keys(table, (*below, "#"))
        else:
            yield SettingKey(below, field, model)


def tables(model: type[BaseModel], path: KeyPath = ()) -> Iterator[tuple[KeyPath, type[BaseModel]]]:
    """Given a model, yield every table below it with its path, outer ones first."""
    for name, field in _walked(model):
        for shape, step in ((subtable, ()), (named_tables, (NAME,)), (listed_tables, ("#",))):
            if (table := shape(field.annotation)) is not None:
                yield (*path, name, *step), table
                yield from tables(table, (*path, name, *step))
                break


def model_at(model: type[BaseModel], path: tuple[str | int, ...]) -> type[BaseModel] | None:
    """Given a path with real names and indexes, return the model of the table there; None if it is not a table."""
    at: type[BaseModel] | None = model
    steps = iter(path)
    for step in steps:
        field = at.model_fields.get(str(step)) if at is not None else None
        if field is None:
            return None
        at = subtable(field.annotation)
        if at is None:
            at = named_tables(field.annotation) or listed_tables(field.annotation)
            if next(steps, None) is None:
                return None
    return at


def field_at(model: type[BaseModel], path: tuple[str | int, ...]) -> FieldInfo | None:
    """Given a path with real names, return the field there; None if there is none."""
    table = model_at(model, path[:-1]) if path else None
    return table.model_fields.get(str(path[-1])) if table is not None else None


def dotted(path: tuple[str | int, ...]) -> str:
    """Given a table's path, return the text of its header: mailboxes.support; without list indexes."""
    return ".".join(_bare(str(step)) for step in path if isinstance(step, str) and step != "#")


def _bare(step: str) -> str:
    plain = step.replace("-", "").replace("_", "")
    return step if plain.isascii() and plain.isalnum() else f'"{step}"'

"""Secrets by reference: a key X that can be set as X_file, resolved last."""

import stat
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, SecretStr

from redmine_mailbridge.settings import schema
from redmine_mailbridge.settings.loading.origins import Layer, Where

_MAX_SECRET = 65536
Table = TypeVar("Table", bound=BaseModel)


def read_secret(file: Path, layer: Layer) -> str | None:
    """Given a file, return the secret in it without the line break. None, and a problem, if there is none.

    A world-readable file causes a warning.
    """
    try:
        with file.open("rb") as opened:
            raw = opened.read(_MAX_SECRET + 1)
            mode = stat.S_IMODE(file.stat().st_mode)
        secret = raw.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        layer.problems.append(f"{file}: is not UTF-8 text")
        return None
    except OSError as error:
        layer.problems.append(f"{file}: {error.strerror or type(error).__name__}")
        return None
    if not secret or len(raw) > _MAX_SECRET:
        layer.problems.append(f"{file}: {'is empty' if not secret else 'is too large for a secret'}")
        return None
    if mode & stat.S_IROTH:
        layer.warnings.append(f"{file}: contains a secret but is world-readable; run chmod 600 {file}")
    return secret


def secret_keys(model: type[BaseModel]) -> Iterator[str]:
    """Given a model, yield the names of its secret keys that have an X_file key."""
    for name, field in model.model_fields.items():
        if schema.holds_secret(field.annotation) and f"{name}_file" in model.model_fields:
            yield name


def drop_overridden(lower: MutableMapping[str, Any], higher: Mapping[str, Any], model: type[BaseModel]) -> None:
    """Given the values of one table from a lower and a higher source, remove from the lower what the higher replaces
    under the other name: a secret in the environment replaces the file's reference, and vice versa.
    """
    for name in secret_keys(model):
        if name in higher or f"{name}_file" in higher:
            lower.pop(name, None)
            lower.pop(f"{name}_file", None)


def resolve(
    model: Table, base: Path, layer: Layer, line: Callable[[Where, str], str], path: tuple[str, ...] = ()
) -> Table:
    """Given a table, return it with absolute paths (relative to `base`) and its secrets read; problems go to the layer.

    The references of an inactive table are not read. `line` returns the line of a problem, given the key's path.
    """
    changed: dict[str, Any] = {}
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            changed[name] = resolve(value, base, layer, line, (*path, name))
        elif isinstance(value, dict) and schema.named_tables(field.annotation):
            changed[name] = {key: resolve(table, base, layer, line, (*path, name, key)) for key, table in value.items()}
        elif isinstance(value, tuple) and schema.listed_tables(field.annotation):
            changed[name] = tuple(resolve(table, base, layer, line, (*path, name)) for table in value)
        elif isinstance(value, Path):
            changed[name] = base / value
    for name in secret_keys(type(model)):
        reference = changed.get(f"{name}_file")
        if reference is not None and getattr(model, name) is None and getattr(model, "active", True):
            read = Layer()
            secret = read_secret(reference, read)
            layer.problems += [line((*path, f"{name}_file"), words) for words in read.problems]
            layer.warnings += read.warnings
            changed[name] = SecretStr(secret) if secret is not None else None
    changed = {name: value for name, value in changed.items() if value != getattr(model, name)}
    return model.model_copy(update=changed) if changed else model

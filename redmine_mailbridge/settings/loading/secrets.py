"""Secrets by reference: a key X that may be given as X_file, resolved last."""

import stat
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, SecretStr

from redmine_mailbridge.settings import schema
from redmine_mailbridge.settings.loading.origins import Layer

_MAX_SECRET = 65536
Table = TypeVar("Table", bound=BaseModel)


def read_secret(file: Path, layer: Layer) -> str | None:
    """Given a file, return the secret in it without the line's end. None, and a problem, when there is none.

    A file that everybody may read makes a warning.
    """
    try:
        with file.open("rb") as opened:
            raw = opened.read(_MAX_SECRET + 1)
            mode = stat.S_IMODE(file.stat().st_mode)
        secret = raw.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        layer.problems.append(f"{file}: is no UTF-8 text")
        return None
    except OSError as error:
        layer.problems.append(f"{file}: {error.strerror or type(error).__name__}")
        return None
    if not secret or len(raw) > _MAX_SECRET:
        layer.problems.append(f"{file}: {'is empty' if not secret else 'is too large for a secret'}")
        return None
    if mode & stat.S_IROTH:
        layer.warnings.append(f"{file}: everybody on this machine can read this secret; chmod 600 {file}")
    return secret


def secret_keys(model: type[BaseModel]) -> Iterator[str]:
    """Given a model, yield the names of its keys that are secrets and have an X_file beside them."""
    for name, field in model.model_fields.items():
        if schema.holds_secret(field.annotation) and f"{name}_file" in model.model_fields:
            yield name


def drop_overridden(lower: MutableMapping[str, Any], higher: Mapping[str, Any], model: type[BaseModel]) -> None:
    """Given what a lower and a higher source say of one table, take out of the lower what the higher replaces
    under the other name: a secret in the environment replaces the file's reference, and the other way round.
    """
    for name in secret_keys(model):
        if name in higher or f"{name}_file" in higher:
            lower.pop(name, None)
            lower.pop(f"{name}_file", None)


def resolve(model: Table, base: Path, layer: Layer, path: tuple[str, ...] = ()) -> Table:
    """Given a table, return it with its paths absolute (relative ones start at `base`) and its secrets read.

    A table that is not active keeps its references unread.
    """
    changed: dict[str, Any] = {}
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            changed[name] = resolve(value, base, layer, (*path, name))
        elif isinstance(value, dict) and schema.named_tables(field.annotation):
            changed[name] = {key: resolve(table, base, layer, (*path, name, key)) for key, table in value.items()}
        elif isinstance(value, tuple) and schema.listed_tables(field.annotation):
            changed[name] = tuple(resolve(table, base, layer, (*path, name)) for table in value)
        elif isinstance(value, Path):
            changed[name] = base / value
    for name in secret_keys(type(model)):
        reference = changed.get(f"{name}_file")
        if reference is not None and getattr(model, name) is None and getattr(model, "active", True):
            secret = read_secret(reference, layer)
            changed[name] = SecretStr(secret) if secret is not None else None
    changed = {name: value for name, value in changed.items() if value != getattr(model, name)}
    return model.model_copy(update=changed) if changed else model

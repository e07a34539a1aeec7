"""settings.example.toml and the reference page, both generated from the models."""

import re
import textwrap
from collections.abc import Iterator
from typing import Any

import tomlkit
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from redmine_mailbridge.settings import schema
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.settings.sample_features import FEATURES
from redmine_mailbridge.settings.sample_values import EXAMPLES, FIRST_SETUP, SHARED
from redmine_mailbridge.settings.schema import KeyPath
from redmine_mailbridge.settings.shared import TABLE, MailboxDefaults

_WIDTH = 110
_PLAIN_KINDS = ("true, false", "whole number", "span", "size", "secret")
_SAMPLE_HEAD = """\
# Settings of redmine-mailbridge: first what `redmine-mailbridge init` writes, then one block per feature.
# Written by `scripts/docs`; all keys, values and defaults: docs/admin/settings.md.
#
# To use a block, remove the leading "# ". Where its table exists already, add its keys to that table.
# Spans of time are "90s", "5m", "12h", "14d" or "1d 12h", sizes "50MB". Paths are relative to this file's folder.
"""
_PAGE_HEAD = """\
# Settings

All keys of the settings file. `scripts/docs` generates this page from the code; do not edit it by hand. For a short
file to start from, see [settings.example.toml](../../settings.example.toml).

The file is the one given by `--settings FILE`, else `$MAILBRIDGE_SETTINGS`, `./settings.toml` or
`/etc/redmine-mailbridge/settings.toml`. Paths in it are relative to its own folder. Spans of time are written `"90s"`,
`"5m"`, `"12h"`, `"14d"` or `"1d 12h"`, sizes `"50MB"` or `"512KiB"`.

- **Environment.** `MAILBRIDGE_TABLE__KEY` overrides the file: `MAILBRIDGE_REDMINE__URL`,
  `MAILBRIDGE_MAILBOXES__SUPPORT__PORT` (the mailbox's name in any case, `_` for `-`). Lists are JSON or separated by
  commas. An empty variable is ignored; a variable that matches no key is an error.
- **Secrets.** Each secret `X` can be given in four ways; the first one present is used: a variable
  (`MAILBRIDGE_REDMINE__API_KEY`), a file in the folder `$MAILBRIDGE_SECRETS_DIR` (`redmine/api_key`,
  `mailboxes/support/password`), a systemd credential in `$CREDENTIALS_DIRECTORY` (`mailboxes.support.password`), or
  `X_file` or `X` in the settings file. Secrets are never shown.
- **Errors.** All errors are reported at once, with file, line, table and key, and nothing starts. On SIGHUP the file is
  read again: valid settings take effect as a whole, invalid settings change nothing.
- `redmine-mailbridge settings show` prints the settings in effect and the source of each value.
"""


def sample() -> str:
    """Return settings.example.toml: a first set-up, each key with its first sentence, and one block per feature."""
    lines = [_SAMPLE_HEAD.rstrip("\n")]
    table: KeyPath = ()
    for path, value in FIRST_SETUP.items():
        if path[:-1] != table:
            table = path[:-1]
            lines += ["", f"[{schema.dotted(table)}]"]
        field = schema.field_at(Settings, path)
        lines += [
            *_comment(_first_sentence((field.description if field else "") or "")),
            f"{path[-1]} = {_toml(value)}",
        ]
    for title, block in FEATURES:
        lines += ["", *_comment(title, "## "), *(f"# {line}".rstrip() for line in block.strip().splitlines())]
    return "\n".join(lines) + "\n"


def examples() -> Iterator[tuple[KeyPath, str]]:
    """Every key, by its path with NAME and # in it, with a value in TOML that it may have."""
    for path, model in _tables():
        for name, field in _own_keys(model):
            yield (*path, name), _example((*path, name), field)


def page() -> str:
    """Return docs/admin/settings.md: a table of keys for each table of the file."""
    lines = [_PAGE_HEAD]
    for path, model in _tables():
        if path == ("mailboxes", schema.NAME):
            lines += [f"## `[{TABLE}]`", "", _doc(MailboxDefaults), "", "```toml", f"[{TABLE}]", *SHARED, "```", ""]
        name = schema.dotted(path)
        lines += [f"## `[[{name}]]`" if path[-1] == "#" else f"## `[{name}]`", "", _doc(model), ""]
        keys = list(_own_keys(model))
        if keys:
            lines += ["| key | values | default | what it does |", "|---|---|---|---|"]
        for key, field in keys:
            cells = (f"`{key}`", _kind(field), _default(field), _described((*path, key), field))
            lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def _tables() -> Iterator[tuple[KeyPath, type[BaseModel]]]:
    """Every table that has keys of its own, with its path."""
    for path, model in schema.tables(Settings):
        if next(_own_keys(model), None):
            yield path, model


def _own_keys(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """The keys of a table itself; those that it inherits stand last."""
    inherited = [name for name in model.model_fields if name not in model.__annotations__]
    for name in [*(name for name in model.model_fields if name not in inherited), *inherited]:
        field = model.model_fields[name]
        annotation = field.annotation
        if not (schema.subtable(annotation) or schema.named_tables(annotation) or schema.listed_tables(annotation)):
            yield name, field


def _doc(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _comment(text: str, mark: str = "# ") -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=mark, subsequent_indent=mark, break_on_hyphens=False)


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=\.) (?=[A-Z\"`])", text, maxsplit=1)[0]


def _described(path: KeyPath, field: FieldInfo) -> str:
    """Given a key, return its description, with an example where its kind and default alone do not show one."""
    text = field.description or ""
    example = _example(path, field)
    if _default(field) == f"`{example}`" or example in text or _kind(field) in _PLAIN_KINDS or "`" in _kind(field):
        return text
    return f"{text} Example: `{example}`."


def _example(path: KeyPath, field: FieldInfo) -> str:
    """Given a key, return its sample value, else its default."""
    for known in (path, path[-3:], path[-2:], path[-1:]):
        if known in EXAMPLES:
            return _toml(EXAMPLES[known])
    value = field.get_default(call_default_factory=True, validated_data={"protocol": "imap", "security": "tls"})
    if value is None or field.is_required():
        raise LookupError(f"settings/sample_values.py: an example is needed for {schema.dotted(path)}")
    return _toml(schema.written(field, value))


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{tomlkit.key(name).as_string()} = {_toml(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list | tuple | frozenset):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    text: str = tomlkit.item(value).as_string()
    return text


def _kind(field: FieldInfo) -> str:
    """Given a key, return in a word or two what may stand there."""
    annotation = field.annotation
    if allowed := schema.choices(annotation):
        others = [kind.removeprefix("a ") for kind in schema.kinds(field)[len(allowed) :]]
        return ", ".join([*(f"`{_toml(choice)}`" for choice in allowed), *others])
    if schema.is_size(field):
        return "size"
    words = {"bool": "true, false", "int": "whole number", "timedelta": "span", "Path": "file", "SecretStr": "secret"}
    if schema.is_list(annotation):
        return "list"
    if schema.is_mapping(annotation):
        return "table"
    name = next((part.__name__ for part in schema.parts_of(annotation) if hasattr(part, "__name__")), "")
    return words.get(name, "text")


def _default(field: FieldInfo) -> str:
    """Given a key, return its default in words; "" when it is simply not set."""
    extra = field.json_schema_extra
    if isinstance(extra, dict) and "default_text" in extra:
        text = str(extra["default_text"])
        return f"`{text}`" if text.startswith('"') and text.endswith('"') else text
    if field.is_required():
        return "must be given"
    value = field.get_default(call_default_factory=True, validated_data={})
    return "" if value is None or value in ((), {}, []) else f"`{_toml(schema.written(field, value))}`"

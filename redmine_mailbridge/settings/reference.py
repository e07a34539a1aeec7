"""The sample file and the reference page, both written from the models, so that neither can be wrong."""

import textwrap
from collections.abc import Iterator
from typing import Any

import tomlkit
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from redmine_mailbridge.settings import schema
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.settings.sample_values import EXAMPLES, LIVE, PLACEHOLDERS, SHARED
from redmine_mailbridge.settings.schema import KeyPath
from redmine_mailbridge.settings.shared import TABLE, MailboxDefaults

_WIDTH = 110
_SAMPLE_HEAD = """\
# Settings of redmine-mailbridge: every key there is. What stands behind a # is the default, or an example where
# it says so. Copy this file to settings.toml, or let `redmine-mailbridge init` write a short one.
#
# Spans of time are written "90s", "5m", "12h", "14d" or "1d 12h", sizes "50MB". Paths start at this file's folder.
# Every key can come from the environment instead: MAILBRIDGE_REDMINE__URL, MAILBRIDGE_MAILBOXES__SUPPORT__PORT.
# Every secret can be given as such, as a file (…_file), as a variable, or as a file of the folder that
# MAILBRIDGE_SECRETS_DIR names: redmine/api_key, mailboxes/support/password.
"""
_PAGE_HEAD = """\
# Settings

Written from the models by `scripts/docs`; do not edit. The same keys with examples: `settings.example.toml`.

The file is `--settings FILE`, else `$MAILBRIDGE_SETTINGS`, `./settings.toml` or
`/etc/redmine-mailbridge/settings.toml`. Paths in it start at its own folder. Spans of time are written `"90s"`,
`"5m"`, `"12h"`, `"14d"` or `"1d 12h"`, sizes `"50MB"` or `"512KiB"`.

- **Environment.** `MAILBRIDGE_TABLE__KEY` wins over the file: `MAILBRIDGE_REDMINE__URL`,
  `MAILBRIDGE_MAILBOXES__SUPPORT__PORT` (the mailbox's name in any case, `_` for `-`). Lists are JSON or separated by
  commas. An empty variable says nothing; one that means nothing is an error.
- **Secrets.** Each secret `X` is given in one of four ways, the first that is there wins: a variable
  (`MAILBRIDGE_REDMINE__API_KEY`), a file in the folder `$MAILBRIDGE_SECRETS_DIR` (`redmine/api_key`,
  `mailboxes/support/password`), a file in `$CREDENTIALS_DIRECTORY` as systemd makes it
  (`mailboxes.support.password`), or in the settings file as `X_file`, or as `X`. Secrets are never shown.
- **Mistakes.** All are named at once, with file, line, table and key, and nothing starts. On SIGHUP the file is read
  again: a good one is put in force whole, a bad one changes nothing.
- `redmine-mailbridge settings show` prints the values in force and where each comes from.
"""


def sample() -> str:
    """Return settings.example.toml: every key, live when it belongs to a first set-up, else behind a #."""
    lines = [_SAMPLE_HEAD.rstrip("\n")]
    for path, model in _tables():
        if path == ("mailboxes", schema.NAME):
            lines += _sample_of_shared()
        shown = _shown(path)
        header = f"[[{schema.dotted(shown)}]]" if path[-1] == "#" else f"[{schema.dotted(shown)}]"
        is_live = any((*path, name) in LIVE for name in model.model_fields)
        lines += ["", *_comment(_doc(model)), header if is_live else f"# {header}"]
        for name, field in _own_keys(model):
            example, live = _example((*path, name), field), (*path, name) in LIVE
            lines += _comment(_described(field, example, live=live))
            lines.append(f"{'' if live else '# '}{name} = {example}")
    return "\n".join(lines) + "\n"


def _sample_of_shared() -> list[str]:
    """The lines of [mailbox_defaults] in the sample: an example of a few keys, since it takes those of a mailbox."""
    return ["", *_comment(_doc(MailboxDefaults).replace("`", "")), f"# [{TABLE}]", *(f"# {line}" for line in SHARED)]


def page() -> str:
    """Return docs/settings.md: a table of keys for each table of the file."""
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
            cells = (f"`{key}`", _kind(field), _default(field), field.description or "")
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


def _shown(path: KeyPath) -> KeyPath:
    """Given a path with NAME in it, return it with the sample's names."""
    return tuple(PLACEHOLDERS[path[: i + 1]] if step == schema.NAME else step for i, step in enumerate(path))


def _doc(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def _described(field: FieldInfo, example: str, *, live: bool) -> str:
    """Given a key and the value that stands below, return its description, and its default when that is another."""
    default = _default(field).replace("`", "")
    text = field.description or ""
    if field.is_required() or default == example:
        return text
    return f"{text} Default: {default or 'none'}{'.' if live else '; an example:'}"


def _example(path: KeyPath, field: FieldInfo) -> str:
    """Given a key, return the value that the sample shows: an example of ours, else the default."""
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

"""Problems with settings, one per line: where, what was written, what would be right."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from redmine_mailbridge.settings import schema
from redmine_mailbridge.settings.loading.origins import ValueOrigin, Where
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.util.suggest import closest, did_you_mean

_SECRET_NAME = re.compile(r"pass|pwd|secret|key|token|credential", re.IGNORECASE)
_USER_INFO = re.compile(r"(https?://)[^/\s]{0,400}@|((?!https?:)[a-z][a-z0-9+.-]{0,40}://)\S{0,400}@")
"""In a web address the password ends before the path; in a database's URL it may contain a slash."""
_IN_QUERY = re.compile(
    r"([?&])(?!(?:sslmode|timeout|connect_timeout|host|port|user|application_name)=)([^=&\s\"]{1,40}=|)[^&\s\"]{1,400}"
)
"""In the query part anything can be a secret, under any name, except the known options of database drivers."""
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]{0,40}://[^\s\"]{0,2000}")
_OWN_PATH = re.compile(r"([a-z][A-Za-z0-9_.-]{0,200}): (.*)")
_LONGEST_VALUE = 60
RENAMED = {
    "at_most": "max_issues",
    "brake_at": "max_new_mails",
    "directory_life": "cache_ttl",
    "give_up_after": "max_attempts",
    "keep_raw": "raw_retention",
    "most_writes": "max_writes",
    "session_life": "session_lifetime",
    "write_above": "reply_marker_line",
}
"""What keys were called before version 0.1.0, and what they are called."""

_WORDS = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "finite_number": "must be a number",
    "float_type": "must be a number",
    "string_type": 'must be text in quotes, such as "…"',
    "string_too_short": "must not be empty",
    "tuple_type": 'must be a list in brackets, such as ["…", "…"]',
    "list_type": 'must be a list in brackets, such as ["…", "…"]',
    "too_short": "must not be empty",
    "path_type": "must be a file's path in quotes",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
}

_LIMITS = {
    "greater_than_equal": ("must be at least {}", "ge"),
    "greater_than": ("must be more than {}", "gt"),
    "less_than_equal": ("must be at most {}", "le"),
    "less_than": ("must be less than {}", "lt"),
    "string_too_long": ("must have at most {} characters", "max_length"),
}


class Problems:
    """Turns validation errors into lines; knows the input and the origin of each value.

    `homes` maps each inherited value of a mailbox to its place in `[mailbox_defaults]`.
    """

    def __init__(
        self,
        data: Mapping[str, Any],
        origins: Mapping[Where, ValueOrigin],
        file: str,
        homes: Mapping[Where, Where] | None = None,
    ) -> None:
        self.data = data
        self.homes = homes or {}
        self.origins = origins
        self.file = file

    def lines(self, error: ValidationError) -> list[str]:
        """Given pydantic's errors, return one line per problem, in the order of the file."""
        details = error.errors(include_url=False, include_context=True)
        placed_lines = [pair for detail in details for pair in self._of(detail)]
        return [line for _, line in sorted(dict.fromkeys(placed_lines), key=lambda pair: pair[0])]

    def line(self, path: Where, words: str) -> str:
        """Given a key's path and the problem with it, return the whole line."""
        origin = self._origin(path)
        if origin.kind == "environment":
            return f"{origin}{self._shown(path)}: {words}"
        header, is_table = self._home(path), isinstance(self._value(path), Mapping)
        name = ""
        if not is_table:
            header, name = header[:-1], f" {path[-1]}{self._shown(path)}"
        table = f"[{schema.dotted(header)}]" if header else ""
        return f"{origin if origin.kind == 'file' else self.file}: {(table + name).strip()}: {words}"

    def _of(self, detail: ErrorDetails) -> Iterator[tuple[int, str]]:
        path, kind = tuple(detail["loc"]), detail["type"]
        for length in range(1, len(path)):
            field = schema.field_at(Settings, path[:length])
            if field is not None and len(schema.kinds(field)) > 1:
                yield self._placed(path[:length], "must be " + _one_of(schema.kinds(field)))
                return
        if path and path[-1] == "[key]":
            words = "a name must start with a letter or digit and contain only letters, digits, - and _"
            yield self._placed(path[:-1], words)
        elif kind == "extra_forbidden":
            yield self._placed(path, self._unknown(path))
        elif kind == "missing":
            yield self._missing(path)
        elif kind == "default_factory_not_called":
            return  # only means that another key of the same table is invalid, which has its own line
        elif kind == "value_error":
            for text in str(detail["ctx"]["error"]).splitlines():
                own = _OWN_PATH.fullmatch(text) if self._is_table(path) else None
                below = tuple(int(step) if step.isdecimal() else step for step in own[1].split(".")) if own else ()
                yield self._placed((*path, *below), own[2] if own else text)
        else:
            yield self._placed(path, self._words(path, detail))

    def _placed(self, path: Where, words: str) -> tuple[int, str]:
        return self._origin(path).line, self.line(path, words)

    def _missing(self, path: Where) -> tuple[int, str]:
        field = schema.field_at(Settings, path)
        description = f" ({field.description})" if field is not None and field.description else ""
        origin = self._origin(path[:-1])
        place = origin if origin.kind == "file" else self.file
        if schema.model_at(Settings, path) is not None or path == ("mailboxes",):
            header = schema.dotted(path) + (".NAME" if path == ("mailboxes",) else "")
            return origin.line, f"{place}: [{header}]: this table is missing{description}"
        return origin.line, f"{place}: [{schema.dotted(path[:-1])}] {path[-1]}: is missing{description}"

    def _unknown(self, path: Where) -> str:
        name, model = str(path[-1]), schema.model_at(Settings, path[:-1])
        known = list(model.model_fields) if model is not None else []
        what = "unknown table" if isinstance(self._value(path), Mapping) else "unknown key"
        if RENAMED.get(name) in known:
            return f"{what}, it is called {RENAMED[name]} now"
        if closest(name, known) is None:
            homes = [key.table for key in schema.keys(Settings) if key.name == name]
            homes.sort(key=lambda home: -sum(a in (b, schema.NAME) for a, b in zip(home, path, strict=False)))
            if homes:
                home = tuple(p if s == schema.NAME else s for s, p in zip(homes[0], (*path, *homes[0]), strict=False))
                return f"unknown key here, it belongs in [{schema.dotted(home)}]"
        return f"{what}{did_you_mean(name, known)}"

    def _words(self, path: Where, detail: ErrorDetails) -> str:
        kind, context = detail["type"], detail.get("ctx", {})
        field = schema.field_at(Settings, path)
        if field is not None and schema.listed_tables(field.annotation) and self._is_table(path):
            return f"must be a list of tables: write its header in double brackets, [[{schema.dotted(path)}]]"
        if kind == "literal_error" and field is not None:
            allowed = [str(choice) for choice in schema.choices(field.annotation)]
            near = did_you_mean(str(self._value(path)), allowed)
            return f"must be {_one_of(schema.kinds(field))}{near}"
        if kind in _LIMITS:
            phrase, limit = _LIMITS[kind]
            return phrase.format(context[limit])
        text = detail["msg"]
        return _WORDS.get(kind, text[:1].lower() + text[1:])

    def _origin(self, path: Where) -> ValueOrigin:
        """The origin of a path; if only that of its surroundings is known, that one."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.origins:
                return self.origins[path[:length]]
        return ValueOrigin("file", self.file)

    def _home(self, path: Where) -> Where:
        """Where a value is written: its own path, or that in `[mailbox_defaults]`."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.homes:
                return (*self.homes[path[:length]], *path[length:])
        return path

    def _value(self, path: Where) -> Any:
        at: Any = self.data
        for step in path:
            if isinstance(at, Mapping):
                at = at.get(str(step))
            elif isinstance(at, list | tuple) and isinstance(step, int) and step < len(at):
                at = at[step]
            else:
                return None
        return at

    def _is_table(self, path: Where) -> bool:
        return not path or isinstance(self._value(path), Mapping)

    def _shown(self, path: Where) -> str:
        """Return ' = VALUE' as it was written, or "" if it may be a secret or is missing."""
        value = self._value(path)
        inside = value if isinstance(value, list) else [value]
        if value is None or any(isinstance(item, Mapping | list) for item in inside) or self._may_be_secret(path):
            return ""
        return f" = {shown(value)}"

    def _may_be_secret(self, path: Where) -> bool:
        field, name = schema.field_at(Settings, path), str(path[-1])
        if field is not None:
            return schema.holds_secret(field.annotation)
        if isinstance(path[-1], int):
            return self._may_be_secret(path[:-1])
        model = schema.model_at(Settings, path[:-1])
        near = closest(name, model.model_fields) if model is not None else None
        return near is None or bool(_SECRET_NAME.search(name)) or bool(_SECRET_NAME.search(near))


def shown(value: Any) -> str:
    """Given a value that is not a secret, return it as TOML, shortened, without a password in an address."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        text = "".join(c if c.isprintable() else f"\\u{ord(c):04X}" for c in text)
    elif isinstance(value, list | tuple | set | frozenset):
        text = "[" + ", ".join(shown(item) for item in value) + "]"
    elif isinstance(value, Mapping):
        text = "{" + ", ".join(f"{name} = {shown(item)}" for name, item in value.items()) + "}"
    else:
        text = str(value)
    text = _ADDRESS.sub(lambda match: _IN_QUERY.sub(r"\1\2…", match[0]), _USER_INFO.sub(r"\1\2…@", text))
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def _one_of(allowed: Sequence[str]) -> str:
    return " or ".join([", ".join(allowed[:-1]), allowed[-1]]) if len(allowed) > 1 else allowed[0]

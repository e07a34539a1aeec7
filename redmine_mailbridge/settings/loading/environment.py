"""Settings from environment variables and from secrets directories."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from redmine_mailbridge.settings import schema
from redmine_mailbridge.settings.loading.origins import Layer, ValueOrigin
from redmine_mailbridge.settings.loading.problems import RENAMED
from redmine_mailbridge.settings.loading.secrets import read_secret
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.util.suggest import closest, did_you_mean

PREFIX = "MAILBRIDGE_"
SETTINGS_VARIABLE = "MAILBRIDGE_SETTINGS"
SECRETS_VARIABLE = "MAILBRIDGE_SECRETS_DIR"
SYSTEMD_VARIABLE = "CREDENTIALS_DIRECTORY"
_RESERVED = (SETTINGS_VARIABLE, SECRETS_VARIABLE)
_IGNORED_PREFIX = "MAILBRIDGE_TEST_"


def environment_layer(environ: Mapping[str, str], file: Mapping[str, Any]) -> Layer:
    """Given the environment and the file's values, return the values of MAILBRIDGE_TABLE__KEY variables.

    A mailbox of the file is matched by name in any case, with _ for -; another name adds a new mailbox.
    Lists are written as JSON or with commas. An empty variable is ignored.
    """
    layer = Layer()
    for variable, value in sorted(environ.items()):
        if not variable.startswith(PREFIX) or variable in _RESERVED or variable.startswith(_IGNORED_PREFIX):
            continue
        path = _path(variable, file)
        if path is None:
            layer.problems.append(f"environment {variable}: unknown setting{_meant(variable, file)}")
        elif value != "":
            try:
                layer.put(path, _decoded(path, value), ValueOrigin("environment", variable))
            except ValueError as error:
                layer.problems.append(f"environment {variable}: {error}")
    _refuse_stray_mailboxes(layer, file)
    return layer


def _path(variable: str, file: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Given a variable's name, return the path of its setting, or None."""
    steps = variable.removeprefix(PREFIX).lower().split("__")
    if len(steps) >= 2 and steps[0] == "mailboxes":
        boxes = file.get("mailboxes")
        names = {_folded(name): name for name in boxes} if isinstance(boxes, Mapping) else {}
        steps[1] = names.get(_folded(steps[1]), steps[1])
    for length in (len(steps), len(steps) - 1):
        field = schema.field_at(Settings, tuple(steps[:length]))
        if field is not None and (length == len(steps) or schema.is_mapping(field.annotation)):
            whole_table = schema.subtable(field.annotation) or schema.named_tables(field.annotation)
            return None if whole_table else tuple(steps)
    return None


def _folded(name: str) -> str:
    return name.lower().replace("-", "_")


def variable_of(path: tuple[str, ...]) -> str:
    """Given a key's path, return the name of the variable that sets it."""
    return PREFIX + "__".join(path).upper().replace("-", "_")


def _meant(variable: str, file: Mapping[str, Any]) -> str:
    *table, name = variable.split("__")
    renamed = "__".join([*table, RENAMED.get(name.lower(), name).upper()])
    if renamed != variable and _path(renamed, file) is not None:
        return f", it is called {renamed} now"
    boxes = file.get("mailboxes")
    names = [*boxes] if isinstance(boxes, Mapping) else []
    steps = variable.split("__")
    if steps[0] == f"{PREFIX}MAILBOXES" and len(steps) > 2:
        names.append(steps[1].lower())
    known = [
        variable_of(tuple(name if step == schema.NAME else step for step in key.path))
        for key in schema.keys(Settings)
        if "#" not in key.path and key.path.count(schema.NAME) <= 1
        for name in (names if schema.NAME in key.path else [""])
    ]
    single = {candidate.replace("__", "_"): candidate for candidate in known}
    spelt = single.get(variable.replace("__", "_"))
    return f", did you mean {spelt}?" if spelt else did_you_mean(variable, [*known, *_RESERVED])


def _decoded(path: tuple[str, ...], value: str) -> Any:
    """Given a variable's text, return its key's value. Raise ValueError if it is not valid JSON."""
    field = schema.field_at(Settings, path)
    if field is None or not (schema.is_list(field.annotation) or schema.is_mapping(field.annotation)):
        return value
    if value.lstrip().startswith(("[", "{")):
        try:
            return json.loads(value)
        except json.JSONDecodeError as error:
            raise ValueError(f"is not valid JSON: {error.msg} at character {error.pos + 1}") from error
    if schema.is_mapping(field.annotation) or schema.listed_tables(field.annotation):
        raise ValueError("must be JSON here")
    return [item.strip() for item in value.split(",") if item.strip()]


def _refuse_stray_mailboxes(layer: Layer, file: Mapping[str, Any]) -> None:
    """A mailbox that only the environment names, without an address, is a typo: report it, and drop it."""
    boxes, known = layer.data.get("mailboxes", {}), file.get("mailboxes")
    known = known if isinstance(known, Mapping) else {}
    for name in [name for name in boxes if name not in known and "address" not in boxes[name]]:
        variable = next(o.name for path, o in layer.origins.items() if path[:2] == ("mailboxes", name))
        near = closest(name, known)
        hint = f", did you mean {variable.replace(name.upper(), _folded(near).upper())}?" if near else ""
        layer.problems.append(f"environment {variable}: mailbox {name!r} does not exist{hint}")
        del boxes[name]


def secrets_layer(environ: Mapping[str, str]) -> Layer:
    """Given the environment, return the secrets in MAILBRIDGE_SECRETS_DIR and CREDENTIALS_DIRECTORY.

    A secret's file is named by its path: mailboxes/support/password, or mailboxes.support.password
    (as systemd's LoadCredential requires). The bridge's directory overrides systemd's, and must contain nothing else.
    """
    layer = Layer()
    for variable in (SYSTEMD_VARIABLE, SECRETS_VARIABLE):
        if not environ.get(variable):
            continue
        folder = Path(environ[variable])
        if not folder.is_dir():
            layer.problems.append(f"environment {variable}: folder {folder} does not exist")
            continue
        for file in sorted(folder.rglob("*")):
            name = file.relative_to(folder)
            if file.is_dir() or any(part.startswith(".") for part in name.parts):
                continue
            path = tuple(".".join(name.parts).replace("__", ".").split("."))
            field = schema.field_at(Settings, path)
            if field is not None and schema.holds_secret(field.annotation):
                secret = read_secret(file, layer)
                if secret is not None:
                    layer.put(path, secret, ValueOrigin("secret", str(file)))
            elif variable == SECRETS_VARIABLE:
                layer.problems.append(f"{file}: unknown secret {'.'.join(path)}{_meant_secret(path)}")
    return layer


def _meant_secret(path: tuple[str, ...]) -> str:
    names = [
        ".".join(path[i] if step == schema.NAME and i < len(path) else step for i, step in enumerate(key.path))
        for key in schema.keys(Settings)
        if key.secret
    ]
    return did_you_mean(".".join(path), names)

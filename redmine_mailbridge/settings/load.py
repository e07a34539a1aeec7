"""Loading: file, secrets and environment become one `Settings`, or one error that names everything to mend."""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.settings import schema
from redmine_mailbridge.settings.calendars import read_file
from redmine_mailbridge.settings.loading.environment import (
    SETTINGS_VARIABLE,
    environment_layer,
    secrets_layer,
    variable_of,
)
from redmine_mailbridge.settings.loading.origins import Layer, Origin, Where, leaves
from redmine_mailbridge.settings.loading.problems import Problems
from redmine_mailbridge.settings.loading.secrets import drop_overridden, resolve, secret_keys
from redmine_mailbridge.settings.loading.toml_lines import line_numbers
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.settings.presets import fill_in
from redmine_mailbridge.settings.shared import share

_BEGINNING = re.compile(r"\s*(?:\[{1,2}[A-Za-z0-9_. -]{1,200}\]{0,2}|[A-Za-z0-9_.-]{1,100})")
DEFAULT_FILES = (Path("settings.toml"), Path("/etc/redmine-mailbridge/settings.toml"))


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings with what an admin wants to know of them: their file, where each value comes from, warnings."""

    settings: Settings
    path: Path | None
    origins: Mapping[Where, Origin]
    warnings: tuple[str, ...]


def load(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Given a settings file (None: the one that `find` finds), return the settings, secrets and paths resolved.

    The environment wins over the secrets directories, and these over the file.
    Raise SettingsError with one line a problem, all of them at once.
    """
    return load_with_origins(path, environ).settings


def find(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Given a file that was asked for, or None, return the settings file to read.

    Without one: MAILBRIDGE_SETTINGS, ./settings.toml, /etc/redmine-mailbridge/settings.toml; None when there is
    none of them. Raise SettingsError when a file was named and is not there.
    """
    named = path or (Path(environ[SETTINGS_VARIABLE]) if environ.get(SETTINGS_VARIABLE) else None)
    if named is None:
        return next((file for file in DEFAULT_FILES if file.is_file()), None)
    if not named.is_file():
        raise SettingsError(f"{named}: there is no such settings file; `redmine-mailbridge init` writes one")
    return named


def load_with_origins(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Loaded:
    """As `load`, and return where each value comes from as well."""
    environ = os.environ if environ is None else environ
    file = find(path, environ)
    layers = [_file_layer(file) if file is not None else Layer()]
    layers.append(secrets_layer(environ))
    layers.append(environment_layer(environ, layers[0].data))
    if file is None and not layers[2].data:
        looked = ", ".join(str(place) for place in DEFAULT_FILES)
        raise SettingsError(f"no settings file found (looked for {looked}); `redmine-mailbridge init` writes one")
    merged = _merged(layers)
    homes, wrong = share(merged)
    wrong += fill_in(merged)
    problems = Problems(merged.data, merged.origins, str(file) if file is not None else "settings", homes)
    merged.problems += [problems.line(path, words) for path, words in wrong]
    merged.problems += _twofold_secrets(layers[0], problems)
    for name in [name for name in merged.data if name.startswith("_")]:
        merged.problems.append(problems.line((name,), "unknown key"))
        del merged.data[name]  # BaseSettings would take it for one of its own switches
    try:
        settings = Settings(**merged.data)
    except ValidationError as error:
        raise SettingsError(*dict.fromkeys(merged.problems + problems.lines(error))) from None
    base = (file.parent if file is not None else Path()).resolve()
    settings = _with_sqlite_file(resolve(settings, base, merged), base)
    if not merged.problems:
        merged.problems += _missing_secrets(settings, problems)
    merged.problems += _bad_holidays(settings, problems)
    merged.problems += _missing_templates(settings, problems)
    if merged.problems:
        raise SettingsError(*dict.fromkeys(merged.problems))
    merged.warnings += [*_exposed(file, layers[0].data), *_open_to_all(settings)]
    return Loaded(settings, file, merged.origins, tuple(dict.fromkeys(merged.warnings)))


def reload(old: Settings, path: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Given the settings in force, read the file again and return the new ones, for the caller to swap in whole.

    Raise SettingsError, so that the old ones stay, when the file cannot be used or asks for what only a restart
    can change.
    """
    new = load(path, environ)
    fixed = [
        f"[store] {name}: cannot change while the service runs; restart it"
        for name in ("url", "raw_dir", "password")
        if getattr(new.store, name) != getattr(old.store, name)
    ]
    if fixed:
        raise SettingsError(*fixed)
    return new


def _file_layer(file: Path) -> Layer:
    """Given a file, return what it says, with line numbers. Raise SettingsError when it is no readable TOML."""
    try:
        text = file.read_text("utf-8-sig")  # editors of Windows begin a file with a mark (BOM)
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(_syntax_problem(file, str(error))) from None
    except UnicodeDecodeError:
        raise SettingsError(f"{file}: is no UTF-8 text") from None
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror or type(error).__name__}") from None
    layer = Layer(data=dict(data))
    for where, line in line_numbers(text).items():
        layer.origins[where] = Origin("file", str(file), line)
    return layer


def _syntax_problem(file: Path, message: str) -> str:
    """Given tomllib's message, return it with the file, the line and the key or table that the line begins with.

    Never with the rest of the line: where the text is no TOML, nobody can tell what of it is a secret.
    """
    lines = file.read_text("utf-8-sig").splitlines()
    at = re.search(r"\(at line (\d+), column (\d+)\)", message)
    number = min(int(at[1]), len(lines)) if at else len(lines)
    found = _BEGINNING.match(lines[number - 1]) if lines else None
    begins = f": {found[0].strip()} …" if found and _is_known(found[0].strip()) else ""
    what = re.sub(r"\s*\(at .*\)$", "", message)
    return f"{file}:{number}: {what[:1].lower()}{what[1:]}{begins}"


def _is_known(beginning: str) -> bool:
    """Given how a line begins, is it a table's header, or nothing but keys that there are?"""
    known = (
        {key.name for key in schema.keys(Settings)}
        | {*Settings.model_fields}
        | {step for path, _ in schema.tables(Settings) for step in path}
    )
    words = re.findall(r"[A-Za-z0-9_-]+", beginning)
    return bool(words) and (known >= set(words[:1]) if beginning.startswith("[") else known >= set(words))


def _merged(layers: list[Layer]) -> Layer:
    """Given layers, lowest first, return them as one; a secret replaces the reference to it below, and so back."""
    merged = Layer()
    for layer in layers:
        _merge(merged, layer.data, layer.origins, ())
        merged.problems += layer.problems
        merged.warnings += layer.warnings
    return merged


def _merge(into: Layer, data: Mapping[str, Any], origins: Mapping[Where, Origin], path: tuple[str, ...]) -> None:
    table: Any = into.data
    for step in path:
        table = table[step]
    model = schema.model_at(Settings, path)
    if model is not None:
        drop_overridden(table, data, model)
    for name, value in data.items():
        below = (*path, name)
        if isinstance(value, Mapping):
            if not isinstance(table.get(name), dict):
                table[name] = {}
            _merge(into, value, origins, below)
        else:
            table[name] = value
    into.origins.update({where: origin for where, origin in origins.items() if where[: len(path)] == path})


def _twofold_secrets(file: Layer, problems: Problems) -> list[str]:
    """Refuse a secret that one file gives both itself and by reference: which of them is meant?"""
    given = {path for path, _ in leaves(file.data)}
    found = []
    for path in sorted(given):
        model = schema.model_at(Settings, path[:-1])
        if model is not None and path[-1] in secret_keys(model) and (*path[:-1], f"{path[-1]}_file") in given:
            found.append(problems.line(path, f"give either {path[-1]} or {path[-1]}_file, not both"))
    return found


def _missing_secrets(settings: Settings, problems: Problems) -> list[str]:
    """Refuse settings without the secrets that every connection needs, and say the ways to give them."""
    needed: list[tuple[str, ...]] = [("redmine", "api_key")] if settings.redmine.api_key is None else []
    needed += [
        ("mailboxes", name, "password")
        for name, box in settings.active_mailboxes.items()
        if not (box.password or box.oauth)
    ]
    if settings.redmine.gateway_user is not None and settings.redmine.gateway_password is None:
        needed.append(("redmine", "gateway_password"))
    ways = "is missing: give {key}_file, the variable {variable}, or {path} in the secrets directory"
    return [
        problems.line(
            path,
            ways.format(key=path[-1], variable=variable_of(path), path="/".join(path)),
        )
        for path in needed
    ]


def _bad_holidays(settings: Settings, problems: Problems) -> list[str]:
    """Refuse files of holidays that cannot be used: a rule would close or remind on the wrong day."""
    found = []
    for name, table in settings.calendars.items():
        try:
            read_file(table.holidays)
        except ValueError as error:
            found.append(problems.line(("calendars", name, "holidays"), str(error)))
    return found


def _missing_templates(settings: Settings, problems: Problems) -> list[str]:
    """Refuse a folder of templates that is not there: customers would get our words in place of one's own."""
    named: dict[tuple[str, ...], Path | None] = {("outgoing",): settings.outgoing.templates}
    named |= {("mailboxes", name, "outgoing"): box.outgoing.templates for name, box in settings.mailboxes.items()}
    words = "there is no folder {folder}; `redmine-mailbridge templates copy {folder}` makes it"
    return [
        problems.line((*path, "templates"), words.format(folder=folder))
        for path, folder in named.items()
        if folder is not None and not os.path.isdir(folder)  # noqa: PTH112 - False also where nobody may look
    ]


def _with_sqlite_file(settings: Settings, base: Path) -> Settings:
    """Make the path in a SQLite address absolute: it starts at the settings file's folder."""
    file = settings.store.sqlite_file
    if file is None:
        return settings
    options = settings.store.url.partition("?")[2]
    url = f"sqlite:///{base / file}" + (f"?{options}" if options else "")
    return settings.model_copy(update={"store": settings.store.model_copy(update={"url": url})})


def _open_to_all(settings: Settings) -> list[str]:
    """Warn of files and folders with mails, sessions or keys that everybody may look into: only new ones are made for
    the bridge alone.
    """
    database, admin = settings.store.sqlite_file, settings.admin
    logs = [database.with_name(f"{database.name}-{end}") for end in ("wal", "shm")] if database is not None else []
    files = [database, *logs, admin.password_hash_file, admin.certificate_key_file]
    files += [one.service_account_file for one in settings.oauth.values()]
    found = [(file, "read", 0o004, 600) for file in files if file is not None]
    found.append((settings.store.raw_folder, "look into", 0o005, 700))
    return [
        f"{place}: everybody on this machine can {what} this; chmod {mode} {place}"
        for place, what, bits, mode in found
        if _mode(place) & bits
    ]


def _mode(place: Path) -> int:
    """The rights of a file; none when it is not there, or whoever loads the settings may not look at it."""
    try:
        return place.stat().st_mode
    except OSError:
        return 0


def _exposed(file: Path | None, data: Mapping[str, Any]) -> list[str]:
    """Warn of a settings file that holds secrets and that everybody may read."""
    if file is None or not file.stat().st_mode & 0o004:
        return []
    for path, _ in leaves(data):
        field = schema.field_at(Settings, path)
        if field is not None and schema.holds_secret(field.annotation):
            return [f"{file}: holds a secret and everybody on this machine can read it; chmod 600 {file}"]
    return []

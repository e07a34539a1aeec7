"""Loading: file, secrets and environment become one `Settings`, or one error that lists all problems."""

import os
from collections.abc import Mapping
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
from redmine_mailbridge.settings.loading.origins import Layer, ValueOrigin, Where, leaves
from redmine_mailbridge.settings.loading.problems import Problems
from redmine_mailbridge.settings.loading.secrets import drop_overridden, resolve, secret_keys
from redmine_mailbridge.settings.loading.toml_file import file_layer
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.settings.presets import fill_in
from redmine_mailbridge.settings.shared import share
from redmine_mailbridge.util.dataclass import dataclass

DEFAULT_FILES = (Path("settings.toml"), Path("/etc/redmine-mailbridge/settings.toml"))


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings with details for the admin: their file, the origin of each value, warnings."""

    settings: Settings
    path: Path | None
    origins: Mapping[Where, ValueOrigin]
    warnings: tuple[str, ...]


def load(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Given a settings file (None: the one that `find` returns), return the settings with secrets and paths resolved.

    The environment overrides the secrets directories, and these override the file.
    Raise SettingsError with one line per problem, all of them at once.
    """
    return load_with_origins(path, environ).settings


def find(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Given a requested file or None, return the settings file to read.

    Without one: MAILBRIDGE_SETTINGS, ./settings.toml, /etc/redmine-mailbridge/settings.toml; None if none of them
    exists. Raise SettingsError if a named file does not exist.
    """
    named = path or (Path(environ[SETTINGS_VARIABLE]) if environ.get(SETTINGS_VARIABLE) else None)
    if named is None:
        return next((file for file in DEFAULT_FILES if file.is_file()), None)
    if not named.is_file():
        raise SettingsError(f"{named}: settings file not found; `redmine-mailbridge init` creates one")
    return named


def load_with_origins(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Loaded:
    """Like `load`, but also return the origin of each value."""
    environ = os.environ if environ is None else environ
    file = find(path, environ)
    layers = [file_layer(file) if file is not None else Layer()]
    layers.append(secrets_layer(environ))
    layers.append(environment_layer(environ, layers[0].data))
    if file is None and not layers[2].data:
        looked = ", ".join(str(place) for place in DEFAULT_FILES)
        raise SettingsError(f"no settings file found (looked for {looked}); `redmine-mailbridge init` creates one")
    merged = _merged(layers)
    homes, wrong = share(merged)
    wrong += fill_in(merged)
    problems = Problems(merged.data, merged.origins, str(file) if file is not None else "settings", homes)
    merged.problems += [problems.line(path, words) for path, words in wrong]
    merged.problems += _twofold_secrets(layers[0], problems)
    for name in [name for name in merged.data if name.startswith("_")]:
        merged.problems.append(problems.line((name,), "unknown key"))
        del merged.data[name]  # BaseSettings would treat it as one of its own options
    try:
        settings = Settings(**merged.data)
    except ValidationError as error:
        raise SettingsError(*dict.fromkeys(merged.problems + problems.lines(error))) from None
    base = (file.parent if file is not None else Path()).resolve()
    settings = _with_sqlite_file(resolve(settings, base, merged, problems.line), base)
    if not merged.problems:
        merged.problems += _missing_secrets(settings, problems)
    merged.problems += [problems.line(("redmine", key), words) for key, words in settings.redmine.problems()]
    merged.problems += _bad_holidays(settings, problems)
    merged.problems += _missing_templates(settings, problems)
    if merged.problems:
        raise SettingsError(*dict.fromkeys(merged.problems))
    merged.warnings += [*_exposed(file, layers[0].data), *_open_to_all(settings)]
    return Loaded(settings, file, merged.origins, tuple(dict.fromkeys(merged.warnings)))


def reload(old: Settings, path: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Given the settings in force, read the file again and return the new ones, for the caller to swap in as a whole.

    Raise SettingsError, so that the old settings stay in force, if the file is invalid or changes a value that
    requires a restart.
    """
    new = load(path, environ)
    fixed = [
        f"[store] {name}: cannot change while the service runs; restart it"
        for name in ("url", "raw_storage", "raw_dir", "password", "lease_duration")
        if getattr(new.store, name) != getattr(old.store, name)
    ]
    if fixed:
        raise SettingsError(*fixed)
    return new


def _merged(layers: list[Layer]) -> Layer:
    """Given layers, lowest first, merge them; a secret replaces a lower layer's reference to it, and vice versa."""
    merged = Layer()
    for layer in layers:
        _merge(merged, layer.data, layer.origins, ())
        merged.problems += layer.problems
        merged.warnings += layer.warnings
    return merged


def _merge(into: Layer, data: Mapping[str, Any], origins: Mapping[Where, ValueOrigin], path: tuple[str, ...]) -> None:
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
    into.origins.update({key_path: origin for key_path, origin in origins.items() if key_path[: len(path)] == path})


def _twofold_secrets(file: Layer, problems: Problems) -> list[str]:
    """Reject a secret that one file sets both directly and by reference."""
    paths = {path for path, _ in leaves(file.data)}
    lines = []
    for path in sorted(paths):
        model = schema.model_at(Settings, path[:-1])
        if model is not None and path[-1] in secret_keys(model) and (*path[:-1], f"{path[-1]}_file") in paths:
            lines.append(problems.line(path, f"set either {path[-1]} or {path[-1]}_file, not both"))
    return lines


def _missing_secrets(settings: Settings, problems: Problems) -> list[str]:
    """Reject settings without the secrets that a connection needs, and list the ways to set them."""
    needed: list[tuple[str, ...]] = [("redmine", "api_key")] if settings.redmine.api_key is None else []
    needed += [
        ("mailboxes", name, "password")
        for name, box in settings.active_mailboxes.items()
        if not (box.password or box.oauth or box.protocol == "deliver")
    ]
    if settings.redmine.gateway_user is not None and settings.redmine.gateway_password is None:
        needed.append(("redmine", "gateway_password"))
    if settings.redmine.proxy_user is not None and settings.redmine.proxy_password is None:
        needed.append(("redmine", "proxy_password"))
    ways = "is missing: set {key}_file, the variable {variable}, or the file {path} in the secrets directory"
    return [
        problems.line(
            path,
            ways.format(key=path[-1], variable=variable_of(path), path="/".join(path)),
        )
        for path in needed
    ]


def _bad_holidays(settings: Settings, problems: Problems) -> list[str]:
    """Reject unusable holiday files: a rule would close issues or remind on the wrong day."""
    lines = []
    for name, table in settings.calendars.items():
        try:
            read_file(table.holidays)
        except ValueError as error:
            lines.append(problems.line(("calendars", name, "holidays"), str(error)))
    return lines


def _missing_templates(settings: Settings, problems: Problems) -> list[str]:
    """Reject a missing template folder: customers would get the default texts in place of the admin's own."""
    named: dict[tuple[str, ...], Path | None] = {("outgoing",): settings.outgoing.templates}
    named |= {("mailboxes", name, "outgoing"): box.outgoing.templates for name, box in settings.mailboxes.items()}
    words = "folder {folder} does not exist; `redmine-mailbridge templates copy {folder}` creates it"
    return [
        problems.line((*path, "templates"), words.format(folder=folder))
        for path, folder in named.items()
        if folder is not None and not os.path.isdir(folder)  # noqa: PTH112 - False also where access is denied
    ]


def _with_sqlite_file(settings: Settings, base: Path) -> Settings:
    """Make the path in a SQLite URL absolute: it is relative to the settings file's folder."""
    file = settings.store.sqlite_file
    if file is None:
        return settings
    options = settings.store.url.partition("?")[2]
    url = f"sqlite:///{base / file}" + (f"?{options}" if options else "")
    return settings.model_copy(update={"store": settings.store.model_copy(update={"url": url})})


def _open_to_all(settings: Settings) -> list[str]:
    """Warn about files and folders with messages, sessions or keys that are world-readable: only newly created ones
    are restricted to the bridge's user.
    """
    database, admin = settings.store.sqlite_file, settings.admin
    logs = [database.with_name(f"{database.name}-{end}") for end in ("wal", "shm")] if database is not None else []
    files = [database, *logs, admin.password_hash_file, admin.certificate_key_file]
    redmine = settings.redmine
    files.append(redmine.client_key_file or redmine.client_certificate_file)
    files += [table.service_account_file for table in settings.oauth.values()]
    checked = [(file, "read", 0o004, 600) for file in files if file is not None]
    if settings.store.raw_folder is not None:
        checked.append((settings.store.raw_folder, "look into", 0o005, 700))
    return [
        f"{place}: every user of this machine can {what} it; run chmod {mode} {place}"
        for place, what, bits, mode in checked
        if _mode(place) & bits
    ]


def _mode(place: Path) -> int:
    """The permission bits of a file; none if it does not exist or the current user may not see it."""
    try:
        return place.stat().st_mode
    except OSError:
        return 0


def _exposed(file: Path | None, data: Mapping[str, Any]) -> list[str]:
    """Warn about a settings file that contains secrets and is world-readable."""
    if file is None or not file.stat().st_mode & 0o004:
        return []
    for path, _ in leaves(data):
        field = schema.field_at(Settings, path)
        if field is not None and schema.holds_secret(field.annotation):
            return [f"{file}: contains a secret but is world-readable; run chmod 600 {file}"]
    return []

"""A first settings file, written from a few answers: for `init`."""

import contextlib
import fcntl
import os
import stat
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tomlkit

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.settings import schema
from redmine_mailbridge.settings.load import load
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.settings.schema import KeyPath
from redmine_mailbridge.util.dataclass import dataclass

_WIDTH = 110


@dataclass(frozen=True, slots=True)
class InitFile:
    """A draft of a settings file: values by path, in order, and secrets by the name of their file in `secrets/`."""

    values: Mapping[KeyPath, Any]
    secrets: Mapping[str, str] = field(repr=False)


def render(values: Mapping[KeyPath, Any]) -> str:
    """Given values by path, return a settings file that explains each key."""
    head = [
        "# Settings of redmine-mailbridge, written by `redmine-mailbridge init`.",
        "# All other keys: settings.example.toml and docs/admin/settings.md.",
    ]
    return "\n".join(head) + "\n" + tables(values)


def tables(values: Mapping[KeyPath, Any]) -> str:
    """Given values by path, return their tables with each key explained."""
    lines = []
    table: KeyPath = ()
    for path, value in values.items():
        if path[:-1] != table:
            table = path[:-1]
            lines += ["", f"[{schema.dotted(table)}]"]
        field = schema.field_at(Settings, path)
        if field is not None and field.description:
            lines += textwrap.wrap(field.description, _WIDTH, initial_indent="# ", subsequent_indent="# ")
        lines.append(f"{path[-1]} = {tomlkit.item(value).as_string()}")
    return "\n".join(lines) + "\n"


def write(
    draft: InitFile, file: Path, *, force: bool = False, base: str = "", environ: Mapping[str, str] | None = None
) -> None:
    """Given a draft, write the settings file and its secrets, readable by the owner only, after checking that they
    load. `base` is the text of the file that the draft's tables are appended to; "": the draft is the whole file. Lines
    added to the file since `base` was read are kept, as are its owner, its permissions and a symbolic link to it.

    Raise SettingsError if the file exists (and not `force`), if the draft does not load, or if the disk
    fails; the existing file is then unchanged.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(file.parent):
            _write(draft, file, force=force, base=base and file.read_text("utf-8-sig"), environ=environ)
    except OSError as error:
        raise SettingsError(f"{error.filename or file}: {error.strerror or type(error).__name__}") from error


def _write(draft: InitFile, file: Path, *, force: bool, base: str, environ: Mapping[str, str] | None) -> None:
    folder = file.parent / "secrets"
    targets = [*([] if base else [file]), *(folder / name for name in draft.secrets)]
    existing = [target for target in targets if target.exists()]
    if existing and not force:
        raise SettingsError(*(f"{target}: already exists; use --force to overwrite it" for target in existing))
    tried(draft, file, base=base, environ=environ)
    if draft.secrets:
        folder.mkdir(mode=0o700, exist_ok=True)
    for name, secret in draft.secrets.items():
        write_private(folder / name, secret + "\n")
    if base:
        write_private(file.resolve(), _text(draft.values, base), like=file.stat())
    else:
        write_private(file, _text(draft.values, base))


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Given a folder, hold its lock: only one process at a time writes settings there."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _text(values: Mapping[KeyPath, Any], base: str) -> str:
    return f"{base.rstrip()}\n{tables(values)}" if base else render(values)


def tried(draft: InitFile, file: Path, *, base: str = "", environ: Mapping[str, str] | None = None) -> Settings:
    """Load the draft as it will be, and return the settings. Raise SettingsError that names the final file.

    It is loaded from a temporary file in the same folder, so that relative paths in `base` resolve; its secrets are in
    a temporary folder.
    """
    beside = file.parent if file.parent.is_dir() else None
    with TemporaryDirectory(dir=beside, prefix=".init-") as folder:
        trial = Path(folder).resolve()
        for name, secret in draft.secrets.items():
            write_private(trial / name, secret + "\n")
        values = {path: _from(file.parent, path, value, draft, trial) for path, value in draft.values.items()}
        here = (file.parent if base else trial) / f".{trial.name}-{file.name}"
        try:
            write_private(here, _text(values, base))
            return load(here, environ)
        except SettingsError as error:
            named = [line.replace(str(here), str(file)) for line in error.problems]
            raise SettingsError(*(line.replace(str(trial), str(file.parent / "secrets")) for line in named)) from None
        finally:
            here.unlink(missing_ok=True)


def _from(folder: Path, path: KeyPath, value: Any, draft: InitFile, trial: Path) -> Any:
    """Paths of existing files are relative to the final folder; secrets of the draft are in the temporary one."""
    field = schema.field_at(Settings, path)
    if field is None or not any(part is Path for part in schema.parts_of(field.annotation)):
        return value
    if str(value) in {f"secrets/{name}" for name in draft.secrets}:
        return str(trial / Path(value).name)
    return str(folder.resolve() / Path(value).expanduser())


def write_private(file: Path, text: str, *, like: os.stat_result | None = None) -> None:
    """Write a file atomically. Only its owner may read it, or the users who could read the previous file (`like`),
    as far as this process may restore those permissions.
    """
    new = file.with_name(f".{file.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        if like is not None:
            with contextlib.suppress(PermissionError):
                os.fchown(descriptor, like.st_uid, like.st_gid)
                os.fchmod(descriptor, stat.S_IMODE(like.st_mode))
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    new.replace(file)

"""The answers of an interrupted `init` (Ctrl-C, a closed terminal): saved beside the settings and offered again.

Written after each answer, so that nothing has to happen at the end; readable by its owner only. It never holds
secrets: they are asked again.
"""

import contextlib
import datetime as dt
import json
import os
import re
import stat
from pathlib import Path

import click

from redmine_mailbridge.cli.setup.form import SECRETS, Answers
from redmine_mailbridge.settings.init_file import write_private
from redmine_mailbridge.util.dataclass import dataclass

_KEPT = {
    "redmine_url", "allow_cleartext", "redmine_ca_file", "gateway_user", "text_format", "address", "mailbox",
    "preset", "protocol", "client_id", "host", "security", "port", "ca_file", "username", "start_from",
    "trusted_authserv_ids", "project", "tracker", "unknown_sender", "answers", "redmine_users", "received",
    "smtp_host", "smtp_security", "smtp_port", "smtp_allow_cleartext", "smtp_ca_file", "smtp_username",
}  # fmt: skip
"""The answers that are saved: what people type, and none of the secrets."""

_WITH_PASSWORD = re.compile(r"\s*(?:[a-zA-Z][a-zA-Z0-9+.-]*://)?[^/\s]*:[^/]*@")
"""A URL, or its authority alone, with a user and a password before the host (RFC 3986 section 3.2.1)."""


@dataclass(frozen=True, slots=True)
class BrokenOff:
    """The state of an interrupted `init`: `answers` that count, and what was `typed` and was wrong."""

    answers: Answers
    typed: Answers
    at: dt.datetime


def place(file: Path, *, adding: bool) -> Path:
    """Given the settings file, return where answers are saved until it is written or a mailbox is added to it."""
    return file.with_name(f".{file.name}.{'init-add' if adding else 'init'}")


def keep(place: Path, answers: Answers, typed: Answers) -> bool:
    """Given answers and what was typed, save what is not secret. Return whether anything was saved; a folder that is
    not writable is reported when the settings are written.
    """
    kept = {"answers": _plain(answers), "typed": _plain(typed)}
    if not (kept["answers"] or kept["typed"]):
        return False
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(place, json.dumps(kept | {"at": dt.datetime.now(dt.UTC).isoformat()}, indent=1) + "\n")
    except OSError:
        return False
    return True


def _plain(answers: Answers) -> Answers:
    plain: Answers = {}
    for name in sorted((_KEPT - SECRETS) & answers.keys()):
        value = answers[name]
        if isinstance(value, dt.datetime):
            plain[name] = {"moment": value.isoformat()}
        elif isinstance(value, str | int) and not _WITH_PASSWORD.match(str(value)):
            plain[name] = value
    return plain


def broken_off(place: Path) -> BrokenOff | None:
    """Given where answers would be saved, return them; None if there are none, or none readable, or another user's: the
    key that is asked next would be sent to the address in them.
    """
    try:
        saved = json.loads(_own(place))
        return BrokenOff(
            _read(saved["answers"]), _read(saved["typed"]), dt.datetime.fromisoformat(saved["at"]).astimezone()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _own(place: Path) -> str:
    """The text of a file of our own. Raise OSError if there is none, or it is a link, not a file, or another user's."""
    with os.fdopen(os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), encoding="utf-8") as opened:
        status = os.fstat(opened.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            raise PermissionError(f"{place} is not a regular file of this user")
        return opened.read()


def _read(kept: Answers) -> Answers:
    return {name: _value(value) for name, value in kept.items() if name in _KEPT}


def _value(value: object) -> object:
    """Return what `_plain` has written. Raise TypeError, KeyError or ValueError for anything else."""
    if isinstance(value, dict):
        return dt.datetime.fromisoformat(value["moment"])
    if not isinstance(value, str | int):
        raise TypeError(f"{type(value).__name__} is not an answer")
    return value


def forget(place: Path) -> None:
    """Delete the answers: the settings are written, or the answers are not wanted."""
    with contextlib.suppress(OSError):
        place.unlink(missing_ok=True)


def _shown(value: object) -> object:
    """Given an answer, return it as people write it: yes or no, a time in UTC."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC" if isinstance(value, dt.datetime) else value


def offered(place: Path) -> BrokenOff | None:
    """Given where answers may be saved, ask whether to use them. Return them if so; else delete them."""
    saved = broken_off(place)
    if saved is None:
        return None
    click.echo(f"An earlier init was interrupted on {saved.at:%Y-%m-%d at %H:%M}; its answers were:")
    for name, value in (saved.answers | saved.typed).items():
        if value != "":
            click.echo(f"  {name.replace('_', '-')}: {_shown(value)}")
    if click.confirm("Continue with these answers? (No deletes them)", default=True):
        return saved
    forget(place)
    return None

"""What was answered before `init` was broken off (Ctrl-C, a closed terminal): kept beside the settings, offered again.

Written after each answer, so that nothing need happen at the end; readable by its owner alone. Secrets are never in it:
they are asked again.
"""

import contextlib
import datetime as dt
import json
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

import click

from redmine_mailbridge.cli.setup.form import SECRETS, Answers
from redmine_mailbridge.settings.init_file import write_private

_KEPT = {
    "redmine_url", "allow_cleartext", "redmine_ca_file", "gateway_user", "text_format", "address", "mailbox",
    "preset", "protocol", "client_id", "host", "security", "port", "ca_file", "username", "start_from",
    "trusted_authserv_ids", "project", "tracker", "unknown_sender", "answers", "redmine_users", "received",
    "smtp_host", "smtp_security", "smtp_port", "smtp_allow_cleartext", "smtp_ca_file", "smtp_username",
}  # fmt: skip
"""The answers that are kept: what people type, and none of the secrets."""

_WITH_PASSWORD = re.compile(r"\s*(?:[a-zA-Z][a-zA-Z0-9+.-]*://)?[^/\s]*:[^/]*@")
"""A URL, or its authority alone, with a user and a password before the host (RFC 3986 section 3.2.1)."""


@dataclass(frozen=True, slots=True)
class BrokenOff:
    """What an `init` had been told when it was broken off: `answers` that count, and what was `typed` and was wrong."""

    answers: Answers
    typed: Answers
    at: dt.datetime


def place(file: Path, *, adding: bool) -> Path:
    """Given the settings file, return where answers are kept until it is written, or until a mailbox is added to it."""
    return file.with_name(f".{file.name}.{'init-add' if adding else 'init'}")


def keep(place: Path, answers: Answers, typed: Answers) -> bool:
    """Given answers and what was typed, keep what is no secret. Return whether there is anything, and it is kept: a
    folder that cannot be written to is told when the settings are.
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
    found: Answers = {}
    for name in sorted((_KEPT - SECRETS) & answers.keys()):
        value = answers[name]
        if isinstance(value, dt.datetime):
            found[name] = {"moment": value.isoformat()}
        elif isinstance(value, str | int) and not _WITH_PASSWORD.match(str(value)):
            found[name] = value
    return found


def broken_off(place: Path) -> BrokenOff | None:
    """Given where answers would be kept, return them; None where there are none, or none that can be read, or another
    user's: what is asked next is a key, which would go to the address that stands there.
    """
    try:
        found = json.loads(_own(place))
        return BrokenOff(
            _read(found["answers"]), _read(found["typed"]), dt.datetime.fromisoformat(found["at"]).astimezone()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _own(place: Path) -> str:
    """The text of a file of our own. Raise OSError when there is none, or it is a link, no file, or another user's."""
    with os.fdopen(os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), encoding="utf-8") as opened:
        found = os.fstat(opened.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            raise PermissionError(f"{place} is not a file of this user's own")
        return opened.read()


def _read(kept: Answers) -> Answers:
    return {name: _value(value) for name, value in kept.items() if name in _KEPT}


def _value(value: object) -> object:
    """What `_plain` has written. Raise TypeError, KeyError or ValueError for anything else."""
    if isinstance(value, dict):
        return dt.datetime.fromisoformat(value["moment"])
    if not isinstance(value, str | int):
        raise TypeError(f"{type(value).__name__} is no answer")
    return value


def forget(place: Path) -> None:
    """The settings are written, or nobody wants these answers."""
    with contextlib.suppress(OSError):
        place.unlink(missing_ok=True)


def offered(place: Path) -> BrokenOff | None:
    """Given where answers may be kept, ask whether to go on with them. Return them when it is so; else they go."""
    found = broken_off(place)
    if found is None:
        return None
    click.echo(f"An init was broken off on {found.at:%Y-%m-%d at %H:%M}; it had been told:")
    for name, value in (found.answers | found.typed).items():
        click.echo(f"  {name.replace('_', '-')}: {value}")
    if click.confirm("Go on with these answers? (No: they are thrown away)", default=True):
        return found
    forget(place)
    return None

"""The value types of settings that Python does not have: spans, sizes, secrets, addresses, crontab lines."""

import datetime as dt
import re
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, SecretStr, StringConstraints

from redmine_mailbridge.mail.mime.address_syntax import ascii_host, is_local_part

_SPAN_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SPAN_PART = re.compile(r"\s{0,9}(\d{1,9})\s{0,9}([smhdw])")
_SIZE_UNITS: Final = {
    "": 1,
    "B": 1,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KIB": 1024,
    "MIB": 1024**2,
    "GIB": 1024**3,
}
_SIZE = re.compile(r"(\d{1,12})\s{0,9}([A-Za-z]{0,3})")


def parse_span(value: object) -> dt.timedelta:
    """Given "90s", "5m", "1d 12h" or a timedelta, return the timedelta. Raise ValueError if it is neither.

    Units: s, m, h, d, w, each at most once. A bare number is rejected, since its unit is ambiguous; so is zero
    without a unit.
    """
    if isinstance(value, dt.timedelta):
        return value
    refusal = ValueError('must be a time span such as "90s", "5m", "12h", "14d" or "1d 12h"')
    if not isinstance(value, str):
        raise refusal
    text, at, total, seen = value.strip(), 0, 0, set[str]()
    while at < len(text):
        part = _SPAN_PART.match(text, at)
        if part is None or part[2] in seen:
            raise refusal
        seen.add(part[2])
        total += int(part[1]) * _SPAN_UNITS[part[2]]
        at = part.end()
    if not seen:
        raise refusal
    try:
        return dt.timedelta(seconds=total)
    except OverflowError as error:
        raise refusal from error


def format_span(span: dt.timedelta) -> str:
    """Given a span of whole seconds, return it in the settings' syntax: "1d 12h", "0s"."""
    rest, parts = int(span.total_seconds()), []
    for unit in ("d", "h", "m", "s"):
        count, rest = divmod(rest, _SPAN_UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts) or "0s"


def parse_size(value: object) -> int:
    """Given "50MB", "512KiB" or a number of bytes, return the bytes. Raise ValueError if it is neither.

    KB, MB and GB are powers of 1000, KiB, MiB and GiB of 1024; case does not matter.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    factor = _SIZE_UNITS.get(match[2].upper()) if match else None
    if match is None or factor is None:
        raise ValueError('must be a size such as "50MB", "512KiB" or a number of bytes')
    return int(match[1]) * factor


def format_size(size: int) -> str:
    """Given bytes, return them in the settings' syntax: "50MB", "1KiB", "17B"."""
    if size == 0:
        return "0"
    for unit in ("GB", "GiB", "MB", "MiB", "KB", "KiB"):
        if size % _SIZE_UNITS[unit.upper()] == 0:
            return f"{size // _SIZE_UNITS[unit.upper()]}{unit}"
    return f"{size}B"


def one_address(value: str) -> str:
    """Given a mail address, return it. Raise ValueError if it is not exactly one address."""
    local, at, domain = value.rpartition("@")
    if not (local and at and domain) or any(c.isspace() or c in "<>,;" for c in value):
        raise ValueError('must be one mail address, such as "support@example.com"')
    if ascii_host(domain) is None:
        raise ValueError(f'"{domain}" is not a host name (IDNA 2008)')
    return value


def senders_address(value: str) -> str:
    """Given a From or Reply-To address for outgoing messages, return it. Raise ValueError if it is invalid, or
    if mail servers without SMTPUTF8 could not reply to it.
    """
    local = one_address(value).rpartition("@")[0]
    if not local.isascii():
        raise ValueError(f'"{local}" before the @ must be ASCII: most mail servers cannot reply to it')
    if not is_local_part(local):
        raise ValueError(f'"{local}" before the @ is not a valid sender address')
    return value


def _known_path(value: object) -> object:
    """Expand "~" at the start, so that no folder of that name is created."""
    if not isinstance(value, str) or not value.startswith("~"):
        return value
    try:
        return Path(value).expanduser()
    except RuntimeError:
        user = value.partition("/")[0]
        raise ValueError(f'the home directory of "{user}" is not known: write the whole path') from None


def reveal(secret: SecretStr | None) -> str:
    """Given a secret of loaded settings, return it as text, "" if it is not set. Call it only where it is sent to a
    server."""
    return secret.get_secret_value() if secret is not None else ""


Span = Annotated[dt.timedelta, BeforeValidator(parse_span), PlainSerializer(format_span, return_type=str)]


def _positive(value: dt.timedelta) -> dt.timedelta:
    if value <= dt.timedelta(0):
        raise ValueError("must be longer than 0s")
    return value


PositiveSpan = Annotated[Span, AfterValidator(_positive)]
Size = Annotated[int, BeforeValidator(parse_size), PlainSerializer(format_size, return_type=str)]
MailAddress = Annotated[str, AfterValidator(one_address)]
SendersAddress = Annotated[str, AfterValidator(senders_address)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=255)]
FilePath = Annotated[Path, BeforeValidator(_known_path)]

"""The header fields of a mail as values: decoded lines, addresses, Message-IDs, date, importance."""

import datetime as dt
import re
from email.utils import parsedate_to_datetime
from typing import Literal

from redmine_mailbridge.mail.mime import addresses, charset
from redmine_mailbridge.mail.mime.encoded_words import decode_words, unfold
from redmine_mailbridge.model.mail import Address

Field = tuple[str, bytes]
_IDS = re.compile(r"<([^<>]{1,2000})>")
_BARE_ID = re.compile(r"[^\s<>,;\"]{1,500}@[^\s<>,;\"]{1,500}")
_RECORD = ("delivered-to", "x-delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-rcpt-to",
           "x-forwarded-to", "x-real-to", "x-apparently-to", "x-resolved-to")  # fmt: skip
_DATE_WORD = re.compile(r"[A-Za-z0-9:+,./-]{1,40}")


class Headers:
    """All fields of one header block, raw and decoded; unreadable 8-bit bytes are guessed once for all of them."""

    def __init__(self, fields: list[Field], fallback: str = "") -> None:
        if not fallback:
            odd = b" ".join(raw for _, raw in fields if not raw.isascii() and not _is_utf8(raw))[:4096]
            fallback = charset.guess(odd) if odd else ""
        self.fallback = fallback
        self.fields = fields
        self._unfolded: dict[bytes, str] = {}
        self._named: dict[str, list[bytes]] = {}
        for name, raw in fields:
            self._named.setdefault(name.lower(), []).append(raw)

    def raw_line(self, name: str) -> str:
        """The first value of a field on one line, encoded words untouched; "" when there is none."""
        raws = self._named.get(name)
        return self._unfold(raws[0]) if raws else ""

    def raw_lines(self, name: str) -> list[str]:
        """All values of a field, as `raw_line`."""
        return [self._unfold(raw) for raw in self._named.get(name, ())]

    def _unfold(self, raw: bytes) -> str:
        """As `unfold`, once for each value: many look at the same few fields."""
        if raw not in self._unfolded:
            self._unfolded[raw] = unfold(raw, self.fallback)
        return self._unfolded[raw]

    def text(self, name: str) -> str:
        """The first value of a field, decoded."""
        return decode_words(self.raw_line(name))

    def best(self, name: str) -> str:
        """The first value of a field that is not empty, decoded: some mails carry a field twice, once empty."""
        return next((text for line in self.raw_lines(name) if (text := decode_words(line))), "")

    def all(self) -> tuple[tuple[str, str], ...]:
        """All fields in order, decoded."""
        return tuple((name, decode_words(self._unfold(raw))) for name, raw in self.fields)

    def addresses(self, name: str) -> tuple[Address, ...]:
        """The addresses of all fields of this name, in order."""
        parsed: list[Address] = []
        for line in self.raw_lines(name):
            parsed += addresses.parse(line)
            if len(parsed) >= addresses.MAX_ADDRESSES:
                break
        return tuple(parsed)

    def recipients_of_record(self) -> tuple[str, ...]:
        """The addresses that mail servers recorded as the ones it was delivered for, each once, in order."""
        recorded = [address.address for name in _RECORD for address in self.addresses(name)]
        return tuple(dict.fromkeys(recorded))

    def ids(self, name: str) -> tuple[str, ...]:
        """The Message-IDs of a field, without <> and white space, each once, in order."""
        ids: list[str] = []
        for line in self.raw_lines(name):
            ids += message_ids(line)
        return tuple(dict.fromkeys(ids))[:1000]

    def date(self) -> dt.datetime | None:
        """The Date with its zone (UTC when it names none), else the time of the newest Received, else None."""
        for line in self.raw_lines("date"):
            if moment := date(line):
                return moment
        for line in self.raw_lines("received")[:1]:
            if moment := date(line.rpartition(";")[2]):
                return moment
        return None

    def importance(self) -> Literal["high", "normal", "low"]:
        """What the sender claims, from Importance, X-Priority, Priority and X-MSMail-Priority; the first that says."""
        for name in ("importance", "x-priority", "x-msmail-priority", "priority"):
            if importance := _importance(self.raw_line(name).lower()):
                return importance
        return "normal"


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _importance(value: str) -> Literal["high", "low"] | None:
    """Given a value such as "1 (Highest)", "urgent", "non-urgent", "5", return what it says beyond the normal."""
    word = value.strip().partition(" ")[0].strip("()")
    if word in {"1", "2", "high", "highest", "urgent"}:
        return "high"
    return "low" if word in {"4", "5", "low", "lowest", "non-urgent"} else None


def message_ids(line: str) -> list[str]:
    """Given the value of Message-ID, In-Reply-To or References, return the ids in it, without <> and blanks."""
    line = line[:200_000]
    ids = ["".join(inner.split()) for inner in _IDS.findall(line)]
    ids = [inner for inner in ids if inner]
    if not ids:
        ids = [inner.strip("<>") for inner in _BARE_ID.findall(line)[:100]]
    if not ids and (word := line.strip().strip("<>").strip()) and " " not in word:
        ids = [word[:500]]
    return ids


def date(value: str) -> dt.datetime | None:
    """Given a date as mails write it, return it with its zone, or None when it cannot be read."""
    text = " ".join(_DATE_WORD.findall(value[:300].partition("(")[0]))
    for candidate in (text, text.partition(",")[2].strip()):
        try:
            moment = parsedate_to_datetime(candidate)
        except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
            continue
        return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    try:
        moment = dt.datetime.fromisoformat(value.strip()[:40])
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)

"""What the mails of a maildrop are called: by their UIDLs, and by more where these do not tell them apart.

A UIDL should name one mail for as long as it lies there (RFC 1939 section 7). Some servers give one to two mails, or
use it again for another mail as soon as the first is gone. So a UIDL is believed only where it stands alone, and the
size is that of the mail that the store knows by it; else the headers decide.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from redmine_mailbridge.mailboxes.pop3_session import Entry, Refused

TELLING = frozenset({b"message-id", b"date", b"from", b"subject", b"received"})
"""The fields that tell mails apart; others (Status, X-UIDL) are written by some servers as they go."""
SIGN = " #"
"""What stands between a UIDL, which holds no blank, and the mark that tells its mails apart."""


@dataclass(slots=True, eq=False)
class RememberedMail:
    """A mail that the store knows by a UIDL: what it is called, its listed size, whether it has gone from the server.

    `head` gives its header, when that is still known.
    """

    id: int
    uid: str
    size: int
    gone: bool
    head: Callable[[], bytes | None] = field(repr=False)

    @property
    def mark(self) -> str | None:
        """What tells it from others of its UIDL; None when that is not known any more."""
        if SIGN in self.uid:
            return self.uid.rpartition(SIGN)[2].partition("-")[0]
        head = self.head()
        return mark_of(head) if head else None


class MaildropMemory(ABC):
    """What is known of the mails of one maildrop."""

    @abstractmethod
    def __call__(self, uids: Sequence[str]) -> Collection[str]:
        """Given names, return those of mails that are known and have not gone."""

    @abstractmethod
    def mails(self, uidls: Collection[str]) -> Iterable[RememberedMail]:
        """Given UIDLs, return the mails that are known by them, those that have not gone first, the newest first."""

    @abstractmethod
    def is_back(self, mail: RememberedMail, uid: str) -> None:
        """A mail that had gone lies there again, and is called that now."""


class Heads(Protocol):
    """Where headers come from: a session."""

    def head(self, number: int) -> bytes:
        """Given a mail's number, return its header. Raise Refused."""


class Namer:
    """Names the mails of a maildrop, session after session."""

    def __init__(self, memory: MaildropMemory | None) -> None:
        self._memory = memory
        self._last: frozenset[str] | None = None

    def names(self, entries: Sequence[Entry], heads: Heads) -> dict[str, int]:
        """Given what a session lists, return the numbers by name, in the order of the listing."""
        by_uidl: dict[str, list[Entry]] = {}
        for entry in entries:
            by_uidl.setdefault(entry.uidl, []).append(entry)
        remembered: dict[str, list[RememberedMail]] = {}
        for mail in self._memory.mails(by_uidl) if self._memory is not None else ():
            remembered.setdefault(uidl_of(mail.uid), []).append(mail)
        found: dict[int, str] = {}
        for uidl, same in by_uidl.items():
            found |= self._named(same, remembered.get(uidl, []), heads)
        self._last = frozenset(found.values())
        return {found[entry.number]: entry.number for entry in entries}

    def _named(self, entries: Sequence[Entry], mails: Sequence[RememberedMail], heads: Heads) -> Mapping[int, str]:
        """Given the entries of one UIDL, and the mails that are known by it, return the names by number."""
        there = [mail for mail in mails if not mail.gone]
        if len(entries) == 1 and not there and all(mail.size != entries[0].size for mail in mails):
            return {entries[0].number: entries[0].uidl}
        if len(entries) == len(there) == 1 and self._is_the_same(entries[0], there[0]):
            return {entries[0].number: there[0].uid}
        return self._told_apart(entries, list(mails), heads)

    def _is_the_same(self, entry: Entry, mail: RememberedMail) -> bool:
        """Is the only entry the only mail of its UIDL? Not where it was away and is back, or has another size."""
        away = self._last is not None and mail.uid not in self._last
        return not away and mail.size == entry.size

    def _told_apart(self, entries: Sequence[Entry], mails: list[RememberedMail], heads: Heads) -> dict[int, str]:
        """Compare headers; where a mail's is not known any more, its size, if it fits one entry only."""
        found: dict[int, str] = {}
        taken = {mail.uid for mail in mails if not mail.gone}
        new: list[tuple[Entry, str]] = []
        for entry in entries:
            mark = _mark(entry, heads)
            same = next((mail for mail in mails if mail.mark == mark), None)
            if same is None:
                new.append((entry, mark))
                continue
            mails.remove(same)
            found[entry.number] = self._returned(same, taken, mark)
        for entry, mark in new:
            fitting = [mail for mail in mails if mail.mark is None and not mail.gone and mail.size == entry.size]
            if len(fitting) == 1:
                mails.remove(fitting[0])
                found[entry.number] = fitting[0].uid
            else:
                found[entry.number] = _free(entry.uidl, mark, taken, alone=len(entries) == 1)
                taken.add(found[entry.number])
        return found

    def _returned(self, mail: RememberedMail, taken: set[str], mark: str) -> str:
        """Given a mail that lies there, return what it is called; where it had gone, it is back."""
        if not mail.gone:
            return mail.uid
        uid = _free(uidl_of(mail.uid), mark, taken, alone=True)
        taken.add(uid)
        if self._memory is not None:
            self._memory.is_back(mail, uid)
        return uid


class Contents:
    """What lies in a maildrop, session after session, by name and in the order of the listing."""

    def __init__(self, memory: MaildropMemory | None) -> None:
        self._memory = memory
        self._namer = Namer(memory)
        self.there: dict[str, Entry] = {}
        """What this session shows, without what is marked for deletion."""
        self._read: set[str] = set()
        """The mails that were read in this session, in which no other can have their names."""
        self._marks: dict[str, str] = {}

    def begin(self, entries: Sequence[Entry], heads: Heads) -> None:
        """Given what a new session lists, and where headers come from, name it."""
        by_number = {entry.number: entry for entry in entries}
        self.there = {uid: by_number[number] for uid, number in self._namer.names(entries, heads).items()}
        self._read = set()
        self._marks = {uid: mark for uid, mark in self._marks.items() if uid in self.there}

    def was_read(self, uid: str, head: bytes) -> None:
        """Given a name and a header, remember what was read under it."""
        self._marks[uid] = mark_of(head)
        self._read.add(uid)

    def is_the_same(self, uid: str, heads: Heads) -> bool:
        """Given the name of a mail that lies there, is it the one that was read under it? Yes, if nothing is known."""
        if uid in self._read:
            return True
        mark = self._marks.get(uid)
        if mark is None and self._memory is not None:
            mark = next((mail.mark for mail in self._memory.mails([uidl_of(uid)]) if mail.uid == uid), None)
        return mark is None or mark == _mark(self.there[uid], heads)


def _free(uidl: str, mark: str, taken: Collection[str], *, alone: bool) -> str:
    """Given a UIDL and a mark, return a name that is not taken; the UIDL itself when it stands alone."""
    if alone and uidl not in taken:
        return uidl
    name, count = f"{uidl}{SIGN}{mark}", 1
    while name in taken:  # the same mail twice
        count += 1
        name = f"{uidl}{SIGN}{mark}-{count}"
    return name


def uidl_of(uid: str) -> str:
    """Given what a mail is called, return its UIDL."""
    return uid.partition(SIGN)[0]


def _mark(entry: Entry, heads: Heads) -> str:
    try:
        return mark_of(heads.head(entry.number))
    except Refused:
        return f"of {entry.size} bytes"


def mark_of(head: bytes) -> str:
    """Given a header (what follows it is ignored), return what tells its mail from others."""
    lines = head.replace(b"\r\n", b"\n").split(b"\n\n", 1)[0].split(b"\n")
    kept: list[bytes] = []
    inside = False
    for line in lines:
        if line[:1] not in {b" ", b"\t"}:
            inside = line.partition(b":")[0].strip().lower() in TELLING
        if inside:
            kept.append(line.strip())
    return hashlib.sha256(b"\n".join(kept or lines)).hexdigest()[:16]

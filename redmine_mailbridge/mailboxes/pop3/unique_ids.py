"""What the mails of a maildrop are called: by their UIDLs, and by more where these do not tell them apart.

A UIDL should name one mail for as long as it lies there (RFC 1939 section 7). Some servers give one to two mails, or
use it again for another mail as soon as the first is gone; some have none, or give the number in the listing for one.
So a UIDL is trusted only if it is unique, is not its number in the listing, and the size is that of the mail
that the store knows by it; else the headers decide, or, where the store has forgotten a header, all the bytes.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import field
from typing import Protocol

from redmine_mailbridge.mailboxes.pop3.session import MaildropEntry, Pop3Refused
from redmine_mailbridge.util.dataclass import dataclass

TELLING = frozenset({b"message-id", b"date", b"from", b"subject", b"received"})
"""The fields that tell mails apart; others (Status, X-UIDL) are written by some servers as they go."""
SIGN = " #"
"""Separator between a UIDL, which contains no space, and the mark that distinguishes its messages."""


@dataclass(slots=True, eq=False)
class RememberedMail:
    """A mail that the store knows by a UIDL: what it is called, its listed size, whether it has gone from the server.

    `head` gives its header, when that is still known; `digest` is the SHA-256 of its bytes, None where not all came.
    """

    id: int
    uid: str
    size: int
    gone: bool
    head: Callable[[], bytes | None] = field(repr=False)
    digest: str | None = None

    @property
    def mark(self) -> str | None:
        """What distinguishes it from others with its UIDL; None if no longer known."""
        if SIGN in self.uid:
            return self.uid.rpartition(SIGN)[2].partition("-")[0]
        head = self.head()
        return mark_of(head) if head else None

    @property
    def unknown(self) -> bool:
        """Is nothing known of it but its size?"""
        return self.digest is None and self.mark is None


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


class HeaderSource(Protocol):
    """Where headers come from: a session."""

    def head(self, number: int) -> bytes:
        """Given a mail's number, return its header. Raise Refused."""

    def digest(self, number: int) -> str:
        """Given a mail's number, return the SHA-256 of its bytes in hex. Raise Refused."""


class UniqueIdAssigner:
    """Names the mails of a maildrop, session after session."""

    def __init__(self, memory: MaildropMemory | None) -> None:
        self._memory = memory
        self._last: frozenset[str] | None = None
        self._learned: dict[int, str] = {}
        """The marks, by the mails' ids, that the store no longer has, restored by a comparison of all bytes."""

    def names(self, entries: Sequence[MaildropEntry], heads: HeaderSource) -> dict[str, int]:
        """Given what a session lists, return the numbers by name, in the order of the listing."""
        by_uidl: dict[str, list[MaildropEntry]] = {}
        for entry in entries:
            by_uidl.setdefault(entry.uidl, []).append(entry)
        remembered: dict[str, list[RememberedMail]] = {}
        for mail in self._memory.mails(by_uidl) if self._memory is not None else ():
            remembered.setdefault(uidl_of(mail.uid), []).append(mail)
        names_by_number: dict[int, str] = {}
        for uidl, same in by_uidl.items():
            names_by_number |= self._named(same, remembered.get(uidl, []), heads)
        self._last = frozenset(names_by_number.values())
        return {names_by_number[entry.number]: entry.number for entry in entries}

    def _named(
        self, entries: Sequence[MaildropEntry], mails: Sequence[RememberedMail], heads: HeaderSource
    ) -> Mapping[int, str]:
        """Given the entries of one UIDL, and the mails that are known by it, return the names by number."""
        present = [mail for mail in mails if not mail.gone]
        if len(entries) == 1 and not present and all(mail.size != entries[0].size for mail in mails):
            return {entries[0].number: entries[0].uidl}
        if len(entries) == len(present) == 1 and self._is_the_same(entries[0], present[0]):
            return {entries[0].number: present[0].uid}
        return self._by_headers(entries, list(mails), heads)

    def _is_the_same(self, entry: MaildropEntry, mail: RememberedMail) -> bool:
        """Is the only entry the only mail of its UIDL? Not where it was away and is back, has another size, or where
        its UIDL is its number, which is another mail's as soon as one before it goes.
        """
        away = self._last is not None and mail.uid not in self._last
        return not away and mail.size == entry.size and entry.uidl != str(entry.number)

    def _is_it(self, mail: RememberedMail, entry: MaildropEntry, mark: str, heads: HeaderSource) -> bool:
        """Is an entry, which has this mark, the mail? By its mark, or by all bytes where that is not known any more."""
        known_mark = mail.mark or self._learned.get(mail.id)
        if known_mark is None and mail.size == entry.size and same_bytes(mail, entry, heads):
            known_mark = self._learned[mail.id] = mark
        return known_mark == mark

    def _by_headers(
        self, entries: Sequence[MaildropEntry], mails: list[RememberedMail], heads: HeaderSource
    ) -> dict[int, str]:
        """Compare headers; where a mail's is not known any more, its size, if it fits one entry only."""
        names_by_number: dict[int, str] = {}
        taken = {mail.uid for mail in mails if not mail.gone}
        new: list[tuple[MaildropEntry, str]] = []
        for entry in entries:
            mark = _mark(entry, heads)
            same = next((mail for mail in mails if self._is_it(mail, entry, mark, heads)), None)
            if same is None:
                new.append((entry, mark))
                continue
            mails.remove(same)
            names_by_number[entry.number] = self._returned(same, taken, mark)
        for entry, mark in new:
            fitting = [mail for mail in mails if mail.unknown and not mail.gone and mail.size == entry.size]
            if len(fitting) == 1:
                mails.remove(fitting[0])
                names_by_number[entry.number] = fitting[0].uid
            else:
                names_by_number[entry.number] = _free(entry.uidl, mark, taken, alone=len(entries) == 1)
                taken.add(names_by_number[entry.number])
        return names_by_number

    def _returned(self, mail: RememberedMail, taken: set[str], mark: str) -> str:
        """Given a mail that lies there, return what it is called; where it had gone, it is back."""
        if not mail.gone:
            return mail.uid
        uid = _free(uidl_of(mail.uid), mark, taken, alone=True)
        taken.add(uid)
        if self._memory is not None:
            self._memory.is_back(mail, uid)
        return uid


class MaildropContents:
    """What lies in a maildrop, session after session, by name and in the order of the listing."""

    def __init__(self, memory: MaildropMemory | None) -> None:
        self._memory = memory
        self._namer = UniqueIdAssigner(memory)
        self.there: dict[str, MaildropEntry] = {}
        """What this session shows, without what is marked for deletion."""
        self._read: set[str] = set()
        """The mails that were read in this session, in which no other can have their names."""
        self._marks: dict[str, str] = {}

    def begin(self, entries: Sequence[MaildropEntry], heads: HeaderSource) -> None:
        """Given what a new session lists, and where headers come from, name it."""
        by_number = {entry.number: entry for entry in entries}
        self.there = {uid: by_number[number] for uid, number in self._namer.names(entries, heads).items()}
        self._read = set()
        self._marks = {uid: mark for uid, mark in self._marks.items() if uid in self.there}

    def was_read(self, uid: str, head: bytes) -> None:
        """Given a name and a header, remember what was read under it."""
        self._marks[uid] = mark_of(head)
        self._read.add(uid)

    def is_the_same(self, uid: str, heads: HeaderSource) -> bool:
        """Given the name of a mail that lies there, is it the one that was read under it? Yes, without a memory."""
        if uid in self._read:
            return True
        entry, mark = self.there[uid], self._marks.get(uid)
        if mark is None and self._memory is not None:
            namesakes = self._memory.mails([uidl_of(uid)])
            mail = next((candidate for candidate in namesakes if candidate.uid == uid and not candidate.gone), None)
            if mail is None or (mark := mail.mark) is None:
                return mail is not None and same_bytes(mail, entry, heads)
        return mark is None or mark == _mark(entry, heads)


def same_bytes(mail: RememberedMail, entry: MaildropEntry, heads: HeaderSource) -> bool:
    """Given a mail whose header is not known any more, and an entry, has that all its bytes? No, if those were never
    known: another mail may have its name.
    """
    try:
        return mail.digest is not None and heads.digest(entry.number) == mail.digest
    except Pop3Refused:
        return False


def _free(uidl: str, mark: str, taken: Collection[str], *, alone: bool) -> str:
    """Given a UIDL and a mark, return an unused name; the UIDL itself if it is unique."""
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


def _mark(entry: MaildropEntry, heads: HeaderSource) -> str:
    try:
        return mark_of(heads.head(entry.number))
    except Pop3Refused:
        return f"of {entry.size} bytes"


def mark_of(head: bytes) -> str:
    """Given a header (what follows it is ignored), return what distinguishes its message from others."""
    lines = head.replace(b"\r\n", b"\n").split(b"\n\n", 1)[0].split(b"\n")
    kept: list[bytes] = []
    inside = False
    for line in lines:
        if line[:1] not in {b" ", b"\t"}:
            inside = line.partition(b":")[0].strip().lower() in TELLING
        if inside:
            kept.append(line.strip())
    return hashlib.sha256(b"\n".join(kept or lines)).hexdigest()[:16]

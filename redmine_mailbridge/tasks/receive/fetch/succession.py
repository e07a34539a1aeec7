"""Assigns the stored mails when a mailbox is renamed, disabled, moved or removed in the settings.

A mailbox is an account (settings/account.py); the store records the account and the address of each name.

    same account, different name       → renamed: everything in the store gets the new name
    same name, different account       → moved: its folders are read as if all UIDs had changed
    neither, but the same address      → renamed and moved
    disabled                           → mails that were read are finished by its settings; nothing is read or filed
    removed from the settings          → mails that may have been written are finished; the rest fails, with the reason
"""

import datetime as dt
import threading
from collections.abc import Iterable, Mapping

import structlog

from redmine_mailbridge.store.accounts import Accounts, KnownMailbox, MailboxRenaming
from redmine_mailbridge.util.dataclass import dataclass

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class NamedMailbox:
    """A mailbox in the settings."""

    name: str
    account: str
    address: str
    folders: frozenset[str]
    active: bool = True


def relabelling(known: Mapping[str, KnownMailbox], named: Iterable[NamedMailbox], today: dt.date) -> MailboxRenaming:
    """Given the mailboxes in the store and in the settings, return the changes to the store."""
    active = {mailbox.name: mailbox for mailbox in named if mailbox.active}
    own = {name for name, mailbox in active.items() if name in known and known[name].account in {None, mailbox.account}}
    free = {name: known[name] for name in sorted(known.keys() - own)}
    heirs: dict[str, str] = {}  # from new to old
    moved: set[str] = set()
    for name in sorted(active.keys() - own):
        mailbox = active[name]
        same = [old for old in free if free[old].account == mailbox.account]
        if same:
            heirs[name] = max(same, key=lambda old: len(free[old].folders & mailbox.folders))
            del free[heirs[name]]
    for name in sorted(active.keys() - own - heirs.keys()):
        if name in free:
            heirs[name] = name
        else:
            same = [old for old in free if free[old].address == active[name].address and old not in active]
            if len(same) != 1:
                continue
            heirs[name] = same[0]
        moved.add(name)
        del free[heirs[name]]
    names = {old: new for new, old in heirs.items() if old != new}
    names |= {old: _retired(old, today, known) for old in heirs.keys() & free.keys()}
    return MailboxRenaming(names, moved, tuple(_handed_over(known, active, own, names)))


def _retired(name: str, today: dt.date, known: Mapping[str, KnownMailbox]) -> str:
    """Given a name that another account uses now, return the name for the mails of the former account."""
    label, number = f"{name} (until {today})", 1
    while label in known:
        label, number = f"{name} (until {today}, {number + 1})", number + 1
    return label


def _handed_over(
    known: Mapping[str, KnownMailbox], active: Mapping[str, NamedMailbox], own: Iterable[str], names: Mapping[str, str]
) -> Iterable[tuple[str, str, str]]:
    """The folders of an account that another of its names reads now: old name, folder, new name."""
    former = {new: old for old, new in names.items()}
    for name, mailbox in active.items():
        predecessor = known.get(former.get(name, name))
        folders_read = predecessor.folders if predecessor is not None else frozenset()
        siblings = [known[old] for old in sorted(own) if old != name and known[old].account == mailbox.account]
        for folder in sorted(mailbox.folders - folders_read):
            previous = (old.name for old in siblings if folder in old.folders - active[old.name].folders)
            yield from ((old, folder, name) for old in list(previous)[:1])


class Succession:
    """Assigns the stored mails to mailboxes once, before the first pass. Safe to share among threads."""

    def __init__(self, accounts: Accounts, named: Iterable[NamedMailbox], *, today: dt.date | None = None) -> None:
        self._accounts = accounts
        self._named = tuple(named)
        self._today = today
        self._lock = threading.Lock()
        self._settled = False
        self.others: tuple[str, ...] = ()
        """The names of mailboxes that are no longer read but have open mails."""
        self.gone: frozenset[str] = frozenset()
        """Those of them that are no longer in the settings."""

    def once(self) -> None:
        """Assign the mails, unless done. Requires the service's lock. Raise StoreError."""
        with self._lock:
            if self._settled:
                return
            change = self.plan()
            active = {mailbox.name: mailbox for mailbox in self._named if mailbox.active}
            self._accounts.settle(
                change, {name: (mailbox.account, mailbox.address) for name, mailbox in active.items()}
            )
            for old, new in sorted(change.names.items()):
                log.warning("mailbox.renamed", mailbox=new, before=old)
            for name in sorted(change.moved):
                log.warning("mailbox.moved", mailbox=name, account=active[name].account)
            self.others = tuple(sorted(self._accounts.open_in() - active.keys()))
            self.gone = frozenset(self.others) - {mailbox.name for mailbox in self._named}
            self._settled = True

    def former(self) -> dict[str, str]:
        """The name in the store of each renamed mailbox until the change is applied, for read-only use."""
        return {new: old for old, new in self.plan().names.items()}

    def plan(self) -> MailboxRenaming:
        """The changes that would be made now."""
        today = self._today or dt.datetime.now(dt.UTC).date()
        return relabelling(self._accounts.known(), self._named, today)

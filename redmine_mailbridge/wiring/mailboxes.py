"""Wires mailboxes: how each is reached, who bounds its logins, and what is read of it."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from os.path import realpath
from pathlib import Path
from typing import TYPE_CHECKING

from redmine_mailbridge.mail.mime.address_syntax import spellings
from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.mailboxes.factory import open_mailbox
from redmine_mailbridge.mailboxes.login_limit import MOST, LoginLimiter, LoginLimits
from redmine_mailbridge.model.mailbox import LoginChoice, MailboxConfig, MailProtocol, Security
from redmine_mailbridge.settings.mailbox import MailboxSettings
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.settings.value_types import reveal
from redmine_mailbridge.store.accounts import Accounts
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.tasks.receive.fetch.fetcher import FetchSettings
from redmine_mailbridge.tasks.receive.fetch.succession import NamedMailbox, Succession
from redmine_mailbridge.util.lazy import lazy_import
from redmine_mailbridge.wiring.oauth import TokenGiver, token_of

if TYPE_CHECKING:
    from redmine_mailbridge.mailboxes.delivered import drop, preparation
    from redmine_mailbridge.oauth.sign_in_service import SignIns
    from redmine_mailbridge.store import maildrops
else:  # only POP3 needs maildrops, and only `deliver` a spool
    drop = lazy_import("redmine_mailbridge.mailboxes.delivered.drop")
    preparation = lazy_import("redmine_mailbridge.mailboxes.delivered.preparation")
    maildrops = lazy_import("redmine_mailbridge.store.maildrops")

OpenMailbox = Callable[[str, MailboxSettings], Mailbox]
"""Given a mailbox's name and settings, makes a way to it of its own, not connected yet."""


def mailbox_of(
    name: str,
    settings: MailboxSettings,
    store: Store | None = None,
    *,
    tokens: TokenGiver | None = None,
    logins: LoginLimiter | None = None,
    prepare: Callable[[], None] | None = None,
) -> Mailbox:
    """One mailbox, not connected yet. With a store, POP3 and Graph ask it what is known already, and where processes
    share it, nothing is changed in the mailbox while another one may work.

    `tokens` gives OAuth's, for a mailbox that logs in with them; `logins` bounds the logins to the account;
    `prepare` creates what is missing of the spool of `deliver`.
    """
    before_change = store.database.before_change if store is not None else None
    config = mailbox_config(name, settings, tokens=tokens, logins=logins, before_change=before_change)
    if prepare is not None:
        config = replace(config, prepare=prepare)
    if store is None:
        return open_mailbox(config)
    if config.protocol is MailProtocol.POP3:
        return open_mailbox(config, known=maildrops.Maildrop(store, name))

    # they are of no two folders; names in the spool are of no two mails, whatever the address was
    validity = config.protocol.value if config.protocol is not MailProtocol.DELIVER else None

    def known(uids: Sequence[str]) -> Collection[str]:
        return store.known(name, None, uids, uid_validity=validity)

    return open_mailbox(config, known=known)


def mailbox_config(
    name: str,
    settings: MailboxSettings,
    *,
    tokens: TokenGiver | None = None,
    logins: LoginLimiter | None = None,
    before_change: Callable[[], None] | None = None,
) -> MailboxConfig:
    """Given a mailbox's name and settings, return how to reach its account; the others as `mailbox_of`."""
    return MailboxConfig(
        name=name,
        host=settings.host,
        port=settings.port,
        username=settings.username,
        protocol=MailProtocol(settings.protocol),
        security=Security(settings.security),
        password=reveal(settings.password),
        token=tokens,
        token_refused=tokens.refused if tokens is not None else None,
        ca_file=settings.ca_file,
        timeout=settings.timeout.total_seconds(),
        take_login=logins.take if logins is not None else None,
        before_change=before_change,
        login=LoginChoice(settings.login),
        allow_cleartext=settings.allow_cleartext,
        prevent_cleartext_login=settings.prevent_cleartext_login,
        prevent_ntlm=settings.prevent_ntlm,
        authorize_as=settings.authorize_as,
        spool_dir=settings.spool_dir if settings.protocol == "deliver" else None,
    )


def mailbox_opener(settings: Settings, store: Store, signs: "SignIns | None", limits: LoginLimits) -> OpenMailbox:
    """What opens the mailboxes of the service. `limits` bounds the logins of all mailboxes of an account together."""
    limiter_of = limiters(settings, limits)

    def opened(name: str, box: MailboxSettings) -> Mailbox:
        if box.protocol == "deliver":
            return mailbox_of(name, box, store, prepare=partial(prepare_spool, settings, box.spool_dir, name))
        return mailbox_of(name, box, store, tokens=token_of(signs, name), logins=limiter_of(box))

    return opened


def prepare_spool(settings: Settings, spool: Path, mailbox: str | None = None) -> None:
    """Given the settings, a spool of `deliver`, and the mailbox that is about to be read (None: all), create what is
    missing there. Raise OSError.
    """
    index: dict[str, dict[str, object]] = {}
    for name, box in settings.mailboxes.items():
        here = box.protocol == "deliver" and realpath(box.spool_dir) == realpath(spool)  # a link names the same spool
        index[name] = {
            "folder": drop.folder_of(box.address) if here else None,
            "addresses": sorted(spelling for address in (box.address, *box.aliases) for spelling in spellings(address)),
            "max_size": settings.receive.max_mail_size,
        }
    preparation.prepare(spool, index, mailbox)


def limiters(settings: Settings, limits: LoginLimits) -> Callable[[MailboxSettings], LoginLimiter]:
    """What gives a mailbox the limiter of its account, which all mailboxes of the account share."""
    folders = Counter[str]()  # every folder is listened to over a connection of its own
    for box in settings.active_mailboxes.values():
        folders[box.account] += len(box.folders)
    return lambda box: limits.of(box.account, MOST + max(folders[box.account], 1) - 1)


def succession_of(settings: Settings, store: Store) -> Succession:
    """Which mailbox continues with the mails in the store."""
    named = [
        NamedMailbox(name, box.account, box.address.lower(), frozenset(box.folders), box.active)
        for name, box in settings.mailboxes.items()
    ]
    return Succession(Accounts(store.database), named)


def reading_of(box: MailboxSettings, settings: Settings) -> FetchSettings:
    """What is read of a mailbox, how much at once, and what becomes of the mails there."""
    return FetchSettings(
        folders=box.folders,
        success_folder=box.success_folder,
        failure_folder=box.failure_folder,
        junk_folder=box.junk_folder,
        max_size=settings.receive.max_mail_size,
        in_hand=settings.receive.workers * 2,
        batch=max(1, settings.receive.workers // 2),
        after_success=box.after_success,
        after_failure=box.after_failure,
        keep_for=box.keep_days * 86400.0 if box.keep_days is not None else None,
        files_at_the_end=box.protocol == "pop3",
        max_attempts=settings.receive.max_attempts,
        start=box,
    )

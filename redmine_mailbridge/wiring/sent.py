"""Wires the copies of sent mail: which mailboxes get them, in which folder."""

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from redmine_mailbridge.mailboxes.imap.sent import SentFolder
from redmine_mailbridge.mailboxes.login_limit import LoginLimits
from redmine_mailbridge.outgoing.sent_copier import SentCopier
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.outgoing.sent_copies import SentCopies
from redmine_mailbridge.wiring.mailboxes import limiters, mailbox_config
from redmine_mailbridge.wiring.oauth import token_of

if TYPE_CHECKING:
    from redmine_mailbridge.oauth.sign_in_service import SignIns


def sent_copier(
    settings: Settings, store: Store, stop: threading.Event, signs: "SignIns | None", limits: LoginLimits | None
) -> SentCopier:
    """What puts copies of sent mail into the Sent folders of the mailboxes that get them."""
    folders: dict[str, Callable[[], SentFolder]] = {}
    limiter_of = limiters(settings, limits) if limits is not None else None
    for name, box in settings.active_mailboxes.items():
        out = box.outgoing.over(settings.outgoing)
        if out.copies and box.protocol == "imap":
            logins = limiter_of(box) if limiter_of is not None else None
            config = mailbox_config(
                name, box, tokens=token_of(signs, name), logins=logins, before_change=store.database.before_change
            )
            folders[name] = partial(SentFolder, config, out.sent_folder or "")
    return SentCopier(SentCopies(store.database, store.clock), folders, stop)

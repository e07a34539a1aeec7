"""All that `check` asks of servers, one after the other."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence

from redmine_mailbridge.checks.mailbox import mailbox_checks
from redmine_mailbridge.checks.outgoing import outgoing_checks
from redmine_mailbridge.checks.redmine import redmine_checks
from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.checks.round_trip import Trial, round_trip
from redmine_mailbridge.checks.sign_in import sign_in_checks
from redmine_mailbridge.errors import StoreError
from redmine_mailbridge.outgoing.smtp import SmtpTransport
from redmine_mailbridge.settings.mailbox import MailboxSettings
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.store.pauses import MailboxPauses
from redmine_mailbridge.wiring import application, oauth, read_only
from redmine_mailbridge.wiring import outgoing as speaking


def server_checks(settings: Settings, *, only: Sequence[str] = (), send_test: bool = False) -> Iterator[Check]:
    """Given settings, yield what is found of servers, rights and names, as it is found.

    Of the mailboxes named in `only`, or of all active ones. Nothing is written anywhere, but with `send_test` a mail
    goes from each mailbox to itself, is waited for and removed.
    """
    boxes = {name: box for name, box in settings.active_mailboxes.items() if not only or name in only}
    client = application.redmine_client(settings.redmine)
    directory = application.directory_of(client, settings.redmine)
    try:
        yield from redmine_checks(settings.model_copy(update={"mailboxes": boxes}), client, directory)
    finally:
        client.close()
    for name, box in boxes.items():
        tokens = oauth.late(settings, name)
        yield from sign_in_checks(name, settings)
        yield from mailbox_checks(name, box, application.mailbox(name, box, tokens=tokens))
        yield from outgoing_checks(name, settings, box)
        if send_test:
            yield from _send_test(name, settings, box)
    yield from _paused(settings, boxes)


def _paused(settings: Settings, boxes: Mapping[str, MailboxSettings]) -> Iterator[Check]:
    """The mailboxes that the service has paused, since their settings did not fit Redmine when it looked last."""
    try:
        with read_only.store_of(settings) as store:
            paused = MailboxPauses(store).all() if store is not None else {}
    except StoreError as error:
        yield Check("store", False, str(error))
        return
    for name in boxes:
        if name in paused:
            since = dt.datetime.fromtimestamp(paused[name].since).astimezone()
            yield Check(f"mailbox {name}: paused", False, f"since {since:%Y-%m-%d %H:%M}: {paused[name].words}")


def _send_test(name: str, settings: Settings, box: MailboxSettings) -> Iterator[Check]:
    """Send a mail to ourselves, where there is something to send by."""
    out = speaking.sent_by(settings, box)
    if out.host is None or out.transport == "console":
        yield Check(
            f"mailbox {name}: test mail: sent", False, "neither [outgoing] nor this mailbox names a host to send by"
        )
        return
    trial = Trial(out.from_address or box.address, box.address, read_only.loop_value(settings))
    tokens = oauth.late(settings, oauth.outgoing_connection(name, box, settings))
    sender = SmtpTransport(speaking.smtp_config(out, out.host, tokens, box))
    mailbox = application.mailbox(name, box, tokens=oauth.late(settings, name))
    yield from round_trip(name, box, mailbox, sender, trial)

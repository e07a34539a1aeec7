"""All that `check` asks of servers, in order."""

import contextlib
import datetime as dt
from collections.abc import Collection, Iterator, Sequence

from redmine_mailbridge.checks.mailbox import mailbox_checks
from redmine_mailbridge.checks.outgoing import outgoing_checks
from redmine_mailbridge.checks.raw_messages import raw_message_checks
from redmine_mailbridge.checks.redmine import redmine_checks
from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.checks.round_trip import RoundTrip, round_trip
from redmine_mailbridge.checks.sign_in import sign_in_checks
from redmine_mailbridge.errors import StoreError
from redmine_mailbridge.settings.mailbox import MailboxSettings
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.wiring import oauth, read_only, sending
from redmine_mailbridge.wiring.conditions import list_conditions
from redmine_mailbridge.wiring.mailboxes import mailbox_of
from redmine_mailbridge.wiring.redmine import metadata_of, redmine_client


def server_checks(
    settings: Settings, *, only: Sequence[str] = (), send_test: bool = False, try_issues: bool = False
) -> Iterator[Check]:
    """Given settings, yield each result about servers, rights and names as it is found.

    For the mailboxes named in `only`, or all active ones. Nothing is written, except that with `send_test` each mailbox
    is sent a message that is then deleted, and with `try_issues` Redmine is sent issues that it has to reject.
    """
    boxes = {name: box for name, box in settings.active_mailboxes.items() if not only or name in only}
    client = redmine_client(settings.redmine)
    metadata = metadata_of(client, settings.redmine)
    try:
        selected = settings.model_copy(update={"mailboxes": boxes})
        yield from redmine_checks(selected, client, metadata, try_issues=try_issues)
    finally:
        client.close()
    for name, box in boxes.items():
        tokens = oauth.late(settings, name)
        yield from sign_in_checks(name, settings)
        yield from mailbox_checks(name, box, mailbox_of(name, box, tokens=tokens))
        yield from outgoing_checks(name, settings, box)
        if send_test:
            yield from _send_test(name, settings, box)
    yield from _raw_messages(settings)
    yield from _conditions(settings, boxes)


def _raw_messages(settings: Settings) -> Iterator[Check]:
    """Raw messages in the wrong place. A store that cannot be read is a condition."""
    with contextlib.suppress(StoreError), read_only.store_of(settings) as store:
        if store is not None:
            yield from raw_message_checks(store)


def _conditions(settings: Settings, boxes: Collection[str]) -> Iterator[Check]:
    """What the service has observed, as `status` lists it. What the checks above test themselves counts by their result
    alone: here it is a note.
    """
    for condition in list_conditions(settings):
        if condition.subject not in settings.mailboxes or condition.subject in boxes:
            since = dt.datetime.fromtimestamp(condition.since).astimezone() if condition.since is not None else None
            began = f"since {since:%Y-%m-%d %H:%M}: " if since is not None else ""
            ok = False if condition.kind.fails_check else None
            yield Check(condition.name, ok, f"{began}{condition.problem}\n{condition.remedy}")


def _send_test(name: str, settings: Settings, box: MailboxSettings) -> Iterator[Check]:
    """Send a message to the mailbox itself, if there is a server to send by."""
    out = sending.sent_by(settings, box)
    if out.server is None:
        yield Check(
            f"mailbox {name}: test message: sent", False, "neither [outgoing] nor this mailbox sets a host to send by"
        )
        return
    trial = RoundTrip(out.from_address or box.address, box.address, read_only.loop_value(settings))
    tokens = oauth.late(settings, oauth.outgoing_connection(name, box, settings))
    sender = sending.transport_of(name, out, out.server, tokens, box)()
    mailbox = mailbox_of(name, box, tokens=oauth.late(settings, name))
    yield from round_trip(name, box, mailbox, sender, trial)

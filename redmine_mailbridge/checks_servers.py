"""All that `check` asks of servers, one after the other."""

from collections.abc import Iterator, Sequence

from redmine_mailbridge import app
from redmine_mailbridge.checks import Check
from redmine_mailbridge.checks_mailbox import mailbox_checks
from redmine_mailbridge.checks_outgoing import outgoing_checks
from redmine_mailbridge.checks_redmine import redmine_checks
from redmine_mailbridge.redmine.directory import Directory
from redmine_mailbridge.settings.models import Settings


def server_checks(settings: Settings, *, only: Sequence[str] = ()) -> Iterator[Check]:
    """Given settings, yield what is found of servers, rights and names, as it is found.

    Of the mailboxes named in `only`, or of all active ones. Nothing is written anywhere.
    """
    boxes = {name: box for name, box in settings.active_mailboxes.items() if not only or name in only}
    client = app.redmine_client(settings.redmine)
    directory = Directory(client, life=settings.redmine.directory_life.total_seconds())
    try:
        yield from redmine_checks(settings.model_copy(update={"mailboxes": boxes}), client, directory)
    finally:
        client.close()
    for name, box in boxes.items():
        yield from mailbox_checks(name, box, app.mailbox(name, box))
        yield from outgoing_checks(name, settings, box)

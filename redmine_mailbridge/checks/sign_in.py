"""What `check` finds out about a mailbox's OAuth sign-ins, before any server is contacted."""

from collections.abc import Iterator

from redmine_mailbridge.checks.advice import with_advice
from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.errors import MailbridgeError
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.wiring import oauth as signing_in


def sign_in_checks(name: str, settings: Settings) -> Iterator[Check]:
    """Given a mailbox, yield the results for its own sign-in and that of its outgoing mail.

    A token that is about to expire is renewed.
    """
    box = settings.mailboxes[name]
    connections = (name if box.oauth else None, signing_in.outgoing_connection(name, box, settings))
    for connection in dict.fromkeys(each for each in connections if each is not None):
        title = f"mailbox {name}: sign-in" + (f" {connection}" if connection != name else "")
        try:
            with signing_in.opened(settings) as signs:
                signs.source(connection)()
                sign_in = next(status for status in signs.status() if status.connection == connection)
        except MailbridgeError as error:
            yield Check(title, False, with_advice(str(error)))
            continue
        who = sign_in.signed_in_as
        words = f"{sign_in.provider}, {sign_in.state}" + (f" as {who}" if who else "")
        other = bool(who) and "@" in who and who.lower() != sign_in.account.lower()
        words += f"\n{sign_in.account} was expected: check that {who} may access that mailbox" if other else ""
        yield Check(title, None if other else True, words)

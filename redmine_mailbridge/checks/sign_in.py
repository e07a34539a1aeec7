"""What `check` finds of a mailbox's OAuth sign-ins, before any server is asked."""

from collections.abc import Iterator

from redmine_mailbridge.checks.advice import with_advice
from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.errors import MailbridgeError
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.wiring import oauth as signing_in


def sign_in_checks(name: str, settings: Settings) -> Iterator[Check]:
    """Given a mailbox, yield what is found of its own sign-in and of that of its outgoing mail.

    A token that is about to end is renewed.
    """
    box = settings.mailboxes[name]
    wanted = (name if box.oauth else None, signing_in.outgoing_connection(name, box, settings))
    for connection in dict.fromkeys(each for each in wanted if each is not None):
        title = f"mailbox {name}: sign-in" + (f" {connection}" if connection != name else "")
        try:
            with signing_in.opened(settings) as signs:
                signs.source(connection)()
                found = next(one for one in signs.status() if one.connection == connection)
        except MailbridgeError as error:
            yield Check(title, False, with_advice(str(error)))
            continue
        who = found.signed_in_as
        words = f"{found.provider}, {found.state}" + (f" as {who}" if who else "")
        other = bool(who) and "@" in who and who.lower() != found.account.lower()
        words += f"\n{found.account} was expected: does {who} have a right to that mailbox?" if other else ""
        yield Check(title, None if other else True, words)

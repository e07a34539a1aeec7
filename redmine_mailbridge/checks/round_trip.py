"""A mail to ourselves: sent by SMTP, seen in the mailbox, taken away again. The only check that changes something."""

import datetime as dt
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass

from redmine_mailbridge.checks.advice import with_advice
from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.errors import FolderMissing, MailboxError, SendingError
from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.model.mailbox import Filing, Location
from redmine_mailbridge.outgoing.message import Letter, Sender
from redmine_mailbridge.outgoing.smtp import Transport
from redmine_mailbridge.settings.mailbox import MailboxSettings
from redmine_mailbridge.settings.presets import presets
from redmine_mailbridge.side_effects import Effect, effect

PATIENCE = 60.0
PAUSE = 2.0


@dataclass(frozen=True, slots=True)
class Trial:
    """What is sent where: `loop_value` lets a bridge that runs meanwhile know its own mail and leave it alone."""

    sender: str
    to: str
    loop_value: str = ""
    patience: float = PATIENCE

    def letter(self, serial: str) -> Letter:
        """Given a serial, return the mail."""
        return Letter(
            kind="check",
            sender=Sender(self.sender),
            to=Address("", self.to),
            subject=f"Test of redmine-mailbridge {serial}",
            text="A test of `redmine-mailbridge check --send-test`. It is removed when it has been seen.\n",
            message_id=f"check.{serial}@{Sender(self.sender).host}",
            loop_value=self.loop_value,
        )


def round_trip(
    name: str, box: MailboxSettings, mailbox: Mailbox, transport: Transport, trial: Trial
) -> Iterator[Check]:
    """Given a mailbox and how to send, yield what becomes of a mail to its own address: sent, seen, removed."""
    here = f"mailbox {name}: test mail"
    letter = trial.letter(secrets.token_hex(8))
    try:
        with transport as open_transport, effect(Effect.SEND_MAIL):
            said = open_transport.send(trial.sender, trial.to, letter.as_bytes(dt.datetime.now(dt.UTC)))
    except SendingError as error:
        yield Check(f"{here}: sent", False, with_advice(str(error)))
        return
    yield Check(f"{here}: sent", True, f"from {trial.sender} to {trial.to}: {said}")
    began = time.monotonic()
    try:
        place = _seen(box, mailbox, letter.message_id, until=began + trial.patience)
        if place is None:
            words = f"not seen within {trial.patience:.0f} s: look into the junk folder, and whether it was returned"
            yield Check(f"{here}: seen", False, words)
            return
        words = f"in {place.folder}, {time.monotonic() - began:.1f} s after it was sent"
        if place.folder == junk_of(box):
            yield Check(f"{here}: seen", None, f"{words}: that is the junk folder")
        else:
            yield Check(f"{here}: seen", True, words)
        filing = mailbox.delete(place)
        mailbox.close()  # with POP3 this is what deletes
        yield Check(f"{here}: removed", True, "deleted" if filing is Filing.DELETED else "it is gone already")
    except MailboxError as error:
        yield Check(f"{here}: seen", False, with_advice(str(error)))
    finally:
        mailbox.close()


def _seen(box: MailboxSettings, mailbox: Mailbox, message_id: str, *, until: float) -> Location | None:
    """Given a Message-ID, look into the folders where the mail may lie until it does. None when time is up.

    A bridge that runs may have filed it meanwhile, and the provider may take it for junk: there it is looked for too.
    """
    more = () if box.protocol == "pop3" else (box.success_folder, box.failure_folder, junk_of(box))
    folders = dict.fromkeys((*box.folders, *filter(None, more)))
    while True:
        for folder in folders:
            place = _at(mailbox, folder, message_id)
            if place is not None:
                return place
        left = until - time.monotonic()
        if left <= 0:
            return None
        mailbox.wait(box.folders[0], min(PAUSE, left))


def junk_of(box: MailboxSettings) -> str:
    """Given a mailbox's settings, return its provider's junk folder, as far as that is known."""
    return presets()[box.preset].junk if box.preset is not None else ""


def _at(mailbox: Mailbox, folder: str, message_id: str) -> Location | None:
    try:
        uids = mailbox.find(folder, message_id)
        return Location(mailbox.name, folder, mailbox.state(folder).validity, uids[0]) if uids else None
    except FolderMissing:
        return None

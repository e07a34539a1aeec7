"""A test message to the mailbox itself: sent by SMTP, seen, and deleted. The only check that changes something."""

import datetime as dt
import secrets
import time
from collections.abc import Iterator

from redmine_mailbridge.checks.advice import with_advice
from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.errors import FolderMissing, MailboxError, SendingError
from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.model.mailbox import Filing, Location
from redmine_mailbridge.outgoing.message import FromIdentity, OutgoingMessage
from redmine_mailbridge.outgoing.smtp import Transport
from redmine_mailbridge.settings.mailbox import MailboxSettings
from redmine_mailbridge.settings.presets import presets
from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.util.dataclass import dataclass

PATIENCE = 60.0
PAUSE = 2.0


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """What is sent where: `loop_value` lets a running bridge recognise its own message and leave it alone."""

    sender: str
    to: str
    loop_value: str = ""
    patience: float = PATIENCE

    def outgoing_message(self, serial: str) -> OutgoingMessage:
        """Given a serial, return the message."""
        return OutgoingMessage(
            kind="check",
            sender=FromIdentity(self.sender),
            to=Address("", self.to),
            subject=f"Test of redmine-mailbridge {serial}",
            text="A test by `redmine-mailbridge check --send-test`. It is deleted after it has been seen.\n",
            message_id=f"check.{serial}@{FromIdentity(self.sender).host}",
            loop_value=self.loop_value,
        )


def round_trip(
    name: str, box: MailboxSettings, mailbox: Mailbox, transport: Transport, trial: RoundTrip
) -> Iterator[Check]:
    """Given a mailbox and how to send, yield what happens to a message to its own address: sent, seen, removed."""
    here = f"mailbox {name}: test message"
    outgoing_message = trial.outgoing_message(secrets.token_hex(8))
    try:
        with transport as open_transport, side_effect(SideEffect.SEND_MAIL):
            response = open_transport.send(trial.sender, trial.to, outgoing_message.as_bytes(dt.datetime.now(dt.UTC)))
    except SendingError as error:
        yield Check(f"{here}: sent", False, with_advice(str(error)))
        return
    yield Check(f"{here}: sent", True, f"from {trial.sender} to {trial.to}: {response}")
    began = time.monotonic()
    try:
        place = _seen(box, mailbox, outgoing_message.message_id, until=began + trial.patience)
        if place is None:
            words = f"not seen within {trial.patience:.0f} s: look into the junk folder and for a bounce"
            yield Check(f"{here}: seen", False, words)
            return
        words = f"in {place.folder}, {time.monotonic() - began:.1f} s after it was sent"
        if place.folder == junk_of(box):
            yield Check(f"{here}: seen", None, f"{words}: that is the junk folder")
        else:
            yield Check(f"{here}: seen", True, words)
        filing = mailbox.delete(place)
        mailbox.close()  # with POP3 this is when the message is deleted
        yield Check(f"{here}: removed", True, "deleted" if filing is Filing.DELETED else "it was already gone")
    except MailboxError as error:
        yield Check(f"{here}: seen", False, with_advice(str(error)))
    finally:
        mailbox.close()


def _seen(box: MailboxSettings, mailbox: Mailbox, message_id: str, *, until: float) -> Location | None:
    """Given a Message-ID, look into the folders where the message may be until it is found. None when time is up.

    A running bridge may have filed it in the meantime, and the provider may take it for junk: those folders count too.
    """
    more = () if box.protocol == "pop3" else (box.success_folder, box.failure_folder, junk_of(box))
    folders = dict.fromkeys((*box.folders, *filter(None, more)))
    while True:
        for folder in folders:
            place = _at(mailbox, folder, message_id)
            if place is not None:
                return place
        remaining = until - time.monotonic()
        if remaining <= 0:
            return None
        mailbox.wait(box.folders[0], min(PAUSE, remaining))


def junk_of(box: MailboxSettings) -> str:
    """Given a mailbox's settings, return its provider's junk folder, if known."""
    return presets()[box.preset].junk if box.preset is not None else ""


def _at(mailbox: Mailbox, folder: str, message_id: str) -> Location | None:
    try:
        uids = mailbox.find(folder, message_id)
        return Location(mailbox.name, folder, mailbox.state(folder).uid_validity, uids[0]) if uids else None
    except FolderMissing:
        return None

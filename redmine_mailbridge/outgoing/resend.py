"""Mails that failed, sent again at an admin's request, unless their content has become private since."""

import re
from collections.abc import Collection, Mapping

from redmine_mailbridge.mail.message_ids import THIRD_PARTY, TO_TEAM
from redmine_mailbridge.mail.mime.mailable import comparable
from redmine_mailbridge.outgoing.issue_mail.mailer import PRIVATE
from redmine_mailbridge.outgoing.sender_profile import SenderProfile
from redmine_mailbridge.policy.note_commands import parse
from redmine_mailbridge.redmine.issue_visibility import ShowIssue, VisibleIssue
from redmine_mailbridge.store.outgoing.outbox import Outbox
from redmine_mailbridge.store.outgoing.rows import FAILED, QueuedMail

_OF_NOTE = re.compile(r"j([0-9]{1,18})|q([0-9]{1,18})-.*")
"""The note that a mail reports, or quotes, in the serial of its Message-ID (outgoing/issue_mail/mailer.py)."""


def send_again(
    outbox: Outbox,
    profiles: Mapping[str, SenderProfile],
    show_issue: ShowIssue,
    ids: Collection[int] | None,
    *,
    by: str,
) -> list[tuple[QueuedMail, str]]:
    """Given ids of mails (None: all that failed), queue those again that may still be read by whom they go to. Return
    each mail that failed, with why it is not sent again, "" when it is. Raise RedmineUnavailable.
    """
    failed = outbox.listed(states=(FAILED,), limit=10_000, ids=ids, whole=False)
    verdicts = {row.id: (row, why_not(row, profiles, show_issue)) for row in failed}
    queued = {row.id for row in outbox.retry([number for number, (_, why) in verdicts.items() if not why], by=by)}
    return [(row, why if why or row.id in queued else "it is not there any more") for row, why in verdicts.values()]


def why_not(  # noqa: PLR0911 - a list of reasons
    mail: QueuedMail, profiles: Mapping[str, SenderProfile], show_issue: ShowIssue, requester: str = ""
) -> str:
    """Given a mail, return why it must not be sent; "" when it may be read by whom it goes to. `requester`: the address
    of its issue's.
    """
    profile, requester = profiles.get(mail.mailbox), comparable(requester)
    if profile is None:
        return f"mailbox {mail.mailbox} has nowhere to send by"
    if not mail.content:
        return "its text is forgotten (store.raw_retention)"
    if mail.issue is None:
        return ""
    visible = show_issue(mail.issue)
    if visible is None:
        return "Redmine does not show the issue any more"
    signed = profile.signer.read(mail.message_id)
    note = _OF_NOTE.fullmatch(signed.serial) if signed is not None else None
    if mail.kind == THIRD_PARTY:  # of a private note, whoever may see the issue
        text = visible.private_note(int(note[1] or note[2])) if note is not None else ""
        named = {comparable(person.address) for person in parse(text, marker=profile.command_marker).to}
        gone = "its note does not name this address any more, is public now, or gone"
        return _deleted(mail, visible) if comparable(mail.recipient) in named else gone
    to_team = mail.kind in TO_TEAM and comparable(mail.recipient) != requester
    if not visible.public and not profile.private_projects and not to_team:
        return PRIVATE
    if note is not None and visible.journal(int(note[1] or note[2])) is None:
        return "its note is private now, or gone"
    return _deleted(mail, visible)


def _deleted(mail: QueuedMail, visible: VisibleIssue) -> str:
    """Why a mail is not sent some of whose files were deleted since; "" if all are there."""
    existing = {str(file["id"]) for file in visible.issue_data.get("attachments", ())}
    gone = [number for number in (mail.files or "").split() if number not in existing]
    if not gone:
        return ""
    details = (detail for entry in visible.issue_data.get("journals", ()) for detail in entry.get("details", ()))
    names = {
        str(detail.get("name")): str(detail["new_value"])
        for detail in details
        if detail.get("property") == "attachment" and detail.get("new_value")
    }
    return f"deleted in Redmine since: {', '.join(names.get(number, number) for number in gone)}"

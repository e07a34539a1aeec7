"""Makes the address in the requester's custom field the requester: corrects that of an issue that came by mail, and
names that of a conversation that began in Redmine.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog

from redmine_mailbridge.mail.mime.mailable import comparable, mailable
from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.redmine.write_intent import WriteIntent
from redmine_mailbridge.store.begun_issues import BegunIssues
from redmine_mailbridge.store.issue_copy import IssueOrigin
from redmine_mailbridge.store.mails.requesters import Requesters
from redmine_mailbridge.store.notices import NewNotice
from redmine_mailbridge.tasks.update.requesters.field_history import FieldChange, last_change
from redmine_mailbridge.tasks.update.requesters.requester_field_guard import RequesterFieldGuard
from redmine_mailbridge.tasks.update.requesters.requester_fields import FieldValue, RequesterFields

log = structlog.get_logger(__name__)


class RequesterCorrector:
    """Corrects requesters. `guard` says whose changes of the field count. Safe to share among threads."""

    def __init__(
        self, fields: RequesterFields, requesters: Requesters, begun: BegunIssues, guard: RequesterFieldGuard
    ) -> None:
        self._fields = fields
        self._requesters = requesters
        self._begun = begun
        self._guard = guard

    def correct(self, issue_data: Mapping[str, Any], origin: IssueOrigin, intent: WriteIntent | None) -> str:
        """Given an issue from the API, what made it a conversation and the intent of its message, make a new value of
        the field the requester, and return the requester's address. A value counts once: what is set by page, command
        or note later holds. Raise RedmineUnavailable.
        """
        field = self._fields.value(origin.mailbox, issue_data)
        if origin.mail_id is None:
            return self._of_begun(issue_data, field, origin)
        if field is None:
            return origin.sender
        address, problem = self._fields.address(field.value)
        if address is None:
            if problem:
                self._guard.report(origin, self._last(issue_data, field), f"it {problem}")
            return origin.sender
        first = mailable(Address("", _written(intent, field.id)))
        written = first.key if first is not None else ""
        if comparable(address.key) == comparable(origin.sender):
            self._requesters.saw_in_field(origin.mail_id, address.key, written)
            return origin.sender
        is_new = self._requesters.is_new_in_field(origin.mail_id, address.key, written)
        if not is_new or self._guard.refuses(issue_data, origin, self._last(issue_data, field)):
            return origin.sender
        changed = self._requesters.set_by_field(origin.mail_id, address.key, written)
        return address.key if changed else origin.sender

    @staticmethod
    def _last(issue_data: Mapping[str, Any], field: FieldValue) -> FieldChange | None:
        """The newest change of a field, if it made the field hold what it holds; None if the history lacks it."""
        change = last_change(issue_data.get("journals", ()), field.id)
        return change if change is not None and change.value == field.value else None

    def _of_begun(self, issue_data: Mapping[str, Any], field: FieldValue | None, origin: IssueOrigin) -> str:
        """The requester of a conversation that began in Redmine, after the changes of the field since it was last read.
        Each counts once; one to no address ends the answers until there is another, whoever made it. One to another
        address, by somebody who may not, does not count.
        """
        others = self._begun.entry_requesters(origin.issue)
        if not self._fields.is_new(issue_data, origin, others):
            return origin.sender
        if field is None:
            return self._change(origin, "", "")
        unseen: list[FieldChange | None] = [*self._fields.unseen(issue_data, origin, field, others)]
        requester, notices, refused, counts = origin.sender, list[NewNotice](), list[int](), False
        for change in unseen or [self._last(issue_data, field)]:
            value = change.value if change is not None else field.value
            address, problem = self._fields.address(value)
            is_same = address is not None and comparable(address.key) == comparable(requester)
            if address is not None and not is_same and self._guard.refuses(issue_data, origin, change):
                refused += [change.number] if change is not None else []
                continue
            requester, counts = address.key if address is not None else "", True
            notices = [self._fields.notice(replace(field, value=value), problem)] if problem else []
        if counts:
            return self._change(origin, requester, field.value, notices, refused)
        self._begun.refuse(origin.issue, field.value, refused)
        log.info("conversation.requester_refused", issue=origin.issue, mailbox=origin.mailbox)
        return origin.sender

    def _change(
        self,
        origin: IssueOrigin,
        requester: str,
        value: str,
        notices: Sequence[NewNotice] = (),
        refused: Sequence[int] = (),
    ) -> str:
        self._begun.change(origin.issue, requester, value, notices, refused=refused)
        log.info("conversation.requester_changed", issue=origin.issue, mailbox=origin.mailbox, named=bool(requester))
        return requester


def _written(intent: WriteIntent | None, field: int) -> str:
    """The value of a custom field in the request that created the issue; "" if it is not known."""
    custom_fields = (
        intent.issues[-1].attributes.get("custom_fields", ()) if intent is not None and intent.issues else ()
    )
    return next((str(custom.get("value", "")) for custom in custom_fields if int(custom["id"]) == field), "")

"""Makes the address in the requester's custom field the requester: corrects that of an issue that came by mail, and
names that of a conversation that began in Redmine.
"""

from collections.abc import Mapping
from typing import Any

import structlog

from redmine_mailbridge.mail.mime.mailable import comparable, mailable
from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.redmine.write_intent import WriteIntent
from redmine_mailbridge.store.begun_issues import BegunIssues
from redmine_mailbridge.store.issue_copy import IssueOrigin
from redmine_mailbridge.store.mails.requesters import Requesters
from redmine_mailbridge.tasks.update.requesters.field_history import last_change
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
                self._guard.report(issue_data, origin, field.id, field.value, f"it {problem}")
            return origin.sender
        first = mailable(Address("", _written(intent, field.id)))
        written = first.key if first is not None else ""
        if comparable(address.key) == comparable(origin.sender):
            self._requesters.saw_in_field(origin.mail_id, address.key, written)
            return origin.sender
        is_new = self._requesters.is_new_in_field(origin.mail_id, address.key, written)
        if not is_new or self._guard.refuses(issue_data, origin, field.id, field.value):
            return origin.sender
        changed = self._requesters.set_by_field(origin.mail_id, address.key, written)
        return address.key if changed else origin.sender

    def _of_begun(self, issue_data: Mapping[str, Any], field: FieldValue | None, origin: IssueOrigin) -> str:
        """The requester of a conversation that began in Redmine. A value counts once; one that names no address ends
        the answers until there is another, whoever set it. An address that somebody set who may not does not count.
        """
        value = field.value if field is not None else ""
        if not self._fields.is_new(issue_data, origin, self._begun.entry_requesters(origin.issue)):
            return origin.sender
        address, problem = self._fields.address(value)
        requester = address.key if address is not None else ""
        if field is not None and self._is_refused(issue_data, origin, field, requester):
            change = last_change(issue_data.get("journals", ()), field.id)
            self._begun.refuse(origin.issue, value, int(change["id"]) if change is not None else None)
            log.info("conversation.requester_refused", issue=origin.issue, mailbox=origin.mailbox)
            return origin.sender
        notices = [self._fields.notice(field, problem)] if field is not None and problem else []
        self._begun.change(origin.issue, requester, value, notices)
        log.info("conversation.requester_changed", issue=origin.issue, mailbox=origin.mailbox, problem=problem)
        return requester

    def _is_refused(
        self, issue_data: Mapping[str, Any], origin: IssueOrigin, field: FieldValue, requester: str
    ) -> bool:
        """May whoever set the field of an issue not make this address its requester?"""
        if not requester or comparable(requester) == comparable(origin.sender):
            return False
        return self._guard.refuses(issue_data, origin, field.id, field.value)


def _written(intent: WriteIntent | None, field: int) -> str:
    """The value of a custom field in the request that created the issue; "" if it is not known."""
    custom_fields = (
        intent.issues[-1].attributes.get("custom_fields", ()) if intent is not None and intent.issues else ()
    )
    return next((str(custom.get("value", "")) for custom in custom_fields if int(custom["id"]) == field), "")

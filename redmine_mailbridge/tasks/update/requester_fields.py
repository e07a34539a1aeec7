"""Reads the requester of an issue from its custom field (`requester_field`): corrects the requester of an issue that
came by mail, and names that of a conversation that began in Redmine.
"""

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

import structlog

from redmine_mailbridge.mail.mime.address_syntax import without_subaddress
from redmine_mailbridge.mail.mime.mailable import comparable, mailable
from redmine_mailbridge.model.mail import Address, TextFormat
from redmine_mailbridge.policy.issue_text import literal
from redmine_mailbridge.redmine.write_intent import WriteIntent
from redmine_mailbridge.store.begun_issues import BegunIssues
from redmine_mailbridge.store.issue_copy import IssueOrigin
from redmine_mailbridge.store.mails.requesters import Requesters
from redmine_mailbridge.store.notices import NewNotice
from redmine_mailbridge.tasks.update.field_history import changes_of, last_change
from redmine_mailbridge.tasks.update.requester_field_guard import RequesterFieldGuard
from redmine_mailbridge.util.dataclass import dataclass

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FieldValue:
    """The requester field of an issue: its id, its name, and its value; "" if it holds no text."""

    id: int
    name: str
    value: str

    @property
    def digest(self) -> str:
        """The key of a notice about this value."""
        return f"requester/{hashlib.sha256(self.value.encode('utf-8', 'replace')).hexdigest()[:16]}"


class RequesterFields:
    """The custom fields for the requester's address. `fields` maps a mailbox to the name or id of its field, if any;
    `ours` are the bridge's own addresses (lower case), which answers must not go to. `begun` stores the conversations
    that began in Redmine; None: there are none. `guard` says whose changes count; None: everyone's. Safe to share among
    threads.
    """

    def __init__(
        self,
        fields: Mapping[str, str | None],
        requesters: Requesters,
        ours: Collection[str],
        *,
        begun: BegunIssues | None = None,
        guard: RequesterFieldGuard | None = None,
        text_format: TextFormat = "common_mark",
    ) -> None:
        self._fields = fields
        self._requesters = requesters
        self._ours = frozenset(map(comparable, ours))
        self._begun = begun
        self._guard = guard
        self._text_format = text_format

    def correct(self, issue_data: Mapping[str, Any], origin: IssueOrigin, intent: WriteIntent | None) -> str:
        """Given an issue from the API, what made it a conversation and the intent of its message, make a new value of
        the field the requester, and return the requester's address. A value counts once: what is set by page, command
        or note later holds. Raise RedmineUnavailable.
        """
        field = self.value(origin.mailbox, issue_data)
        if origin.mail_id is None:
            return self._of_begun(issue_data, field, origin)
        if field is None:
            return origin.sender
        address, problem = self.address(field.value)
        if address is None:
            if problem and self._guard is not None:
                self._guard.report(issue_data, origin, field.id, field.value, f"it {problem}")
            return origin.sender
        first = mailable(Address("", _written(intent, field.id)))
        written = first.key if first is not None else ""
        if comparable(address.key) == comparable(origin.sender):
            self._requesters.saw_in_field(origin.mail_id, address.key, written)
            return origin.sender
        is_new = self._requesters.is_new_in_field(origin.mail_id, address.key, written)
        if not is_new or (self._guard is not None and self._guard.refuses(issue_data, origin, field.id, field.value)):
            return origin.sender
        changed = self._requesters.set_by_field(origin.mail_id, address.key, written)
        return address.key if changed else origin.sender

    def value(self, mailbox: str, issue_data: Mapping[str, Any]) -> FieldValue | None:
        """Given a mailbox and an issue from the API, return the issue's requester field; None if it has none."""
        name = self._fields.get(mailbox)
        field = next(
            (field for field in issue_data.get("custom_fields", ()) if name and name.casefold() in _names(field)),
            None,
        )
        if field is None:
            return None
        value = field.get("value")
        return FieldValue(int(field["id"]), str(field.get("name", "")), value if isinstance(value, str) else "")

    def address(self, value: str) -> tuple[Address | None, str]:
        """Given the value of a requester field, return the address that answers may go to, else None and what is wrong
        with it; "" if it is empty.
        """
        if not value.strip():
            return None, ""
        address = mailable(Address("", value))
        if address is None:
            return None, "is not an address that mail can be sent to"
        if {comparable(address.key), without_subaddress(comparable(address.key))} & self._ours:
            return None, "is an address of the bridge itself"
        return address, ""

    def notice(self, field: FieldValue, problem: str) -> NewNotice:
        """Given a requester field and what is wrong with its value, return the notice for the agents of the issue."""
        value = literal(field.value, self._text_format)
        name = literal(field.name, self._text_format)
        text = f"Notes on this issue are not mailed: the value of {name}, {value}, {problem}"
        return NewNotice(field.digest, text)

    def named_at(
        self,
        mailbox: str,
        issue_data: Mapping[str, Any],
        others: Mapping[int, str],
        journal: int | None = None,
    ) -> tuple[Address | None, int]:
        """Given an issue from the API whose conversation began in Redmine, what its entries say apart from the field
        (`BegunIssues.entry_requesters`) and one of its journals (None: the newest), return whom the issue named then,
        None for no one, and the entry that said so: the newest that had set the field or named a requester by a
        command; 0: it had from its beginning.
        """
        field = self.value(mailbox, issue_data)
        named = {entry: address for entry, address in others.items() if address}
        if field is not None:
            changes = {
                int(entry["id"]): change
                for entry in issue_data.get("journals", ())
                for change in changes_of(entry, field.id)
            }
            values = {entry: str(change.get("new_value") or "") for entry, change in changes.items()}
            values |= {max(changes): field.value} if changes else {}
            first = str(changes[min(changes)].get("old_value") or "") if changes else field.value
            counting = {entry: value for entry, value in values.items() if others.get(entry) != ""}
            named = {0: first} | counting | named
        entry = max((entry for entry in named if journal is None or entry <= journal), default=0)
        return self.address(named.get(entry, ""))[0], entry

    def changed_after(self, mailbox: str, issue_data: Mapping[str, Any], journal: int, *, but: int) -> Address | None:
        """Given an issue from the API that came by mail, one of its journals, and the bridge's user, return the address
        in its field if anyone else has changed the field after that journal, else None.
        """
        field = self.value(mailbox, issue_data)
        newest = last_change(issue_data.get("journals", ()), field.id) if field is not None else None
        if field is None or newest is None or int(newest["id"]) <= journal:
            return None
        is_own = int((newest.get("user") or {}).get("id", 0)) == but
        return None if is_own else self.address(field.value)[0]

    def is_new(self, issue_data: Mapping[str, Any], origin: IssueOrigin) -> bool:
        """Has the field of an issue whose conversation began in Redmine changed since it was last read?"""
        if self._fields.get(origin.mailbox) is None or origin.begun is None or origin.mail_id is not None:
            return False
        field = self.value(origin.mailbox, issue_data)
        return (field.value if field is not None else "") != origin.begun.field

    def _of_begun(self, issue_data: Mapping[str, Any], field: FieldValue | None, origin: IssueOrigin) -> str:
        """The requester of a conversation that began in Redmine. A value counts once; one that names no address ends
        the answers until there is another, whoever set it. An address that somebody set who may not does not count.
        """
        value = field.value if field is not None else ""
        if self._fields.get(origin.mailbox) is None or self._begun is None or origin.begun is None:
            return origin.sender
        if value == origin.begun.field and not self._is_set_again(issue_data, origin, self._begun):
            return origin.sender
        address, problem = self.address(value)
        requester = address.key if address is not None else ""
        if field is not None and self._is_refused(issue_data, origin, field, requester):
            change = last_change(issue_data.get("journals", ()), field.id)
            self._begun.refuse(origin.issue, value, int(change["id"]) if change is not None else None)
            log.info("conversation.requester_refused", issue=origin.issue, mailbox=origin.mailbox)
            return origin.sender
        notices = [self.notice(field, problem)] if field is not None and problem else []
        self._begun.change(origin.issue, requester, value, notices)
        log.info("conversation.requester_changed", issue=origin.issue, mailbox=origin.mailbox, problem=problem)
        return requester

    def _is_set_again(self, issue_data: Mapping[str, Any], origin: IssueOrigin, begun: BegunIssues) -> bool:
        """Has the field been changed, and got its value back, since a command named another requester?"""
        others = begun.entry_requesters(origin.issue)
        if not others:
            return False
        named, since = self.named_at(origin.mailbox, issue_data, others)
        requester = comparable(named.address) if named is not None else ""
        return since > max(others) and requester != comparable(origin.sender)

    def _is_refused(
        self, issue_data: Mapping[str, Any], origin: IssueOrigin, field: FieldValue, requester: str
    ) -> bool:
        """May whoever set the field of an issue not make this address its requester?"""
        if not requester or self._guard is None or comparable(requester) == comparable(origin.sender):
            return False
        return self._guard.refuses(issue_data, origin, field.id, field.value)


def _names(custom_field: Mapping[str, Any]) -> set[str]:
    return {str(custom_field.get("name", "")).casefold(), str(custom_field.get("id"))}


def _written(intent: WriteIntent | None, field: int) -> str:
    """The value of a custom field in the request that created the issue; "" if it is not known."""
    custom_fields = (
        intent.issues[-1].attributes.get("custom_fields", ()) if intent is not None and intent.issues else ()
    )
    return next((str(custom.get("value", "")) for custom in custom_fields if int(custom["id"]) == field), "")

"""Reads the requester of an issue from its custom field (`requester_field`), and from its history whom the issue named
when. Pure.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from redmine_mailbridge.mail.mime.address_syntax import without_subaddress
from redmine_mailbridge.mail.mime.mailable import comparable, mailable
from redmine_mailbridge.model.mail import Address, TextFormat
from redmine_mailbridge.policy.issue_text import literal
from redmine_mailbridge.store.issue_copy import IssueOrigin
from redmine_mailbridge.store.notices import NewNotice
from redmine_mailbridge.tasks.update.requesters.field_history import FieldChange, changes_of, last_change
from redmine_mailbridge.util.dataclass import dataclass


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
    `ours` are the bridge's own addresses (lower case), which answers must not go to. Safe to share among threads.
    """

    def __init__(self, fields: Mapping[str, str | None], ours: Collection[str], text_format: TextFormat) -> None:
        self._fields = fields
        self._ours = frozenset(map(comparable, ours))
        self._text_format = text_format

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
            changes = self.changes(issue_data, field)
            values = {change.number: change.value for change in changes}
            first = changes[0].before if changes else field.value
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
        if field is None or newest is None or newest.number <= journal or newest.user == but:
            return None
        return self.address(field.value)[0]

    def changes(self, issue_data: Mapping[str, Any], field: FieldValue) -> list[FieldChange]:
        """Given an issue from the API and its requester field, return the changes of the field, oldest first; the last
        with the value that the field has.
        """
        changes = changes_of(issue_data.get("journals", ()), field.id)
        return [*changes[:-1], *(replace(newest, value=field.value) for newest in changes[-1:])]

    def unseen(
        self, issue_data: Mapping[str, Any], origin: IssueOrigin, field: FieldValue, others: Mapping[int, str]
    ) -> list[FieldChange]:
        """Given an issue whose field is new (`is_new`), return the changes of it since it was last read, oldest first,
        and since the newest of the other entries.
        """
        seen = origin.begun.field if origin.begun is not None else ""
        is_back = field.value == seen
        unseen: list[FieldChange] = []
        for change in reversed(self.changes(issue_data, field)):
            if change.number <= max(others, default=0) or (change.value == seen and not is_back):
                break
            unseen.append(change)
            if change.before == seen and not is_back:
                break
        return unseen[::-1]

    def is_new(self, issue_data: Mapping[str, Any], origin: IssueOrigin, others: Mapping[int, str]) -> bool:
        """Given an issue from the API, what made it a conversation, and what its entries say apart from the field, has
        its field changed since it was last read? Also if it got its value back since a command named another requester.
        Never, if the conversation began by mail.
        """
        if self._fields.get(origin.mailbox) is None or origin.begun is None or origin.mail_id is not None:
            return False
        field = self.value(origin.mailbox, issue_data)
        if (field.value if field is not None else "") != origin.begun.field:
            return True
        if not others:
            return False
        named, since = self.named_at(origin.mailbox, issue_data, others)
        requester = comparable(named.address) if named is not None else ""
        return since > max(others) and requester != comparable(origin.sender)


def _names(custom_field: Mapping[str, Any]) -> set[str]:
    return {str(custom_field.get("name", "")).casefold(), str(custom_field.get("id"))}

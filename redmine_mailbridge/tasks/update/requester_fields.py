"""Corrects the requester of an issue when somebody sets another address in its custom field (`requester_field`)."""

from collections.abc import Collection, Mapping
from typing import Any

from redmine_mailbridge.mail.mime.address_syntax import without_subaddress
from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.outgoing.addresses import comparable, mailable
from redmine_mailbridge.redmine.write_intent import WriteIntent
from redmine_mailbridge.store.issue_copy import IssueOrigin
from redmine_mailbridge.store.mails.requesters import Requesters


class RequesterFields:
    """The custom fields for the requester's address. `fields` maps a mailbox to the name or id of its field, if any;
    `ours` are the bridge's own addresses (lower case), which answers must not go to. Safe to share among threads.
    """

    def __init__(self, fields: Mapping[str, str | None], requesters: Requesters, ours: Collection[str]) -> None:
        self._fields = fields
        self._requesters = requesters
        self._ours = frozenset(map(comparable, ours))

    def correct(self, issue_data: Mapping[str, Any], origin: IssueOrigin, intent: WriteIntent | None) -> str:
        """Given an issue from the API, the message that created it and its intent, make a new value of the field the
        requester, and return the requester's address. A value counts once: what is set by page or command later holds.
        """
        name = self._fields.get(origin.mailbox)
        field = next(
            (field for field in issue_data.get("custom_fields", ()) if name and name.casefold() in _names(field)),
            None,
        )
        value = field.get("value") if field is not None else None
        if field is None or not isinstance(value, str):
            return origin.sender
        address = mailable(Address("", value))
        if address is None or {comparable(address.key), without_subaddress(comparable(address.key))} & self._ours:
            return origin.sender
        first = mailable(Address("", _written(intent, int(field["id"]))))
        written = first.key if first is not None else ""
        changed = self._requesters.set_by_field(origin.mail_id, address.key, written)
        return address.key if changed else origin.sender


def _names(custom_field: Mapping[str, Any]) -> set[str]:
    return {str(custom_field.get("name", "")).casefold(), str(custom_field.get("id"))}


def _written(intent: WriteIntent | None, field: int) -> str:
    """The value of a custom field in the request that created the issue; "" if it is not known."""
    custom_fields = (
        intent.issues[-1].attributes.get("custom_fields", ()) if intent is not None and intent.issues else ()
    )
    return next((str(custom.get("value", "")) for custom in custom_fields if int(custom["id"]) == field), "")

"""Sets the custom field for the requester's address (`requester_field`) after a note has named another requester.

What is due is recorded with the change itself, so a crash loses nothing; twice is once. The field only shows the
requester: whether it can be set or not, the change counts.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from redmine_mailbridge.errors import RedmineRefused
from redmine_mailbridge.mail.mime.mailable import comparable
from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.verification import issue_mismatches
from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.store.mails.requesters import DueField, Requesters
from redmine_mailbridge.tasks.update.issue_turns import IssueTurns


class RequesterFieldWriter:
    """Sets the fields that are due. `fields` maps a mailbox to the name or id of its field, if any."""

    def __init__(
        self, fields: Mapping[str, str | None], requesters: Requesters, client: Client, turns: IssueTurns
    ) -> None:
        self._fields = fields
        self._requesters = requesters
        self._client = client
        self._turns = turns

    def once(self) -> tuple[int, int]:
        """Set what is due. Return the numbers of fields set, and of failures. Raise RedmineUnavailable."""
        done = failed = 0
        for due in self._requesters.fields_due():
            written, ended = self._turns.take(due.issue, partial(self._take, due))
            done, failed = done + written, failed + (not ended)
        return done, failed

    def _take(self, due: DueField) -> int:
        path, name = f"/issues/{due.issue}.json", self._fields.get(due.mailbox)
        answer = self._client.get_or_none(path) if due.address and name else None
        field = _field_of(answer["issue"], name) if answer is not None else None
        if field is None or comparable(str(field.get("value") or "")) == due.address:
            self._requesters.field_written(due, "", shown=field is not None)
            return 0
        try:
            why_not = self._set(path, {"custom_fields": [{"id": int(field["id"]), "value": due.address}]})
        except RedmineRefused as error:
            why_not = str(error)
        result = f"is not {due.address}: {why_not}" if why_not else f"is {due.address}"
        self._requesters.field_written(due, f'the custom field "{name}" of #{due.issue} {result}', shown=not why_not)
        return int(not why_not)

    def _set(self, path: str, values: Mapping[str, Any]) -> str:
        with side_effect(SideEffect.WRITE_FIELD):
            self._client.put(path, {"issue": values})
        return "; ".join(map(str, issue_mismatches(values, self._client.get(path)["issue"])))


def _field_of(issue_data: Mapping[str, Any], name: str | None) -> Mapping[str, Any] | None:
    """The custom field of an issue with this name or id; None if it has none."""
    fields = issue_data.get("custom_fields", ())
    key = (name or "").casefold()
    return next((field for field in fields if key in {str(field.get("name", "")).casefold(), str(field["id"])}), None)

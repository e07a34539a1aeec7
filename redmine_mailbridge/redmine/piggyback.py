"""A custom field that is written together with a request that is sent anyway, so that it costs no request of its own.

It must never make that request fail: the request is sent again without it if Redmine rejects both (422), and is
repeated without it if Redmine fails (500).
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from redmine_mailbridge.errors import RedmineRefused, RedmineUnclear

CustomFieldValue = Mapping[str, Any]
"""A custom field as the API takes it: {"id": 5, "value": "a text"}."""


class Piggyback(Protocol):
    """What knows the value of such a field. No method raises MailbridgeError, unless it says so. Safe to share among
    threads.
    """

    def due(self, issue: int, *, alone: bool = False) -> CustomFieldValue | None:
        """Given an issue that the bridge's own user is about to write to, return the field to set, if its value has
        changed; None otherwise. `alone`: the field is all that is written; raise MailbridgeError if the value, or the
        field, cannot be found out now.
        """

    def confirm(self, issue: int, issue_data: Mapping[str, Any]) -> None:
        """Given an issue as read after such a request, record whether it has the value that was due."""

    def reject(self, issue: int, why: str) -> None:
        """Given an issue whose request Redmine accepted only without the field, record that, and why."""

    def set_aside(self, issue: int) -> None:
        """Given an issue on which Redmine failed while the field was set, let it not be due for a while: the field, or
        a plugin that watches it, may be the cause.
        """


def send_with_field(
    piggyback: Piggyback, issue: int, body: Mapping[str, Any], send: Callable[[Mapping[str, Any]], object]
) -> None:
    """Given an issue, the JSON of a request that changes it and what sends that, send it with the field that is due,
    and again without it if Redmine rejects both. Raise what `send` raises.
    """
    due = piggyback.due(issue)
    if due is None:
        send(body)
        return
    try:
        send(_with_field(body, due))
    except RedmineRefused as error:
        if error.status != 422:
            raise
        send(body)
        piggyback.reject(issue, str(error))
    except RedmineUnclear as error:
        if not error.settle:
            piggyback.set_aside(issue)
        raise


def _with_field(body: Mapping[str, Any], field: CustomFieldValue) -> dict[str, Any]:
    """The body with the field, unless it sets that field itself."""
    fields = list(body["issue"].get("custom_fields", ()))
    if all(int(other["id"]) != field["id"] for other in fields):
        fields.append(dict(field))
    return {"issue": {**body["issue"], "custom_fields": fields}}

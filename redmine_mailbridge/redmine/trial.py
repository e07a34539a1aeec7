"""Asks Redmine what it would reject of an issue, by a request that can never create one.

A new issue requires a subject of 1 to 255 characters. Redmine validates the whole issue before it rejects it, workflow
included, and lists all errors (422), in the language of the requesting user. So an issue without a subject is rejected
with its errors, and a line about the subject; a second request, whose subject is too long, identifies that
line: what both refusals have in common is not about the subject.
"""

from collections.abc import Mapping
from typing import Any

import structlog

from redmine_mailbridge.errors import RedmineRefused, RedmineUnclear
from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.util.dataclass import dataclass

log = structlog.get_logger(__name__)

TOO_LONG = "x" * 256
"""A subject that no Redmine accepts."""


@dataclass(frozen=True, slots=True)
class TrialRefusal:
    """What Redmine rejects: the response's status (422: the values; 403, 404: the whole request), and its messages."""

    status: int
    messages: tuple[str, ...]

    def shared(self, messages: tuple[str, ...]) -> tuple[str, ...]:
        """Given the messages of another refusal, return those that this one has too."""
        return tuple(message for message in self.messages if message in messages)


class TrialWrites:
    """Tries issues without creating them. Thread-safe."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def refusal(self, attributes: Mapping[str, Any], as_login: str | None = None) -> TrialRefusal | None:
        """Given the attributes of an issue in the API's form, and its author (None: the key's own user),
        return what Redmine would reject, or None if it would accept it. What it would silently drop is not included.

        Two requests at most. Raise RedmineUnavailable, and UnknownLogin if that user cannot be impersonated.
        """
        without = self._refused({**attributes, "subject": ""}, as_login)
        if without is None or without.status != 422:
            return without
        if len(without.messages) < 2:  # the one about the subject
            return None
        too_long = self._refused({**attributes, "subject": TOO_LONG}, as_login)
        if too_long is None or too_long.status != 422:
            return too_long
        shared = without.shared(too_long.messages)
        return TrialRefusal(422, shared) if shared else None

    def _refused(self, attributes: Mapping[str, Any], as_login: str | None) -> TrialRefusal | None:
        try:
            answer = self._client.post("/issues.json", {"issue": dict(attributes)}, as_login=as_login)
        except RedmineRefused as error:
            return TrialRefusal(error.status, error.messages or (str(error),))
        except RedmineUnclear as error:  # nothing can have been created
            raise error.again() from None
        number = answer.get("issue", {}).get("id")
        log.warning("redmine.trial_created_issue", issue=number, reason="a plugin of Redmine gives issues a subject")
        if number is not None:
            self._client.delete(f"/issues/{number}.json")
        return None

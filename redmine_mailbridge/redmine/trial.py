"""Asks Redmine what it would refuse of an issue, by a request that can never make one.

A new issue needs a subject of 1 to 255 characters. Redmine looks at all of an issue before it refuses it, workflow
included, and lists all that is wrong (422), in the language of whoever asks. So an issue without a subject is refused
with what is wrong of it, and a line about the subject; which line that is, a second request tells, whose subject is too
long: what both refusals say is not about the subject.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from redmine_mailbridge.errors import RedmineRefused, RedmineUnclear
from redmine_mailbridge.redmine.client import Client

log = structlog.get_logger(__name__)

TOO_LONG = "x" * 256
"""A subject that no Redmine takes."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What Redmine refuses: the status of its answer (422: the values; 403, 404: the whole request), and its words."""

    status: int
    messages: tuple[str, ...]

    def shared(self, messages: tuple[str, ...]) -> tuple[str, ...]:
        """Given what another request was refused with, return what this one was refused with too."""
        return tuple(one for one in self.messages if one in messages)


class Trial:
    """Tries issues that are never made. Safe to share among threads."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def refusal(self, attributes: Mapping[str, Any], as_login: str | None = None) -> Refusal | None:
        """Given the attributes of an issue as the API takes them, and who would make it (None: the key's own user),
        return what Redmine would refuse, or None when it would take it. What it would drop in silence is not told.

        Two requests at most. Raise RedmineUnavailable, and UnknownLogin when nobody can act as that user.
        """
        without = self._refused({**attributes, "subject": ""}, as_login)
        if without is None or without.status != 422:
            return without
        if len(without.messages) < 2:  # that one is about the subject
            return None
        too_long = self._refused({**attributes, "subject": TOO_LONG}, as_login)
        if too_long is None or too_long.status != 422:
            return too_long
        shared = without.shared(too_long.messages)
        return Refusal(422, shared) if shared else None

    def _refused(self, attributes: Mapping[str, Any], as_login: str | None) -> Refusal | None:
        try:
            answer = self._client.post("/issues.json", {"issue": dict(attributes)}, as_login=as_login)
        except RedmineRefused as error:
            return Refusal(error.status, error.messages or (str(error),))
        except RedmineUnclear as error:  # nothing can have been made
            raise error.again() from None
        number = answer.get("issue", {}).get("id")
        log.warning("redmine.trial_made_an_issue", issue=number, reason="a plugin of Redmine gives issues a subject")
        if number is not None:
            self._client.delete(f"/issues/{number}.json")
        return None

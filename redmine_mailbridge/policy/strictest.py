"""Combines the routes of several mailboxes for one message: for trust, the strictest of them applies.

The sender chooses which mailboxes are in the To line. Project, tracker and the like may follow that choice. Who is
trusted, who is accepted, and what they may do must not: that is checked for each mailbox concerned.
"""

from collections.abc import Iterable

from redmine_mailbridge.settings.issue import Route

_UNKNOWN = ("create", "accept", "hold", "ignore", "refuse")
_TRUST = ("any", "internal", "authenticated")
_REFERENCES = ("anyone", "public", "participants")
_FORWARDED = ("original", "forwarder")
_AGENT_REPLIES = ("mail", "note", "private")
_KEYWORDS = ("anyone", "users")
_THIRD_PARTY_REPLIES = ("public", "private")


def different(routes: Iterable[Route | None]) -> tuple[Route, ...]:
    """Given routes, return each once, in order; None is none."""
    distinct: list[Route] = []
    for route in routes:
        if route is not None and route not in distinct:
            distinct.append(route)
    return tuple(distinct)


def strictest(routes: tuple[Route, ...]) -> Route:
    """Given the routes of the mailboxes that a mail has to do with, return the first with the strictest of all in what
    may be done on whose word. Whom they believe and let in is more than a value and asked of each (policy/sender.py).
    """
    first = routes[0]
    if len(routes) == 1:
        return first
    issues = [route.issue for route in routes]
    overrides = frozenset.intersection(*(issue.overrides for issue in issues))
    if all("all" in issue.overrides for issue in issues):
        overrides = frozenset({"all"})
    elif any("all" in issue.overrides for issue in issues):
        overrides = frozenset.intersection(*(issue.overrides for issue in issues if "all" not in issue.overrides))
    combined = first.issue.model_copy(
        update={
            "trust": max((issue.trust for issue in issues), key=_TRUST.index),
            "unknown_sender": max((issue.unknown_sender for issue in issues), key=_UNKNOWN.index),
            "check_permissions": any(issue.check_permissions for issue in issues),
            "signed_references": max((issue.signed_references for issue in issues), key=_REFERENCES.index),
            "forwarded": max((issue.forwarded for issue in issues), key=_FORWARDED.index),
            "agent_replies": max((issue.agent_replies for issue in issues), key=_AGENT_REPLIES.index),
            "third_party_replies": max((issue.third_party_replies for issue in issues), key=_THIRD_PARTY_REPLIES.index),
            "keywords_from": max((issue.keywords_from for issue in issues), key=_KEYWORDS.index),
            "allow_override": tuple(sorted(overrides)),
        }
    )
    return first.model_copy(update={"issue": combined})

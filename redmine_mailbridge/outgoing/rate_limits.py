"""How much goes out at most, so that two machines that answer each other stop, whatever their headers say. Pure."""

from collections.abc import Callable, Sequence

from redmine_mailbridge.util.dataclass import dataclass

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` within `seconds`, counted `by` address, issue or refusal (a sender and kind)."""

    by: str
    most: int
    seconds: float

    def __str__(self) -> str:
        spans = {MINUTE * 10: "10 minutes", HOUR: "an hour", DAY: "a day"}
        what = {"address": "to one address", "issue": "on one issue", "refusal": "refusal of one kind to one address"}
        return f"{self.most} {what[self.by]} in {spans[self.seconds]}"


LIMITS: Sequence[Limit] = (
    Limit("address", 10, 10 * MINUTE),
    Limit("address", 25, HOUR),
    Limit("address", 40, DAY),
    Limit("issue", 10, 10 * MINUTE),
    Limit("refusal", 1, DAY),
)


def held_back(count: Callable[[str, float], int], *, refusal: bool) -> str | None:
    """Given what counts the answers to the same address, on the same issue, or of the same refusal within so many
    seconds, return why this one must not go out; None when it may.
    """
    for limit in LIMITS:
        if limit.by == "refusal" and not refusal:
            continue
        if count(limit.by, limit.seconds) >= limit.most:
            return f"no answer: the limit of {limit} is reached"
    return None

"""What a person decides about senders: the command `senders`, and the page Senders."""

from collections.abc import Iterator, Sequence

from redmine_mailbridge.model.sender_list import SenderListing
from redmine_mailbridge.policy.sender_list import pattern_of
from redmine_mailbridge.store.sender_list import SenderList
from redmine_mailbridge.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class SenderResult:
    """What came of a decision about one sender: `words` say what holds from now on, or why nothing changed."""

    pattern: str
    ok: bool
    words: str


DONE = {SenderListing.BLOCK: "is blocked from now on", SenderListing.ALLOW: "is allowed from now on"}
REMOVED = "is no longer listed: the settings decide"
NOT_LISTED = "is not in the list"


def decide_senders(
    senders: SenderList, typed: Sequence[str], listing: SenderListing | None, *, by: str
) -> Iterator[SenderResult]:
    """Given addresses or domains as typed, block or allow them, or remove their entries (None). Yield what came of
    each.
    """
    for text in typed:
        try:
            pattern = pattern_of(text)
        except ValueError as error:
            yield SenderResult(text.strip()[:254], False, str(error))
            continue
        if listing is not None:
            senders.add(pattern, listing, by)
            yield SenderResult(pattern, True, DONE[listing])
        elif senders.remove(pattern):
            yield SenderResult(pattern, True, REMOVED)
        else:
            yield SenderResult(pattern, False, NOT_LISTED)

"""What a person decides about the requester of an issue: by the command `messages requester`, or on a page."""

from collections.abc import Collection

from redmine_mailbridge.mail.mime.address_syntax import without_subaddress
from redmine_mailbridge.mail.mime.mailable import comparable, mailable
from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.util.dataclass import dataclass

LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class RequesterResult:
    """The result: `words` says what applies from now on, or why nothing was changed."""

    ok: bool
    words: str
    issue: int | None = None


def set_requester(
    store: Store, mail_id: int, typed: str, name: str, *, by: str, ours: Collection[str]
) -> RequesterResult:
    """Given a message that created an issue, and a person's address and name as typed, make that person the requester:
    answers go there from now on, and replies from there belong to the issue.

    `ours` are the bridge's own addresses (lower case), which answers must not go to.
    """
    address = mailable(Address(" ".join(name.split())[:LONGEST_NAME], typed.strip()))
    if address is None:
        return RequesterResult(False, "is not an address that can receive mail")
    if {comparable(address.key), without_subaddress(comparable(address.key))} & {
        comparable(own_address) for own_address in ours
    }:
        return RequesterResult(False, "is one of the bridge's own addresses")
    issue = store.requesters.set(mail_id, address.key, address.name, by)
    if issue is None:
        return RequesterResult(False, "this message created no issue")
    return RequesterResult(True, "is the requester from now on: answers go there", issue)


def undo_requester(store: Store, mail_id: int, *, by: str) -> RequesterResult:
    """Given a message, restore the requester of its issue from before the last change."""
    last_change = store.requesters.last(mail_id)
    if last_change is None or not store.requesters.undo(last_change, by):
        return RequesterResult(False, "nothing was decided manually")
    return RequesterResult(True, "is the requester again", last_change.issue)

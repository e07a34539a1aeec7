"""Who gets a mail about an issue."""

from typing import TYPE_CHECKING, cast

import pytest

from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.outgoing.issue_mail.audience import Audience, AudienceFilter
from redmine_mailbridge.outgoing.issue_mail.mail import IssueMail

if TYPE_CHECKING:
    from redmine_mailbridge.store.issue_copy import IssueRow

KIM = Address("Kim", "kim@client.example")
BOSS = Address("The Boss", "boss@client.example")
ANNA = Address("Anna", "anna@example.com")
OWN = Address("", "Support+7@example.com")
ROBOT = Address("", "noreply@client.example")


class Issue:
    """Of an issue, what decides who gets mail about it."""

    requester = "Kim@client.example"


def audience(
    to: list[Address], cc: list[Address] | None = None, *, kind: str = "answer", visible_to_customer: bool = True
) -> Audience:
    mail = IssueMail(kind, cast("IssueRow", Issue()), "j1", to, {}, cc=cc or [])
    return AudienceFilter({"support@example.com"}).audience(mail, visible_to_customer=visible_to_customer)


@pytest.mark.parametrize(
    ("kind", "people", "expected"),
    [
        ("answer", [KIM, OWN, KIM, BOSS], [KIM, BOSS]),
        ("answer", [KIM, Address("Other", "KIM@client.example")], [KIM]),
        ("answer", [ROBOT], [ROBOT]),
        ("closed", [ROBOT, KIM], [KIM]),
        ("closed", [Address("", ""), Address("", "no address")], []),
    ],
)
def test_who_may_be_written_to(kind: str, people: list[Address], expected: list[Address]) -> None:
    """Each once, never the bridge itself; what is sent automatically does not go to an address that takes no reply."""
    assert expected == AudienceFilter({"support@example.com"}).reachable(people, kind)


def test_the_requester_and_those_in_cc() -> None:
    """Who is in To is not in Cc too."""
    assert Audience((KIM,), (BOSS,), to_requester=True, private=False) == audience([KIM], [BOSS, KIM, OWN])


def test_cc_moves_up_when_nobody_is_left_in_to() -> None:
    """A mail needs a recipient: the first of Cc becomes it."""
    assert Audience((BOSS,), (ANNA,), to_requester=False, private=False) == audience([OWN], [BOSS, ANNA])


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ([KIM], Audience((), (), to_requester=False, private=True)),
        ([KIM, ANNA], Audience((ANNA,), (), to_requester=False, private=True)),
        ([ANNA], Audience((ANNA,), (), to_requester=False, private=False)),
        ([], Audience((), (), to_requester=False, private=True)),
    ],
)
def test_an_issue_that_the_customer_may_not_see(to: list[Address], expected: Audience) -> None:
    """The customer and those in Cc get nothing about it, and the mail is marked so; agents get it."""
    assert expected == audience(to, [BOSS], visible_to_customer=False)


@pytest.mark.parametrize("visible_to_customer", [True, False])
def test_mail_to_third_parties_goes_to_whom_it_names(*, visible_to_customer: bool) -> None:
    """Whatever the customer may see of the issue, it goes to these people and to no one in Cc."""
    got = audience([BOSS, ROBOT, OWN], [KIM], kind="third_party", visible_to_customer=visible_to_customer)
    assert Audience((BOSS, ROBOT), (), to_requester=False, private=False) == got

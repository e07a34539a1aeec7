"""Hostile mails against the policy: none acts as somebody, none reaches what its writer may not see."""

from dataclasses import replace

import pytest

from redmine_mailbridge.mail.parse import parse
from redmine_mailbridge.model.mail import Authenticity, ReadingOptions
from redmine_mailbridge.model.plan import Action, IssueFields
from redmine_mailbridge.model.sender_list import ListedSender, SenderListing
from redmine_mailbridge.policy.decide import decide
from redmine_mailbridge.policy.own_addresses import MailboxIdentity
from redmine_mailbridge.settings.issue import Route
from tests.hostile import Target, hostile_mails
from tests.unit.policy.world import ISSUES, SIGNER, STAMP, USERS, facts, identity

TARGET = Target(
    public=10,
    private=50,
    secret=20,
    signed=SIGNER.message_id("answer", 50, "5", "corp.example"),
    redmines=f"redmine.issue-20.{STAMP}.5@corp.example",
)
MAILS = list(hostile_mails(TARGET))
OPTIONS = ReadingOptions(trusted_authserv_ids=("mx.corp.example", "*", "mx.google.com"), forwards=True)
INSIDE = Route(
    issue={"project": "support", "trust": "any", "allow_override": "all", "keywords_from": "anyone",
           "signed_references": "anyone", "forwarded": "original"}
)  # fmt: skip
OUT_OF_REACH = {20, 40, 50}
ROUTES = {
    "as delivered": Route(issue={"project": "support"}),
    "all keyword lines": Route(issue={"project": "support", "allow_override": "all", "closed_reply": "reopen"}),
    "creating users": Route(issue={"project": "support", "unknown_sender": "create"}),
    "notes of machines": Route(issue={"project": "support", "automatic_reply": "private_note"}),
    "spam to the junk, everybody allowed": Route(
        issue={"project": "support", "allow_override": "all"}, senders={"spam": "junk", "allow": ["*"]}
    ),
    "passing customers on": Route(issue={"project": "support", "forwarded": "original", "closed_reply": "new"}),
    "each mailbox": Route(issue={"project": "support", "several_mailboxes": "each", "bundle_window": "1h"}),
}


def box() -> MailboxIdentity:
    """The mailbox support, with inside beside it."""
    own = identity({})
    return replace(
        own, addresses={**own.addresses, "inside@corp.example": "inside"}, routes={**own.routes, "inside": INSIDE}
    )


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
@pytest.mark.parametrize("raw", [raw for _, raw in MAILS], ids=[name for name, _ in MAILS])
def test_acts_as_nobody_and_reaches_nothing(raw: bytes, route: Route) -> None:
    """A hostile mail acts as no user, touches no issue out of its reach, sets nothing by itself, and links nothing."""
    known = replace(facts({}), issues={n: replace(i, visible_to_sender=True, noteable_by_sender=True,
                                                  editable_by_sender=True) for n, i in ISSUES.items()})  # fmt: skip
    message = parse(raw, OPTIONS)
    allowed = ListedSender(message.sender.key, SenderListing.ALLOW, "anna", 0.0)
    known = replace(known, listed_senders=(allowed,))  # allowed is not trusted
    plan = decide(message, route, box(), known)
    steps = "\n".join(plan.steps)
    made = plan.new_user.login if plan.new_user else None
    assert plan.act_as in {None, made}, steps
    assert plan.vouched is None, steps
    assert "bank.example" not in plan.requester.key, steps
    assert plan.new_user is None or message.sender.key == plan.new_user.mail, steps
    assert plan.new_user is None or plan.new_user.mail not in USERS, steps
    assert plan.issue not in OUT_OF_REACH or plan.action is Action.IGNORE, steps
    assert plan.related_issue not in OUT_OF_REACH, steps
    assert plan.project in {"support", None}, steps
    untouched = replace(plan.fields, subject=None, names={}, is_private=None)
    assert IssueFields() == untouched, steps


def test_enough_of_them() -> None:
    """There are at least 100 hostile mails, each with a name and bytes of its own."""
    assert len({raw for _, raw in MAILS}) == len(MAILS) >= 100


def test_the_same_mails_honest_do_reach() -> None:
    """The test could fail: the same reply reaches the secret issue once the mail server vouches for the sender."""
    message = parse(dict(MAILS)["a customer's reply to a secret issue"], OPTIONS)
    honest = replace(message, authenticity=Authenticity("passed", "dmarc"))
    plan = decide(honest, ROUTES["as delivered"], identity({}), facts({}))
    assert (Action.NOTE, 20) == (plan.action, plan.issue), plan.steps


def test_the_same_forward_honest_does_pass_on() -> None:
    """The test could fail: the same forward makes its victim the requester once the agent is proven."""
    message = parse(dict(MAILS)["a forward by a forged agent"], OPTIONS)
    honest = replace(message, authenticity=Authenticity("passed", "dmarc"))
    plan = decide(honest, ROUTES["passing customers on"], identity({}), facts({}))
    assert ("forwarded", "victim@bank.example") == (plan.vouched, plan.requester.key), plan.steps

"""To whom an answer goes, whom it may speak to of the mail, and when there is none."""

import datetime as dt
from dataclasses import replace
from email import message_from_bytes, policy
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from redmine_mailbridge.mail.message_ids import Signer
from redmine_mailbridge.mail.parse import parse
from redmine_mailbridge.model.mailbox import Listed, Location, RawMail
from redmine_mailbridge.model.pending_replies import PendingReplies
from redmine_mailbridge.outgoing.message import FromIdentity
from redmine_mailbridge.outgoing.sender_profile import SenderProfile
from redmine_mailbridge.outgoing.templates import Templates
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.outgoing.adding import NewAnswer
from redmine_mailbridge.store.queries.messages import MessageFilter, MessageQueries
from redmine_mailbridge.tasks.receive.acknowledgements import AutoReplies

NOW = dt.datetime(2026, 5, 20, 9, tzinfo=dt.UTC)
SIGNER = Signer(b"a key for the tests only", "test")
PROFILE = SenderProfile(
    "support", FromIdentity("support@example.com", "Support"), Templates(), "en", frozenset({"received", "refused"}),
    SIGNER, "https://redmine.example.com/",
)  # fmt: skip
EARNED = PendingReplies(("received",), "Printer", "support", proven=True)
UNPROVEN = replace(EARNED, proven=False)


def one(
    store: Store, earned: PendingReplies = EARNED, profile: SenderProfile = PROFILE, issue: int | None = 7, **head: str
) -> NewAnswer:
    """The answer to a mail of Kim's with these header fields."""
    named = {"From": "Kim <kim@c.example>", "Subject": "Printer", "Message-ID": "<1@x.example>"}
    fields = named | {name.replace("_", "-"): value for name, value in head.items()}
    raw = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value).encode() + b"\r\nIt burns.\r\n"
    (row,) = store.add([RawMail(Listed(Location("support", "INBOX", "1", "1"), len(raw)), raw)])
    replies = AutoReplies({"support": profile}, lambda: NOW, {"Support@Example.com"})
    (answer,) = replies.to(row, parse(raw), earned, issue=issue)
    return answer


def sent(answer: NewAnswer) -> tuple[str, str]:
    """The header field To and the text."""
    message = message_from_bytes(answer.content, policy=policy.default)
    body = message.get_body(("plain",))
    assert body is not None
    return str(message["To"]), str(body.get_content())


def why(answer: NewAnswer) -> str | None:
    assert b"" == answer.content
    return answer.why_not(lambda *_a: 0)  # type: ignore[arg-type,return-value]


# ---------------------------------------------------------------------- to whom


@pytest.mark.parametrize(
    ("earned", "trusted", "expected"),
    [
        (EARNED, False, "team@c.example"),
        (UNPROVEN, False, "kim@c.example"),
        (UNPROVEN, True, "team@c.example"),
    ],
)
def test_an_answer_goes_to_reply_to_only_if_the_sender_is_proven_or_the_settings_trust_it(
    store: Store, earned: PendingReplies, trusted: bool, expected: str
) -> None:
    """Otherwise anybody could have us write to any address."""
    answer = one(store, earned, replace(PROFILE, trust_reply_to=trusted), Reply_To="Team <team@c.example>")
    assert (expected, expected) == (answer.recipient, answer.person)


def test_a_reply_to_that_is_from_s_own_address_is_used_whoever_wrote(store: Store) -> None:
    assert "KIM@c.example" == one(store, UNPROVEN, Reply_To="Kim at home <KIM@c.example>").recipient
    assert "kim@c.example" == one(store, EARNED, Reply_To="undisclosed:;").recipient


@pytest.mark.parametrize(
    ("proven", "vouched", "trusted", "answered"),
    [
        (False, False, False, False),
        (True, False, False, True),
        (False, True, False, True),
        (False, False, True, True),
    ],
)
def test_the_person_behind_a_mail_is_answered_if_who_names_them_is_proven(
    store: Store, proven: bool, vouched: bool, trusted: bool, answered: bool
) -> None:
    """A form or an agent names the requester; a stranger who does so reaches nobody, and the history says why."""
    earned = replace(UNPROVEN, name="Jo", address="Jo@c.example", proven=proven, vouched=vouched)
    answer = one(store, earned, replace(PROFILE, trust_reply_to=trusted), Reply_To="x@y.example")
    assert "Jo@c.example" == answer.recipient
    assert answered == bool(answer.content)
    if not answered:
        expected = (
            "no answer: the mail from kim@c.example that names this address is not proven (answers.trust_reply_to)"
        )
        assert expected == why(answer)


@pytest.mark.parametrize(
    ("sender", "expected"),
    [
        ("support@example.com", "it is one of the bridge's own addresses"),
        ("support+tag@example.com", "it is one of the bridge's own addresses"),
        ("noreply@c.example", "it does not accept replies"),
        ("MAILER-DAEMON@c.example", "it does not accept replies"),
        ("kim..x@c.example", "it is not a valid address"),
    ],
)
def test_who_is_never_answered(store: Store, sender: str, expected: str) -> None:
    answer = one(store, From=sender)
    assert ("received", 7, f"no answer: {expected}") == (answer.kind, answer.issue, why(answer))


def test_a_subaddress_counts_for_the_person(store: Store) -> None:
    """The limits count kim+1 and kim+2 as kim, who is written to under the address that was used."""
    answer = one(store, From="kim+1@c.example")
    assert ("kim+1@c.example", "kim@c.example") == (answer.recipient, answer.person)


# ---------------------------------------------------------------------- of what


def test_who_is_not_proven_reads_nothing_of_the_mail(store: Store) -> None:
    """Neither its subject nor a name that is more than a name: the mail could have us send any text to anybody."""
    proven = sent(one(store, From='"Buy at spam.example" <kim@c.example>'))
    assert ("Buy at spam.example" in proven[0], "Printer" in proven[1]) == (True, True)
    to, text = sent(one(store, UNPROVEN, From='"Buy at spam.example" <kim@c.example>'))
    assert ("spam" in to + text, "Printer" in text) == (False, False)
    assert "kim@c.example" in to
    assert "Kim" in sent(one(store, UNPROVEN))[0]


def test_a_proven_sender_does_not_prove_another_address(store: Store) -> None:
    """What goes to a Reply-To elsewhere says nothing of the mail; From in other case is no other address."""
    for reply_to, speaks in (("zoe@c.example", False), ("adam@c.example", False), ("Kim@C.example", True)):
        _, text = sent(one(store, Reply_To=reply_to))
        assert speaks == ("Printer" in text), reply_to


# ---------------------------------------------------------------------- as what


@pytest.mark.parametrize("proven", [True, False])
def test_an_agent_is_told_at_the_address_of_the_account(store: Store, *, proven: bool) -> None:
    """What is said about an agent's reply goes to the account's address, never to a Reply-To; unless the agent wrote
    from that address, and proven, it holds nothing of the mail.
    """
    profile = replace(PROFILE, kinds=frozenset({"withheld"}), trust_reply_to=True)
    earned = PendingReplies(
        ("withheld",), "Printer", rejection_reason="unproven", proven=proven, account="anna@corp.example"
    )
    answer = one(store, earned, profile, Reply_To="kim@evil.example")
    to, text = sent(answer)
    assert ("anna@corp.example", "anna@corp.example") == (to, answer.recipient)
    assert "not sent to the customer. Nothing proves that you wrote it" in text
    assert "Printer" not in answer.content.decode()


@pytest.mark.fault("A29-5")
def test_a_withheld_reply_is_reported_to_the_account_only(store: Store) -> None:
    """Without an address of the account nobody is informed; and the agent is not greeted by what From says."""
    profile = replace(PROFILE, kinds=frozenset({"withheld"}), trust_reply_to=True)
    earned = PendingReplies(("withheld",), rejection_reason="no_access", proven=True)
    assert "no answer" in (why(one(store, earned, profile, Reply_To="kim@evil.example")) or "")
    earned = replace(earned, proven=False, account="anna@corp.example")
    to, text = sent(one(store, earned, profile, From="Pay Now <anna@corp.example>"))
    assert "anna@corp.example" == to
    assert "Pay Now" not in text


def test_the_answer_belongs_to_the_mail_and_its_issue(store: Store) -> None:
    """It refers to the mail, and its Message-ID is signed for the issue; without one it is ours all the same."""
    message = message_from_bytes(one(store).content, policy=policy.default)
    assert "<1@x.example>" == message["In-Reply-To"]
    read = SIGNER.read(str(message["Message-ID"]).strip("<>"))
    assert read is not None
    assert 7 == read.issue
    ids = {one(store, replace(EARNED, kinds=(kind,)), issue=None).message_id for kind in ("received", "refused")}
    assert 2 == len(ids)
    assert all(each.endswith("@example.com") for each in ids)


def test_the_answer_is_dated_by_the_clock_that_is_given_else_by_the_real_one(store: Store) -> None:
    def date(answer: NewAnswer) -> dt.datetime:
        return parsedate_to_datetime(str(message_from_bytes(answer.content)["Date"]))

    assert date(one(store)) == NOW
    row, message = MessageQueries(store.database).messages(MessageFilter())[0], parse(b"From: kim@c.example\r\n\r\n")
    (answer,) = AutoReplies({"support": PROFILE}).to(row, message, EARNED, issue=7)
    assert abs(date(answer) - dt.datetime.now(dt.UTC)) < dt.timedelta(hours=1)


def test_a_mail_without_an_id_is_not_referred_to(store: Store) -> None:
    message = message_from_bytes(one(store, Message_ID="").content, policy=policy.default)
    assert None is message["In-Reply-To"]


def test_an_answer_that_cannot_be_composed_costs_only_itself(store: Store) -> None:
    """The history says that there is none, and not what the mail says."""
    nothing: Any = None
    answer = one(store, profile=replace(PROFILE, redmine_url=nothing))
    said = why(answer)
    assert said is not None
    assert said.startswith("no answer: ")
    assert "Printer" not in said
    assert ("kim@c.example", 7) == (answer.recipient, answer.issue)


def test_the_subject_is_the_issue_s_else_the_mail_s(store: Store) -> None:
    """The issue may have been given another subject than its mail."""
    for subject, expected in (("", "Printer"), ("Burning", "Burning")):
        message = message_from_bytes(one(store, replace(EARNED, subject=subject)).content, policy=policy.default)
        assert expected in message["Subject"]


def test_the_person_behind_a_mail_is_greeted_by_their_own_name(store: Store) -> None:
    """Not by that of who passed the mail on; else who wrote it."""
    behind = replace(EARNED, name="Jo Lee", address="jo@c.example")
    assert sent(one(store, behind))[1].startswith("Hello Jo Lee,")
    assert sent(one(store, EARNED))[1].startswith("Hello Kim,")

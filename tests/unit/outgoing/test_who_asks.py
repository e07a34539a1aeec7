"""Who asks is acknowledged and answered: the person behind a form, a shop, a group; and from which address."""

import contextlib
import email
import email.policy
import time
from typing import Any

import pytest

from redmine_mailbridge.side_effects import Moment, SideEffect
from tests.crash.dying import Died, dying
from tests.helpdesk import BOB, HelpDesk, iso, writes

FORM, KIM, VICTIM = "wordpress@www.shop.example", "kim@client.example", "victim@bank.example"


def mails(desk: HelpDesk) -> list[tuple[str, Any]]:
    """What has left since the last time: recipient and mail."""
    taken = [(to, email.message_from_bytes(raw, policy=email.policy.default)) for to, raw in desk.post.taken]
    desk.post.taken.clear()
    return taken


def talk(desk: HelpDesk, raw: bytes) -> tuple[list[str], list[str]]:
    """Given a mail, an agent answers it. Return who gets the acknowledgement, and who the agent's answer."""
    desk.mail(raw)
    desk.turn()
    first = [to for to, _ in mails(desk)]
    issue = max(desk.redmine.issues)
    desk.redmine.writes(issue, BOB, "We look at it.")
    desk.turn()
    desk.turn()
    return first, [to for to, _ in mails(desk)]


@pytest.mark.fault("O19")
@pytest.mark.parametrize(
    ("sender", "headers"),
    [
        (FORM, {"Reply_To": f"Kim Client <{KIM}>"}),
        ("noreply@shop.example", {"Reply_To": KIM}),
        ("desk@example.com", {"Reply_To": KIM}),
        ("Kim via Desk <desk@example.com>", {"X_Original_From": KIM, "List_Id": "<desk.example.com>"}),
    ],
)
def test_the_person_behind_a_form_is_acknowledged_and_answered(
    desk: HelpDesk, sender: str, headers: dict[str, str]
) -> None:
    """The person gets the acknowledgement, if our mail server vouches for From, and the agent's answer, either way; the
    issue names both addresses; the From address gets nothing.
    """
    assert ([KIM], [KIM]) == talk(desk, writes(sender, **headers))  # type: ignore[arg-type]  # a table of values
    assert ([], [KIM]) == talk(desk, writes(sender, "Another", proven=False, **headers))  # type: ignore[arg-type]  # likewise
    for issue in desk.redmine.issues.values():
        assert KIM in issue["description"]
        assert sender.rpartition("<")[2].rstrip(">") in issue["description"]


@pytest.mark.parametrize(
    ("sender", "headers", "settings", "acknowledged", "answers"),
    [
        ("mallory@evil.example", {}, {}, [VICTIM], ["mallory@evil.example"]),
        ("noreply@evil.example", {}, {}, [VICTIM], [VICTIM]),
        ("noreply@evil.example", {}, {"senders": {"failed_authentication": "refuse"}}, [], ["noreply@evil.example"]),
        ("noreply@evil.example", {}, {"senders": {"reply_to": "never"}}, [], ["noreply@evil.example"]),
        ("noreply@evil.example", {"proven": False}, {}, [], [VICTIM]),
        ("desk@example.com", {"proven": False}, {}, [], [VICTIM]),
        ("desk@example.com", {"proven": False}, {"senders": {"failed_authentication": "hold"}}, [], []),
        ("noreply@evil.example", {"proven": False}, {"answers": {"trust_reply_to": True}}, [VICTIM], [VICTIM]),
        ("noreply@evil.example", {"Auto_Submitted": "auto-generated"}, {}, [], [VICTIM]),
        ("noreply@evil.example", {"List_Id": "<news.evil.example>"}, {}, [], [VICTIM]),
        ("noreply@evil.example", {"Precedence": "bulk"}, {}, [], [VICTIM]),
    ],
)
def test_whom_a_forged_reply_to_reaches(  # noqa: PLR0917 - a column of the table each
    desk: HelpDesk,
    sender: str,
    headers: dict[str, Any],
    settings: dict[str, Any],
    acknowledged: list[str],
    answers: list[str],
) -> None:
    """A Reply-To directs an acknowledgement only where that of any proven mail does, or where the settings say so; and
    an agent's answer only where a From of that address would.
    """
    desk.change({"mailboxes": {"desk": settings}})
    assert (acknowledged, answers) == talk(desk, writes(sender, Reply_To=VICTIM, **headers))


def test_a_forged_from_that_is_listed_gets_no_acknowledgement(desk: HelpDesk) -> None:
    """The mail of a listed form that our mail server calls forged is acknowledged to nobody; an agent may answer it."""
    desk.change({"mailboxes": {"desk": {"senders": {"forms": [FORM]}}}})
    failed = b"Authentication-Results: mx.example.com; dmarc=fail header.from=www.shop.example\r\n"
    assert ([], [KIM]) == talk(desk, failed + writes(FORM, proven=False, Reply_To=KIM))


def test_the_text_of_a_form_is_not_mailed_by_ourselves(desk: HelpDesk) -> None:
    """An acknowledgement to the person behind a form holds none of the words that were typed into it."""
    desk.mail(writes(FORM, "Buy at evil.example", "Spam spam", Reply_To=f"Buy at evil.example <{VICTIM}>"))
    desk.turn()
    ((to, mail),) = mails(desk)
    assert VICTIM == to
    assert "evil.example" not in mail.as_string()
    assert "pam spam" not in mail.as_string()


@pytest.mark.fault("O19")
def test_the_conversation_with_the_person_goes_on(desk: HelpDesk) -> None:
    """The person's reply to our answer, by their own address, becomes a note; the next answer goes there, and quotes
    the person by name; nobody at the form's address is in Cc.
    """
    desk.mail(writes(FORM, Reply_To=f"Kim Client <{KIM}>"))
    desk.turn()
    desk.redmine.writes(1, BOB, "We look at it.")
    desk.turn()
    desk.turn()
    answer = mails(desk)[-1][1]
    assert "Kim Client" in answer.as_string()
    desk.mail(writes(KIM, str(answer["Subject"]), "Thanks.", In_Reply_To=str(answer["Message-ID"])))
    desk.turn()
    assert [1] == list(desk.redmine.issues)
    desk.redmine.writes(1, BOB, "Done.")
    desk.turn()
    desk.turn()
    assert [(KIM, None)] == [(to, mail["Cc"]) for to, mail in mails(desk) if "Done." in mail.as_string()]


@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize(
    ("to", "cc", "sender"),
    [
        ("help@example.com", "", "help@example.com"),
        ("Help@Example.com", "", "help@example.com"),
        ("desk@example.com", "help@example.com", "desk@example.com"),
        ("someone@client.example", "help@example.com", "help@example.com"),
        ("help@evil.example", "", "desk@example.com"),
        ("help@example.com", "desk@example.com", "help@example.com"),
    ],
)
def test_answers_come_from_the_alias_that_the_customer_wrote_to(
    desk: HelpDesk, to: str, cc: str, sender: str, *, on: bool
) -> None:
    """With `from_alias`, acknowledgement and answer come from the first of the mailbox's addresses among To and Cc;
    without it, and for any other address, from the mailbox's own.
    """
    box = {"aliases": ["help@example.com"], "outgoing": {"from_alias": on}, "answers": {"cc": False}}
    desk.change({"mailboxes": {"desk": box}})
    desk.mail(writes(KIM, to=to, **({"Cc": cc} if cc else {})))  # type: ignore[arg-type]  # a header field
    desk.turn()
    desk.redmine.writes(1, BOB, "We look at it.")
    desk.turn()
    desk.turn()
    assert [sender if on else "desk@example.com"] * 2 == [str(mail["From"]) for _, mail in mails(desk)]


MALLORY = "mallory@evil.example"


def a_private_issue_that_was_answered(desk: HelpDesk, **settings: Any) -> str:
    """Kim's issue in a private project, answered. Return the Message-ID of the answer."""
    desk.redmine.public = False
    desk.change({"mailboxes": {"desk": {"answers": {"private_projects": True}, **settings}}})
    desk.mail(writes(KIM, Message_ID="<kims@client.example>"))
    desk.turn()
    desk.redmine.writes(1, BOB, "We look at it.")
    desk.turn()
    desk.turn()
    return str(mails(desk)[-1][1]["Message-ID"])


def test_no_machine_takes_part(desk: HelpDesk) -> None:
    """Whoever writes like a machine, with an id of ours that was sent to somebody else, takes part in nothing by the
    note that this makes for the team.
    """
    ours = a_private_issue_that_was_answered(desk, issue={"automatic_reply": "private_note"})
    desk.mail(writes(MALLORY, "Re: x", "I am away.", In_Reply_To=ours, Auto_Submitted="auto-replied"))
    desk.turn()
    desk.mail(writes(MALLORY, "Re: x", "Now let me in.", In_Reply_To=ours))
    desk.turn()
    assert 2 == len(desk.redmine.issues)
    assert not any("let me in" in one["notes"] for one in desk.redmine.issues[1]["journals"])


def test_a_person_behind_a_form_takes_no_part_by_name_alone(desk: HelpDesk) -> None:
    """A mail that names the requester in Reply-To reaches the issue with an id that was sent to the requester, not with
    the subject's number, nor with the requester's own id; and not under another's name with the right id.
    """
    ours = a_private_issue_that_was_answered(desk)
    for raw in (
        writes("noreply@evil.example", "Re: [#1]", "By number.", Reply_To=KIM),
        writes("noreply@evil.example", "Re: x", "By an own id.", Reply_To=KIM, In_Reply_To="<kims@client.example>"),
        writes("noreply@evil.example", "Re: x", "As another.", Reply_To=MALLORY, In_Reply_To=ours),
        writes("Kim via Desk <desk@example.com>", "Re: x", "By our id.", X_Original_From=KIM, In_Reply_To=ours),
    ):
        desk.mail(raw)
        desk.turn()
    assert ["By our id."] == [
        word
        for one in desk.redmine.issues[1]["journals"]
        for word in ("By number.", "By an own id.", "As another.", "By our id.")
        if word in one["notes"]
    ]
    assert 4 == len(desk.redmine.issues)


@pytest.mark.parametrize("at_once", [True, False])
def test_two_people_by_one_form_are_two_issues(desk: HelpDesk, *, at_once: bool) -> None:
    """Within bundle_window, two people's mails by one form under its one subject are not put together, not even if they
    come at once; what one of them writes then under that subject, by an own address, belongs to that person's issue.
    """
    subject = "New message from the web site"
    desk.change({"mailboxes": {"desk": {"issue": {"bundle_window": "1h"}}}})
    for person in (KIM, "lee@client.example"):
        desk.mail(writes(FORM, subject, f"I am {person}.", Reply_To=person))
        if not at_once:
            desk.turn()
    while len(desk.redmine.issues) < 2:
        desk.turn()
    assert {KIM, "lee@client.example"} == {to for to, _ in mails(desk)}
    (kims,) = [number for number, one in desk.redmine.issues.items() if f"I am {KIM}" in one["description"]]
    desk.mail(writes(KIM, subject, "One thing more."))
    desk.turn()
    assert (2, True) == (
        len(desk.redmine.issues),
        any("One thing more." in one["notes"] for one in desk.redmine.issues[kims]["journals"]),
    )


def test_the_mail_of_a_form_is_found_by_the_person(desk: HelpDesk) -> None:
    """`messages --sender` finds a mail by the person behind the form as by the form, and shows the person."""
    desk.mail(writes(FORM, Reply_To=KIM))
    desk.mail(writes("lee@client.example", "Other"))
    desk.turn()
    for words in ("kim@", "wordpress@"):
        lines = desk.command("messages", "--sender", words).stdout
        assert (True, False) == (KIM in lines, "lee@" in lines)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(
    ("effect", "moment"),
    [
        (SideEffect.RECORD_INTENT, "before"),
        (SideEffect.RECORD_INTENT, "after"),
        (SideEffect.CREATE_ISSUE, "after"),
        (SideEffect.RECORD_DONE, "before"),
        (SideEffect.RECORD_DONE, "after"),
    ],
)
def test_the_person_is_kept_whatever_crashes(desk: HelpDesk, effect: SideEffect, moment: Moment) -> None:
    """Killed at any of its steps, the bridge makes the mail of a form one issue, acknowledged to the person once, and
    answered there.
    """
    desk.mail(writes(FORM, Reply_To=f"Kim Client <{KIM}>"))
    with contextlib.suppress(Died), dying(effect, moment, 1):
        desk.turn()
    for _ in range(2):
        desk.turn()
    assert [1] == list(desk.redmine.issues)
    desk.redmine.writes(1, BOB, "We look at it.")
    desk.turn()
    desk.turn()
    assert [KIM, KIM] == [to for to, _ in mails(desk)]


def test_a_reply_to_an_escalation_stays_with_the_team(desk: HelpDesk) -> None:
    """Somebody without an account, to whom a rule escalated, replies twice: two private notes, of which the customer
    reads nothing in the next answer, and who wrote them is in no Cc.
    """
    escalate = {
        "name": "up",
        "when": {"created": "1s"},
        "then": {"mail": "escalation", "mail_to": ["boss@corp.example"]},
    }
    desk.change({"rules": [escalate], "mailboxes": {"desk": {"answers": {"private_projects": True}}}})
    desk.redmine.public = False
    desk.mail(writes(KIM))
    desk.turn()
    desk.redmine.issues[1]["created_on"] = iso(time.time() - 60)
    desk.redmine.touch(1)
    desk.turn()
    ((_, mail),) = [one for one in mails(desk) if one[0] == "boss@corp.example"]
    for words in ("Charge them twice.", "At least."):
        desk.mail(writes("boss@corp.example", "Re: x", words, In_Reply_To=str(mail["Message-ID"])))
        desk.turn()
    assert [1] == list(desk.redmine.issues)
    private = [one["private_notes"] for one in desk.redmine.issues[1]["journals"] if "boss" in one["notes"]]
    assert [True, True] == private
    desk.redmine.writes(1, BOB, "We look at it.")
    desk.turn()
    desk.turn()
    ((to, answer),) = mails(desk)
    assert (KIM, None, False) == (to, answer["Cc"], "Charge" in answer.as_string())

"""Who reads what: asked when mail is composed, of Redmine as it is then."""

import email
import email.policy
import email.utils
import threading
import time
from typing import Any

import pytest

from redmine_mailbridge.tasks.service.service import receive_once
from redmine_mailbridge.tasks.update.update import Updater
from tests.helpdesk import ANNA, BOB, BRIDGE, HelpDesk, iso, sent_mails, text_of, writes

KIM, BOSS, SUPPLIER = "kim@client.example", "boss@client.example", "sue@parts.example"
SECRET = "the customer is three months late"


@pytest.fixture
def values() -> dict[str, Any]:
    """It tells nobody anything by itself."""
    return {"mailboxes": {"desk": {"answers": {"received": False, "received_reply": False, "closed": False}}}}


def copied(mail: Any) -> set[str]:
    """Who is in Cc."""
    return {address for _, address in email.utils.getaddresses([str(mail["Cc"] or "")])}


def private_notes(desk: HelpDesk, issue: int = 1) -> str:
    """What the bridge told the agents on an issue."""
    return "\n".join(
        one["notes"]
        for one in desk.redmine.issues[issue]["journals"]
        if one["user"]["id"] == BRIDGE and one["private_notes"]
    )


def asked(desk: HelpDesk, **more: str) -> None:
    """Kim has written, and Anna has it in hand."""
    desk.mail(writes(f"Kim Client <{KIM}>", **more))
    desk.turn()
    desk.redmine.issues[1]["assigned_to"] = {"id": ANNA, "name": "Anna Agent"}


def stamp(moment: str) -> str:
    """A time of the API as it stands in Redmine's Message-IDs."""
    return moment.translate(str.maketrans("", "", "-:TZ"))


@pytest.mark.fault("O2")
def test_an_agents_unproven_answer_to_a_private_note_is_quoted_to_nobody(desk: HelpDesk) -> None:
    """Nothing vouches for an agent who answers Redmine's mail about a private note: what he writes becomes a private
    note in the bridge's name, and neither its text nor its subject nor its Cc is in the customer's next mail.
    """
    asked(desk)
    private = desk.redmine.writes(1, BOB, "Does he pay?", private=True)
    made = desk.redmine.journal(private)["created_on"]
    answered = f"<redmine.journal-{private}.{stamp(made)}.2@redmine.example.com>"
    tag, inside = "Re: [Desk - Bug #1] Debts", "chief@example.com"
    desk.mail(writes("Anna <anna@example.com>", tag, SECRET, proven=False, In_Reply_To=answered, Cc=inside))
    desk.turn()
    assert [True] == [one["private_notes"] for one in desk.redmine.issues[1]["journals"] if SECRET in one["notes"]]
    desk.redmine.writes(1, BOB, "We look at it.")
    desk.turn()
    ((to, mail),) = sent_mails(desk)
    assert (KIM, "Re: Printer on fire", set()) == (to, mail["Subject"], copied(mail))
    assert SECRET not in text_of(mail)
    assert "> It burns." in text_of(mail)


@pytest.mark.fault("O2")
def test_a_note_that_was_made_private_is_not_quoted(desk: HelpDesk) -> None:
    """A supplier in Cc answers, an agent makes that note private: the customer's next mail quotes the customer."""
    asked(desk, Cc=SUPPLIER)
    desk.mail(writes(SUPPLIER, "Re: [Desk - Bug #1] x", SECRET))
    desk.turn()
    (note,) = [one for one in desk.redmine.issues[1]["journals"] if SECRET in one["notes"]]
    note["private_notes"] = True
    desk.redmine.touch(1)
    desk.redmine.writes(1, BOB, "We look at it.")
    desk.turn()
    assert {KIM, SUPPLIER} == {to for to, _ in sent_mails(desk)}
    for _, mail in sent_mails(desk):
        assert SECRET not in mail.as_string()
        assert "> It burns." in text_of(mail)


@pytest.mark.fault("O2")
def test_an_agents_unproven_answer_is_not_the_customers(desk: HelpDesk) -> None:
    """An agent's mail that nothing proves is a public note of the bridge's: neither his Cc nor his subject is the
    customer's.
    """
    asked(desk)
    answered = f"<redmine.issue-1.{stamp(desk.redmine.issues[1]['created_on'])}.2@redmine.example.com>"
    inside = "chief@example.com"
    desk.mail(
        writes(
            "Anna <anna@example.com>",
            "Re: [Desk - Bug #1] x",
            "By mail.",
            proven=False,
            In_Reply_To=answered,
            Cc=inside,
        )
    )
    desk.turn()
    assert any("By mail." in one["notes"] for one in desk.redmine.issues[1]["journals"])
    desk.redmine.writes(1, BOB, "We look at it.")
    desk.turn()
    ((to, mail),) = sent_mails(desk)
    assert (KIM, "Re: Printer on fire", set()) == (to, mail["Subject"], copied(mail))
    assert "By mail." not in text_of(mail)


@pytest.mark.fault("O2")
def test_what_an_agent_has_taken_out_is_not_quoted(desk: HelpDesk) -> None:
    """What the customer wrote is quoted as long as it stands there: not the password that an agent has taken out."""
    desk.mail(writes(KIM, text="My password is hunter2"))
    desk.turn()
    desk.redmine.issues[1]["description"] = "My password is (removed)"
    desk.redmine.writes(1, BOB, "We look at it.")
    desk.turn()
    ((_, mail),) = sent_mails(desk)
    assert "hunter2" not in mail.as_string()
    assert "Re: Printer on fire" == mail["Subject"]


@pytest.mark.fault("O4", "V5")
def test_a_forged_mail_puts_nobody_into_cc(desk: HelpDesk) -> None:
    """A mail in the requester's name that nothing proves puts nobody into Cc; a private note says who is left out."""
    asked(desk, Cc=BOSS)
    desk.mail(writes(f"Kim Client <{KIM}>", "Re: [#1]", "And?", proven=False, Cc="Mallory <mallory@evil.example>"))
    desk.turn()
    desk.redmine.writes(1, BOB, "We look at it.")
    for _ in range(2):
        desk.turn()
    assert {KIM, BOSS} == {to for to, _ in sent_mails(desk)}
    assert [{BOSS}] * 2 == [copied(mail) for _, mail in sent_mails(desk)]
    assert 1 == private_notes(desk).count("mallory@evil.example")
    assert "not in Cc (not proven): mallory@evil.example" in desk.story()


def test_a_cc_is_proven_by_the_answer_to_a_mail_of_ours(desk: HelpDesk) -> None:
    """Where no mail server vouches, who answers a mail that we sent to that very address is proven to be there: Cc
    holds whom that answer names. Somebody else who knows the id is not.
    """
    desk.mail(writes(KIM, proven=False))
    desk.turn()
    desk.redmine.writes(1, BOB, "We look at it.")
    desk.turn()
    ((_, first),) = sent_mails(desk)
    ours = str(first["Message-ID"])
    desk.mail(
        writes("lee@client.example", "Re: x", "Me too.", proven=False, In_Reply_To=ours, Cc="mallory@evil.example")
    )
    desk.turn()
    desk.redmine.writes(1, BOB, "Still looking.")
    desk.turn()
    assert [KIM, KIM] == [to for to, _ in sent_mails(desk)]
    desk.mail(writes(KIM, "Re: x", "And?", proven=False, In_Reply_To=ours, Cc=BOSS))
    desk.turn()
    desk.redmine.writes(1, BOB, "Done.")
    desk.turn()
    assert [KIM, KIM, KIM, BOSS] == [to for to, _ in sent_mails(desk)]


@pytest.mark.fault("V5")
@pytest.mark.parametrize("forger", [BOSS, KIM])
def test_whoever_shares_a_conversation_proves_nothing_by_its_ids(desk: HelpDesk, forger: str) -> None:
    """What we have mailed to two people proves neither of them: each could write in the other's name. Nor does an older
    mail that only one of them got, since the later one refers to it. The Cc of before stays, and the agents are told.
    """
    desk.mail(writes(KIM, proven=False))
    desk.turn()
    desk.redmine.writes(1, BOB, "We look at it.")
    desk.turn()
    ((_, first),) = sent_mails(desk)
    desk.mail(writes(KIM, "Re: x", "And?", proven=False, In_Reply_To=str(first["Message-ID"]), Cc=BOSS))
    desk.turn()
    desk.redmine.writes(1, BOB, "Still looking.")
    desk.turn()
    shared = sent_mails(desk)[-1][1]
    assert [KIM, KIM, BOSS] == [to for to, _ in sent_mails(desk)]
    assert str(first["Message-ID"]) in str(shared["References"])
    desk.post.taken.clear()
    refers = {"In_Reply_To": str(shared["Message-ID"]), "References": f"{first['Message-ID']} {shared['Message-ID']}"}
    desk.mail(writes(forger, "Re: x", "Tell him too.", proven=False, Cc="mallory@evil.example", **refers))
    desk.turn()
    desk.redmine.writes(1, BOB, "Done.")
    for _ in range(2):
        desk.turn()
    assert {KIM, BOSS} == {to for to, _ in sent_mails(desk)}
    assert 1 == private_notes(desk).count("mallory@evil.example")


@pytest.mark.fault("A16-1")
@pytest.mark.parametrize("field", ["to", "Cc"])
def test_whom_the_customers_own_answer_names_proves_nothing_by_our_id(desk: HelpDesk, field: str) -> None:
    """Whoever got the customer's answer to a mail of ours, in To or Cc, has its id from there: a mail in the customer's
    name that bears it is not proven by it, before we have mailed that one as after, and names nobody for Cc. The
    customer's answer alone keeps proving.
    """
    desk.mail(writes(KIM, proven=False))
    desk.turn()
    desk.redmine.writes(1, BOB, "We look at it.")
    desk.turn()
    ((_, first),) = sent_mails(desk)
    ours = str(first["Message-ID"])
    desk.mail(writes(KIM, "Re: x", "And?", proven=False, In_Reply_To=ours))
    desk.turn()
    named = {"to": "desk@example.com, sue@parts.example", "Cc": SUPPLIER}[field]
    desk.mail(writes(KIM, "Re: x", "Sue knows.", proven=False, In_Reply_To=ours, **{field: named}))
    desk.turn()
    desk.mail(writes(KIM, "Re: x", "Tell him too.", proven=False, In_Reply_To=ours, Cc="mallory@evil.example"))
    desk.turn()
    desk.post.taken.clear()
    desk.redmine.writes(1, BOB, "Done.")
    for _ in range(2):
        desk.turn()
    assert {KIM} | ({SUPPLIER} if field == "Cc" else set()) == {to for to, _ in sent_mails(desk)}
    assert "mallory@evil.example" in private_notes(desk)


@pytest.mark.fault("O21")
def test_a_project_that_was_made_private_just_now(desk: HelpDesk) -> None:
    """What is written once the project is private is not mailed, however short ago it was public."""
    with desk.application() as made:
        desk.mail(writes(KIM))
        desk.turn(made)
        desk.redmine.writes(1, BOB, "In public.")
        desk.turn(made)
        desk.redmine.public = False
        desk.redmine.writes(1, BOB, SECRET)
        desk.turn(made)
    assert ["In public."] == [text_of(mail).splitlines()[0] for _, mail in sent_mails(desk)]
    assert "answers.private_projects" in desk.story()


@pytest.mark.fault("O25")
def test_an_escalation_in_a_private_project_reaches_the_team(desk: HelpDesk) -> None:
    """Of those whom a rule names, the customer alone is left out where the project is private; the record says so."""
    then = {"mail": "escalation", "mail_to": ["requester", "assignee", "chief@example.com"]}
    desk.change({"rules": [{"name": "old", "when": {"created": "1h"}, "then": then}]})
    asked(desk)
    desk.redmine.public = False
    desk.redmine.issues[1]["created_on"] = iso(time.time() - 7200)
    desk.redmine.touch(1)
    for _ in range(2):
        desk.turn()
    assert ["anna@example.com", "chief@example.com"] == [to for to, _ in sent_mails(desk)]
    assert "not to the customer: the project or the issue is private" in desk.story()


@pytest.mark.fault("L12")
def test_a_rules_closing_note_reaches_those_in_cc(desk: HelpDesk) -> None:
    """A rule closes with a note and mails the customer; those in Cc are told of it too, with the note."""
    then = {"status": "Closed", "note": "Nobody answered.", "mail": "closed", "mail_to": ["requester"]}
    desk.change({"rules": [{"name": "old", "when": {"created": "1h"}, "then": then}]})
    desk.change({"mailboxes": {"desk": {"answers": {"closed": True}}}})
    asked(desk, Cc=BOSS)
    desk.redmine.issues[1]["created_on"] = iso(time.time() - 7200)
    desk.redmine.touch(1)
    for _ in range(2):
        desk.turn()
    assert {KIM, BOSS} == {to for to, _ in sent_mails(desk)}
    assert [True, True] == ["Nobody answered." in text_of(mail) for _, mail in sent_mails(desk)]


@pytest.mark.fault("O9")
def test_a_note_that_closes_goes_out_as_any_note(desk: HelpDesk) -> None:
    """An agent's last words go out although ten acknowledgements went to that address just before, and although the
    customer's mail looked like a machine's; they are a person's mail.
    """
    desk.change({"mailboxes": {"desk": {"answers": {"received": True, "closed": True}}}})
    for _ in range(12):
        desk.mail(writes(KIM))
    desk.mail(writes("lee@client.example", Precedence="bulk"))
    desk.turn()
    assert 10 == len(sent_mails(desk))
    desk.post.taken.clear()
    (other,) = [number for number, one in desk.redmine.issues.items() if "lee@client.example" in one["description"]]
    desk.redmine.writes(2 if other == 1 else 1, BOB, "A new printer stands there.", status=5)
    desk.redmine.writes(other, BOB, "Yours too.", status=5)
    desk.turn()
    assert {KIM: "A new printer stands there.", "lee@client.example": "Yours too."} == {
        to: next(line for line in text_of(mail).splitlines() if line.endswith((" there.", " too.")))
        for to, mail in sent_mails(desk)
    }
    assert [None, None] == [mail["Auto-Submitted"] for _, mail in sent_mails(desk)]


@pytest.mark.fault("O12")
def test_an_issue_that_redmine_fails_on_holds_back_no_other(desk: HelpDesk) -> None:
    """Redmine answers 500 about four issues, before and behind another: that one's answer goes out, the record of the
    others says why theirs do not, and they follow when Redmine has been mended.
    """
    for number in range(1, 6):
        desk.mail(writes(f"p{number}@client.example", text=f"I am {number}"))
    with desk.application() as made:
        desk.turn(made)
        for number in range(1, 6):
            desk.redmine.writes(number, BOB, "We look at it.")
        good = next(number for number, one in desk.redmine.issues.items() if "I am 3" in one["description"])
        desk.redmine.fails = set(range(1, 6)) - {good}
        for _ in range(2):
            desk.turn(made)
        assert ["p3@client.example"] == [to for to, _ in sent_mails(desk)]
        assert "Redmine fails on it" in desk.story()
    desk.redmine.fails = set()
    desk.turn()
    assert 5 == len(sent_mails(desk))


@pytest.mark.fault("O3")
def test_an_issue_that_nothing_can_be_made_of_holds_back_no_other(desk: HelpDesk) -> None:
    """Whatever is wrong with one issue, the others have their turn, and its record says that it had not."""
    for number in range(1, 4):
        desk.mail(writes(f"p{number}@client.example"))
    desk.turn()
    for number in range(1, 4):
        desk.redmine.writes(number, BOB, "We look at it.")
    del desk.redmine.issues[2]["journals"][-1]["id"]
    desk.turn()
    assert 2 == len(sent_mails(desk))
    assert "internal error (KeyError)" in desk.story()


@pytest.mark.fault("O3")
def test_an_acknowledgement_that_cannot_be_composed_leaves_its_mail_done(desk: HelpDesk) -> None:
    """Whatever keeps an acknowledgement from being written, the mail ends as it should, and its record says why."""
    desk.change({"mailboxes": {"desk": {"answers": {"received": True}}}})
    evil = "=?utf-8?b?/w==?=\u00e4@x"
    desk.mail(writes(KIM, Message_ID=f"<{evil}>"))
    desk.turn()
    with desk.application() as made:
        from redmine_mailbridge.store.queries.messages import MessageFilter

        (row,) = made.message_queries.messages(MessageFilter())
    assert (1, "done", "Processed") == (len(desk.redmine.issues), row.state.value, row.filed_to)


def composed(desk: HelpDesk, made: Any) -> None:
    """What agents wrote stands in the outbox; nothing has left yet."""
    receive_once(made.receivers)
    Updater(made.tasks.steps).once(threading.Event())
    assert not sent_mails(desk)


@pytest.mark.fault("A13-O1")
@pytest.mark.parametrize("what", ["note", "removed", "issue", "project"])
def test_what_became_private_while_its_mail_waited_does_not_leave(desk: HelpDesk, what: str) -> None:
    """A mail waits in the outbox (a server that is away, a limit), and its note, its issue or its project is made
    private, or the note is removed: the mail does not leave, neither to the customer nor to those in Cc, and the
    record says why.
    """
    asked(desk, Cc=BOSS)
    with desk.application() as made:
        number = desk.redmine.writes(1, BOB, SECRET)
        composed(desk, made)
        match what:
            case "note":
                desk.redmine.journal(number)["private_notes"] = True
            case "removed":
                desk.redmine.issues[1]["journals"].clear()
            case "issue":
                desk.redmine.issues[1]["is_private"] = True
            case _:
                desk.redmine.public = False
        made.sending.once()
        assert [] == sent_mails(desk)
        why = "its note is private now, or gone" if what in {"note", "removed"} else "answers.private_projects"
        assert why in desk.story()
        assert 0 == made.sending.once().waiting


@pytest.mark.fault("A13-O1")
def test_a_mail_waits_while_redmine_does_not_say_who_may_read_it(desk: HelpDesk) -> None:
    """Redmine fails on an issue whose mail waits: that mail waits on, another issue's leaves; an acknowledgement, which
    tells a sender of his own mail, asks nobody.
    """
    desk.change({"mailboxes": {"desk": {"answers": {"received": True}}}})
    for name in ("p1", "p2"):
        desk.mail(writes(f"{name}@client.example"))
    desk.turn()
    assert 2 == len(sent_mails(desk))
    desk.post.taken.clear()
    with desk.application() as made:
        for number in (1, 2):
            desk.redmine.writes(number, BOB, "We look at it.")
        desk.mail(writes("p3@client.example"))
        composed(desk, made)
        desk.redmine.fails = {1, 3}
        made.sending.once()
        fails = next(n for n in (1, 2) if "p1@" in desk.redmine.issues[n]["description"])
        left = "p2@client.example" if fails == 1 else "p1@client.example"
        assert {left, "p3@client.example"} == {to for to, _ in sent_mails(desk)}
        assert 1 == made.sending.once().waiting


def answers_private_note(desk: HelpDesk, about: int, *, proven: bool, sender: str = "anna@example.com") -> None:
    """An agent answers Redmine's mail about a private note; that mail brings the issue's text along, and in it a marker
    of ours that stands for issue 1.
    """
    with desk.application() as made:
        marker = made.mailer.profiles["desk"].signer.marker(1)
    note = desk.redmine.journal(desk.redmine.writes(about, BOB, "Does he pay?", private=True))
    answered = f"<redmine.journal-{note['id']}.{stamp(note['created_on'])}.2@redmine.example.com>"
    words = f"{SECRET}\n\nOn Monday, Bob wrote:\n> Does he pay?\n> It burns. {marker}\n"
    tag = f"Re: [Desk - Bug #{about}] Debts"
    desk.mail(writes(f"Anna <{sender}>", tag, words, proven=proven, In_Reply_To=answered))
    desk.turn()


def said(desk: HelpDesk) -> list[tuple[int, bool]]:
    """Where the private words stand: the issue, and whether they are private there."""
    notes = [(number, one) for number, issue in desk.redmine.issues.items() for one in issue["journals"]]
    found = [(number, one["private_notes"]) for number, one in notes if SECRET in one["notes"]]
    issues = desk.redmine.issues.items()
    return found + [(number, one["is_private"]) for number, one in issues if SECRET in one["description"]]


@pytest.mark.fault("A13-I5")
@pytest.mark.parametrize("proven", [True, False])
@pytest.mark.parametrize("about", [1, 2])
def test_an_answer_to_a_private_note_stays_private_whatever_it_quotes(desk: HelpDesk, proven: bool, about: int) -> None:
    """What an agent answers to Redmine's mail about a private note is a private note on that note's issue, though what
    he quotes holds our marker, of this issue or of another one.
    """
    asked(desk)
    desk.mail(writes("lee@client.example"))
    desk.turn()
    desk.redmine.issues[2]["assigned_to"] = {"id": ANNA, "name": "Anna Agent"}
    answers_private_note(desk, about, proven=proven)
    assert [(about, True)] == said(desk)


@pytest.mark.fault("A13-I6")
def test_an_answer_to_a_private_note_that_reaches_nothing_is_a_private_issue(desk: HelpDesk) -> None:
    """Nothing proves an agent who takes no part in the issue: his answer to a private note there is a new issue, which
    is private.
    """
    asked(desk)
    desk.redmine.issues[1]["is_private"] = True
    answers_private_note(desk, 1, proven=False, sender="bob@example.com")
    assert [(2, True)] == said(desk)


@pytest.mark.fault("A13-I6")
def test_an_answer_to_a_private_note_that_starts_a_new_issue_is_private(desk: HelpDesk) -> None:
    """Where a reply to a closed issue is a new one, that to a private note there is a private issue."""
    desk.change({"mailboxes": {"desk": {"issue": {"closed_reply": "new"}}}})
    asked(desk)
    desk.redmine.issues[1]["status"] = {"id": 5, "name": "Closed", "is_closed": True}
    answers_private_note(desk, 1, proven=True)
    assert [(2, True)] == said(desk)


@pytest.mark.fault("A16-6")
@pytest.mark.parametrize("named", ["redmine@m\u00fcller.example", "redmine@xn--mller-kva.example"])
@pytest.mark.parametrize("domain", ["m\u00fcller.example", "xn--mller-kva.example", "XN--MLLER-KVA.example"])
def test_redmines_domain_is_the_same_in_either_spelling(desk: HelpDesk, named: str, domain: str) -> None:
    """Whether the settings and a mail name the domain that Redmine sends from in its own script or in ASCII: an answer
    to its note that the key does not see is private, and its own mail makes no issue.
    """
    desk.change({"redmine": {"mail_from": named}})
    asked(desk)
    opened = f"<redmine.issue-1.{stamp(desk.redmine.issues[1]['created_on'])}.2@{domain}>"
    unseen = f"<redmine.journal-777.{stamp(iso())}.2@{domain}>"
    chain = {"In_Reply_To": unseen, "References": f"{opened} {unseen}"}
    desk.mail(writes("Anna <anna@example.com>", "Re: [Desk - Bug #1] Debts", SECRET, **chain))
    desk.mail(writes(f"Redmine <redmine@{domain}>", "Something new"))
    desk.turn()
    assert [(1, True)] == said(desk)
    assert [1] == list(desk.redmine.issues)

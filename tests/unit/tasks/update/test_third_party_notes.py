"""Notes to third parties: to whom they go, with what, in which thread, and why others go to no one."""

import threading
from dataclasses import replace
from typing import Any

import pytest

from redmine_mailbridge.redmine.issue_visibility import visible_issue
from redmine_mailbridge.tasks.update.agent_notes import AgentNoteMailer
from redmine_mailbridge.tasks.update.update import Updater
from tests.helpdesk import ANNA, BOB, BRIDGE, HelpDesk, iso, new_mails, text_of, writes
from tests.unit.tasks.update.test_agent_notes import files

KIM, SUE, SAM = "kim@client.example", "sue@parts.example", "sam@parts.example"


@pytest.fixture
def values() -> dict[str, Any]:
    """Notes may go to third parties; nothing else is mailed by itself."""
    answers = {
        "received": False,
        "received_reply": False,
        "closed": False,
        "third_parties": True,
        "command_roles": ["Agent"],
    }
    return {"mailboxes": {"desk": {"answers": answers}}, "outgoing": {"from_name": "{agent} via Example support"}}


@pytest.fixture
def asked(desk: HelpDesk) -> HelpDesk:
    """Kim has written, and her mail is issue 1."""
    desk.turn()
    desk.mail(writes(f"Kim Client <{KIM}>", "Kim's printer", "It burns."))
    desk.turn()
    return desk


def to_third_party(desk: HelpDesk, text: str, *, private: bool = True, **more: bytes) -> list[tuple[str, Any]]:
    """An agent writes a note. Return the mails that leave by it."""
    desk.redmine.writes(1, BOB, text, private=private, **more)
    desk.turn()
    return new_mails(desk)


def told(desk: HelpDesk) -> list[str]:
    """What the bridge tells the agents on the issue."""
    entries = desk.redmine.issues[1]["journals"]
    return [one["notes"] for one in entries if one["user"]["id"] == BRIDGE and one["private_notes"]]


@pytest.mark.fault("O2")
def test_a_note_goes_to_whom_it_names(asked: HelpDesk) -> None:
    """The note and its files go to all whom it names, in one mail that says nothing of the customer; once."""
    mails = to_third_party(asked, f"/to Sue <{SUE}>, {SAM}\nCan you deliver *today*?", plan=b"step 1")
    asked.turn()
    assert [SUE, SAM] == [to for to, _ in mails]
    for _, mail in mails:
        assert ("[#1] Example support", [("plan", b"step 1")]) == (mail["Subject"], files(mail))
        assert f"Sue <{SUE}>, {SAM}" == mail["To"]
        assert "Bob Builder via Example support <desk@example.com>" == mail["From"]
        assert (None, None, None) == (mail["In-Reply-To"], mail["References"], mail["Auto-Submitted"])
        assert "Can you deliver" in text_of(mail)
        assert "/to" not in text_of(mail)
        for secret in ("Kim", "client.example", "burns", "printer"):
            assert secret not in mail.as_string()
    assert [] == new_mails(asked)
    assert f"by Bob Builder: mailed to third parties: {SUE}, {SAM}" in asked.story()


def test_each_set_of_addresses_has_a_thread(asked: HelpDesk) -> None:
    """A mail answers the one before it to the same addresses, not to others."""
    first, second = (to_third_party(asked, f"/to {SUE}\nOne.")[0][1], to_third_party(asked, f"/to {SUE}, {SAM}\nTwo."))
    third = to_third_party(asked, f"/to {SUE}\nThree.")[0][1]
    assert None is second[0][1]["References"]
    assert (first["Message-ID"], first["Message-ID"]) == (third["In-Reply-To"], third["References"])


REFUSED = {
    "it is public": (f"/to {SUE}\nHello", False, "only a private note is"),
    "it names the customer": (f"/to {KIM}, {SUE}\nHello", True, "it names the customer"),
    "it names us": (f"/to {SUE}, desk@example.com\nHello", True, "an address of our own"),
    "it says nothing": (f"/to {SUE}", True, "it has no text"),
    "it names no address": ("/to sue\nHello", True, "/to"),
    "it has another command": (f"/to {SUE}\n/cc {SAM}\nHello", True, "can have no other command (/cc)"),
    "it is not to be mailed": (f"/nomail\n/to {SUE}\nHello", True, "/nomail"),
    "it is to stay private": (f"/private\n/to {SUE}\nHello", True, "/private"),
    "it names too many": (f"/to {' '.join(f'a{n}@parts.example' for n in range(21))}\nHello", True, "more than 20"),
}


@pytest.mark.fault("O2")
@pytest.mark.fault("A37-6")
@pytest.mark.parametrize("name", REFUSED)
def test_what_goes_to_no_one(asked: HelpDesk, name: str) -> None:
    """A note that cannot be mailed as it stands is mailed to no one, and one private note says why."""
    text, private, why = REFUSED[name]
    assert [] == to_third_party(asked, text, private=private)
    asked.turn()
    assert [] == new_mails(asked)
    (line,) = told(asked)
    assert "was not mailed" in line
    assert why in line.replace("\\", "")


@pytest.mark.fault("A37-3")
def test_a_file_that_is_deleted_while_the_mail_waits(asked: HelpDesk) -> None:
    """The mail does not leave with it."""
    asked.redmine.writes(1, BOB, f"/to {SUE}\nHere is the plan.", private=True, plan=b"of another customer")
    with asked.application() as made:
        Updater(made.tasks.steps).once(threading.Event())
        asked.redmine.issues[1]["attachments"].clear()
        asked.redmine.touch(1)
        made.sending.once()
    assert [] == new_mails(asked)
    assert "deleted in Redmine since: plan" in asked.story()


@pytest.mark.fault("A37-26")
def test_a_reply_right_after_the_note(asked: HelpDesk) -> None:
    """A customer's reply that becomes a note before the update run does not hide the note to a third party: the issue
    is copied as it was read after the reply.
    """
    with asked.application() as made:  # the issue is known, and what follows is the only change
        row = made.issue_sync.reread(1)
        assert row is not None
        asked.redmine.issues[1]["updated_on"] = iso(row.updated_on - 3600)
        made.issue_sync.reread(1)
    asked.redmine.writes(1, BOB, f"/to {SUE}\nCan you deliver?", private=True)
    asked.mail(writes(KIM, "Re: Kim's printer [#1]", "It still burns."))
    asked.turn()
    assert "It still burns." in asked.redmine.issues[1]["journals"][-1]["notes"]
    assert [SUE] == [to for to, _ in new_mails(asked)]


@pytest.mark.fault("A37-5")
def test_the_marker_may_be_the_first_line(asked: HelpDesk) -> None:
    """A note is for third parties wherever the command is among the first lines, as for notes to the customer."""
    ((to, mail),) = to_third_party(asked, f"/mail\n/to {SUE}\nHello")
    assert SUE == to
    assert "/mail" not in text_of(mail)


@pytest.mark.fault("A37-7")
@pytest.mark.parametrize("third_parties", [True, False])
def test_a_public_note_is_hidden_by_its_command(asked: HelpDesk, third_parties: bool) -> None:
    """`/private` makes it private, whether it names third parties and they may be written to or not."""
    asked.change({"mailboxes": {"desk": {"answers": {"third_parties": third_parties}}}})
    asked.turn()
    assert [] == to_third_party(asked, f"/private\n/to {SUE}\nHello", private=False)
    asked.turn()
    (note,) = (one for one in asked.redmine.issues[1]["journals"] if one["user"]["id"] == BOB)
    assert note["private_notes"]
    assert [] == new_mails(asked)


@pytest.mark.fault("A37-14")
def test_rights_count_in_the_project_where_the_issue_is(asked: HelpDesk) -> None:
    """Not in the one where it was when it was copied."""
    asked.redmine.writes(1, BOB, f"/to {SUE}\nHello", private=True)
    with asked.application() as made:
        (step,) = (one for one in made.tasks.steps if isinstance(one, AgentNoteMailer))
        step._issue_sync.refresh()
        row, visible = step._issues.get(1), visible_issue(made.client, 1)
        assert row is not None
        assert visible is not None
        entry, mailing = visible.issue_data["journals"][-1], step._mailings["desk"]
        assert 1 == step._decider.decide(replace(row, project_id=8), visible, entry, mailing, by_agent=True)


def test_other_private_notes_are_not_even_decided(asked: HelpDesk) -> None:
    """A private note without the command goes to no one; made public later, it goes to the customer."""
    assert [] == to_third_party(asked, "He never pays.")
    asked.redmine.issues[1]["journals"][-1]["private_notes"] = False
    asked.redmine.touch(1)
    asked.turn()
    assert [KIM] == [to for to, _ in new_mails(asked)]


def test_without_the_setting_it_is_a_private_note(asked: HelpDesk) -> None:
    """Nothing private is mailed unless the mailbox allows it; notes of that time are not mailed later."""
    asked.change({"mailboxes": {"desk": {"answers": {"third_parties": False}}}})
    assert [] == to_third_party(asked, f"/to {SUE}\nHello")
    asked.change({"mailboxes": {"desk": {"answers": {"third_parties": True}}}})
    asked.turn()
    assert ([], []) == (new_mails(asked), told(asked))
    assert [SUE] == [to for to, _ in to_third_party(asked, f"/to {SUE}\nHello again")]


def test_notes_to_customers_may_be_off(asked: HelpDesk) -> None:
    """It does not need `answers.notes`, and the issue or its project may be private."""
    asked.change({"mailboxes": {"desk": {"answers": {"notes": "never"}}}})
    asked.redmine.public = False
    assert [SUE] == [to for to, _ in to_third_party(asked, f"/to {SUE}\nHello")]


@pytest.mark.fault("O2")
def test_a_note_is_looked_at_again_before_it_leaves(asked: HelpDesk) -> None:
    """What was deleted, or addressed to somebody else, after it was queued is not sent."""
    asked.post.answers["sue"] = "550 not now"
    assert [] == to_third_party(asked, f"/to {SUE}\nHello")
    next(one for one in asked.redmine.issues[1]["journals"] if one["user"]["id"] == BOB)["notes"] = f"/to {SAM}\nHello"
    asked.post.answers.clear()
    assert "does not name this address" in asked.command("queue", "retry", "--all").output
    asked.turn()
    assert [] == new_mails(asked)


CHANGED = {
    "a longer address": f"/to other-{SUE}\nHello",
    "an address that goes on": f"/to {SUE}.test\nHello",
    "a word about it": f"/to {SAM}\nNot for {SUE}, she is away.",
    "not to third parties": f"Ask {SUE}.",
    "a text that names it further down": f"Hello\n/to {SUE}",
    "a quotation": f"> /to {SUE}\n\nWhat was that?",
    "code": f"<pre>\n/to {SUE}\n</pre>",
}


@pytest.mark.fault("A35-1")
@pytest.mark.parametrize("name", CHANGED)
def test_who_is_no_longer_named_gets_nothing(asked: HelpDesk, name: str) -> None:
    """Only a command at the top of the note names it, as when the note was decided; one that was made public goes to
    no one.
    """
    asked.post.answers["sue"] = "550 not now"
    assert [] == to_third_party(asked, f"/to {SUE}\nHello")
    entry = next(one for one in asked.redmine.issues[1]["journals"] if one["user"]["id"] == BOB)
    asked.post.answers.clear()
    for text, private in ((CHANGED[name], True), (entry["notes"], False)):
        entry.update(notes=text, private_notes=private)
        assert "does not name this address" in asked.command("queue", "retry", "--all").output
        asked.turn()
        assert [] == new_mails(asked)


@pytest.mark.parametrize(
    "edited", [f"/mail\n\n/to *{SUE}*\nHello", f"<p>/to <a href='mailto:{SUE}'>Sue</a></p><p>Hello</p>"]
)
def test_who_is_still_named_gets_it(asked: HelpDesk, edited: str) -> None:
    """However the command is written now, by the same rules: the marker may precede it, and it may be markup."""
    asked.redmine.writes(1, BOB, f"/to {SUE}\nHello", private=True)
    with asked.application() as made:
        Updater(made.tasks.steps).once(threading.Event())
    asked.redmine.issues[1]["journals"][0]["notes"] = edited
    asked.turn()
    assert [SUE] == [to for to, _ in new_mails(asked)]


@pytest.mark.fault("A35-2")
def test_each_recipient_is_looked_up(asked: HelpDesk) -> None:
    """Of two whom a note named, the one whom it names no longer gets nothing, although the other is still named."""
    asked.redmine.writes(1, BOB, f"/to {SUE}, {SAM}\nHello", private=True)
    with asked.application() as made:
        Updater(made.tasks.steps).once(threading.Event())
    asked.redmine.issues[1]["journals"][0]["notes"] = f"/to {SUE}\nHello"
    asked.turn()
    assert [SUE] == [to for to, _ in new_mails(asked)]


@pytest.mark.fault("A35-3")
def test_the_customer_by_another_subaddress(desk: HelpDesk) -> None:
    """It is the customer, whichever the subaddress: nothing private goes there, and no reply makes a third party."""
    desk.turn()
    desk.mail(writes("kim+shop@client.example", "Kim's printer", "It burns."))
    desk.turn()
    assert [] == to_third_party(desk, f"/to {KIM}\nHello")
    desk.turn()
    assert "it names the customer" in told(desk)[0]
    ((_, mail),) = to_third_party(desk, f"/to {SUE}\nHello")
    desk.mail(writes(KIM, "Re: yours", "I see.", In_Reply_To=mail["Message-ID"], proven=True))
    desk.turn()
    assert desk.redmine.issues[1]["journals"][-1]["private_notes"]
    desk.redmine.writes(1, ANNA, f"/cc {KIM}\nDone.")
    desk.turn()
    assert {"kim+shop@client.example", KIM} == {to for to, _ in new_mails(desk)}


@pytest.mark.fault("A35-4")
def test_a_third_party_who_was_the_requester(asked: HelpDesk) -> None:
    """Once the customer is the requester again, the note that says so does not go to the third party either."""
    to_third_party(asked, f"/to {SUE}\nCan you deliver?")
    asked.redmine.writes(1, ANNA, f"/requester {SUE}\nDear Sue")
    asked.turn()
    assert SUE in {to for to, _ in new_mails(asked)}
    asked.mail(writes(SUE, "Re: [Desk - Bug #1] Kim's printer", "I am the customer.", proven=True))
    asked.turn()
    new_mails(asked)
    asked.redmine.writes(1, ANNA, f"/requester {KIM}\nDear Kim")
    asked.turn()
    assert {KIM} == {to for to, _ in new_mails(asked)}


@pytest.mark.fault("A35-6")
def test_the_marker_is_not_mailed(asked: HelpDesk) -> None:
    """The word that marks notes to the customer is no part of the text, in front of which it is."""
    asked.change({"mailboxes": {"desk": {"answers": {"notes": "marked"}}}})
    ((_, mail),) = to_third_party(asked, f"/to {SUE}\n/mail\nHello")
    assert "/mail" not in text_of(mail)


def test_the_customers_answer_does_not_know_of_it(asked: HelpDesk) -> None:
    """The supplier replies to all; the next answer goes to the customer alone, and quotes the customer alone."""
    ((_, mail),) = to_third_party(asked, f"/to {SUE}\nCan you deliver?")
    reply = {"In_Reply_To": mail["Message-ID"], "Cc": KIM}
    asked.mail(writes(SUE, f"Re: {mail['Subject']}", "Not before May. It costs 7 EUR.", **reply))
    asked.turn()
    (note,) = [one for one in asked.redmine.issues[1]["journals"] if "May" in one["notes"]]
    assert note["private_notes"]
    assert [] == new_mails(asked)
    asked.redmine.writes(1, ANNA, "We have ordered it.")
    asked.turn()
    ((to, answer),) = new_mails(asked)
    assert (KIM, "Re: Kim's printer", None) == (to, answer["Subject"], answer["Cc"])
    assert "> It burns." in text_of(answer)
    for secret in ("May", "parts.example", "7 EUR", "third_party"):
        assert secret not in answer.as_string()


def test_a_customer_who_puts_the_supplier_in_cc(asked: HelpDesk) -> None:
    """Once an agent has written to somebody as a third party, that person is in Cc of no answer, whoever names them."""
    to_third_party(asked, f"/to {SUE}\nCan you deliver?")
    asked.mail(writes(KIM, "Re: [Desk - Bug #1] Kim's printer", "And?", Cc=f"{SUE}, boss@client.example"))
    asked.turn()
    asked.redmine.writes(1, ANNA, "We have ordered it.")
    asked.turn()
    assert {KIM, "boss@client.example"} == {to for to, _ in new_mails(asked)}


def test_mail_that_does_not_arrive_is_reported(asked: HelpDesk) -> None:
    """Agents hear in a private note that a third party did not get the mail."""
    asked.post.answers["sue"] = "550 no such user"
    to_third_party(asked, f"/to {SUE}\nHello")
    asked.turn()
    (line,) = told(asked)
    assert SUE in line
    assert "was not delivered" in line


def test_only_who_may_use_commands(asked: HelpDesk) -> None:
    """Not whose role in the project the settings do not name, nor what such a person has edited."""
    asked.change({"mailboxes": {"desk": {"answers": {"command_roles": ["Manager"]}}}})
    assert [] == to_third_party(asked, f"/to {SUE}\nHello")
    asked.turn()
    (line,) = told(asked)
    assert "may not change who gets mail" in line


def test_an_agent_who_puts_the_supplier_in_cc(asked: HelpDesk) -> None:
    """The command does not bring a third party into the customer's conversation; the agents hear of it."""
    to_third_party(asked, f"/to {SUE}\nCan you deliver?")
    asked.redmine.writes(1, ANNA, f"/cc {SUE}, boss@client.example\nWe have ordered it.")
    asked.turn()
    assert {KIM, "boss@client.example"} == {to for to, _ in new_mails(asked)}
    asked.turn()
    (line,) = told(asked)
    assert SUE in line
    assert "as third parties" in line

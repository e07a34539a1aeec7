"""Agents' notes by mail: which go, to whom, with what, and why another one does not."""

import time
from typing import Any

import pytest

from tests.helpdesk import ANNA, BOB, BRIDGE, CAROL, HelpDesk, iso, new_mails, text_of, writes

KIM, CUSTOMER = "kim@client.example", "carol@client.example"


@pytest.fixture
def values() -> dict[str, Any]:
    """Public notes are mailed, and that an issue is closed; nothing else."""
    answers = {"received": False, "received_reply": False}
    return {"mailboxes": {"desk": {"answers": answers}}}


def files(mail: Any) -> list[tuple[str, bytes]]:
    """The files of a mail."""
    return [(one.get_filename(), one.get_payload(decode=True)) for one in mail.iter_attachments()]


def received(desk: HelpDesk, sender: str = KIM, **fields: str) -> None:
    """Somebody has written, and the mail is an issue."""
    desk.mail(writes(sender, **fields))
    desk.turn()


def private_notes(desk: HelpDesk) -> list[str]:
    """What the bridge tells the agents on the first issue."""
    entries = desk.redmine.issues[1]["journals"]
    return [one["notes"] for one in entries if one["user"]["id"] == BRIDGE and one["private_notes"]]


def test_a_note_goes_out_once_with_its_files(desk: HelpDesk) -> None:
    """A note and the files that came with it are one mail, whatever is run again; files of other notes stay."""
    received(desk)
    desk.redmine.writes(1, BOB, "Not for you.", private=True, inside=b"secret")
    desk.redmine.writes(1, BOB, "See the *plan*.", plan=b"step 1")
    for _ in range(3):
        desk.turn()
    ((to, mail),) = new_mails(desk)
    assert (KIM, [("plan", b"step 1")]) == (to, files(mail))
    assert "See the plan." in text_of(mail).replace("*", "").replace("_", "")
    assert "Bob Builder" in text_of(mail)


@pytest.mark.parametrize(("most", "sent"), [("0", []), ("10", ["small"]), ("20", ["small", "large"])])
def test_files_above_the_limit_are_named(desk: HelpDesk, most: str, sent: list[str]) -> None:
    """Files go as long as there is room for them; the mail names those that are left out, with their size."""
    received(desk)
    desk.change({"mailboxes": {"desk": {"answers": {"max_attachments": int(most)}}}})
    desk.redmine.writes(1, BOB, "The plans.", small=b"12345678", large=b"123456789012")
    desk.turn()
    ((_, mail),) = new_mails(desk)
    assert sent == [name for name, _ in files(mail)]
    left = [name for name in ("small", "large") if name not in sent]
    assert left == [line.split()[1] for line in text_of(mail).splitlines() if line.startswith("- ")]


def test_a_file_that_cannot_be_read_is_named(desk: HelpDesk) -> None:
    """A file that Redmine does not hand out costs the file, not the note."""
    received(desk)
    desk.redmine.writes(1, BOB, "The plans.", good=b"1", gone=b"2")
    lost = max(desk.redmine.files)
    del desk.redmine.files[lost]
    desk.turn()
    ((_, mail),) = new_mails(desk)
    assert [("good", b"1")] == files(mail)
    assert "- gone" in text_of(mail)


def test_a_note_that_was_deleted_or_emptied_meanwhile(desk: HelpDesk) -> None:
    """A note is mailed as it is when it is mailed: one that was deleted or emptied since is not, and the record says so
    once.
    """
    received(desk)
    with desk.application() as made:
        gone = desk.redmine.writes(1, BOB, "Please delete me.")
        emptied = desk.redmine.writes(1, BOB, "Please empty me.")
        hidden = desk.redmine.writes(1, BOB, "Please hide me.")
        desk.redmine.issues[1]["updated_on"] = iso(time.time() - 3600)  # so that it is not read again
        made.issue_sync.refresh(reread_all=True)
        journals = desk.redmine.issues[1]["journals"]
        desk.redmine.journal(emptied)["notes"] = ""
        desk.redmine.journal(hidden)["private_notes"] = True
        desk.redmine.issues[1]["journals"] = [one for one in journals if one["id"] != gone]
        for _ in range(2):
            desk.turn(made)
        with made.store.database.read() as db:
            lines = {row.journal: row.line for row in db.exec_driver_sql("SELECT journal, line FROM answer")}
    assert [] == new_mails(desk)
    assert {
        gone: f"note {gone}: it no longer exists",
        emptied: f"note {emptied} by Bob Builder: not mailed: it has no text",
        hidden: f"note {hidden} by Bob Builder: not mailed: it is private",
    } == lines


def test_notes_from_before_are_not_mailed(desk: HelpDesk) -> None:
    """Where notes are switched on, what was written before stays; while they are off, nothing collects."""
    desk.change({"mailboxes": {"desk": {"answers": {"notes": "never", "closed": False}}}})
    received(desk)
    desk.redmine.writes(1, BOB, "Before.")
    desk.turn()
    for said, setting in (("One.", "public_notes"), ("Two.", "never"), ("Three.", "public_notes")):
        desk.change({"mailboxes": {"desk": {"answers": {"notes": setting}}}})
        desk.turn()
        desk.redmine.writes(1, BOB, said)
        desk.turn()
    assert ["One.", "Three."] == [text_of(mail).splitlines()[0] for _, mail in new_mails(desk)]


@pytest.mark.parametrize("words", ["Here it is.", ""])
def test_an_agent_closes_the_issue(desk: HelpDesk, words: str) -> None:
    """That an agent closed the issue is told to the customer, with the agent's last words when there are any; that it
    was moved between open statuses is not.
    """
    received(desk)
    desk.redmine.writes(1, BOB, "", status=2)
    desk.turn()
    assert [] == new_mails(desk)
    desk.redmine.writes(1, BOB, words, status=5)
    for _ in range(2):
        desk.turn()
    ((to, mail),) = new_mails(desk)
    assert (KIM, bool(words)) == (to, "Here it is." in text_of(mail))
    assert "closed your request #1" in text_of(mail)


def test_an_issue_that_was_opened_again_at_once(desk: HelpDesk) -> None:
    """An issue that is open again when the mail would go is not reported as closed."""
    received(desk)
    desk.redmine.writes(1, BOB, "", status=5)
    desk.redmine.writes(1, BOB, "", status=2)
    desk.turn()
    assert [] == new_mails(desk)


def test_closing_alone(desk: HelpDesk) -> None:
    """Where notes are not mailed, closing is told all the same, without the agent's words."""
    desk.change({"mailboxes": {"desk": {"answers": {"notes": "never"}}}})
    received(desk)
    desk.redmine.writes(1, BOB, "He never pays.", status=5)
    desk.turn()
    ((_, mail),) = new_mails(desk)
    assert "closed your request #1" in text_of(mail)
    assert "pays" not in text_of(mail)


def test_the_bridges_own_changes_are_mailed_to_nobody(desk: HelpDesk) -> None:
    """What the bridge itself writes or changes is no agent's note."""
    received(desk)
    desk.redmine.writes(1, BRIDGE, "Imported.")
    desk.redmine.writes(1, BRIDGE, "", status=2)
    desk.turn()
    assert [] == new_mails(desk)


def test_who_writes_gets_no_copy(desk: HelpDesk) -> None:
    """An agent in Cc who writes the note is not mailed it; the customer and the others are."""
    received(desk, Cc="bob@example.com, anna@example.com")
    desk.redmine.writes(1, BOB, "We look at it.")
    desk.turn()
    assert [KIM, "anna@example.com"] == [to for to, _ in new_mails(desk)]


def test_more_people_in_cc_than_may_be(desk: HelpDesk) -> None:
    """The first `max_cc` get the mail; a private note, written once, names the others."""
    people = [f"p{number}@client.example" for number in range(30)]
    received(desk, Cc=", ".join(people))
    desk.change({"mailboxes": {"desk": {"answers": {"max_cc": 2}}}})
    for words in ("One.", "Two."):
        desk.redmine.writes(1, BOB, words)
        for _ in range(2):
            desk.turn()
    assert [KIM, *people[:2]] * 2 == [to for to, _ in new_mails(desk)]
    (note,) = private_notes(desk)
    assert "the maximum number of addresses (answers.max_cc): `p2@client.example`, `p3@client.example`" in note
    assert note.endswith("`p21@client.example` and 8 more")
    assert "not in Cc (over answers.max_cc): p2@client.example" in desk.story()


def test_no_cc(desk: HelpDesk) -> None:
    """Without `cc` only the customer gets the mail, and nobody is reported as left out."""
    received(desk, Cc="boss@client.example")
    desk.change({"mailboxes": {"desk": {"answers": {"cc": False}}}})
    desk.redmine.writes(1, BOB, "We look at it.")
    for _ in range(2):
        desk.turn()
    assert [KIM] == [to for to, _ in new_mails(desk)]
    assert [] == private_notes(desk)


@pytest.mark.parametrize("setting", ["leave_to_redmine", "mail"])
def test_a_customer_with_an_account(desk: HelpDesk, setting: str) -> None:
    """With `leave_to_redmine` Redmine mails a customer who has an account and is the issue's author; the record says
    so. With `mail` the bridge does.
    """
    desk.change({"mailboxes": {"desk": {"answers": {"redmine_users": setting}}}})
    received(desk, CUSTOMER)
    desk.redmine.issues[1]["author"] = {"id": CAROL, "name": "Carol Customer"}
    desk.redmine.writes(1, BOB, "We look at it.")
    desk.turn()
    assert ([] if setting == "leave_to_redmine" else [CUSTOMER]) == [to for to, _ in new_mails(desk)]
    told = f"not mailed: Redmine mails {CUSTOMER} itself" in desk.story()
    assert told == (setting == "leave_to_redmine")


@pytest.mark.parametrize("why", ["not concerned", "may not see it"])
def test_a_customer_whom_redmine_does_not_mail(desk: HelpDesk, why: str) -> None:
    """A customer with an account who is neither author, assignee nor watcher, or may not see the issue, is mailed by
    the bridge even with `leave_to_redmine`.
    """
    desk.change({"mailboxes": {"desk": {"answers": {"redmine_users": "leave_to_redmine", "private_projects": True}}}})
    received(desk, CUSTOMER)
    concerned = [{"id": CAROL, "name": "Carol Customer"}]
    desk.redmine.issues[1]["author"] = {"id": ANNA, "name": "Anna Agent"}
    desk.redmine.issues[1]["watchers"] = concerned if why == "may not see it" else []
    desk.redmine.public = why != "may not see it"
    desk.redmine.writes(1, BOB, "We look at it.")
    desk.turn()
    assert [CUSTOMER] == [to for to, _ in new_mails(desk)]


def test_a_limit_puts_notes_off(desk: HelpDesk) -> None:
    """A note above the limit waits, those behind it on the same issue with it: none is lost, and their order stays."""
    received(desk)
    said = [f"Note {number}." for number in range(45)]
    for words in said:
        desk.redmine.writes(1, BOB, words)
    with desk.application() as made:
        desk.turn(made)
        desk.send_all(made)
        first = [text_of(mail).splitlines()[0] for _, mail in new_mails(desk)]
        assert said[: len(first)] == first
        assert 0 < len(first) < len(said)
        with made.store.database.write() as db:
            db.exec_driver_sql("UPDATE outbox SET created_at = created_at - 90000")
        desk.turn(made)
        desk.send_all(made)
    assert said[len(first) : len(first) + 1] == [text_of(mail).splitlines()[0] for _, mail in new_mails(desk)][:1]


def test_an_issue_that_is_gone(desk: HelpDesk) -> None:
    """An issue that was deleted when its note would be mailed is left out, and the others are answered."""
    received(desk)
    received(desk, "lee@client.example")
    with desk.application() as made:
        for number in (1, 2):
            desk.redmine.writes(number, BOB, "We look at it.")
        made.issue_sync.refresh()
        del desk.redmine.issues[1]
        assert 0 == desk.turn(made).failed
        assert 0 == desk.turn(made).failed
    assert ["lee@client.example"] == [to for to, _ in new_mails(desk)]


def test_a_mail_that_is_being_written_to_the_issue(desk: HelpDesk) -> None:
    """While a mail is being written to an issue, its newest note may be that mail's: notes wait until it is known."""
    received(desk)
    desk.change({"redmine": {"settle": "1h"}})
    desk.redmine.loses = 1
    desk.mail(writes(KIM, "Re: [#1]", "And?"))
    desk.redmine.writes(1, BOB, "We look at it.")
    desk.turn()
    assert 1 == len(desk.redmine.late)
    assert [] == new_mails(desk)
    desk.redmine.lands()
    desk.change({"redmine": {"settle": "0s"}})
    with desk.application() as made, made.store.database.write() as db:
        db.exec_driver_sql("UPDATE mail SET next_try_at = 0")
    for _ in range(2):
        desk.turn()
    assert ["We look at it."] == [text_of(mail).splitlines()[0] for _, mail in new_mails(desk)]


def test_redmine_is_away(desk: HelpDesk) -> None:
    """While Redmine does not answer, the step says so; the note goes out afterwards, once."""
    received(desk)
    desk.redmine.writes(1, BOB, "We look at it.")
    desk.redmine.down = True
    assert "answers: " in str(desk.turn().error)
    desk.redmine.down = False
    for _ in range(2):
        assert None is desk.turn().error
    assert [KIM] == [to for to, _ in new_mails(desk)]


@pytest.mark.fault("A29-8")
@pytest.mark.parametrize("direct", [True, False])
def test_an_agents_reply_by_mail_reaches_the_customer_once(desk: HelpDesk, direct: bool) -> None:
    """Whoever is in To or Cc of the agent's mail has it, and gets no second one; others do."""
    desk.change({"mailboxes": {"desk": {"issue": {"trust": "authenticated", "agent_replies": "mail"}}}})
    received(desk, Cc="colleague@client.example")
    new_mails(desk)
    copied = {"Cc": f"Kim <{KIM.upper()}>"} if direct else {}
    desk.mail(writes("anna@example.com", subject="Re: [#1] Printer", text="Press it.", **copied))
    with desk.application() as made:
        for _ in range(2):
            desk.turn(made)
        answers = new_mails(desk)
        with made.store.database.read() as db:
            ((line, notified_by),) = db.exec_driver_sql("SELECT line, notified_by FROM answer").fetchall()
    colleague = "colleague@client.example"
    assert ({colleague} if direct else {KIM, colleague}) == {to for to, _ in answers}
    assert "mailed" == notified_by
    assert direct == (f"the agent's mail went to {KIM}" in line)


@pytest.mark.fault("A29-8")
def test_an_agents_reply_that_everybody_has(desk: HelpDesk) -> None:
    """Nothing is sent, the record says why, and the requester counts as notified."""
    desk.change({"mailboxes": {"desk": {"issue": {"trust": "authenticated", "agent_replies": "mail"}}}})
    received(desk)
    desk.mail(writes("anna@example.com", subject="Re: [#1] Printer", text="Press it.", Cc=KIM))
    with desk.application() as made:
        for _ in range(2):
            desk.turn(made)
        with made.store.database.read() as db:
            ((line, notified_by),) = db.exec_driver_sql("SELECT line, notified_by FROM answer").fetchall()
    assert [] == new_mails(desk)
    assert (f"not mailed: the agent's mail went to {KIM} directly", "mailed") == (line.partition(": ")[2], notified_by)


def test_a_reply_by_mail_without_the_marker_is_not_said_to_be_sent(desk: HelpDesk) -> None:
    """Where only marked notes are mailed, the record of an agent's reply without the marker does not claim that the
    customer gets it; with the marker it is mailed, without it.
    """
    answers = {"notes": "marked"}
    issue = {"trust": "authenticated", "agent_replies": "mail"}
    desk.change({"mailboxes": {"desk": {"issue": issue, "answers": answers}}})
    received(desk)
    desk.mail(writes("anna@example.com", subject="Re: [#1] Printer", text="Press it."))
    for _ in range(2):
        desk.turn()
    assert [] == new_mails(desk)
    story = desk.story()
    assert "not mailed: it does not start with /mail" in story
    assert "the reply of the agent anna is sent to the requester" not in story
    assert "treated like a note in Redmine: answers.notes decides whether it is sent to the requester" in story
    desk.mail(writes("anna@example.com", subject="Re: [#1] Printer", text="/mail Press it."))
    for _ in range(2):
        desk.turn()
    ((_, mail),) = new_mails(desk)
    assert ("Press it." in text_of(mail), "/mail" in text_of(mail)) == (True, False)


def test_a_reply_by_mail_of_which_redmine_has_only_a_part_is_not_sent(desk: HelpDesk) -> None:
    """A reply that is too long for a note, and whose file with the whole text Redmine drops: the customer does not get
    the beginning as if it were all, and a private note says so, once.
    """
    issue = {"trust": "authenticated", "agent_replies": "mail", "description_limit": 300}
    desk.change({"mailboxes": {"desk": {"issue": issue}}})
    received(desk)
    desk.mail(writes("anna@example.com", subject="Re: [#1] Printer", text="Press the button. " * 50))
    for _ in range(3):
        desk.turn()
    assert [] == new_mails(desk)
    (told,) = [one for one in private_notes(desk) if "is not sent to the requester" in one]
    assert "send it in parts" in told
    assert "the reply is not sent to the requester: no note has all of it" in desk.story()

"""Conversations that begin in Redmine: which issues become one, what is mailed, and how many requests it takes."""

import time
from typing import Any

import pytest

from redmine_mailbridge.model.mailbox import Listed, Location, RawMail
from redmine_mailbridge.model.stored_mail import Description
from redmine_mailbridge.redmine.requests import IssueRequest
from redmine_mailbridge.redmine.write_intent import WriteIntent
from redmine_mailbridge.store.aggregate_results import AggregateResults
from redmine_mailbridge.store.begun_issues import BegunIssue, BegunIssues
from redmine_mailbridge.store.issue_copy import IssueCopy
from redmine_mailbridge.store.messages import Store
from tests.helpdesk import ANNA, BOB, BRIDGE, CAROL, HelpDesk, iso, new_mails, text_of, writes

KIM, LEE, CUSTOMER = "kim@client.example", "lee@client.example", "carol@client.example"


@pytest.fixture
def values() -> dict[str, Any]:
    """Issues made in Redmine may become conversations; public notes are mailed, and nothing else."""
    answers = {"received": False, "received_reply": False, "closed": False}
    issue = {"requester_field": "Requester", "conversations_from_redmine": True}
    return {"mailboxes": {"desk": {"answers": answers, "issue": issue}}}


def called(desk: HelpDesk, requester: str = KIM, **more: Any) -> int:
    """Anna makes an issue of a telephone call. Return its number."""
    return desk.redmine.makes(ANNA, "The printer burns", "Kim is upset.", requester=requester, **more)


def private_notes(desk: HelpDesk, issue: int = 1) -> list[str]:
    """What the bridge writes to the agents of an issue."""
    entries = desk.redmine.issues[issue]["journals"]
    return [one["notes"] for one in entries if one["user"]["id"] == BRIDGE and one["private_notes"]]


def mailed(desk: HelpDesk) -> list[tuple[str, str]]:
    """What has left since this was asked last: to whom, and the first line."""
    return [(to, text_of(mail).splitlines()[0]) for to, mail in new_mails(desk)]


def requests(desk: HelpDesk) -> list[str]:
    """What one update asks of Redmine."""
    with desk.application() as made:
        made.issue_sync.refresh()
        before = len(desk.redmine.requests)
        made.issue_sync.refresh()
        return [path for _, path in desk.redmine.requests[before:]]


def test_a_telephone_call(desk: HelpDesk) -> None:
    """The description of an issue made by hand is not mailed; its first public note is, once, with the issue's subject
    and no other mail to answer. The customer's reply, which nothing proves, becomes a note on that issue; the next
    answer goes on in the same thread.
    """
    number = called(desk)
    desk.turn()
    assert [] == new_mails(desk)
    desk.redmine.writes(number, ANNA, "Please leave the room.")
    for _ in range(3):
        desk.turn()
    ((to, first),) = new_mails(desk)
    assert (KIM, "The printer burns", None) == (to, first["Subject"], first["In-Reply-To"])
    assert "Please leave the room." in text_of(first)
    assert "upset" not in first.as_string()
    reply = writes(
        f"Kim <{KIM}>", str(first["Subject"]), "We did.", proven=False, In_Reply_To=str(first["Message-ID"]),
        Message_ID="<reply@client.example>",
    )  # fmt: skip
    desk.mail(reply)
    desk.turn()
    assert [number] == list(desk.redmine.issues)
    assert any("We did." in one["notes"] for one in desk.redmine.issues[number]["journals"])
    desk.redmine.writes(number, BOB, "Good.")
    desk.turn()
    ((to, second),) = new_mails(desk)
    assert (KIM, "Re: The printer burns") == (to, second["Subject"])
    assert "<reply@client.example>" == second["In-Reply-To"]
    assert str(first["Message-ID"]) in str(second["References"]).split()


def test_a_note_before_the_first_look(desk: HelpDesk) -> None:
    """A note that was written before the update saw the issue is mailed, too; the agent who made the issue is an agent
    in it.
    """
    number = called(desk)
    desk.redmine.writes(number, ANNA, "We look at it.")
    desk.turn()
    assert [(KIM, "We look at it.")] == mailed(desk)


def test_a_field_that_is_set_later(desk: HelpDesk) -> None:
    """What was written before an issue named a requester is history; the note that comes with the address is mailed."""
    number = desk.redmine.makes(ANNA, "The printer burns", requester="")
    desk.redmine.writes(number, BOB, "He always says that.")
    desk.turn()
    desk.redmine.writes(number, BOB, "Still burning?")
    desk.redmine.names(number, ANNA, KIM, "We look at it.")
    desk.redmine.writes(number, BOB, "Done.")
    desk.turn()
    assert [(KIM, "We look at it."), (KIM, "Done.")] == mailed(desk)


def test_notes_from_before_it_was_enabled(desk: HelpDesk) -> None:
    """An issue that named a requester before this was enabled becomes a conversation when it changes; its old notes are
    not mailed. While it is disabled, nothing collects.
    """
    issue = {"issue": {"conversations_from_redmine": False}}
    desk.change({"mailboxes": {"desk": issue}})
    old, other = called(desk), called(desk)
    desk.redmine.writes(old, BOB, "Long ago.")
    desk.turn()
    desk.redmine.writes(other, BOB, "Just before.")
    desk.change({"mailboxes": {"desk": {"issue": {"conversations_from_redmine": True}}}})
    desk.turn()
    assert [] == new_mails(desk)
    desk.redmine.writes(old, BOB, "Now.")
    desk.redmine.writes(other, BOB, "Now, too.")
    desk.turn()
    assert {(KIM, "Now."), (KIM, "Now, too.")} == set(mailed(desk))
    desk.change({"mailboxes": {"desk": issue}})
    desk.turn()
    between = called(desk)
    desk.redmine.writes(between, BOB, "While it was off.")
    desk.turn()
    desk.change({"mailboxes": {"desk": {"issue": {"conversations_from_redmine": True}}}})
    desk.turn()
    desk.turn()
    assert [] == new_mails(desk)


@pytest.mark.parametrize("what", ["note", "issue", "project"])
def test_nothing_private(desk: HelpDesk, what: str) -> None:
    """Neither a private note, nor a note on a private issue or in a private project."""
    number = called(desk)
    desk.redmine.issues[number]["is_private"] = what == "issue"
    desk.redmine.public = what != "project"
    desk.redmine.writes(number, BOB, "Not for Kim.", private=what == "note")
    desk.turn()
    assert [] == new_mails(desk)


def test_no_further_request(desk: HelpDesk) -> None:
    """Without a change, and when issues change that name no requester, an update is one request. An issue that begins
    is read once.
    """
    for _ in range(3):
        desk.redmine.makes(ANNA, "Internal", requester="")
    desk.redmine.makes(ANNA, "Without the field")
    assert ["/issues.json"] == requests(desk)
    called(desk)
    with desk.application() as made:
        made.metadata.project("desk")
        made.metadata.people.me()
        made.metadata.statuses()
        before = len(desk.redmine.requests)
        made.issue_sync.refresh()
        assert ["/issues.json", "/issues/5.json"] == [path for _, path in desk.redmine.requests[before:]]
    desk.redmine.issues[5]["updated_on"] = iso(time.time() - 60)
    assert ["/issues.json"] == requests(desk)


def test_another_project(desk: HelpDesk) -> None:
    """An issue in the project of no mailbox is not looked at."""
    number = called(desk)
    desk.redmine.issues[number]["project"] = {"id": 8, "name": "Other"}
    desk.redmine.writes(number, BOB, "Not ours.")
    desk.turn()
    assert [] == new_mails(desk)
    assert not any(path == f"/issues/{number}.json" for _, path in desk.redmine.requests)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("kim at client", "is not an address that mail can be sent to"),
        (f"{KIM}, {LEE}", "is not an address that mail can be sent to"),
        ("Desk@example.com", "is an address of the bridge itself"),
        ("desk+7@example.com", "is an address of the bridge itself"),
    ],
)
def test_what_is_no_address(desk: HelpDesk, value: str, words: str) -> None:
    """Agents are informed of a value that is no address, once, in a private note; nothing is mailed, and another value
    is another note.
    """
    number = called(desk, value)
    desk.redmine.writes(number, BOB, "Hello?")
    for _ in range(3):
        desk.turn()
    (note,) = private_notes(desk)
    assert words in note
    desk.redmine.names(number, ANNA, "@")
    for _ in range(2):
        desk.turn()
    assert [True, True] == ["Notes on this issue are not mailed" in one for one in private_notes(desk)]
    assert [] == new_mails(desk)
    desk.redmine.names(number, ANNA, KIM, "Now it is right.")
    desk.turn()
    assert [(KIM, "Now it is right.")] == mailed(desk)


def test_no_private_notes(desk: HelpDesk) -> None:
    """Where the bridge may not write private notes, it writes none in public."""
    desk.redmine.users[BRIDGE] = ("bridge", "Mail Bridge", "bridge@example.com", False)
    desk.redmine.may.remove("set_notes_private")
    number = called(desk, "kim at client")
    desk.turn()
    desk.turn()
    assert [] == desk.redmine.issues[number]["journals"]


def test_an_old_value(desk: HelpDesk) -> None:
    """An issue that held something else in the field before this was enabled is let be."""
    desk.change({"mailboxes": {"desk": {"issue": {"conversations_from_redmine": False}}}})
    number = called(desk, "Kim, room 7")
    desk.redmine.issues[number]["created_on"] = iso(time.time() - 3600)
    desk.turn()
    desk.change({"mailboxes": {"desk": {"issue": {"conversations_from_redmine": True}}}})
    desk.turn()
    desk.redmine.writes(number, BOB, "Internal.")
    desk.turn()
    assert ([], []) == (private_notes(desk), new_mails(desk))


def test_another_requester(desk: HelpDesk) -> None:
    """Answers go to whom the field names; whom it named before gets none, not even in Cc after a reply."""
    number = called(desk)
    desk.redmine.writes(number, BOB, "One.")
    desk.turn()
    ((_, first),) = new_mails(desk)
    desk.redmine.names(number, ANNA, LEE, "Two.")
    desk.mail(writes(f"Kim <{KIM}>", "Re: The printer burns", "Wrong.", In_Reply_To=str(first["Message-ID"]), Cc=LEE))
    desk.turn()
    desk.redmine.writes(number, BOB, "Three.")
    desk.turn()
    mails = new_mails(desk)
    assert [LEE, LEE] == [to for to, _ in mails]
    assert [None, None] == [mail["Cc"] for _, mail in mails]
    assert all("Wrong." not in mail.as_string() for _, mail in mails)
    desk.redmine.names(number, ANNA, KIM, "Four.")
    desk.turn()
    assert [(KIM, "Four.")] == mailed(desk)


def test_an_emptied_field(desk: HelpDesk) -> None:
    """While an issue names no requester its notes go to no one, without a word to the agents; then answers continue."""
    number = called(desk)
    desk.turn()
    desk.redmine.names(number, ANNA, "", "For us.")
    desk.turn()
    desk.redmine.writes(number, BOB, "For us, too.")
    desk.turn()
    assert ([], []) == (new_mails(desk), private_notes(desk))
    desk.redmine.names(number, ANNA, KIM, "For Kim.")
    desk.turn()
    assert [(KIM, "For Kim.")] == mailed(desk)


def test_a_value_that_becomes_no_address(desk: HelpDesk) -> None:
    """A conversation whose field comes to name no address ends until it does; the agents are informed once."""
    number = called(desk)
    desk.turn()
    desk.redmine.names(number, ANNA, "kim", "Who gets this?")
    for _ in range(2):
        desk.turn()
    assert [] == new_mails(desk)
    (note,) = private_notes(desk)
    assert "`kim`" in note


@pytest.mark.parametrize(("setting", "to"), [("leave_to_redmine", []), ("mail", [CUSTOMER])])
def test_a_requester_with_an_account(desk: HelpDesk, setting: str, to: list[str]) -> None:
    """A requester with an account whom Redmine mails, as a watcher, is left to it if the settings say so; what that
    user writes is the customer's.
    """
    desk.change({"mailboxes": {"desk": {"answers": {"redmine_users": setting}}}})
    number = called(desk, CUSTOMER)
    desk.redmine.issues[number]["watchers"] = [{"id": CAROL, "name": "Carol Customer"}]
    desk.turn()
    desk.redmine.writes(number, CAROL, "It is me.")
    desk.turn()
    assert [] == new_mails(desk)
    desk.redmine.writes(number, BOB, "We look at it.")
    desk.turn()
    assert to == [recipient for recipient, _ in mailed(desk)]


def test_issues_that_fail_or_go(desk: HelpDesk) -> None:
    """An issue that Redmine fails on begins later, and delays no other; a deleted one ends without an error."""
    failing, other = called(desk), called(desk, LEE)
    desk.redmine.fails.add(failing)
    for number in (failing, other):
        desk.redmine.writes(number, BOB, f"To {number}.")
    with desk.application() as made:
        desk.turn(made)
        assert [(LEE, f"To {other}.")] == mailed(desk)
        desk.redmine.fails.clear()
        desk.redmine.issues[failing]["updated_on"] = iso(time.time() - 3600)  # the list does not show it again
        desk.turn(made)
        assert [(KIM, f"To {failing}.")] == mailed(desk)
        del desk.redmine.issues[other]
        made.issue_sync.take_stock()
        assert desk.turn(made).error is None


def _being_written(store: Store, number: int) -> int:
    """A mail whose issue Redmine has created, and the store does not know yet."""
    (row,) = store.add([RawMail(Listed(Location("desk", "INBOX", "1", "9"), 9), b"mail")])
    store.describe([Description(row.id, "9@x.example", "key", KIM, "Help")])
    intent = WriteIntent(IssueRequest(7, {"subject": "Help"}), "made", after=number - 1)
    store.record_intent(row.id, intent.to_json())
    return row.id


@pytest.mark.parametrize("is_of_mail", [True, False])
def test_an_issue_that_a_mail_is_creating(desk: HelpDesk, *, is_of_mail: bool) -> None:
    """An issue that may be a mail's waits until that is known: a mail's own is that mail's, any other begins."""
    number = called(desk)
    with desk.application() as made:
        begun = BegunIssues(made.store.database, made.store.clock)
        mail_id = _being_written(made.store, number)
        made.issue_sync.refresh()
        assert ([number], frozenset()) == (begun.waiting(), begun.known([number]))
        desk.redmine.issues[number]["updated_on"] = iso(time.time() - 3600)
        if is_of_mail:
            made.store.done(mail_id, "made", issue=number, created=True)
        else:
            made.store.withdraw(mail_id)
        made.issue_sync.refresh()
        (origin,) = IssueCopy(made.store.database, made.store.clock).origins([number]).values()
        assert (mail_id if is_of_mail else None) == origin.mail_id
        assert [] == begun.waiting()


def test_an_issue_whose_mail_was_moved_away(desk: HelpDesk) -> None:
    """What a message left behind when a person moved it elsewhere does not become a conversation, until somebody sets
    its field on purpose; the note with that is mailed.
    """
    desk.change({"mailboxes": {"desk": {"issue": {"conversations_from_redmine": False}}}})
    desk.mail(writes(f"Kim <{KIM}>"))
    desk.turn()
    desk.change({"mailboxes": {"desk": {"issue": {"conversations_from_redmine": True}}}})
    desk.turn()
    with desk.application() as made:
        assert made.store.manual_changes.move(1, '{"issue": 2}', "anna", "#2")
    desk.redmine.writes(1, ANNA, "Whose is this?")
    desk.turn()
    assert [] == mailed(desk)
    desk.redmine.names(1, ANNA, LEE, "It is Lee's.")
    desk.turn()
    assert [(LEE, "It is Lee's.")] == mailed(desk)


def test_a_beginning_that_was_not_copied(desk: HelpDesk) -> None:
    """A beginning that was stored before a crash is made good by the next update, wherever the list has got to."""
    number = called(desk)
    desk.redmine.writes(number, BOB, "We look at it.")
    desk.redmine.issues[number]["updated_on"] = iso(time.time() - 3600)
    with desk.application() as made:
        begun = BegunIssues(made.store.database, made.store.clock)
        assert begun.begin(BegunIssue(number, "desk", KIM, KIM, 0, time.time() - 60))
        desk.turn(made)
        desk.turn(made)
    assert [(KIM, "We look at it.")] == mailed(desk)


def test_commands_with_such_an_issue(desk: HelpDesk) -> None:
    """Lists, reports and rules take an issue without a first message as any other, and count no message for it."""
    rule = {"name": "remind", "when": {"no_answer": "1s"}, "then": {"priority": "High", "mail": "reminder"}}
    desk.change({"rules": [rule]})
    called(desk)
    time_of_call = iso(time.time() - 3600)
    desk.redmine.issues[1]["created_on"] = time_of_call
    desk.turn()
    with desk.application() as made:
        assert made.hours.once(made.shared.stop).error is None
        (figures,) = AggregateResults(made.store.database).all().values()
        assert (0, None) == (figures.mails_in, figures.first_answer)
    assert "High" == desk.redmine.issues[1]["priority"]["name"]
    assert [KIM] == [to for to, _ in new_mails(desk)]
    for arguments in (("messages",), ("messages", "--issue", "1"), ("report",), ("queue",)):
        done = desk.command(*arguments)
        assert 0 == done.exit_code, done.output


def test_an_agent_answers_by_mail(desk: HelpDesk) -> None:
    """The agent who made the issue may answer by mail, as any other agent (`agent_replies`)."""
    desk.redmine.members = (ANNA, BOB)
    desk.change({"mailboxes": {"desk": {"issue": {"agent_replies": "mail", "trust": "authenticated"}}}})
    called(desk)
    desk.turn()
    desk.mail(writes("Anna Agent <anna@example.com>", "Re: [Desk - Bug #1] x", "We look at it."))
    desk.turn()
    desk.turn()
    assert [(KIM, "We look at it.")] == mailed(desk)


@pytest.mark.fault("A34-1")
@pytest.mark.parametrize("later", [KIM, LEE])
def test_a_note_while_the_field_was_empty(desk: HelpDesk, later: str) -> None:
    """What agents wrote while an issue named no one is mailed to no one, also if the field was emptied and set again
    between two updates.
    """
    number = called(desk)
    desk.turn()
    desk.redmine.names(number, ANNA, "")
    desk.redmine.writes(number, BOB, "For us.")
    desk.redmine.names(number, ANNA, later, "For the customer.")
    desk.turn()
    assert [(later, "For the customer.")] == mailed(desk)
    assert [] == private_notes(desk)


@pytest.mark.fault("A34-2")
@pytest.mark.parametrize("has_begun", [True, False])
def test_a_note_to_another_requester(desk: HelpDesk, *, has_begun: bool) -> None:
    """A note that was written to Kim is not mailed to Lee, whom the issue names before the update sees the note; the
    agents are informed, since nobody receives it.
    """
    number = called(desk)
    if has_begun:
        desk.turn()
    desk.redmine.writes(number, BOB, "For Kim.")
    desk.redmine.names(number, ANNA, LEE, "For Lee.")
    for _ in range(3):
        desk.turn()
    assert [(LEE, "For Lee.")] == mailed(desk)
    assert ["Note 1 was not mailed: the issue named another requester when it was written"] == private_notes(desk)


@pytest.mark.fault("A34-2")
def test_a_new_spelling_of_the_requester(desk: HelpDesk) -> None:
    """The same address in another spelling is the same requester: the note before it is mailed."""
    number = called(desk)
    desk.redmine.writes(number, BOB, "For Kim.")
    desk.redmine.names(number, ANNA, f" {KIM.upper()}")
    desk.turn()
    assert [(KIM, "For Kim.")] == mailed(desk)


@pytest.mark.fault("A34-3")
def test_words_of_a_former_requester(desk: HelpDesk) -> None:
    """What a requester with an account wrote in Redmine is not mailed to the next requester as if an agent had written
    it.
    """
    number = called(desk, CUSTOMER)
    desk.redmine.writes(number, CAROL, "My password is 1234.")
    desk.turn()
    desk.redmine.names(number, ANNA, LEE)
    for _ in range(2):
        desk.turn()
    assert ([], []) == (new_mails(desk), private_notes(desk))


@pytest.mark.fault("A34-4")
def test_notes_from_another_project(desk: HelpDesk) -> None:
    """What was written in a project in which no conversation begins is history once the issue is moved."""
    number = called(desk)
    desk.redmine.issues[number]["project"] = {"id": 8, "name": "Other"}
    desk.redmine.writes(number, BOB, "Among colleagues.")
    desk.turn()
    moves = desk.redmine.writes(number, BOB, "Over to you.")
    change = {"property": "attr", "name": "project_id", "old_value": "8", "new_value": "7"}
    desk.redmine.journal(moves)["details"].append(change)
    desk.redmine.issues[number]["project"] = {"id": 7, "name": "Desk"}
    desk.turn()
    assert [(KIM, "Over to you.")] == mailed(desk)


@pytest.mark.fault("A34-5")
def test_a_key_that_saw_no_issue_at_first(desk: HelpDesk) -> None:
    """If the key may see no issue when this is enabled, and is given the role later, old notes stay history."""
    number = called(desk)
    desk.redmine.writes(number, BOB, "Years ago.")
    issue = desk.redmine.issues[number]
    for one in (issue, *issue["journals"]):
        one["created_on"] = iso(time.time() - 1e8)
    desk.redmine.writes(number, BOB, "Now.")
    desk.turn()
    assert [(KIM, "Now.")] == mailed(desk)


@pytest.mark.fault("A34-5")
def test_a_newest_change_in_the_future(desk: HelpDesk) -> None:
    """An issue with a time of change years ahead does not make everything until then history."""
    setting = {"mailboxes": {"desk": {"issue": {"conversations_from_redmine": False}}}}
    desk.change(setting)
    desk.turn()
    ahead = desk.redmine.makes(ANNA, "Imported", requester="")
    desk.redmine.issues[ahead]["updated_on"] = iso(time.time() + 1e8)
    setting["mailboxes"]["desk"]["issue"]["conversations_from_redmine"] = True
    desk.change(setting)
    desk.turn()
    number = called(desk)
    written = desk.redmine.writes(number, BOB, "We look at it.")
    desk.redmine.journal(written)["created_on"] = iso(time.time() + 5)
    desk.turn()
    assert [(KIM, "We look at it.")] == mailed(desk)


@pytest.mark.fault("A34-6")
def test_an_issue_that_fails_when_this_is_enabled(desk: HelpDesk) -> None:
    """The newest note of all is history, too, if Redmine could not show its issue just then."""
    setting = {"mailboxes": {"desk": {"issue": {"conversations_from_redmine": False}}}}
    desk.change(setting)
    number = called(desk)
    desk.turn()
    desk.redmine.writes(number, BOB, "Before.")
    setting["mailboxes"]["desk"]["issue"]["conversations_from_redmine"] = True
    desk.change(setting)
    with desk.application() as made:
        desk.redmine.fails.add(number)
        desk.turn(made)
        desk.redmine.fails.clear()
        for _ in range(2):
            desk.turn(made)
    assert [] == new_mails(desk)


@pytest.mark.fault("A34-7")
def test_many_issues_that_must_wait(desk: HelpDesk) -> None:
    """All issues that another program makes while a message is being written begin, not only the newest hundred."""
    with desk.application() as made:
        mail_id = _being_written(made.store, 1)
        numbers = {called(desk) for _ in range(250)}
        made.issue_sync.refresh()
        for issue in desk.redmine.issues.values():
            issue["updated_on"] = iso(time.time() - 3600)  # the list does not show it again
        made.store.withdraw(mail_id)
        made.issue_sync.refresh()
        assert numbers == BegunIssues(made.store.database, made.store.clock).known(numbers)


@pytest.mark.fault("A34-8")
def test_many_values_that_are_no_address(desk: HelpDesk) -> None:
    """Issues that cannot begin are read once each, however many there are: 1500 were all read again with each update
    for five minutes.
    """
    with desk.application() as made:
        for _ in range(1500):
            called(desk, "kim at client")
        made.issue_sync.refresh()
        before = len(desk.redmine.requests)
        made.issue_sync.refresh()
        assert {"/issues.json"} == {path for _, path in desk.redmine.requests[before:]}


@pytest.mark.fault("A34-9")
def test_a_requester_that_changes_while_notes_are_decided(desk: HelpDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A field that is emptied between the refresh of the copy and the decision: nobody receives the note."""
    number = called(desk)
    desk.turn()
    desk.redmine.writes(number, BOB, "For Kim.")
    with desk.application() as made:
        refresh = made.issue_sync.refresh

        def refreshed(*arguments: Any) -> Any:
            result = refresh(*arguments)
            monkeypatch.setattr(made.issue_sync, "refresh", refresh)
            desk.redmine.names(number, ANNA, "", "Sorry, not for Kim.")
            return result

        monkeypatch.setattr(made.issue_sync, "refresh", refreshed)
        for _ in range(3):
            desk.turn(made)
    assert [] == new_mails(desk)

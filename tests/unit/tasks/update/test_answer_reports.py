"""What agents see in an issue of the notes that were mailed: a field, with other requests or at once, or notes."""

from collections import Counter
from typing import Any

import pytest

from redmine_mailbridge.store.outgoing.outbox import Outbox
from redmine_mailbridge.store.outgoing.rows import SENT
from redmine_mailbridge.wiring import application as app
from tests.helpdesk import BOB, BRIDGE, HelpDesk, writes

KIM = "kim@client.example"
FIELD = {9: {"name": "Last answer"}}
READ_AGAIN = ("/issues/1.json", "/issues.json", "/projects/7.json")


@pytest.fixture
def values() -> dict[str, Any]:
    """Notes are mailed, in a zone of their own, and a field shows the last one."""
    box = {
        "answers": {"received": False, "received_reply": False, "closed": False},
        "issue": {"last_answer_field": "Last answer"},
    }
    return {"mailboxes": {"desk": box}, "outgoing": {"time_zone": "Pacific/Kiritimati"}}


@pytest.fixture
def desk(desk: HelpDesk) -> HelpDesk:
    """Kim has written, with Lee in Cc, and Redmine has the field."""
    desk.redmine.fields = {number: dict(field) for number, field in FIELD.items()}
    desk.mail(writes(f"Kim <{KIM}>", Cc="lee@client.example"))
    desk.turn()
    return desk


def report(desk: HelpDesk, how: str) -> None:
    """The setting is this."""
    desk.change({"mailboxes": {"desk": {"answers": {"report": how}}}})


def field(desk: HelpDesk, issue: int = 1) -> str:
    """What the issue shows."""
    (value,) = (one["value"] for one in desk.redmine.issues[issue]["custom_fields"])
    return str(value)


def answer(desk: HelpDesk, made: app.Application | None = None, words: str = "We look at it.") -> None:
    """An agent answers, and the mail is handed over."""
    desk.redmine.writes(1, BOB, words)
    desk.turn(made)


def notes(desk: HelpDesk) -> list[str]:
    """The private notes of the bridge."""
    entries = desk.redmine.issues[1]["journals"]
    return [one["notes"] for one in entries if one["user"]["id"] == BRIDGE and one["private_notes"]]


def writes_of(desk: HelpDesk) -> int:
    """How many requests have changed the issue."""
    return sum(method == "PUT" for method, _ in desk.redmine.requests)


def age(desk: HelpDesk) -> None:
    """The second of the last change is over, and the copy of the issue is final."""
    for issue in desk.redmine.issues.values():
        issue["updated_on"] = "2026-11-20T10:00:00Z"


def test_the_free_field_costs_no_request(desk: HelpDesk) -> None:
    """An answer with the field asks as much of Redmine as one without it, over all passes around it, and writes
    nothing; the customer's next mail brings the value along in its note.
    """
    counts = []
    del desk.values["mailboxes"]["desk"]["issue"]["last_answer_field"]
    for settings in ({}, {"mailboxes": {"desk": {"issue": {"last_answer_field": "Last answer"}}}}):
        desk.change(settings)
        with desk.application() as made:
            answer(desk, made, "First.")  # all names are known now
            desk.redmine.requests.clear()
            answer(desk, made)
            for _ in range(3):
                desk.turn(made)
        assert 0 == writes_of(desk)
        # how often the issue and its project are read depends on the second in which it changed
        counts.append(Counter(one for one in desk.redmine.requests if one[1] not in READ_AGAIN))
    assert counts[0] == counts[1]
    assert "" == field(desk)
    desk.redmine.requests.clear()
    desk.mail(writes(f"Kim <{KIM}>", "Re: [#1] Printer on fire", "It burns again.", In_Reply_To=_last_id(desk)))
    desk.turn()
    assert 1 == writes_of(desk)
    assert field(desk).endswith(f" to {KIM}, 1 in Cc")
    entry = desk.redmine.issues[1]["journals"][-1]
    assert ("It burns again." in entry["notes"], ["cf"]) == (True, [one["property"] for one in entry["details"]])


def test_the_value_is_in_the_zone_of_the_mail(desk: HelpDesk) -> None:
    """The time is that of handing over, in the time zone of outgoing mail."""
    import datetime as dt
    from zoneinfo import ZoneInfo

    report(desk, "field_at_once")
    answer(desk)
    desk.turn()
    with desk.application() as made:
        rows = Outbox(made.store.database, made.store.clock).newest(states=[SENT])
    at = dt.datetime.fromtimestamp(max(row.sent_at or 0 for row in rows), ZoneInfo("Pacific/Kiritimati"))
    assert f"{at:%Y-%m-%d %H:%M} to {KIM}, 1 in Cc" == field(desk)


def test_at_once_is_one_write_and_no_reading_afterwards(desk: HelpDesk) -> None:
    """At once, the pass after the sending writes the field once and reads it back once; the issue is not read again,
    though Redmine lists it as changed: the bridge knows its own write.
    """
    report(desk, "field_at_once")
    with desk.application() as made:
        answer(desk, made)
        age(desk)
        made.issue_sync.refresh(reread_all=True)
        desk.redmine.requests.clear()
        desk.turn(made)
        assert field(desk).endswith(f" to {KIM}, 1 in Cc")
        ours = [(method, path) for method, path in desk.redmine.requests if path == "/issues/1.json"]
        assert [("PUT", "/issues/1.json"), ("GET", "/issues/1.json")] == ours
        age(desk)
        for _ in range(3):
            desk.turn(made)
        assert 1 == writes_of(desk)
    journal = desk.redmine.issues[1]["journals"][-1]
    changed = [detail["property"] for detail in journal["details"]]
    assert ("", BRIDGE, ["cf"]) == (journal["notes"], journal["user"]["id"], changed)
    assert 2 == len(desk.post.taken)  # its own change is not mailed


def test_history_is_not_written_when_it_is_switched_on(desk: HelpDesk) -> None:
    """What was sent before the switch changes no issue."""
    answer(desk)
    report(desk, "field_at_once")
    before = writes_of(desk)
    for _ in range(2):
        desk.turn()
    assert (before, "") == (writes_of(desk), field(desk))


def test_a_private_note_for_each(desk: HelpDesk) -> None:
    """With notes, each message that was handed over has one private note, which names the note, the time and whom; the
    field comes along. It is written once, over restarts.
    """
    report(desk, "private_note")
    answer(desk)
    for _ in range(3):
        desk.turn()
    (note,) = notes(desk)
    number = next(one["id"] for one in desk.redmine.issues[1]["journals"] if one["user"]["id"] == BOB)
    assert note.startswith(f"Note {number} was sent by mail on ")
    assert note.endswith(f"to `{KIM}`, `lee@client.example`.")
    assert field(desk).endswith(f" to {KIM}, 1 in Cc")
    answer(desk, words="One more.")
    desk.turn()
    assert 2 == len(notes(desk))


def test_without_the_permission_there_is_no_note_and_none_that_is_public(desk: HelpDesk) -> None:
    """Where the bridge may write no private notes, none is written; the record says why, once."""
    desk.redmine.users[BRIDGE] = (*desk.redmine.users[BRIDGE][:3], False)
    desk.redmine.may = [right for right in desk.redmine.may if right != "set_notes_private"]
    report(desk, "private_note")
    answer(desk)
    before = len(desk.redmine.issues[1]["journals"])
    for _ in range(3):
        desk.turn()
    assert before == len(desk.redmine.issues[1]["journals"])
    assert 1 == desk.story().count("private note not written (Note ")


def test_a_message_whose_other_recipients_wait(desk: HelpDesk) -> None:
    """While some recipients of a message have not been served, its private note waits for them."""
    report(desk, "private_note")
    desk.post.answers["lee"] = "451 4.2.0 later"
    answer(desk)
    desk.turn()
    assert [] == notes(desk)
    desk.post.answers.clear()
    with desk.application() as made, made.store.database.write() as db:
        db.exec_driver_sql("UPDATE outbox SET next_try_at = 0 WHERE state = 'queued'")
    desk.turn()
    desk.turn()
    (note,) = notes(desk)
    assert "`lee@client.example`" in note


@pytest.mark.parametrize("how", ["drops", "rejects", "list", "gone", "other tracker"])
@pytest.mark.parametrize("mode", ["field", "field_at_once"])
def test_a_field_that_takes_nothing(desk: HelpDesk, how: str, mode: str, caplog: pytest.LogCaptureFixture) -> None:
    """A field that Redmine drops or rejects, that is a list, is of another tracker or does not exist costs no mail: the
    customer's reply is a note. The record says why, and neither pass nor answer tries again.
    """
    match how:
        case "gone":
            desk.redmine.fields.clear()
        case "list":
            desk.redmine.fields[9] |= {"field_format": "list", "possible_values": [{"value": "a"}]}
        case "other tracker":
            desk.redmine.fields[9] |= {"trackers": [{"id": 2, "name": "Task"}]}
        case _:
            desk.redmine.fields[9] |= {how: True}
    report(desk, mode)
    answer(desk)
    desk.turn()
    desk.mail(writes(f"Kim <{KIM}>", "Re: [#1] Printer on fire", "It burns again.", In_Reply_To=_last_id(desk)))
    desk.turn()
    assert "It burns again." in desk.redmine.issues[1]["journals"][-1]["notes"]
    assert 1 == desk.story().count('field "Last answer" not written: ')
    before = writes_of(desk)
    with desk.application() as made:
        answer(desk, made, "Still looking.")
        for _ in range(3):
            desk.turn(made)
    assert before == writes_of(desk)
    assert "Still looking." in desk.post.taken[-1][1].decode()


def test_a_lost_answer_to_the_field(desk: HelpDesk) -> None:
    """The response to the field's request is lost: it is written again, which changes nothing, and the mark is removed
    then.
    """
    report(desk, "field_at_once")
    answer(desk)
    desk.redmine.loses = 1
    desk.turn()
    assert "" == field(desk)
    desk.redmine.lands()
    with desk.application() as made:
        for _ in range(2):
            desk.turn(made)
        assert (
            not made.store.database.read().__enter__().exec_driver_sql("SELECT id FROM outbox WHERE report_due").all()
        )
    assert field(desk).endswith(f" to {KIM}, 1 in Cc")


def test_it_is_not_a_keyword(desk: HelpDesk) -> None:
    """No line of a mail sets the field."""
    desk.change({"mailboxes": {"desk": {"issue": {"allow_override": "all", "keywords_from": "anyone"}}}})
    desk.mail(writes("lee@client.example", "Other", "Last answer: yesterday\n\nHello."))
    desk.turn()
    assert "" == field(desk, 2)


@pytest.mark.fault("A36-1")
def test_what_is_due_at_once_stays_due_while_redmine_does_not_answer(
    desk: HelpDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The project, of which the field is one, cannot be read after the mail was sent: the field is written later."""
    report(desk, "field_at_once")
    answer(desk)
    route = desk.redmine._route

    def without_projects(method: str, path: list[str], *others: Any) -> Any:
        return 503 if path[0] == "projects" else route(method, path, *others)

    with monkeypatch.context() as broken:
        broken.setattr(desk.redmine, "_route", without_projects)
        desk.turn()
    assert "" == field(desk)
    desk.turn()
    assert field(desk).endswith(f" to {KIM}, 1 in Cc")


@pytest.mark.fault("A36-2")
def test_a_field_at_which_redmine_fails(desk: HelpDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redmine answers 500 to each request that sets the field: the customer's reply is a note all the same, once."""
    answer(desk)
    noted = desk.redmine._noted

    def failing(number: int, values: dict[str, Any], user: int) -> Any:
        return 500 if "custom_fields" in values else noted(number, values, user)

    monkeypatch.setattr(desk.redmine, "_noted", failing)
    desk.mail(writes(f"Kim <{KIM}>", "Re: [#1] Printer on fire", "It burns again.", In_Reply_To=_last_id(desk)))
    for _ in range(2):
        desk.turn()
    assert 1 == sum("It burns again." in one["notes"] for one in desk.redmine.issues[1]["journals"])


def _last_id(desk: HelpDesk) -> str:
    """The Message-ID of the last mail that left."""
    import email

    return str(email.message_from_bytes(desk.post.taken[-1][1])["Message-ID"])

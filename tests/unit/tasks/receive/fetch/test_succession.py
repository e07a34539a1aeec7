"""Mailboxes that are renamed, switched off, left out, moved: nothing waits for ever, is made twice, or lost."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import ValidationError

from redmine_mailbridge.mailboxes.graph.mailbox import GraphMailbox
from redmine_mailbridge.mailboxes.pop3.mailbox import FindKnown
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.mailbox import MailboxConfig
from tests.mail_worlds import graph_config
from tests.product import mail
from tests.servers.graph import graph_server
from tests.unit.tasks.boxes import Boxes, open_boxes


@pytest.fixture
def boxes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Boxes]:
    """No mailbox yet."""
    with open_boxes(tmp_path, monkeypatch) as made:
        yield made


def with_open_mails(boxes: Boxes, *, written: bool = False, **keys: Any) -> Any:
    """Add the mailbox "desk" with a mail that waits to be decided and one of unknown end. Return its server."""
    server = boxes.add("desk", **keys)
    server.append(mail("Unknown"))
    boxes.fake.answers = [(502, "written" if written else "")]
    boxes.receive()
    server.append(mail("Waits"))
    with boxes.fake.application() as made:
        made.shared.breaker.record_failure()  # kept, and not looked at yet
        made.receivers[0].once()
    assert [State.WRITE_PENDING, State.STORED] == boxes.states()
    return server


# ---------------------------------------------------------------------- renamed


@pytest.mark.fault("I12")
@pytest.mark.parametrize("written", [False, True])
def test_renamed_with_open_mails(boxes: Boxes, *, written: bool) -> None:
    """A mailbox under another name goes on where it was: open mails are done once, and filed."""
    server = with_open_mails(boxes, written=written)
    boxes.rename("desk", "helpdesk")
    boxes.receive()
    boxes.receive()
    assert ["Unknown", "Waits"] == boxes.subjects()
    assert [State.DONE, State.DONE] == boxes.states()
    assert (0, 2) == (len(server.contents()), len(server.contents("Processed")))
    assert {"helpdesk"} == {row.location.mailbox for row in boxes.rows()}


@pytest.mark.fault("I12")
def test_renamed_and_read_from_now_on(boxes: Boxes) -> None:
    """A new name is no first look: what lay there from the beginning stays, and what came meanwhile is read."""
    server = boxes.add("desk", start_from="now")
    server.append(mail("Lay there"))
    boxes.receive()
    server.append(mail("Came meanwhile"))
    boxes.rename("desk", "helpdesk")
    boxes.receive()
    assert ["Came meanwhile"] == boxes.subjects()
    assert 1 == len(server.contents())


def test_renamed_asks_no_question(boxes: Boxes) -> None:
    """Nor is it asked again what becomes of the mail that lies there, where the settings leave that open."""
    server = boxes.add("desk", start_from="now", after_success="keep")
    server.append(mail("Lay there"))
    server.folders["INBOX"].mails[1].received_at -= dt.timedelta(days=1)
    boxes.receive()
    boxes.values["desk"].pop("start_from")
    boxes.rename("desk", "helpdesk")
    server.append(mail("New"))
    boxes.receive()
    server.renew("INBOX")
    boxes.receive()
    assert ["New"] == boxes.subjects()


@pytest.mark.fault("I12")
def test_names_that_change_places(boxes: Boxes) -> None:
    """Two mailboxes that exchange their names keep their own mails."""
    first, second = boxes.add("one"), boxes.add("two")
    first.append(mail("In the first"))
    second.append(mail("In the second"))
    boxes.fake.answers = [(502, ""), (502, "")]
    boxes.receive()
    boxes.values = {"one": boxes.values["two"], "two": boxes.values["one"]}
    boxes.load()
    boxes.receive()
    assert ["In the first", "In the second"] == boxes.subjects()
    assert (1, 1) == (len(first.contents("Processed")), len(second.contents("Processed")))
    assert ["two", "one"] == [row.location.mailbox for row in boxes.rows()]


@pytest.mark.fault("I12")
def test_a_name_that_another_account_had(boxes: Boxes) -> None:
    """A mailbox that takes the name of one that is no more reads its own mails, not from where that one was."""
    gone = boxes.add("desk", host="old")
    gone.append(*(mail(f"Old {number}") for number in range(3)))
    kept = boxes.add("other", host="new")
    kept.append(mail("New 0"))
    boxes.receive()
    boxes.remove("desk")
    boxes.rename("other", "desk")
    kept.append(mail("New 1"))
    boxes.receive()
    assert ["New 0", "New 1", "Old 0", "Old 1", "Old 2"] == boxes.subjects()
    assert {"desk": 2} == {name: sum(row.location.mailbox == name for row in boxes.rows()) for name in ("desk",)}
    assert any(row.location.mailbox.startswith("desk (until ") for row in boxes.rows())


def test_each_mailbox_for_itself_under_another_name(boxes: Boxes) -> None:
    """Copies that count within a mailbox are known again when it is renamed."""
    server = boxes.add("desk", issue={"several_mailboxes": "each"}, after_success="keep")
    server.append(mail("Once"))
    boxes.receive()
    boxes.rename("desk", "helpdesk")
    server.renew("INBOX")
    boxes.receive()
    assert ["Once"] == boxes.subjects()


# ---------------------------------------------------------------------- switched off, left out


@pytest.mark.fault("I12")
def test_switched_off_with_open_mails(boxes: Boxes) -> None:
    """What a mailbox has read is finished when it is switched off; nothing more is read; it is filed when it is on."""
    server = with_open_mails(boxes)
    boxes.add("other")
    boxes.change("desk", active=False)
    server.append(mail("Unread"))
    boxes.receive()
    assert ["Unknown", "Waits"] == boxes.subjects()
    assert 3 == len(server.contents())
    boxes.change("desk", active=True)
    boxes.receive()
    assert ["Unknown", "Unread", "Waits"] == boxes.subjects()
    assert (0, 3) == (len(server.contents()), len(server.contents("Processed")))


@pytest.mark.fault("I12")
@pytest.mark.parametrize("how", ["off", "out"])
def test_a_copy_of_a_mail_of_a_mailbox_that_is_not_read(boxes: Boxes, how: str) -> None:
    """A copy, or a reply, that waits for a mail of a mailbox that is switched off, or left out, comes to its end."""
    both = mail("To both", to="list@example.com", message_id="<both@example.com>")
    boxes.add("desk").append(both)
    other = boxes.add("other")
    boxes.fake.answers = [(502, "")]
    boxes.receive("desk")
    other.append(both, mail("Re: To both", "A reply.\n", In_Reply_To="<both@example.com>"))
    if how == "off":
        boxes.change("desk", active=False)
    else:
        boxes.remove("desk")
    for _ in range(3):
        boxes.receive()
    assert {State.DONE} == set(boxes.states())
    assert ["To both"] == boxes.subjects()
    assert 1 == len(boxes.fake.issues[0]["journals"])


@pytest.mark.fault("I12")
@pytest.mark.parametrize("written", [False, True])
def test_left_out_with_open_mails(boxes: Boxes, *, written: bool) -> None:
    """What may be written already is finished, once; the rest is set aside with the reason, and tried again on request
    when the mailbox is back.
    """
    with_open_mails(boxes, written=written)
    boxes.add("other")
    table = boxes.values["desk"]
    boxes.remove("desk")
    boxes.receive()
    assert [State.DONE, State.FAILED] == boxes.states()
    assert ["Unknown"] == boxes.subjects()
    assert 'mailbox "desk" is not in the settings' in (boxes.rows()[1].reason or "")
    boxes.values["desk"] = table
    boxes.load()
    with boxes.fake.application() as made:
        assert made.store.retry(2)
    boxes.receive()
    assert ["Unknown", "Waits"] == boxes.subjects()


def test_what_becomes_of_the_mail_of_a_mailbox_that_is_left_out_is_told(boxes: Boxes) -> None:
    """By the pass of another mailbox that finishes it."""
    with_open_mails(boxes)
    boxes.add("other")
    boxes.remove("desk")
    told = {outcome.row.id: outcome.state for outcome in boxes.receive()}
    assert {1: State.DONE, 2: State.FAILED} == told


@pytest.mark.parametrize("stays", [True, False])
def test_left_out_with_a_mail_that_was_not_handed_out(boxes: Boxes, *, stays: bool) -> None:
    """No mailbox fetches it any more: it is set aside with the reason. Otherwise it is fetched later."""
    server = boxes.add("desk")
    server.append(mail("Late"))
    server.not_handed_out = {1}
    boxes.receive()
    assert [(State.STORED, None)] == [(row.state, row.raw) for row in boxes.rows()]
    server.not_handed_out = set()
    boxes.add("other")
    if not stays:
        boxes.remove("desk")
    told = [outcome.state for outcome in boxes.receive()]
    if stays:
        assert (["Late"], [State.DONE], State.DONE) == (boxes.subjects(), boxes.states(), told[-1])
    else:
        assert ([], [State.FAILED], [State.FAILED]) == (boxes.subjects(), boxes.states(), told)
        expected = 'its content was not fetched, and mailbox "desk" is not in the settings'
        assert expected == boxes.rows()[0].reason


def test_left_out_and_taken_up_under_another_name(boxes: Boxes) -> None:
    """A mailbox that was left out for a while, and comes back under another name, is the same."""
    server = with_open_mails(boxes)
    table = boxes.values["desk"]
    boxes.add("other")
    boxes.remove("desk")
    boxes.receive()
    boxes.values["again"] = table
    boxes.load()
    server.append(mail("New"))
    boxes.receive()
    assert ["New", "Unknown"] == boxes.subjects()
    with boxes.fake.application() as made:
        assert made.store.retry(2)
    boxes.receive()
    assert ["New", "Unknown", "Waits"] == boxes.subjects()


# ---------------------------------------------------------------------- two names


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"port": 143, "security": "starttls"},
        {"host": "DESK", "username": "Desk@Example.com"},
        {"username": r"somebody@example.com\desk@example.com"},
        {"username": "somebody@example.com", "authorize_as": "desk@example.com"},
        {"protocol": "pop3"},
    ],
)
def test_two_names_for_one_account(boxes: Boxes, changes: dict[str, Any]) -> None:
    """Two active mailboxes that read one folder of one account are refused, with both names and what to do."""
    boxes.add("desk")
    with pytest.raises(ValidationError, match=r'mailboxes\.second: reads "INBOX" of the same account as'):
        boxes.add("second", **({"host": "desk"} | changes))


def test_two_names_for_two_folders(boxes: Boxes) -> None:
    """Two mailboxes may read two folders of one account, and hand one over to the other."""
    server = boxes.add("desk", folders=["INBOX", "Forms"])
    server.create("Forms")
    server.append(mail("In the inbox"))
    server.append(mail("A form"), folder="Forms")
    boxes.receive()
    boxes.change("desk", folders=["INBOX"])
    boxes.add("forms", host="desk", folders=["Forms"], start_from="now")
    server.append(mail("Another form"), folder="Forms")
    boxes.receive()
    assert ["A form", "Another form", "In the inbox"] == boxes.subjects()


# ---------------------------------------------------------------------- moved


@pytest.mark.fault("I12")
def test_moved_to_a_server_with_the_same_numbers(boxes: Boxes) -> None:
    """On another server the same UIDVALIDITY and UIDs mean other mails: all are read; copied ones are known again."""
    old = boxes.add("desk", host="old", after_success="keep")
    old.append(mail("One"), mail("Two"), mail("Three"))
    boxes.receive()
    new = boxes.server("new")
    new.append(mail("Other"), old.contents()[1][2], mail("Another"))
    boxes.change("desk", host="new", username="new@example.com")
    boxes.receive()
    assert ["Another", "One", "Other", "Three", "Two"] == boxes.subjects()
    new.append(mail("Later"))
    boxes.receive()
    boxes.change("desk", host="old", username="old@example.com")
    boxes.receive()
    assert ["Another", "Later", "One", "Other", "Three", "Two"] == boxes.subjects()


@pytest.mark.parametrize("renamed", [False, pytest.param(True, marks=pytest.mark.fault("I12"))])
def test_moved_with_open_mails(boxes: Boxes, *, renamed: bool) -> None:
    """Open mails are finished when the account moves, under another name, too; their copies there are filed."""
    old = with_open_mails(boxes, host="old")
    new = boxes.server("new")
    new.append(*(raw for _, _, raw in old.contents()))
    if renamed:
        boxes.rename("desk", "helpdesk")
    boxes.change("helpdesk" if renamed else "desk", host="new", username="new@example.com")
    for _ in range(3):
        boxes.receive()
    assert ["Unknown", "Waits"] == boxes.subjects()
    assert {State.DONE} == set(boxes.states())
    assert (0, 2) == (len(new.contents()), len(new.contents("Processed")))


@pytest.mark.parametrize("start", ["now", "2026-01-15"])
def test_moved_and_read_from_a_time_on(boxes: Boxes, start: str) -> None:
    """What was left lying on the old server is left on the new one, also when the settings say otherwise by now."""
    old = boxes.add("desk", host="old", start_from=start)
    old.append(mail("Left"))
    old.folders["INBOX"].mails[1].received_at = dt.datetime(2026, 1, 10, tzinfo=dt.UTC)
    boxes.receive()
    new = boxes.server("new")
    new.folders = {"INBOX": old.folders["INBOX"]}
    new.append(mail("New"))
    boxes.change("desk", host="new", username="new@example.com", start_from="all")
    boxes.receive()
    assert ["New"] == boxes.subjects()


def test_from_imap_to_graph(boxes: Boxes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mailbox of Exchange Online that was read over IMAP and is read over Graph, under another name, is the same."""
    old = boxes.add("desk", host="outlook.office365.com", username="desk@example.com", after_success="keep")
    old.append(mail("One"), mail("Two"))
    boxes.receive()
    boxes.rename("desk", "helpdesk")
    boxes.change("helpdesk", host="graph.microsoft.com", max_new_mails=1)
    with graph_server() as server:

        def opened(config: MailboxConfig, known: FindKnown | None = None, **_more: object) -> GraphMailbox:
            return GraphMailbox(graph_config(server, name=config.name), known)

        monkeypatch.setattr("redmine_mailbridge.wiring.mailboxes.open_mailbox", opened)
        server.append(*(raw for _, _, raw in old.contents()), mail("Three"))
        boxes.receive()
        boxes.receive()
    assert ["One", "Three", "Two"] == boxes.subjects()
    assert {"helpdesk"} == {row.location.mailbox for row in boxes.rows()}


@pytest.mark.fault("I12")
def test_no_brake_for_known_mails(boxes: Boxes) -> None:
    """Mails that the mailbox has read, and that stay without a mark, are no reason to ask when all UIDs change; so many
    others are.
    """
    server = boxes.add("desk", after_success="keep", max_new_mails=3)
    for number in range(6):
        server.append(mail(f"Mail {number}"))
        boxes.receive()
    server.renew("INBOX")
    for kept in server.folders["INBOX"].mails.values():
        kept.flags.clear()
    boxes.receive()
    assert 6 == len(boxes.subjects())
    assert [State.DONE] * 12 == boxes.states()
    server.append(*(mail(f"New {number}") for number in range(4)))
    with boxes.fake.application() as made:
        assert "4 new mails at once" in str(made.receivers[0].once().error)


def test_the_store_of_an_earlier_version(boxes: Boxes) -> None:
    """A store that remembers no account goes on with the names that it has."""
    server = with_open_mails(boxes)
    with boxes.fake.application() as made, made.store.database.write() as db:
        db.execute(sa.text("DELETE FROM account"))
        db.execute(sa.text("UPDATE folder SET taken_from = NULL"))
    boxes.receive()
    server.append(mail("New"))
    boxes.rename("desk", "helpdesk")
    boxes.receive()
    assert ["New", "Unknown", "Waits"] == boxes.subjects()
    assert {"helpdesk"} == {row.location.mailbox for row in boxes.rows()}

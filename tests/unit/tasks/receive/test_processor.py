"""What becomes of a mail beside an issue: bundled, held for the update task, junk, a bounce, a text without a place."""

import time
from email import message_from_bytes
from typing import Any

import pytest
from structlog.testing import capture_logs

from redmine_mailbridge.errors import MailboxUnreachable
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.mailbox import ConnectionInfo
from redmine_mailbridge.model.plan import Action
from redmine_mailbridge.model.stored_mail import Cursor
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.store.outgoing.adding import NewAnswer
from redmine_mailbridge.store.outgoing.outbox import Outbox
from redmine_mailbridge.store.queries.messages import MessageFilter
from redmine_mailbridge.tasks.receive.admin_decisions import Decision, decide
from redmine_mailbridge.tasks.receive.receiver import connection_line
from redmine_mailbridge.tasks.receive.result import ProcessingResult
from redmine_mailbridge.wiring.application import Application
from tests.memory_mailbox import MemoryMailbox
from tests.product import mail, message_id_of
from tests.unit.tasks.fake_redmine import FakeRedmine

KIM = "Kim <kim@c.example>"


def change(fake: FakeRedmine, *, issue: dict[str, Any] | None = None, **box: Any) -> None:
    """Given keys of the mailbox, and of its issue table, set them."""
    values = fake.settings.model_dump(exclude_unset=True)
    mailbox = values["mailboxes"]["desk"]
    mailbox |= box
    mailbox["issue"] |= issue or {}
    fake.settings = Settings.model_validate(values)


def arrives(fake: FakeRedmine, *mails: bytes) -> None:
    """Each in a pass of its own."""
    for one in mails:
        fake.server.append(one)
        fake.receive()


def once(made: Application) -> list[ProcessingResult]:
    told: list[ProcessingResult] = []
    assert None is made.receivers[0].once(told.append).error
    return told


# ---------------------------------------------------------------------- to which issue


@pytest.mark.parametrize(
    ("sender", "subject", "issues"),
    [(KIM, "Alarm", 1), ("Jo <jo@c.example>", "Alarm", 2), (KIM, "Another alarm", 2)],
)
def test_mails_of_one_sender_and_subject_are_bundled(fake: FakeRedmine, sender: str, subject: str, issues: int) -> None:
    """Within the window the second is a note of the first one's issue; another sender's, or another subject, is not."""
    change(fake, issue={"bundle_window": "1h"})
    arrives(fake, mail("Alarm", sender=KIM), mail(subject, "Again.\n", sender=sender))
    assert (issues, 2 - issues) == (len(fake.issues), len(fake.issues[0]["journals"]))


def test_mails_are_not_bundled_where_no_setting_says_so(fake: FakeRedmine) -> None:
    arrives(fake, mail("Alarm", sender=KIM), mail("Alarm", "Again.\n", sender=KIM))
    assert (2, 0) == (len(fake.issues), fake.related)


@pytest.mark.parametrize(
    ("sender", "login"), [("Zoe <zoe@elsewhere.example>", None), ("Anna <anna@example.com>", "anna")]
)
def test_a_note_names_its_sender_once(fake: FakeRedmine, sender: str, login: str | None) -> None:
    """One that the bridge's own user writes; the note of a user who may write it says nothing but its text."""
    fake.users = {"anna": 5}
    change(fake, issue={"trust": "any"})
    first = mail("First", sender=sender)
    arrives(fake, first, mail("Re: First", "The note.\n", sender=sender, In_Reply_To=message_id_of(first)))
    (note,) = fake.issues[0]["journals"]
    if login:
        assert ("The note.", login) == (note["notes"], note["user"]["name"])
    else:
        assert (1, 1) == (note["notes"].count("zoe@"), note["notes"].count("The note."))


def test_the_newest_note_of_a_bundle_is_known_before_the_next_one_is_written(fake: FakeRedmine) -> None:
    """A note with a lower number is not the one that is looked for after a lost answer."""
    change(fake, issue={"bundle_window": "1h"})
    arrives(fake, mail("Alarm", sender=KIM), mail("Alarm", "Again.\n", sender=KIM), mail("Other", sender=KIM))
    raw = mail("Alarm", "And again.\n", sender=KIM)
    with fake.application() as made:
        (row,) = made.message_queries.messages(MessageFilter(ids=[3]))
        plan, facts = made.planner.plan(made.planner.read(raw, "desk"), "desk", row=row)
    (note,) = fake.issues[0]["journals"]
    assert (Action.NOTE, 1, note["id"]) == (plan.action, plan.issue, facts.issues[1].noted)


def test_who_wrote_the_mail_that_is_answered_is_known(fake: FakeRedmine) -> None:
    first = mail("First", sender=KIM)
    arrives(fake, first)
    with fake.application() as made:
        reply = made.planner.read(mail("Re: First", In_Reply_To=message_id_of(first)), "desk")
        _, facts = made.planner.plan(reply, "desk")
    assert [(1, "kim@c.example")] == [(one.issue, one.sender) for one in facts.known.values()]
    assert 0 == facts.issues[1].noted, "there is no note yet"


def test_an_answer_to_a_third_party_is_known_as_one_although_its_issue_is_hidden(fake: FakeRedmine) -> None:
    """Else it would become an issue that everybody sees."""
    first, other = mail("First", sender=KIM), mail("Second", sender=KIM)
    arrives(fake, first, other)
    with fake.application() as made, made.store.database.write() as db:
        db.exec_driver_sql("UPDATE mail SET third_party = 1 WHERE id = 1")
    fake.reads = lambda url: (403, {}, "") if "/issues/1.json" in url else None
    with fake.application() as made:
        for raw, expected in ((first, {message_id_of(first).strip("<>")}), (other, set())):
            reply = made.planner.read(mail("Re: First", In_Reply_To=message_id_of(raw)), "desk")
            _, facts = made.planner.plan(reply, "desk")
            assert expected == facts.third_party_ids


# ---------------------------------------------------------------------- replies that wait


def test_a_reply_waits_for_the_update_task_where_that_has_a_schedule_of_its_own(fake: FakeRedmine) -> None:
    """A new mail is written at once; the reply once it is released, and it says what it waits for until then."""
    first = mail("First")
    arrives(fake, first)
    fake.server.append(mail("Re: First", "The note.\n", In_Reply_To=message_id_of(first)), mail("Second"))
    with fake.application() as made:
        made.tasks.replies.closed = True
        told = {one.line: one.issue for one in once(made)}
        assert 1 == told["a reply to #1: waits for the update task"]
        assert (2, []) == (len(fake.issues), fake.issues[0]["journals"])
        assert [] == once(made)
        made.store.release_replies()
        once(made)
    assert 1 == len(fake.issues[0]["journals"])
    assert [State.DONE] * 3 == [row.state for row in fake.rows()]


# ---------------------------------------------------------------------- spam


@pytest.mark.parametrize(("folder", "own", "expected"), [
    (None, None, "Junk"), (None, "Bulk", "Bulk"), ("Spam", None, "Spam"), ("Spam", "Bulk", "Spam"),
])  # fmt: skip
def test_spam_is_filed_as_junk(
    fake: FakeRedmine, monkeypatch: pytest.MonkeyPatch, folder: str | None, own: str | None, expected: str
) -> None:
    """It goes to the folder of the settings, else to the account's own, else to one that is made, and becomes no
    issue.
    """
    monkeypatch.setattr(MemoryMailbox, "junk", lambda _mailbox: own)
    fake.server.create(*([own] if own else []))
    reading = {"trusted_authserv_ids": ["mx.example.com"]}
    change(fake, senders={"spam": "junk"}, reading=reading, **({"junk_folder": folder} if folder else {}))
    said = b"X-Spam-Flag: YES\nReceived: from c.example by mx.example.com; Mon, 5 Jan 2026 10:00:00 +0000\n"
    arrives(fake, said + mail("Buy", sender=KIM))
    assert ([], 1, 0) == (fake.issues, len(fake.server.contents(expected)), len(fake.server.contents("INBOX")))
    assert [State.REJECTED] == [row.state for row in fake.rows()]


# ---------------------------------------------------------------------- bounces


def sent(made: Application, recipient: str, content: bytes, kind: str = "received") -> None:
    """A mail of ours went out."""
    box = Outbox(made.store.database, made.store.clock)
    own_id = str(message_from_bytes(content)["Message-ID"]).strip("<>")
    box.queue([NewAnswer("desk", kind, "desk@example.com", recipient, own_id, content, lambda _count: None)])
    for one in box.claim("desk", limit=10):
        box.sent(one, "250 queued")


def report(raw: bytes, recipient: str, *, action: str = "failed", status: str = "5.1.1") -> bytes:
    """What a relay says of a mail (RFC 3464)."""
    return (
        "From: MAILER-DAEMON@relay.example\r\nTo: desk@example.com\r\nSubject: Undelivered Mail Returned to Sender\r\n"
        f"Message-ID: <report-{action}-{recipient}>\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\n\r\nIt could not be delivered.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        "Reporting-MTA: dns; relay.example\r\n\r\n"
        f"Final-Recipient: rfc822; {recipient}\r\nAction: {action}\r\nStatus: {status}\r\n"
        "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
        f"Message-ID: {message_id_of(raw)}\r\nSubject: x\r\n\r\nx\r\n--b--\r\n"
    ).encode()


@pytest.mark.parametrize(
    ("recipients", "named", "action", "expected"),
    [
        (["kim@c.example"], "KIM@c.example", "failed", ["bounced"]),
        (["kim@c.example"], "kim@relay.example", "failed", ["bounced"]),  # rewritten, and there is but one
        (["kim@c.example", "jo@c.example"], "jo@c.example", "failed", ["sent", "bounced"]),
        (["kim@c.example", "jo@c.example"], "jo@relay.example", "failed", ["sent", "sent"]),
        (["kim@c.example"], "kim@c.example", "delayed", ["sent"]),
    ],
)
def test_a_report_that_a_mail_failed_for_good_is_recorded(
    fake: FakeRedmine, recipients: list[str], named: str, action: str, expected: list[str]
) -> None:
    """Of the recipient that it names; of the only one if a relay has rewritten the address. A delay is no failure."""
    content = mail("Answer", message_id="<ours@example.com>")
    with fake.application() as made:
        for one in recipients:
            sent(made, one, content)
    status = "5.1.1" if action == "failed" else "4.0.0"
    arrives(fake, report(content, named, action=action, status=status))
    with fake.application() as made:
        box = Outbox(made.store.database, made.store.clock)
        found = {one.recipient: one for one in box.copies(["ours@example.com"])}
        assert expected == [found[one].state for one in recipients]
        reasons = {one.reason for one in found.values() if one.state == "bounced"}
        assert reasons <= {"5.1.1 smtp; 550 5.1.1 no such user", "5.1.1 550 5.1.1 no such user"}


# ---------------------------------------------------------------------- a text without a place


@pytest.fixture
def textless(fake: FakeRedmine) -> FakeRedmine:
    """The tracker has no description: Redmine drops the text."""
    fake.pages["/trackers.json"] = {"trackers": [{"id": 1, "name": "Bug", "enabled_standard_fields": []}]}
    fake.describes = lambda _text: None
    return fake


def pass_without_notes(fake: FakeRedmine) -> list[ProcessingResult]:
    """A pass in which the key's user may add no notes."""
    with fake.application() as made:
        project = made.metadata.project("desk")
        assert project is not None
        made.metadata.deny(1, "add_issue_notes", project)
        return once(made)


def test_the_text_is_a_file_where_the_tracker_has_none_and_notes_are_not_allowed(textless: FakeRedmine) -> None:
    """Nothing of the mail is lost; a mail without words needs no file."""
    textless.server.append(mail("Printer", "It burns.\n"))
    pass_without_notes(textless)
    assert ["mail-text.txt"] == [one["filename"] for one in textless.issues[0]["attachments"]]
    assert [] == textless.issues[0]["journals"]
    assert "the text is in a file" in textless.lines(textless.rows()[0])


def test_a_text_that_has_no_place_at_all_is_refused_before_anything_is_written(textless: FakeRedmine) -> None:
    """It says what to change: the permission, or the type of files."""
    textless.no_files = "type txt is not allowed"
    textless.server.append(mail("Printer", "It burns.\n"))
    (result,) = pass_without_notes(textless)
    assert ([], State.REJECTED) == (textless.issues, result.state)
    for part in ('the tracker "bug" has no description', "type txt is not allowed", "may not add notes there"):
        assert part in result.line


def test_a_text_that_the_tracker_drops_is_a_note_where_notes_are_allowed(textless: FakeRedmine) -> None:
    arrives(textless, mail("Printer", "It burns.\n"))
    assert ([], 1) == (textless.issues[0]["attachments"], len(textless.issues[0]["journals"]))
    assert "It burns." in textless.issues[0]["journals"][0]["notes"]


# ---------------------------------------------------------------------- a pass and its result


def test_a_mail_counts_when_it_is_new_and_when_it_is_done(fake: FakeRedmine) -> None:
    """Not at each try in between. A pass that goes well had no login refused."""
    fake.always = lambda _body: (502, "")
    fake.server.append(mail("Printer"))
    with fake.application() as made:
        assert not made.receivers[0].undecided

        def counted() -> tuple[int, int, bool]:
            with made.store.database.write() as db:
                db.exec_driver_sql("UPDATE mail SET next_try_at = 0")
            result = made.receivers[0].once()
            return result.seen, result.handled, result.login_refused

        assert [(1, 1, False), (0, 0, False)] == [counted(), counted()]
        fake.always = lambda _body: None
        assert [(0, 1, False), (0, 0, False)] == [counted(), counted()]
        fake.server.refuse_login = "wrong password"
        assert (0, 0, True) == counted()


def test_a_mail_that_is_listed_again_is_not_processed_again(fake: FakeRedmine) -> None:
    """Its row is there, and says that it is done."""
    change(fake, after_success="keep")
    arrives(fake, mail("Once"))
    (kept,) = fake.server.folders["INBOX"].mails.values()
    kept.flags.clear()
    with fake.application() as made:
        cursor = made.store.cursor("desk", "INBOX")
        assert cursor is not None
        made.store.move_cursor("desk", "INBOX", Cursor(cursor.uid_validity, "0"))
    arrives(fake, mail("Second"))
    assert ["Once", "Second"] == [issue["subject"] for issue in fake.issues]
    assert [State.DONE] * 2 == [row.state for row in fake.rows()]
    assert 2 == fake.writes


def test_a_mail_that_is_ignored_says_nothing_of_redmine(fake: FakeRedmine, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an outage Redmine counts as available once it has taken something."""
    fake.server.append(mail("Out of office", Auto_Submitted="auto-replied"))
    with fake.application() as made:
        breaker = made.shared.breaker
        breaker.record_failure(words="502 on a write")
        monkeypatch.setattr(breaker, "_clock", lambda: time.monotonic() + 600.0)
        once(made)
        assert "502 on a write" == breaker.words
        fake.server.append(mail("Printer"))
        once(made)
        assert None is breaker.words
    assert [State.DONE] * 2 == [row.state for row in fake.rows()]


def test_a_mail_that_is_tried_again_is_logged_as_a_warning(fake: FakeRedmine) -> None:
    fake.always = lambda body: (502, "") if "Waits" in body else None
    fake.server.append(mail("Printer"), mail("Waits"))
    with fake.application() as made, capture_logs() as logs:
        once(made)
    levels = {one["id"]: one["log_level"] for one in logs if one["event"] == "mail"}
    assert {1: "info", 2: "warning"} == levels


@pytest.mark.parametrize(
    ("tls", "peer", "expected"),
    [
        ("TLSv1.3", "192.0.2.1:993", "connection to 192.0.2.1:993, TLSv1.3, login by PLAIN"),
        ("", "", "connection to ready, not encrypted, login by PLAIN"),
    ],
)
def test_how_a_mail_was_fetched_is_one_phrase(tls: str, peer: str, expected: str) -> None:
    found = ConnectionInfo("ready", "PLAIN", (), tls, None, "move", pushes=True, peer=peer)
    assert expected == connection_line(found)


# ---------------------------------------------------------------------- a pass that ends early


def test_a_server_that_is_away_is_asked_once(fake: FakeRedmine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first step that fails ends the pass."""
    asked: list[str] = []

    def connect(mailbox: MemoryMailbox) -> None:
        asked.append(mailbox.name)
        raise MailboxUnreachable("no route")

    monkeypatch.setattr(MemoryMailbox, "connect", connect)
    with fake.application() as made:
        result = made.receivers[0].once()
    assert ("no route", ["desk"]) == (result.error, asked)


def test_a_store_that_fails_in_the_middle_is_said_in_its_words(fake: FakeRedmine) -> None:
    """The mail is neither lost nor to blame: the next pass goes on with it."""
    fake.server.append(mail("Out of office", Auto_Submitted="auto-replied"))
    with fake.application() as made:
        with made.store.database.write() as db:
            db.exec_driver_sql(
                "CREATE TRIGGER broken BEFORE UPDATE ON mail WHEN NEW.state = 'done'"
                " BEGIN SELECT RAISE(ABORT, 'the disk says no'); END"
            )
        error = made.receivers[0].once().error
        with made.store.database.write() as db:
            db.exec_driver_sql("DROP TRIGGER broken")
    assert error is not None
    assert ("the disk says no" in error, "internal error" in error) == (True, False)
    fake.receive()
    assert [(State.DONE, 0)] == [(row.state, row.tries) for row in fake.rows()]


def test_while_the_server_wants_to_be_left_alone_what_is_stored_is_processed(fake: FakeRedmine) -> None:
    """Nothing is asked of it; the mail is filed by the next pass that goes there."""
    fake.always = lambda _body: (502, "")
    fake.server.append(mail("Printer"))
    with fake.application() as made:
        once(made)
        fake.always = lambda _body: None
        with made.store.database.write() as db:
            db.exec_driver_sql("UPDATE mail SET next_try_at = 0")
        fake.server.down = "throttled"
        assert None is made.receivers[0].once(server=False).error
        assert (["Printer"], 1) == ([one["subject"] for one in fake.issues], len(fake.server.contents("INBOX")))
        fake.server.down = ""
        once(made)
    assert (0, 1) == (len(fake.server.contents("INBOX")), len(fake.server.contents("Processed")))


# ---------------------------------------------------------------------- folders


def test_a_missing_folder_is_said_and_the_others_are_read(fake: FakeRedmine) -> None:
    """If all are missing the pass ends with their names."""
    change(fake, folders=["Gone", "INBOX"])
    fake.server.append(mail("Printer"))
    with fake.application() as made:
        result = made.receivers[0].once()
        assert (None, ["Gone"]) == (result.error, list(result.missing))
        assert "INBOX" == made.receivers[0].listened_to
    assert 1 == len(fake.issues)
    change(fake, folders=["Gone", "Lost"])
    with fake.application() as made:
        error = made.receivers[0].once().error
        assert error is not None
        assert ("Gone" in error, "Lost" in error) == (True, True)
        assert "Gone" == made.receivers[0].listened_to


def test_a_missing_folder_is_logged_once(fake: FakeRedmine) -> None:
    """Not in each pass; again when it was there in between."""
    change(fake, folders=["INBOX", "Gone"])
    with fake.application() as made, capture_logs() as logs:
        for there, expected in ((False, 1), (False, 1), (True, 1), (False, 2)):
            if there:
                fake.server.create("Gone")
            else:
                fake.server.folders.pop("Gone", None)
            made.receivers[0].once()
            assert expected == sum(one["event"] == "receive.folder_missing" for one in logs)


def test_the_folders_for_filing_are_there_before_the_first_mail(fake: FakeRedmine) -> None:
    """So that an account which allows none says so at once, not after a mail has become an issue."""
    box = fake.settings.mailboxes["desk"]
    assert {box.success_folder, box.failure_folder}.isdisjoint(fake.server.folders)
    fake.receive()
    assert {box.success_folder, box.failure_folder} <= fake.server.folders.keys()


def test_the_folders_for_filing_are_asked_for_once_by_a_process(fake: FakeRedmine) -> None:
    """One that somebody removes later comes back with the first mail that is filed there."""
    with fake.application() as made:
        once(made)
        del fake.server.folders["Failed"], fake.server.folders["Processed"]
        fake.server.append(mail("Printer"))
        once(made)
    assert (1, False) == (len(fake.server.contents("Processed")), "Failed" in fake.server.folders)


def test_a_complete_mail_may_lie_where_the_server_removes_it(fake: FakeRedmine) -> None:
    change(fake, success_folder="Trash")
    arrives(fake, mail("Printer"))
    assert (1, 0) == (len(fake.server.contents("Trash")), len(fake.server.contents("INBOX")))


# ---------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("decision", "project", "paused"),
    [(Decision.IMPORT, "desk", False), (Decision.NEW, None, False), (Decision.IMPORT, None, True)],
)
def test_what_a_person_named_and_redmine_refuses_concerns_that_mail_alone(
    fake: FakeRedmine, decision: Decision, project: str | None, paused: bool
) -> None:
    """The project, or the new place of a mail that is in Redmine; where the settings name all, the mailbox waits."""
    first = mail("First")
    head = {"In_Reply_To": message_id_of(first)} if decision is Decision.NEW else {"Auto_Submitted": "auto-replied"}
    arrives(fake, first, mail("Re: First", "The note.\n", **head))
    fake.wrong = lambda _values: ["Customer cannot be blank"]
    with fake.application() as made:
        (result,) = decide(made.store, made.message_queries, [2], decision, project=project)
        assert result.ok
        once(made)
        assert paused == (made.shared.settings_fitness.words_of("desk") is not None)
    assert 1 == len(fake.issues)


@pytest.mark.parametrize(("words", "ends"), [("Too rude", " (project desk)"), ("The desk is shut", "The desk is shut")])
def test_a_refusal_names_the_project_once(fake: FakeRedmine, words: str, ends: str) -> None:
    """Redmine's words say it themselves at times."""
    fake.wrong = lambda values: [words] if "rude" in values["description"] else []
    fake.server.append(mail("Printer", "A rude word.\n"))
    (result,) = fake.receive()
    assert (State.REJECTED, True, True) == (result.state, words in result.line, result.line.endswith(ends))

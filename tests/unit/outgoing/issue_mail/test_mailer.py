"""Mail about issues: one conversation for mail programs, queued once, to those whom it may go to."""

import email
import email.policy
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

import pytest

from redmine_mailbridge.mail.message_ids import Signer
from redmine_mailbridge.mail.parse import parse
from redmine_mailbridge.model.mail import Address, Message
from redmine_mailbridge.model.mailbox import Listed, Location, RawMail
from redmine_mailbridge.model.stored_mail import Description
from redmine_mailbridge.outgoing.conversation import ConversationFinder, without_re
from redmine_mailbridge.outgoing.issue_mail.mail import IssueMail
from redmine_mailbridge.outgoing.issue_mail.mailer import IssueMailer
from redmine_mailbridge.outgoing.message import FromIdentity, OutgoingFile, chain, child_index
from redmine_mailbridge.outgoing.rendering.note import LONGEST
from redmine_mailbridge.outgoing.sender_profile import SenderProfile
from redmine_mailbridge.outgoing.template_variables import EXAMPLES
from redmine_mailbridge.outgoing.templates import Templates
from redmine_mailbridge.redmine.issue_visibility import VisibleIssue
from redmine_mailbridge.redmine.requests import IssueRequest, NoteRequest
from redmine_mailbridge.redmine.write_intent import WriteIntent
from redmine_mailbridge.store.issue_copy import IssueCopy, IssueRow
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.outgoing.outbox import Outbox
from redmine_mailbridge.store.outgoing.rows import QueuedMail
from redmine_mailbridge.store.queries.conversations import ConversationQueries
from tests.clocks import Clock
from tests.outbox import mails_about

SIGNER = Signer(b"a key for the tests only", "test")
KIM, BOSS = Address("Kim Client", "kim@client.example"), Address("The Boss", "boss@client.example")
KINDS = frozenset({"answer", "closed", "reminder"})
NOTE = {
    "note": {
        "text": "Leave the room.",
        "html": "<p>Leave the room.</p>",
        "author": "Anna",
        "date": "",
        "signed": False,
        "left_out": [],
    }
}
MAIL = """From: Kim Client <kim@client.example>
To: support@example.com
Cc: The Boss <boss@client.example>, support@example.com
Subject: Printer on fire
Message-ID: <first@client.example>
Thread-Index: AdvGgVHGdMSVbbQvTgyKbL4GEwR7JA==

It burns.
"""
REPLY = """From: Kim Client <kim@client.example>
To: support@example.com
Subject: AW: Re: [support #7] Printer on fire
Message-ID: <second@client.example>
In-Reply-To: <ours@example.com>
References: <first@client.example> <ours@example.com>

Still does.
"""


@pytest.fixture
def clock() -> Clock:
    return Clock(1_779_271_200.0)


def came(
    store: Store, text: str, *, issue: int = 7, created: bool = False, journal: int | None = None, machine: bool = False
) -> int:
    """A mail that led to an issue or a note. Return its number."""
    content = text.replace("\n", "\r\n").encode()
    message = parse(content)
    place = Location("support", "INBOX", "1", message.message_id)
    (row,) = store.add([RawMail(Listed(place, len(content)), content)])
    one = Description(row.id, message.message_id, message.content_key, message.sender.key, message.subject)
    store.describe([one])
    request = IssueRequest(1, {"description": "x"}) if created else NoteRequest(issue, 1, {"notes": "x"})
    store.record_intent(row.id, WriteIntent(request, "x", machine=machine, proven=True).to_json())
    store.done(row.id, "done", issue=issue, created=created, journal=journal)
    return row.id


@pytest.fixture
def issue(store: Store) -> IssueRow:
    mail_id = came(store, MAIL, created=True)
    made = IssueRow(
        id=7, mailbox="support", mail_id=mail_id, requester="kim@client.example", requester_name="Kim Client",
        domain="client.example", project_id=1, project="desk", project_name="Desk", project_public=True, tracker="Bug",
        status="New", closed=False, priority="Normal", assignee_id=None, assignee=None, author_id=3,
        subject="Printer on fire", private=False, created_on=0.0, updated_on=0.0, closed_on=None, seen_at=0.0,
    )  # fmt: skip
    IssueCopy(store.database, store.clock).save(made, ())
    return made


def letters(store: Store, kinds: frozenset[str] = KINDS, **desk: object) -> IssueMailer:
    sender = FromIdentity("support@example.com", "Support")
    made = SenderProfile("support", sender, Templates(), "en", kinds, SIGNER, "https://redmine.example.com", **desk)  # type: ignore[arg-type]  # more of a desk

    def read(raw: str, _truncated: bool, _mailbox: str) -> Message:
        return parse(store.raw.read(raw))

    threads = ConversationFinder(ConversationQueries(store.database), read, lambda _address: False)
    ours = {"support@example.com"}
    return IssueMailer(
        {"support": made}, Outbox(store.database, store.clock), threads,
        show_issue=shown, own_addresses=ours, system=made, clock=store.clock,
    )  # fmt: skip


def shown(_number: int = 7) -> VisibleIssue:
    """The issue as Redmine shows it: public, with the notes that these tests speak of."""
    journals = [{"id": number, "notes": "x", "private_notes": False} for number in (3, 9)]
    return VisibleIssue({"description": "x", "journals": journals}, public=True)


def rows(store: Store, issue: int = 7) -> list[QueuedMail]:
    return mails_about(store, issue)


def parsed(row: QueuedMail) -> EmailMessage:
    return email.message_from_bytes(row.content, policy=email.policy.default)  # type: ignore[return-value]  # policy's class


def test_an_answer_continues_the_customers_conversation(store: Store, issue: IssueRow) -> None:
    """It answers the customer's mail under its subject, which is how mail programs show one thread."""
    letters(store).queue(IssueMail("answer", issue, "j1", [KIM], NOTE))
    mail = parsed(*rows(store))
    assert ("<first@client.example>", "<first@client.example>") == (mail["In-Reply-To"], mail["References"])
    assert ("Re: Printer on fire", "Printer on fire") == (mail["Subject"], mail["Thread-Topic"])
    assert str(mail["Thread-Index"]).startswith("AdvGgVHGdMSVbbQvTgyKbL4GEwR7J")
    read = SIGNER.read(str(mail["Message-ID"]))
    assert read is not None
    assert ("answer", 7, "j1") == (read.kind, read.issue, read.serial)


def test_the_second_answer_knows_the_whole_conversation(store: Store, issue: IssueRow) -> None:
    """After a reply, the next answer answers that, and names the first mail, our own and the reply, each once."""
    box = letters(store)
    box.queue(IssueMail("answer", issue, "j1", [KIM], NOTE))
    ours = rows(store)[0].message_id
    came(store, REPLY, journal=3)
    box.queue(IssueMail("answer", issue, "j2", [KIM], NOTE))
    mail = parsed(rows(store)[1])
    assert "<second@client.example>" == mail["In-Reply-To"]
    references = str(mail["References"]).split()
    assert ["<first@client.example>", "<ours@example.com>", f"<{ours}>", "<second@client.example>"] == references
    assert "Re: [support #7] Printer on fire" == mail["Subject"]


def test_the_conversation_without_the_raw_mail(store: Store, issue: IssueRow) -> None:
    """When the raw mail is forgotten, the thread is known all the same."""
    files = [*(Path(store.database.url.database or "").parent / "raw").rglob("*.eml")]
    assert files
    for file in files:
        file.unlink()
    letters(store).queue(IssueMail("answer", issue, "j1", [KIM], NOTE))
    mail = parsed(*rows(store))
    assert ("<first@client.example>", "Re: Printer on fire") == (mail["In-Reply-To"], mail["Subject"])


def test_the_longest_note_and_mail_are_mailed(store: Store, issue: IssueRow) -> None:
    """A note at the limit that doubles in HTML, and a customer's mail of one line without end, cost no answer."""
    came(store, REPLY.replace("Still does.", "<" * 3_000_000), journal=3)
    text = "<" * LONGEST
    note = {"note": NOTE["note"] | {"text": text, "html": "&lt;" * LONGEST}}
    assert "queued: answer to kim@client.example" == letters(store).queue(IssueMail("answer", issue, "j1", [KIM], note))
    body = parsed(*rows(store)).get_body(("plain",))
    assert body is not None
    assert (text in (got := body.get_content().replace("\n", "")), True) == (True, len(got) < LONGEST + 25_000)


def test_queued_once(store: Store, issue: IssueRow) -> None:
    """The same kind, issue and key queue nothing new, and the record tells of it once."""
    box = letters(store)
    first = box.queue(IssueMail("answer", issue, "j1", [KIM], NOTE))
    assert ("queued: answer to kim@client.example", "queued before: answer mail about #7") == (
        first, box.queue(IssueMail("answer", issue, "j1", [KIM], NOTE)),
    )  # fmt: skip
    assert 1 == len(rows(store))


def test_each_person_has_a_row_and_all_the_same_mail(store: Store, issue: IssueRow) -> None:
    """To and Cc name everybody; a row each, with one Message-ID; ourselves and doubles are left out."""
    box = letters(store)
    own = Address("", "Support@example.com")
    made = box.compose(IssueMail("answer", issue, "j1", [KIM], NOTE, cc=[BOSS, own, KIM]))
    assert ["kim@client.example", "boss@client.example"] == [one.recipient for one in made.mails]
    assert 1 == len({(one.message_id, one.content) for one in made.mails})
    mail = email.message_from_bytes(made.mails[0].content, policy=email.policy.default)
    assert ("Kim Client <kim@client.example>", "The Boss <boss@client.example>") == (mail["To"], mail["Cc"])


def test_who_was_in_copy(store: Store, issue: IssueRow) -> None:
    """The thread names who was in Cc of the customer's last mail."""
    assert {BOSS.key, "support@example.com"} == {one.key for one in letters(store).conversation(issue, shown()).cc}


@pytest.mark.parametrize(
    ("kind", "marks"),
    [
        ("answer", (None, None, None, "test")),
        ("closed", ("auto-generated", "bulk", "All", "test")),
        ("reminder", ("auto-generated", "bulk", "All", "test")),
    ],
)
def test_how_each_kind_is_marked(store: Store, issue: IssueRow, kind: str, marks: tuple[str | None, ...]) -> None:
    """An agent's answer is a person's mail; what the bridge says by itself is marked as a machine's."""
    variables = NOTE if kind != "reminder" else {"rule": "r", "reason": "x"}
    letters(store).queue(IssueMail(kind, issue, "k", [KIM], variables))
    mail = parsed(*rows(store))
    names = ("Auto-Submitted", "Precedence", "X-Auto-Response-Suppress", "X-Mailbridge-Loop")
    assert marks == tuple(mail[name] for name in names)


def test_the_text_is_marked_and_says_where_to_write(store: Store, issue: IssueRow) -> None:
    """Text and HTML bear the marker, and the line above which to write when there is one."""
    letters(store, reply_marker_line="-- write above --").queue(IssueMail("answer", issue, "j1", [KIM], NOTE))
    mail = parsed(*rows(store))
    for kind in ("plain", "html"):
        body = mail.get_body((kind,))
        assert body is not None
        text = body.get_content()
        assert [7] == list(SIGNER.markers_in(text))
        assert text.index("-- write above --") < text.index("Leave the room.") < text.index("It burns.")


def test_files_go_along(store: Store, issue: IssueRow) -> None:
    """A file is an attachment with its name, whatever characters are in it."""
    letters(store).queue(
        IssueMail(
            "answer", issue, "j1", [KIM], NOTE, files=[OutgoingFile("Plän\r\nBcc: x.pdf", "application/pdf", b"%PDF")]
        )
    )
    (file,) = list(parsed(*rows(store)).iter_attachments())
    assert ("Plän Bcc: x.pdf", "application/pdf", b"%PDF") == (
        file.get_filename(), file.get_content_type(), file.get_content(),  # type: ignore[attr-defined]  # EmailMessage's
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kinds", "mailbox", "to", "why"),
    [
        (frozenset({"answer"}), "support", KIM, "switched off"),
        (KINDS, "gone", KIM, "nowhere to send by"),
        (KINDS, "support", Address("", "support@example.com"), "no recipients"),
        (KINDS, "support", Address("", "noreply@client.example"), "no recipients"),
        (KINDS, "support", Address("", ""), "no recipients"),
    ],
)
def test_what_does_not_go_out(  # noqa: PLR0917 - a table's columns
    store: Store, issue: IssueRow, kinds: frozenset[str], mailbox: str, to: Address, why: str
) -> None:
    """What is switched off, or would go to nobody, to ourselves or to a machine, is told and not queued."""
    said = letters(store, kinds).queue(IssueMail("closed", replace(issue, mailbox=mailbox), "k", [to], NOTE))
    assert why in said
    assert [] == rows(store)


def test_no_automatic_mail_to_a_machine(store: Store, issue: IssueRow) -> None:
    """Where the customer's mail came from a machine, an agent's answer goes there, and nothing automatic."""
    came(store, MAIL.replace("<first@", "<third@").replace("Subject", "Precedence: bulk\nSubject"), journal=9)
    box = letters(store)
    assert "came from a machine" in box.queue(IssueMail("closed", issue, "k", [KIM], NOTE))
    assert "queued" in box.queue(IssueMail("answer", issue, "j", [KIM], NOTE))
    assert "queued" in box.queue(
        IssueMail("reminder", issue, "r", [Address("Anna", "anna@example.com")], {"rule": "", "reason": ""})
    )


def test_an_out_of_office_is_not_the_customers_newest_mail(store: Store, issue: IssueRow) -> None:
    """What a machine answered, kept as a private note, neither takes over the thread nor stops what is due."""
    away = MAIL.replace("<first@", "<away@").replace("Subject: ", "Auto-Submitted: auto-replied\nSubject: Away: ")
    came(store, away, journal=9, machine=True)
    assert "queued" in letters(store).queue(IssueMail("reminder", issue, "r", [KIM], {"rule": "", "reason": ""}))
    assert "<first@client.example>" == parsed(*rows(store))["In-Reply-To"]


def test_above_the_limit(store: Store, issue: IssueRow) -> None:
    """The eleventh mail to one address within ten minutes is held back, and the record says so."""
    box = letters(store)
    said = [
        box.queue(IssueMail("reminder", replace(issue, id=n), "k", [KIM], {"rule": "", "reason": ""}))
        for n in range(1, 12)
    ]
    assert ["queued"] * 10 + ["no answer"] == [line.partition(":")[0] for line in said]


def test_mail_to_admins(store: Store) -> None:
    """A warning goes to the admins once, answers nothing, and speaks of no issue."""
    box, admins = letters(store), [Address("", "root-admin@example.com"), Address("Ann", "ann@example.com")]
    for _ in range(2):
        assert box.queue_system("budget", "2026-05/Client Ltd/80", admins, EXAMPLES["budget"])[0]
    queued = Outbox(store.database, store.clock).listed()
    assert ["root-admin@example.com", "ann@example.com"] == [row.recipient for row in queued]
    assert [(None, None)] * 2 == [(row.mail_id, row.issue) for row in queued]
    assert None is parsed(queued[0])["In-Reply-To"]


@pytest.mark.parametrize(
    ("subject", "bare"),
    [
        ("Re: AW: Fwd: x", "x"),
        ("RE[2]: x", "x"),
        ("Sv: Re x", "Re x"),
        ("回复：x", "x"),
        ("Rex: a", "Rex: a"),
        ("", ""),
    ],
)
def test_subjects_without_re(subject: str, bare: str) -> None:
    """What mail programs put before a subject goes, other words stay."""
    assert bare == without_re(subject)


def test_a_subject_without_an_end_is_cut() -> None:
    """A subject of any length is answered by its first 1,000 characters."""
    assert "x" * 1000 == without_re("x" * 5000)


def test_references_stay_short_and_keep_the_first() -> None:
    """Of a long conversation the first mail and the newest are named (RFC 5322 section 3.6.4)."""
    ids = [str(number) for number in range(100)]
    made = chain(ids, "99")
    assert ("0", "98", "99", 21) == (made[0], made[-2], made[-1], len(made))


@pytest.mark.parametrize("parent", ["", "x", "AAAA", "not base64!", "A" * 4000])
def test_a_thread_index_that_is_none(parent: str) -> None:
    """What is no Thread-Index gets no child."""
    assert "" == child_index(parent)

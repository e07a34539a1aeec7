"""Every answer of a real Redmine that is lost behind the write ends as one issue or one note, whoever writes it and
whatever the clocks say.
"""

import datetime as dt
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import time_machine

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.tasks.service.service import receive_once
from tests.product import ANNA, STRANGER, Product, mail, message_id_of, product
from tests.servers.faults import FAILS_AFTER_SAVE, failing
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.proxy import Fault, FaultProxy

pytestmark = pytest.mark.real

ISSUE, NOTE = b"POST /issues.json", b"PUT /issues/"
EMOJI = "\U0001f600"
HOUR, DAY = 3600.0, 86400.0


def lost(match: bytes) -> list[Fault]:
    """The ways in which an answer is lost once Redmine has done what was asked."""
    return [
        failing(match),
        Fault("response", "gateway", match, status=502),
        Fault("response", "gateway", match, status=504),
        Fault("response", "reset", match),
        Fault("response", "close", match, after=40),
    ]


@pytest.fixture
def bridge(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str, redmine_proxy: FaultProxy) -> Product:
    """The bridge behind a proxy, with an administrator's key. It looks as soon as a request has ended."""
    made = product(tmp_path, redmine, mailbox, project)
    made.change({"redmine": {"url": redmine_proxy.url, "settle": "0s"}, "receive": {"workers": 1}})
    return made


def finish(bridge: Product, mailbox: Mailbox) -> None:
    """Make passes until every mail is filed."""
    for _ in range(8):
        bridge.passes()
        if not mailbox.count()["INBOX"]:
            return
        with bridge.application() as made:  # as if the pauses were over
            for row in bridge.rows():
                if row.state in {State.STORED, State.WRITE_PENDING}:
                    made.store.retry(row.id)
    raise AssertionError(bridge.rows())


def whole(redmine: Redmine, project: str) -> list[dict[str, Any]]:
    """The project's issues with all that belongs to them."""
    return [redmine.admin.issue(row["id"]) for row in redmine.admin.issues(project)]


def five(subject: str, sender: str, **headers: str) -> list[bytes]:
    """A plain mail, one with a file, one with an emoji, and two that differ in nothing but their Message-ID."""
    return [
        mail(f"{subject} plain", "Plain.\n", sender=sender, **headers),
        mail(f"{subject} file", "File.\n", sender=sender, files={"a.bin": b"content"}, **headers),
        mail(f"{subject} {EMOJI}", f"Emoji {EMOJI}.\n", sender=sender, **headers),
        *(mail(f"{subject} twin", "Twin.\n", sender=sender, **headers) for _ in range(2)),
    ]


def last_lines(texts: Sequence[str]) -> list[str]:
    """What the mails themselves say, without the line that names who sent them, sorted."""
    return sorted(text.replace("\r", "").strip().splitlines()[-1] for text in texts)


TEXTS = ["Emoji \U0001f600.", "File.", "Plain.", "Twin.", "Twin."]


def all_lost(  # noqa: PLR0917 - the servers, and who writes
    bridge: Product, mailbox: Mailbox, proxy: FaultProxy, redmine: Redmine, project: str, sender: str
) -> None:
    """Let five mails and then five replies arrive, and every answer be lost. Assert that each is there once."""
    mails = five("New", sender)
    proxy.plan(*lost(ISSUE))
    mailbox.append(*mails)
    finish(bridge, mailbox)
    assert [] == list(proxy._plan)
    issues = whole(redmine, project)
    assert TEXTS == last_lines([issue["description"] for issue in issues])

    proxy.plan(*lost(NOTE))
    mailbox.append(*five("Re: New", sender, In_Reply_To=message_id_of(mails[0])))
    finish(bridge, mailbox)
    assert [] == list(proxy._plan)
    assert 5 == len(redmine.admin.issues(project))
    first = next(issue for issue in whole(redmine, project) if "plain" in issue["subject"])
    notes = [journal for journal in first["journals"] if journal["notes"]]
    assert (TEXTS, 1) == (last_lines([note["notes"] for note in notes]), len(first["attachments"]))
    assert 5 == len(notes)
    assert {"INBOX": 0, "Failed": 0, "Processed": 10} == mailbox.count()
    assert {State.DONE} == {row.state for row in bridge.rows()}


# ---------------------------------------------------------------------- who writes


@pytest.mark.parametrize(
    ("sender", "ticket_user", "author"),
    [
        pytest.param(STRANGER, "bob", "Bob Builder", id="ticket_user", marks=pytest.mark.fault("I1")),
        pytest.param(STRANGER, None, "Redmine Admin", id="the bridge"),
        pytest.param(ANNA, None, "Anna Agent", id="the sender"),
    ],
)
def test_every_answer_is_lost(  # noqa: PLR0917 - one fixture or column each
    bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, redmine_proxy: FaultProxy,
    sender: str, ticket_user: str | None, author: str,
) -> None:  # fmt: skip
    """Whoever writes them: issues and notes, plain, with files, with emoji and twins, whose answers are all lost."""
    if ticket_user:
        bridge.support(senders={"ticket_user": ticket_user})
    all_lost(bridge, mailbox, redmine_proxy, redmine, project, sender)

    assert {author} == {issue["author"]["name"] for issue in redmine.admin.issues(project)}


def test_every_answer_is_lost_to_a_key_without_admin_rights(
    tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str, redmine_proxy: FaultProxy
) -> None:
    """The same with a key that may do little."""
    bridge = product(tmp_path, redmine, mailbox, project, login="bridge")
    bridge.change({"redmine": {"url": redmine_proxy.url, "settle": "0s"}, "receive": {"workers": 1}})
    all_lost(bridge, mailbox, redmine_proxy, redmine, project, STRANGER)


def fresh_user(redmine: Redmine, project: str) -> tuple[int, str, str]:
    """Make a user who may write in the project. Return id, login and address."""
    login = f"u{uuid.uuid4().hex[:10]}"
    values = {"login": login, "firstname": "New", "lastname": "User", "mail": f"{login}@example.com"}
    made = redmine.admin.call("POST", "/users.json", {"user": values | {"generate_password": True}})["user"]
    member = {"membership": {"user_id": made["id"], "role_ids": [redmine.seed["roles"]["Developer"]]}}
    redmine.admin.call("POST", f"/projects/{project}/memberships.json", member)
    return made["id"], login, values["mail"]


@pytest.mark.parametrize(
    "files", [pytest.param({}, marks=pytest.mark.fault("M9")), {"a.bin": b"content"}], ids=["plain", "with a file"]
)
def test_login_renamed(
    bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, files: dict[str, bytes]
) -> None:
    """A user whose login an admin has just changed writes all the same: Redmine's 412 has the mail decided anew."""
    number, login, address = fresh_user(redmine, project)
    with bridge.application() as made:
        mailbox.append(mail("First", sender=address))
        receive_once(made.receivers)
        redmine.admin.call("PUT", f"/users/{number}.json", {"user": {"login": f"{login}-renamed"}})
        mailbox.append(mail("Second", sender=address, files=files))
        for minutes in range(0, 60, 10):
            with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes)):
                receive_once(made.receivers)

    assert [number] * 2 == [issue["author"]["id"] for issue in redmine.admin.issues(project)]
    assert {State.DONE} == {row.state for row in bridge.rows()}


def test_a_busy_office(
    bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, redmine_proxy: FaultProxy
) -> None:
    """An issue that is moved and rewritten, and whose author is renamed and locked, before it is looked for, is there
    once; a note whose author is locked then, too.
    """
    number, login, address = fresh_user(redmine, project)
    elsewhere = redmine.fresh_project()
    first = mail("First", sender=address)
    mailbox.append(first)
    finish(bridge, mailbox)
    redmine_proxy.plan(lost(ISSUE)[2], lost(NOTE)[2])
    reply = mail("Re: First", "The reply.\n", sender=address, In_Reply_To=message_id_of(first))
    mailbox.append(mail("As sent", "Its words.\n", sender=address), reply)
    bridge.passes()
    _, made = redmine.admin.issues(project)
    target = redmine.admin.get(f"/projects/{elsewhere}.json")["project"]["id"]
    changes = {"project_id": target, "subject": "Rewritten", "description": "Other words"}
    redmine.admin.call("PUT", f"/issues/{made['id']}.json", {"issue": changes})
    redmine.admin.call("PUT", f"/users/{number}.json", {"user": {"login": f"{login}-left", "status": 3}})
    finish(bridge, mailbox)

    assert (["First"], ["Rewritten"]) == tuple(
        [issue["subject"] for issue in redmine.admin.issues(one)] for one in (project, elsewhere)
    )
    assert ["The reply."] == redmine.admin.notes(redmine.admin.issues(project)[0]["id"])
    assert [State.DONE] * 3 == [row.state for row in bridge.rows()]


# ---------------------------------------------------------------------- in which form


@pytest.mark.fault("I2")
def test_emoji_and_a_500_after_the_save(bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """Where Redmine answers each time with a 500 once it has saved, an emoji makes neither second issue nor note."""
    first = mail(f"Party {EMOJI}", f"{FAILS_AFTER_SAVE}\n", sender=ANNA)
    mailbox.append(first)
    finish(bridge, mailbox)
    mailbox.append(mail("Re: Party", f"{EMOJI} {FAILS_AFTER_SAVE}\n", sender=ANNA, In_Reply_To=message_id_of(first)))
    finish(bridge, mailbox)

    (issue,) = redmine.admin.issues(project)
    assert (f"Party {EMOJI}", [f"{EMOJI} {FAILS_AFTER_SAVE}"]) == (issue["subject"], redmine.admin.notes(issue["id"]))


@pytest.mark.databases("mariadb-utf8mb3")
def test_emoji_that_the_database_does_not_take(
    bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, redmine_proxy: FaultProxy
) -> None:
    """Where the database takes no emoji, and the answer to the request without is lost too, there is one of each."""
    redmine_proxy.plan(Fault("response", "gateway", ISSUE, skip=1, status=504))
    first = mail(f"Party {EMOJI}", "Come!\n", sender=ANNA)
    mailbox.append(first)
    finish(bridge, mailbox)
    redmine_proxy.plan(Fault("response", "gateway", NOTE, skip=1, status=504))
    mailbox.append(mail("Re: Party", f"{EMOJI}\n", sender=ANNA, In_Reply_To=message_id_of(first)))
    finish(bridge, mailbox)

    assert 2 == len(redmine_proxy.fired)
    (issue,) = redmine.admin.issues(project)
    assert ("Party :grinning_face:", [":grinning_face:"]) == (issue["subject"], redmine.admin.notes(issue["id"]))


def test_a_reply_that_only_changes_something(
    bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, redmine_proxy: FaultProxy
) -> None:
    """Keyword lines alone, whose answer is lost: they are carried out once, and what an agent does then stays."""
    bridge.issue(allow_override="status")
    first = mail("First", sender=ANNA)
    mailbox.append(first)
    finish(bridge, mailbox)
    redmine_proxy.plan(lost(NOTE)[2])
    mailbox.append(mail("Re: First", "Status: Resolved\n", sender=ANNA, In_Reply_To=message_id_of(first)))
    bridge.passes()
    (row,) = redmine.admin.issues(project)
    values = {"status_id": redmine.seed["statuses"]["In Progress"]}
    redmine.api("bob").call("PUT", f"/issues/{row['id']}.json", {"issue": values})
    finish(bridge, mailbox)

    issue = redmine.admin.issue(row["id"])
    assert ("In Progress", ["Anna Agent", "Bob Builder"]) == (
        issue["status"]["name"], [journal["user"]["name"] for journal in issue["journals"]]
    )  # fmt: skip
    assert [State.DONE] * 2 == [one.state for one in bridge.rows()]


def test_a_private_note(
    bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, redmine_proxy: FaultProxy
) -> None:
    """A reply to a private note, whose answer is lost, is one private note."""
    mailbox.append(mail("First"))
    finish(bridge, mailbox)
    (row,) = redmine.admin.issues(project)
    redmine.api("bob").call("PUT", f"/issues/{row['id']}.json", {"issue": {"notes": "psst", "private_notes": True}})
    (note,) = redmine.admin.issue(row["id"])["journals"]
    stamp = "".join(c for c in note["created_on"] if c.isdigit())
    redmine_proxy.plan(lost(NOTE)[1])
    reference = f"<redmine.journal-{note['id']}.{stamp}.5@any.example>"
    mailbox.append(mail("Re: First", "Between us.\n", sender=ANNA, In_Reply_To=reference))
    finish(bridge, mailbox)

    journals = redmine.admin.issue(row["id"])["journals"]
    assert [("psst", True), ("Between us.", True)] == [(one["notes"], one["private_notes"]) for one in journals]


# ---------------------------------------------------------------------- clocks


@pytest.fixture
def clocked_proxy(clocked_redmine: Redmine) -> Iterator[FaultProxy]:
    """A proxy in front of the Redmine whose clock can be set."""
    with FaultProxy(clocked_redmine.port, "http") as proxy:
        yield proxy


CLOCKS = [  # how far Redmine's clock, and the proxy's Date, are ahead of ours
    pytest.param(HOUR, 0.0, id="Redmine ahead"),
    pytest.param(-HOUR, 0.0, id="Redmine behind", marks=pytest.mark.fault("I5")),
    pytest.param(0.0, 10.0, id="the proxy a little ahead", marks=pytest.mark.fault("I5")),
]


@pytest.mark.newest
@pytest.mark.parametrize(("ahead", "date"), CLOCKS)
def test_clocks_that_differ(  # noqa: PLR0917 - one fixture or column each
    bridge: Product, redmine: Redmine, clocked_redmine: Redmine, mailbox: Mailbox, project: str,
    clocked_proxy: FaultProxy, ahead: float, date: float,
) -> None:  # fmt: skip
    """However far Redmine's clock and that of a proxy are from ours: every lost answer is one issue or note."""
    clocked_redmine.set_clock(ahead)
    clocked_proxy.ahead = date
    bridge.change({"redmine": {"url": clocked_proxy.url}})
    all_lost(bridge, mailbox, clocked_proxy, redmine, project, ANNA)


@pytest.mark.newest
@pytest.mark.parametrize(
    ("jump", "files"),
    [
        pytest.param(-HOUR, {}, id="back", marks=pytest.mark.fault("I6")),
        pytest.param(-DAY, {"a.bin": b"content"}, id="a day back, with a file", marks=pytest.mark.fault("I6")),
        pytest.param(DAY, {"a.bin": b"content"}, id="a day forward, with a file"),
    ],
)
def test_our_clock_is_set_between_send_and_look(  # noqa: PLR0917 - one fixture or column each
    bridge: Product, redmine: Redmine, mailbox: Mailbox, project: str, redmine_proxy: FaultProxy,
    jump: float, files: dict[str, bytes],
) -> None:  # fmt: skip
    """Our clock is set while it is unclear whether a mail and a reply were written: each is there once."""
    redmine_proxy.ahead = 0.0
    first = mail("First", sender=ANNA)
    mailbox.append(first)
    finish(bridge, mailbox)
    redmine_proxy.plan(lost(ISSUE)[2], lost(NOTE)[2])
    reply = mail("Re: First", "The reply.\n", sender=ANNA, In_Reply_To=message_id_of(first), files=files)
    mailbox.append(mail("Second", sender=ANNA, files=files), reply)
    bridge.passes()
    redmine_proxy.ahead = -jump  # its clock is right
    with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=jump)):
        finish(bridge, mailbox)

    assert ["First", "Second"] == [issue["subject"] for issue in redmine.admin.issues(project)]
    assert ["The reply."] == redmine.admin.notes(redmine.admin.issues(project)[0]["id"])

"""The mails that go out, on a page: what failed and why, sent again, discarded."""

import tracemalloc
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import tomlkit

from redmine_mailbridge.store.tables import outbox as table
from redmine_mailbridge.store.tables import outgoing_content
from redmine_mailbridge.web import passwords
from redmine_mailbridge.web.routes import GET
from tests.product import mail
from tests.unit.web.site import PASSWORD, Site, values

WORDS = "550 5.1.1 <gone@client.example>: Recipient address rejected"
pytestmark = pytest.mark.fault("N12")


def queue(site: Site, number: int, state: str, **values: Any) -> None:
    """Put a mail of the mailbox "support" into the outbox, as it stands in a state."""
    made = EmailMessage()
    made["Subject"] = f"[#{number}] Printer"
    row = {
        "id": number, "mailbox": "support", "kind": "answer", "sender": "support@example.com",
        "recipient": f"person{number}@client.example", "message_id": f"<m{number}@example.com>", "state": state,
        "tries": 1, "next_try_at": 0.0, "created_at": float(number), "content_hash": f"hash{number}",
    }  # fmt: skip
    with site.desk.store.database.write() as db:
        db.execute(sa.insert(outgoing_content).values(hash=f"hash{number}", content=made.as_bytes()))
        db.execute(sa.insert(table).values(row | values))


@pytest.fixture
def busy(site: Site) -> Site:
    """One mail in each state, an administrator before the pages; "support" sends to the console."""
    site.sign_in()
    for number, state in enumerate(("queued", "failed", "bounced", "sent"), 1):
        queue(site, number, state, reason=WORDS if state == "failed" else None)
    return site


def test_what_failed_is_listed_with_the_servers_words(busy: Site) -> None:
    """The failed mails come first, each with its recipient, its subject and what the server said."""
    page = busy.browser.get("/outgoing").text
    assert "550 5.1.1 &lt;gone@client.example&gt;: Recipient address rejected" in page
    assert ["person3", "person2"] == sorted((f"person{n}" for n in (1, 2, 3, 4) if f"person{n}@" in page), reverse=True)
    assert "[#2] Printer" in page


@pytest.mark.parametrize(("state", "number"), [("queued", 1), ("sent", 4)])
def test_each_state_has_its_list(busy: Site, state: str, number: int) -> None:
    """What waits and what was sent are lists of their own."""
    page = busy.browser.get(f"/outgoing?state={state}").text
    assert [number] == [n for n in (1, 2, 3, 4) if f"person{n}@" in page]


def test_the_overview_leads_to_what_failed(busy: Site) -> None:
    """ "2 failed" on the overview is a link to the list that shows those two."""
    page = busy.browser.get("/").text
    assert 'href="/outgoing?state=failed">2 failed</a>' in page
    assert 'href="/outgoing?state=queued">1 queued</a>' in page


def test_discarded_mails_are_not_sent(busy: Site) -> None:
    """What is discarded leaves the queue, stays listed as discarded, and is written down."""
    busy.browser.post("/outgoing/decide", data={"decision": "discard", "id": ["1", "2", "4"]})
    assert {"discarded": 2, "bounced": 1, "sent": 1} == busy.desk.outbox.counts()
    assert [] == busy.desk.outbox.claim("support", limit=9)
    assert [] == [row.id for row in busy.desk.outbox.unreported() if row.id == 2]
    (line, *_) = busy.desk.audit.lines()
    assert ("discard outgoing", "1, 2") == (line.action, line.detail)
    assert "person2@client.example: discarded" in busy.browser.get("/outgoing").text


def test_a_retry_asks_what_the_command_line_asks(busy: Site) -> None:
    """Nothing is sent again by a mailbox that has nowhere to send by; the page says so, as `queue retry` does."""
    busy.browser.post("/outgoing/decide", data={"decision": "retry", "id": "2"})
    assert "mailbox support has nowhere to send by" in busy.browser.get("/outgoing").text
    assert 1 == busy.desk.outbox.counts()["failed"]


def test_a_failed_mail_is_sent_again(tmp_path: Path) -> None:
    """What failed is queued again from its first attempt, with who asked for it on its mail's history."""
    file = tmp_path / "settings.toml"
    file.write_text(tomlkit.dumps(values() | {"outgoing": {"transport": "console"}}), "utf-8")
    passwords.keep(tmp_path / "admin-password", PASSWORD)
    with Site.of(file) as site:
        site.sign_in()
        queue(site, 1, "failed", reason=WORDS, tries=4)
        site.browser.post("/outgoing/decide", data={"decision": "retry", "id": "1"})
        assert "person1@client.example: queued again" in site.browser.get("/outgoing").text
        (mail_to_send,) = site.desk.outbox.claim("support", limit=9)
        assert (1, 0) == (mail_to_send.id, mail_to_send.tries)
        assert "retry outgoing" == site.desk.audit.lines()[0].action


def test_the_limit_of_an_account_is_shown_once(tmp_path: Path) -> None:
    """Two mailboxes that send by one account share its limit, which the overview shows once, with what both sent."""
    file = tmp_path / "settings.toml"
    server = {"host": "smtp.example.com", "username": "bridge", "password": "x", "daily_limit": 400}
    file.write_text(tomlkit.dumps(values() | {"outgoing": server}), "utf-8")
    passwords.keep(tmp_path / "admin-password", PASSWORD)
    with Site.of(file) as site:
        site.sign_in()
        now = site.desk.store.clock()
        queue(site, 1, "sent", sent_at=now, created_at=now)
        queue(site, 2, "sent", sent_at=now, created_at=now, mailbox="sales")
        page = site.browser.get("/").text
        assert 1 == page.count('class="meter"')
        assert "2 of 400" in page
        assert "one limit for all its mailboxes" in page


def test_nothing_selected(busy: Site) -> None:
    """Without a selection nothing happens, and the page says what to do."""
    busy.browser.post("/outgoing/decide", data={"decision": "retry"})
    assert "Select at least one mail first." in busy.browser.get("/outgoing").text
    assert "/outgoing" in GET


def test_a_mails_history_tells_of_each_answer_once_and_in_order(busy: Site) -> None:
    """The answers to a mail stand in its history once, where they belong in time; no "answer answer to"."""
    row = busy.keep(mail("Printer"), subject="Printer", sender="kim@client.example")
    busy.desk.store.done(row.id, "made", issue=7, created=True)
    queue(busy, 9, "queued", mail_id=row.id, kind="received", recipient="kim@client.example")
    (queued,) = busy.desk.outbox.of_mail(row.id)
    busy.desk.outbox.sent(queued, "250 2.0.0 Ok: 4F2A")
    page = busy.browser.get(f"/messages/{row.id}").text
    history = page[page.index('<ol class="steps">') :].partition("</ol>")[0]
    assert 1 == history.count("kim@client.example")
    assert "acknowledgement to kim@client.example: sent (250 2.0.0 Ok: 4F2A)" in history
    assert "answer received to" not in history


@pytest.mark.fault("A19-14")
def test_a_bounced_mail_is_not_sent_again(busy: Site) -> None:
    """A server has taken it: the page says why nothing happens, and not that somebody else was quicker."""
    busy.browser.post("/outgoing/decide", data={"decision": "retry", "id": "3"})
    assert "not bounced ones: 1 unchanged" in busy.browser.get("/outgoing").text


@pytest.mark.fault("A19-8")
def test_the_list_reads_no_attachments(busy: Site) -> None:
    """Of each mail only the header is read, however large its files are."""
    with busy.desk.store.database.write() as db:
        for number in range(10, 30):
            content = f"Subject: [#{number}] Large\r\n\r\n".encode() + b"x" * 3_000_000
            db.execute(sa.insert(outgoing_content).values(hash=f"hash{number}", content=content))
            row = {"mailbox": "support", "kind": "answer", "sender": "s@example.com", "tries": 1, "next_try_at": 0.0}
            row |= {"recipient": f"p{number}@x.example", "message_id": f"<m{number}@x>", "created_at": 1.0}
            db.execute(sa.insert(table).values(id=number, content_hash=f"hash{number}", state="failed", **row))
    tracemalloc.start()
    try:
        page = busy.browser.get("/outgoing").text
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "[#29] Large" in page
    assert most < 20_000_000

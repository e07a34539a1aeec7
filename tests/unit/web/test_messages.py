"""The mails on pages: found, told about, decided about."""

import csv
import io
import re

import pytest
import responses

from redmine_mailbridge.model.mail_state import State
from tests.product import mail
from tests.unit.web.site import REDMINE, Site


@pytest.fixture
def mails(site: Site) -> Site:
    """A mail in each state, and one of the other mailbox."""
    store = site.desk.store
    rows = [
        site.keep(mail(f"Mail {n}", f"Text {n}\n"), sender=f"s{n}@example.net", subject=f"Subject {n}", uid=str(n))
        for n in range(1, 7)
    ]
    store.done(rows[0].id, "made", issue=4711, created=True, lines=("from s1, a user", "create: a new mail"))
    store.done(rows[1].id, "an automatic reply")
    store.finish(rows[2].id, State.REJECTED, "unknown sender")
    store.finish(rows[3].id, State.HELD, "unknown <b>sender</b>")
    store.finish(rows[4].id, State.FAILED, "failed after 10 attempts")
    site.keep(mail("Other"), mailbox="sales", sender="k@example.org", subject="Other & more")
    site.sign_in()
    return site


def ids(text: str) -> list[int]:
    return [int(found) for found in re.findall(r'name="id" value="([0-9]+)"', text)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [7, 6, 5, 4, 3, 2, 1]),
        ("?outcome=done", [1]),
        ("?outcome=ignored", [2]),
        ("?outcome=waiting", [7, 6]),
        ("?outcome=nonsense", [7, 6, 5, 4, 3, 2, 1]),
        ("?sender=S3@EXAMPLE", [3]),
        ("?subject=subject+4", [4]),
        ("?issue=%234711", [1]),
        ("?issue=99999999999999999999", [7, 6, 5, 4, 3, 2, 1]),
        ("?mailbox=sales", [7]),
        ("?since=2000-01-01&until=2000-01-02", []),
        ("?since=2000-01-01", [7, 6, 5, 4, 3, 2, 1]),
        ("?until=9999-12-31&since=nonsense", [7, 6, 5, 4, 3, 2, 1]),
        ("?before=3", [2, 1]),
        ("?sender=%25", []),
    ],
)
def test_search(mails: Site, query: str, expected: list[int]) -> None:
    """The list shows the mails that fit, newest first."""
    assert expected == ids(mails.browser.get(f"/messages{query}").text)


def test_what_was_not_imported(mails: Site) -> None:
    """Refused, held, set-aside and ignored mails stand in one list, each with its reason, none as markup."""
    page = mails.browser.get("/not-imported").text
    assert [5, 4, 3, 2] == ids(page)
    assert "unknown &lt;b&gt;sender&lt;/b&gt;" in page
    assert [4] == ids(mails.browser.get("/not-imported?outcome=held").text)


@pytest.mark.fault("O24")
def test_no_spreadsheet_sees_a_formula(mails: Site) -> None:
    """A subject in full-width letters, or with a semicolon before the formula, is text in the export too."""
    for number, subject in enumerate(("＝1+1", "x;=cmd|'/c calc'!A0"), 77):
        row = mails.keep(mail("=1"), sender="x@example.net", subject=subject, uid=str(number))
        mails.desk.store.finish(row.id, State.REJECTED, "no")
    text = mails.browser.get("/not-imported.csv").text
    assert (False, False) == ('"＝' in text, ";=" in text)


def test_the_export(mails: Site) -> None:
    """The export is a table with a line for each mail; what a spreadsheet would take for a formula is text."""
    row = mails.keep(mail("=1"), sender="x@example.net", subject='=HYPERLINK("http://evil.example")', uid="77")
    mails.desk.store.finish(row.id, State.REJECTED, "no")
    answer = mails.browser.get("/not-imported.csv")
    lines = list(csv.DictReader(io.StringIO(answer.text)))

    assert ["rejected", "failed", "held", "rejected", "ignored"] == [line["state"] for line in lines]
    assert '\'=HYPERLINK("http://evil.example")' == lines[0]["subject"]
    assert "attachment" in answer.headers["Content-Disposition"]


def test_one_mail(mails: Site) -> None:
    """A mail's page tells each step, shows the text, and leads to its issue."""
    page = mails.browser.get("/messages/1").text
    for words in ("from s1, a user", "create: a new mail", "Text 1", "https://redmine.example.com/issues/4711"):
        assert words in page
    assert 404 == mails.browser.get("/messages/99").status_code
    assert 404 == mails.browser.get("/messages/x").status_code


def test_a_hostile_mail(site: Site) -> None:
    """A mail's own HTML comes in a frame of its own, under a policy that lets nothing run or be asked for."""
    raw = mail("Hi", "x").replace(b"text/plain", b"text/html") + b"<script>alert(1)</script><img src=http://e.example/>"
    row = site.keep(raw, sender="m@example.net", subject="<script>alert(2)</script>")
    site.sign_in()
    page = site.browser.get(f"/messages/{row.id}").text
    frame = site.browser.get(f"/messages/{row.id}/original")
    policy = frame.headers["Content-Security-Policy"]

    assert re.search('<iframe class="original[^"]*" sandbox=""', page)
    assert "<script>alert" not in page + frame.text
    assert "e.example" not in frame.text
    assert {"default-src 'none'", "sandbox", "img-src data:"} <= {part.strip() for part in policy.split(";")}
    assert "script-src" not in policy
    assert "SAMEORIGIN" == frame.headers["X-Frame-Options"]


def test_files(site: Site) -> None:
    """The mail and its attachments are handed out as they came, as files that no browser opens in place."""
    raw = mail("Files", files={"page.html": b"<script>alert(1)</script>"})
    row = site.keep(raw)
    site.sign_in()
    whole = site.browser.get(f"/messages/{row.id}/raw.eml")
    part = site.browser.get(f"/messages/{row.id}/attachments/0")

    assert raw == whole.content
    assert b"<script>alert(1)</script>" == part.content
    for answer in (whole, part):
        assert "application/octet-stream" == answer.headers["Content-Type"]
        assert answer.headers["Content-Disposition"].startswith("attachment;")
        assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert 404 == site.browser.get(f"/messages/{row.id}/attachments/1").status_code


@pytest.mark.parametrize(
    ("decision", "before", "after"),
    [
        ("accept", 4, "stored"),
        ("reject", 4, "rejected"),
        ("retry", 3, "stored"),
        ("import", 2, "stored"),
        ("file", 5, "stored"),
    ],
)
def test_decisions(mails: Site, decision: str, before: int, after: str) -> None:
    """What is decided about a mail is done, said, and written down with who."""
    form = {"decision": decision, "id": str(before), "issue": "7", "back": "/not-imported"}
    answer = mails.browser.post("/messages/decide", data=form)
    assert (303, "/not-imported") == (answer.status_code, answer.headers["location"])
    assert f"{before}: " in mails.browser.get("/not-imported").text

    (line, *_) = mails.desk.audit.lines()
    assert ("admin", decision, str(before)) == (line.who, line.action, line.detail.partition(" ")[0])
    assert after == mails.desk.message_queries.state(before)


def test_many_at_once(mails: Site) -> None:
    """Several ticked mails are decided about together; those that cannot be are named, and nothing else changes."""
    mails.browser.post("/messages/decide", data={"decision": "accept", "id": ["3", "4", "99"]})
    said = mails.browser.get("/messages").text
    assert "3: it is rejected, not held" in said
    assert "4: will be processed with the next receive" in said
    assert "99: this message does not exist" in said
    assert ("rejected", "stored") == (mails.desk.message_queries.state(3), mails.desk.message_queries.state(4))


@pytest.mark.parametrize(
    "form", [{"decision": "drop", "id": "3"}, {"decision": "retry"}, {"decision": "file", "id": "3"}]
)
def test_half_a_decision(mails: Site, form: dict[str, str]) -> None:
    """A decision that does not exist, about nothing, or without its issue, changes nothing and says so."""
    assert 303 == mails.browser.post("/messages/decide", data=form).status_code
    assert "rejected" == mails.desk.message_queries.state(3)
    assert ["signed in"] == [line.action for line in mails.desk.audit.lines()]


def test_a_mail_whose_bytes_are_gone(mails: Site) -> None:
    """A mail whose bytes are not kept any more still tells its story, and can only be refused."""
    row = mails.desk.store.due("sales")[0]
    mails.desk.store.finish(row.id, State.HELD, "unknown sender")
    mails.desk.store.raw.path(row.raw or "").unlink()
    page = mails.browser.get(f"/messages/{row.id}")
    assert 200 == page.status_code
    assert "unknown sender" in page.text
    assert 404 == mails.browser.get(f"/messages/{row.id}/raw.eml").status_code


def test_the_failed_of_a_mailbox(mails: Site) -> None:
    """The overview's number of failed mails leads to exactly those: refused and set aside."""
    page = mails.browser.get("/").text
    assert "/not-imported?mailbox=support&amp;outcome=failed" in page
    assert [5, 3] == ids(mails.browser.get("/not-imported?mailbox=support&outcome=failed").text)


@pytest.mark.fault("N9")
def test_what_was_ignored_is_counted(site: Site) -> None:
    """The overview counts the mails that were ignored today, and names the reasons of the last days, the most frequent
    first, so that a wrong rule is noticed.
    """
    site.sign_in()
    assert "Ignored in the last 14 days" not in site.browser.get("/").text
    for number in range(3):
        row = site.keep(mail(f"No {number}"), uid=str(number + 1))
        reason = 'rule "all" says so' if number else "an automatic reply"
        site.desk.store.finish(row.id, State.DONE, reason)
    page = site.browser.get("/").text
    assert "<b>3</b><span>ignored today</span>" in page
    rows = re.findall(r"outcome=ignored[^>]*>(\d+)</a></td><td>([a-z]+)</td><td[^>]*>([^<]*)<", page)
    assert [("2", "support", "rule &#34;all&#34; says so"), ("1", "support", "an automatic reply")] == rows


@pytest.mark.fault("N12")
def test_an_import_into_a_project_that_is_not_there(mails: Site, redmine: responses.RequestsMock) -> None:
    """A mistyped project is named as what is wrong, with the one that was probably meant, and nothing is imported."""
    projects = {"projects": [{"id": 1, "identifier": "support", "name": "Support"}], "total_count": 1, "limit": 100}
    redmine.get(f"{REDMINE}/projects.json", json=projects | {"offset": 0})
    redmine.get(f"{REDMINE}/projects/suport.json", status=404)
    redmine.get(f"{REDMINE}/users/current.json", json={"user": {"id": 9, "login": "bridge"}})
    mails.browser.post("/messages/decide", data={"decision": "import", "id": "3", "project": "suport", "back": "/"})
    page = mails.browser.get("/").text
    assert "Redmine shows no project “suport” to the API key." in page
    assert "Did you mean support?" in page
    assert "import" not in {line.action for line in mails.desk.audit.lines()}


def test_a_search_that_ran_out_of_time_goes_on(mails: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page says since when it searched, and leads to the rest; a search that ended says nothing of it."""
    from redmine_mailbridge.store.queries import search
    from redmine_mailbridge.web.pages import messages

    assert "Continue the search" not in mails.browser.get("/messages?subject=subject").text
    monkeypatch.setattr(search, "LEAST", 2)
    monkeypatch.setattr(messages, "SEARCH_SECONDS", 0.0)
    first = mails.browser.get("/messages?subject=subject+4").text
    assert "No matching mail among those searched so far" in first
    assert 'href="/messages?before=6&amp;subject=subject+4"' in first
    assert [4] == ids(mails.browser.get("/messages?before=6&subject=subject+4").text)
    assert "Continue the search" in mails.browser.get("/not-imported?before=6&subject=subject+9").text

"""Whatever strangers write, pages, tables and log lines show it as text: no element, attribute or formula of theirs.

The values stand in each place that a mail, a server or a visitor can reach; the pages are read by an HTML parser, the
table by a CSV parser, log lines by JSON's.
"""

import csv
import dataclasses
import io
import json
import re
import unicodedata
from typing import Literal
from urllib.parse import quote

import lxml.html
import pytest
import structlog
from starlette.testclient import TestClient

from redmine_mailbridge.cli import logging
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.settings.models import LogSettings
from redmine_mailbridge.store.health import REDMINE, of_mailbox
from redmine_mailbridge.store.outgoing.adding import NewAnswer
from redmine_mailbridge.store.outgoing.outbox import Outbox
from redmine_mailbridge.web.routes import make
from tests.product import mail
from tests.unit.web.site import OURS, URL, Site

ELEMENT = "<xinjected xon=1 href=https://evil.example>"
VALUES = {
    "elements": f"{ELEMENT}</bdi></td></pre></textarea></title></script></style>--></option>{ELEMENT}",
    "an end of an attribute": f"\" xon=\"1\" ' xon='1' ` xon=1 >{ELEMENT} &lt;xinjected xon=1&gt; &#60;xinjected&#62;",
    "a template": "{{ 7 * 7 }} {% raw %} ${7*7} {# x #}",
    "line ends": f"x\r\nSet-Cookie: a=b\r\n\r\n{ELEMENT}\x0b\x0c\x85\u2028\u2029",
    "controls": f"\x00\x07\x1b[31m\x1b]0;x\x07\x7f\x9b31m \u202egnp.exe \u2066\u2067\u2068 {ELEMENT} \ufffe\U0001fffe",
    "lone surrogates": f"\ud800 \udfff {ELEMENT}",
    "formulas": 'x;=1+1\t=1+1,"=1+1"\n=1+1',
    "a formula": '=HYPERLINK("https://evil.example";"x")',
    "a formula of full-width signs": "\uff1d1+1",
    "100 kB": ELEMENT * 2_000,
}
BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
PAGES = (
    "/", "/tasks", "/messages", "/not-imported", "/mailboxes", "/mailboxes/support", "/oauth", "/reports", "/templates",
    "/explain", "/log", "/log/new", "/settings", "/changes",
)  # fmt: skip
ASKED = (
    "/messages?q={0}", "/messages?sender={0}&subject={0}", "/not-imported?q={0}&mailbox={0}", "/log?q={0}&level={0}",
    "/reports?from={0}&by={0}", "/templates?language={0}", "/templates/received?language={0}", "/mailboxes/{0}",
    "/checks/{0}", "/{0}", "/oauth/answer?state={0}&error={0}&error_description={0}", "/login?next={0}",
    "/messages/{0}", "/changes?before={0}",
)  # fmt: skip


@pytest.fixture(params=VALUES.values(), ids=VALUES)
def value(request: pytest.FixtureRequest) -> str:
    """One hostile value."""
    return str(request.param)


@pytest.fixture
def hostile(site: Site, value: str) -> Site:
    """A store in which the value stands wherever a mail, a server or a person can bring it."""
    desk = site.desk
    raw = mail("x", value.encode("utf-8", "replace").decode(), files={"xfile.txt": b"x"})
    raw = raw.replace(b"xfile.txt", re.sub(r'[\r\n"\\]', " ", value[:500]).encode("utf-8", "replace"))
    for uid, state in enumerate((State.DONE, State.HELD, State.REJECTED), 1):
        row = site.keep(raw, sender=f"{value} <m@example.net>", subject=value, uid=str(uid))
        if state is State.DONE:
            desk.store.done(row.id, value, lines=(value,))
        else:
            desk.store.finish(row.id, state, value)
    for name in (of_mailbox("support"), REDMINE, "sending"):
        desk.health.note(name, value, value)
    outbox = Outbox(desk.store.database, desk.store.clock)
    answer = NewAnswer(
        "support", "note", "desk@example.com", f"{value[:200]}@x.example", f"{value[:200]}@x", b"x", lambda _n: None
    )
    outbox.queue([answer])
    (queued,) = outbox.claim("support", limit=1)
    outbox.failed(queued, value)
    typed = value.encode("utf-8", "replace").decode()
    site.sign_in(way="redmine", login=typed[:300], password=typed[:300])
    return site


def leaks(page: str) -> list[str]:
    """Given a page, return what of a stranger's became more than text in it."""
    tree = lxml.html.document_fromstring(page)
    found = [f"an element {one.tag}" for one in tree.iter() if isinstance(one.tag, str) and "injected" in one.tag]
    found += [
        f"an attribute {name} of {one.tag}" for one in tree.iter() for name in one.attrib if name.startswith("xon")
    ]
    found += [
        f"{name} of {one.tag}: {target}" for one, name, target, _ in tree.iterlinks() if "evil.example" in target
        and "evil.example" not in target.partition("?")[2]
    ]  # fmt: skip
    return found


def controls(text: str) -> set[str]:
    """Given a text, return the control characters and noncharacters in it, but for those that lay out HTML."""
    return {one for one in text if unicodedata.category(one) in {"Cc", "Cs"} and one not in "\t\n\r"}


def test_pages_show_it_as_text(hostile: Site) -> None:
    """No page has an element, an attribute, a link or a control character of a stranger's."""
    hostile.sign_in()
    paths = [*PAGES, *(f"/messages/{number}" for number in (1, 2, 3))]
    for path in paths:
        answer = hostile.browser.get(path)
        assert (200, []) == (answer.status_code, leaks(answer.text)), path
        assert set() == controls(answer.text), path
        assert "49" not in re.findall(r"\{\{.*?\}\}|\b49\b", answer.text) or "7 * 7" not in answer.text, path


def test_what_is_asked_for_is_text(hostile: Site, value: str) -> None:
    """What stands in the address of a page comes back as text, and no header is made of it."""
    hostile.sign_in()
    typed = quote(value[:2_000].encode("utf-8", "replace"), safe="")
    for path in ASKED:
        answer = hostile.browser.get(path.format(typed))
        assert 500 > answer.status_code, path
        assert "set-cookie" not in answer.headers or "a=b" not in answer.headers["set-cookie"], path
        if answer.headers.get("content-type", "").startswith("text/html") and answer.text:
            assert [] == leaks(answer.text), path
            assert set() == controls(answer.text), path


def test_a_table_has_the_cells_that_it_was_given(hostile: Site) -> None:
    """Every row of the export has its seven cells, whichever separator the spreadsheet takes, and none is a formula."""
    hostile.sign_in()
    csv.field_size_limit(10**6)
    text = hostile.browser.get("/not-imported.csv").content.decode()
    rows = list(csv.reader(io.StringIO(text)))
    assert {7} == {len(row) for row in rows}
    assert 1 + 3 == len(rows)
    cells = [cell for row in rows for cell in row]
    assert [] == [cell for cell in cells if re.match(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]", cell)]
    assert [] == [
        cell
        for separator in ";\t"
        for row in csv.reader(io.StringIO(text), delimiter=separator)
        for cell in row
        if re.match(r"\s*[=+@\uff1d\uff0b\uff20]", cell)
    ]


def test_a_fault_of_ours_in_a_form_has_its_page(site: Site) -> None:
    """A form at which the program fails is answered by the page that says so, not by a broken connection."""
    broken = dataclasses.replace(site.desk, door=None)  # type: ignore[arg-type]  # a fault that every sign-in meets
    who = ("127.0.0.1", 1)
    browser = TestClient(make(broken), base_url=URL, headers=OURS, client=who, raise_server_exceptions=False)
    answer = browser.post("/login", data={"way": "password", "password": "x"})
    assert (500, True) == (answer.status_code, "The service log has the details" in answer.text)


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_log_line_is_one_line(value: str, form: Literal["json", "console"]) -> None:
    """A line of the log stays one line that reads in the order in which it was written, as text and as JSON."""
    stream = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
    logging.configure(LogSettings(format=form), stream)
    structlog.get_logger("x").warning("mail", subject=value, reason=value)
    written = stream.buffer.getvalue().decode()  # type: ignore[attr-defined]  # a BytesIO
    assert 1 == len(written.splitlines())
    assert set() == controls(written) | set(written) & set(BIDI)
    if form == "json":
        assert {"mail", "warning"} <= set(json.loads(written).values())

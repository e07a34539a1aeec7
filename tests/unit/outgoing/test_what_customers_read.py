"""What customers read: one greeting, one signature, what they are asked, and no word that is meant for the operator."""

import email
import email.policy
import re
import threading
import time
from html.parser import HTMLParser
from typing import Any

import pytest

from redmine_mailbridge.mail.message_ids import Signer
from redmine_mailbridge.mail.parse import parse
from redmine_mailbridge.model.mail import ReadingOptions
from redmine_mailbridge.outgoing.reasons import REASONS
from redmine_mailbridge.outgoing.template_variables import EXAMPLES, KINDS
from redmine_mailbridge.outgoing.templates import Templates
from redmine_mailbridge.settings.base import SettingsTable
from redmine_mailbridge.tasks.update.update import Updater
from tests.helpdesk import ANNA, BOB, HelpDesk, iso, text_of, writes

KIM = "Kim Client <kim@client.example>"
TO_CUSTOMERS = ("received", "received_reply", "refused", "registration", "answer", "closed", "reminder")
LANGUAGES = ("en", "de")
OPERATORS_WORDS = (
    "mailbox", "setting", "bridge", "redmine", "tracker", "issue", "ticket", "project", "projekt", "rule", "regel",
    "template", "login", "postfach", "einstellung", "admin", "agent ", "none", "undefined",
)  # fmt: skip
WHEN = r"\d+ \w+ \d{4} at \d\d:\d\d"
INSIDE = "operators-word"
"""What stands for each value that is not meant for customers."""


def mails(desk: HelpDesk) -> list[Any]:
    """The mails that went out since this was asked last."""
    found = [email.message_from_bytes(raw, policy=email.policy.default) for _, raw in desk.post.taken]
    desk.post.taken.clear()
    return found


def page(mail: Any) -> str:
    """The HTML part of a mail."""
    return str(mail.get_body(("html",)).get_content())


def keys(table: type[SettingsTable] = SettingsTable) -> set[str]:
    """The names of the settings' keys that no prose holds: those with an underscore."""
    own = {name for name in table.model_fields if "_" in name}
    return own.union(*(keys(one) for one in table.__subclasses__()))


@pytest.mark.fault("N7")
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", TO_CUSTOMERS)
def test_no_word_of_the_operators_in_a_customers_mail(kind: str, language: str) -> None:
    """No setting, no internal name of a mailbox, project or rule, and no word of the operator's is in what customers
    read, in any language, as text or as HTML. `registration` tells its address and the customer's own user name.
    """
    values = dict(EXAMPLES[kind])
    values["mailbox"] = {**values["mailbox"], "name": INSIDE}
    values["requester"] = {"name": "", "address": "kim@client.example", "greeting": ""}
    if "project" in values:
        values["project"] = INSIDE
    if kind == "reminder":
        values |= {"rule": INSIDE, "reason": INSIDE}
    if "issue" in values:
        inside = dict.fromkeys(("status", "priority", "tracker", "assignee", "url"), INSIDE)
        values["issue"] = values["issue"] | {name: word for name, word in inside.items() if name in values["issue"]}
    if kind == "registration":
        values |= {"redmine_url": "https://help.example", "login": "kim"}
    around = {**EXAMPLES["frame"], "mailbox": values["mailbox"]}
    mail = Templates().mail(kind, language, values, around)
    said = f"{mail.subject}\n{mail.text}\n{visible(mail.html)}".lower()
    for name in ("Anna Agent", "Please leave the room.", "kim@client.example"):
        said = said.replace(name.lower(), "")
    assert [] == [word for word in (INSIDE, *OPERATORS_WORDS) if word in said]
    assert {"reply_marker_line", "answer_refused"} <= keys()
    assert set() == {key for key in keys() if key in said}


@pytest.mark.fault("N7")
def test_a_reason_is_a_sentence_without_a_word_of_the_operators() -> None:
    """Each reason for a refusal is told in each language that there are templates in, as a sentence."""
    assert set(Templates().languages("refused")) == set(REASONS)
    for words in REASONS.values():
        assert REASONS["en"].keys() == words.keys()
        for one in words.values():
            assert one[0].isupper()
            assert one.endswith(".")
            assert [] == [word for word in OPERATORS_WORDS if word in one.lower()]


@pytest.mark.fault("N7")
def test_an_acknowledgement_quotes_subject_and_text(desk: HelpDesk) -> None:
    """Who writes reads in the acknowledgement what was written, its subject and when; the subject bears the number of
    the request and no identifier of a project. A mail that nothing proves is not quoted.
    """
    desk.mail(writes(KIM, "Printer on fire", "It burns.\nWhat shall we do?"))
    desk.turn()
    (mail,) = mails(desk)
    assert "[#1] Printer on fire" == mail["Subject"]
    assert re.search(
        r"On \d+ \w+ \d{4} at \d\d:\d\d, you wrote:\n> Subject: Printer on fire\n>\n> It burns.\n", text_of(mail)
    )
    assert "<b>Printer on fire</b>" in page(mail)
    desk.mail(writes(KIM, "Printer on fire", "It burns.", proven=False))
    desk.turn()
    (mail,) = mails(desk)
    assert (False, False) == ("burns" in text_of(mail), "burns" in page(mail))


@pytest.mark.fault("N7")
@pytest.mark.parametrize(("ending", "names"), [
    ("Best regards\nBob Builder", 1), ("Bob", 0), ("", 1), ("Viele Grüße\n\nBob Builder\nExample Ltd", 1),
])  # fmt: skip
def test_an_agents_answer_is_signed_once(desk: HelpDesk, ending: str, names: int) -> None:
    """An agent who signs is not signed for, by his whole or his first name; one who does not is, once."""
    desk.change({"outgoing": {"from_name": "Example Support"}})
    desk.mail(writes(KIM))
    desk.turn()
    desk.redmine.issues[1]["assigned_to"] = {"id": ANNA, "name": "Anna Agent"}
    mails(desk)
    desk.redmine.writes(1, BOB, f"Is it plugged in?\n\n{ending}")
    desk.turn()
    (mail,) = mails(desk)
    ours = text_of(mail).partition(" wrote:")[0]
    assert (names, names) == (ours.count("Bob Builder"), page(mail).partition(" wrote:")[0].count("Bob Builder"))
    assert ("" == ending) == ("Example Support" in ours)


REMIND = {
    "name": "remind-after-3-days",
    "when": {"waiting_for": "customer", "agent_silent": "3d"},
    "then": {"mail": "reminder", "note": "Reminded.", "private_note": True},
}


@pytest.mark.fault("N7")
@pytest.mark.parametrize("marked", [True, False])
def test_a_reminder_names_the_question(desk: HelpDesk, *, marked: bool) -> None:
    """A reminder quotes the agent's question that waits for an answer, without the marker by which it was mailed: not
    the customer's own mail, nor what agents wrote for themselves, in private or without the marker.
    """
    desk.change({
        "rules": [REMIND], "mailboxes": {"desk": {"answers": {"notes": "marked" if marked else "public_notes"}}},
    })  # fmt: skip
    desk.mail(writes(KIM, "Printer", "It burns, what shall we do?"))
    desk.turn()
    desk.redmine.writes(1, BOB, "/mail Which **printer** is it?" if marked else "Which **printer** is it?")
    desk.redmine.writes(1, ANNA, "That is always so with them.", private=True)
    if marked:
        desk.redmine.writes(1, ANNA, "Nobody likes that printer.")
    desk.turn()
    mails(desk)
    ago = iso(time.time() - 4 * 86400)
    for entry in desk.redmine.issues[1]["journals"]:
        entry["created_on"] = ago
    desk.redmine.issues[1]["created_on"] = ago
    desk.redmine.touch(1)
    for _ in range(2):
        desk.turn()
    (mail,) = mails(desk)
    said = text_of(mail)
    assert re.search(rf"On {WHEN}, Bob Builder wrote:\n> Which \*?printer\*? is it\?\n", said)
    assert "Which <b>printer</b> is it?" in page(mail)
    assert [] == [word for word in ("burns", "always", "likes", "/mail", "remind-after") if word in said + page(mail)]


def asked_long_ago(desk: HelpDesk) -> int:
    """Kim owes Bob an answer for four days, so that a reminder is due. Return the number of Bob's note."""
    desk.change({"rules": [REMIND]})
    desk.mail(writes(KIM, "Printer", "It burns, what shall we do?"))
    desk.turn()
    number = desk.redmine.writes(1, BOB, "Which printer is it?")
    desk.turn()
    mails(desk)
    ago = iso(time.time() - 4 * 86400)
    desk.redmine.journal(number)["created_on"] = desk.redmine.issues[1]["created_on"] = ago
    desk.redmine.touch(1)
    return number


@pytest.mark.fault("N7")
def test_a_reminder_whose_question_became_private_does_not_leave(desk: HelpDesk) -> None:
    """A question that is made private between the making of a reminder and its sending is not sent."""
    number = asked_long_ago(desk)
    with desk.application() as made:
        Updater(made.tasks.steps).once(threading.Event())
        desk.redmine.journal(number)["private_notes"] = True
        made.sending.once()
    assert [] == mails(desk)
    assert "its note is private now" in desk.story()


@pytest.mark.fault("A19-12")
def test_a_reminder_is_queued_once_whatever_it_quotes(desk: HelpDesk) -> None:
    """A crash between the queueing of a reminder and the record of it, in which its question is made private, makes no
    second one.
    """
    number = asked_long_ago(desk)
    with desk.application() as made:
        Updater(made.tasks.steps).once(threading.Event())
        with made.store.database.write() as db:  # as if the process had ended before it was recorded
            db.exec_driver_sql("UPDATE applied SET state = 'written' WHERE state = 'done'")
        desk.redmine.journal(number)["private_notes"] = True
        Updater(made.tasks.steps).once(threading.Event())
        with made.store.database.read() as db:
            count = db.exec_driver_sql("SELECT count(*) FROM outbox WHERE kind = 'reminder'").scalar()
    assert 1 == count


class _Words(HTMLParser):
    """The words of a page that are shown, and whether its elements are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "title"} & set(self.open):
            self.words.append(data)


def visible(html: str) -> str:
    """The words of a page that a reader sees."""
    words = _Words()
    words.feed(html)
    assert [] == words.open
    return " ".join(" ".join(words.words).split())


@pytest.mark.fault("N7")
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_html_that_outlook_gmail_and_phones_show(kind: str, language: str) -> None:
    """Every kind of mail has HTML of tables with inline styles: at most 600 px wide, for Outlook by the width of a
    table since Word knows no max-width; fonts in each cell; its language and direction of writing named; colours that
    hold on light and dark; no picture, no script, nothing from elsewhere, no style that Word or Gmail drop.
    """
    html = Templates().preview(kind, language).html
    assert f'<html lang="{language}">' in html
    assert 'name="viewport" content="width=device-width' in html
    assert 'name="color-scheme" content="light dark"' in html
    assert '<!--[if mso]><table role="presentation" width="600"' in html
    inline = re.findall(r'<(\w+)[^>]*style="([^"]*)"', html)
    assert {"table"} == {tag for tag, style in inline if "max-width" in style}
    cells = re.findall(r'<td dir="auto"[^>]*>', html)
    assert cells
    assert [] == [cell for cell in cells if "font-family:" not in cell]
    odd = r"background|flex|grid|float|position:|margin:[^;]*auto|#0{3}|#f{3}|rem\b|var\("
    assert [] == [style for _, style in inline if re.search(odd, style)]
    assert [] == re.findall(r"<(?:img|script|link|iframe|form|video)|@import|url\(|src=", html)
    assert set() == set(re.findall(r"#[0-9a-f]{6}", " ".join(style for _, style in inline))) - {"#767676", "#b9c0c9"}


def letters(text: str) -> str:
    """The letters and digits of a text."""
    return "".join(filter(str.isalnum, text))


@pytest.mark.fault("N7")
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_plain_part_says_the_same(kind: str, language: str) -> None:
    """Who reads the plain part reads every sentence that the HTML has, without a tag and without gaps."""
    mail = Templates().preview(kind, language)
    links = re.findall('href="([^"]*)"', mail.html)
    shown = letters(" ".join([visible(mail.html), *links]))
    for line in mail.text.splitlines():
        label, _, value = line.rpartition(": ") if line.startswith("> ") else ("", "", line)
        assert letters(value) in shown, label
    assert "\n\n\n" not in mail.text
    assert "<" not in mail.text


SIGNER = Signer(b"a key for the tests only", "test")
SENT = "Thursday, May 21, 2026 9:30 AM"
QUOTED = {
    "Gmail": '<div dir="ltr">My answer.</div><br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">On Thu, '
    "May 21, 2026 at 9:30 AM Example Support &lt;s@example.com&gt; wrote:<br></div>"
    '<blockquote class="gmail_quote" style="margin:0 0 0 .8ex">{}</blockquote></div>',
    "Outlook": '<p class="MsoNormal">My answer.</p><div style="border:none;border-top:solid #E1E1E1 1.0pt">'
    f"<p><b>From:</b> Example Support &lt;s@example.com&gt;<br><b>Sent:</b> {SENT}<br><b>To:</b> Kim<br>"
    "<b>Subject:</b> Re: Printer</p></div>{}",
    "Apple Mail": 'My answer.<br><div><br><blockquote type="cite"><div>On 21. May 2026, at 09:30, Example Support '
    "&lt;s@example.com&gt; wrote:</div><br><div>{}</div></blockquote></div>",
    "no quote at all": "<p>My answer.</p>{}",
}


@pytest.mark.fault("N7")
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ["received", "answer", "closed", "reminder"])
@pytest.mark.parametrize("program", QUOTED)
def test_our_own_mail_is_cut_from_a_reply_and_its_marker_found(program: str, kind: str, language: str) -> None:
    """A reply that quotes a mail of ours in the way of a mail program is read without it, by the line above which to
    write where nothing else shows where it begins; the marker at its end names the issue.
    """
    line = "Please write your reply above this line."
    around = {**EXAMPLES["frame"], "reply_line": line, "reference": SIGNER.marker(4711)}
    ours = Templates().mail(kind, language, EXAMPLES[kind], around)
    body = QUOTED[program].format(re.sub(r"(?s)^.*<body[^>]*>|</body>.*$", "", ours.html))
    raw = (
        "From: kim@client.example\r\nTo: s@example.com\r\nMessage-ID: <r@client.example>\r\nSubject: Re: x\r\n"
        f"Content-Type: text/html; charset=utf-8\r\n\r\n<html><body>{body}</body></html>"
    ).encode()
    message = parse(raw, ReadingOptions(delimiters=(re.compile(re.escape(line)),)))
    assert "My answer." == message.body.written
    assert [4711] == list(dict.fromkeys(SIGNER.markers_in(f"{message.body.quoted}\n{message.body.whole}")))


@pytest.mark.fault("N7")
def test_the_marker_stands_in_a_sentence(desk: HelpDesk) -> None:
    """The marker by which a reply is recognised is no bare word at the end of a mail: the line says what it is for, and
    is small and faint in HTML.
    """
    desk.mail(writes(KIM))
    desk.turn()
    (mail,) = mails(desk)
    last = text_of(mail).strip().splitlines()[-1]
    assert re.fullmatch(r"Please leave this line in your reply so that we can add it to request #1: mbz1z\w+", last)
    assert re.search(r"font-size:12px;[^>]*color:#767676[^>]*>Please leave this line[^<]*mbz1z", page(mail))


@pytest.mark.fault("N7")
def test_dates_in_the_language_of_the_mail() -> None:
    """Dates read as people write them: 20 May 2026 at 10:00, 20.05.2026 um 10:00 Uhr; in other languages year first."""
    texts = {language: Templates().preview("answer", language).text for language in LANGUAGES}
    assert "On 20 May 2026 at 10:00, Kim Client wrote:" in texts["en"]
    assert "Am 20.05.2026 um 10:00 Uhr schrieb Kim Client:" in texts["de"]


def test_no_text_is_shown_in_another_order_than_it_has(desk: HelpDesk) -> None:
    """A sign that turns the order of letters around is neither in the issue nor in mail that quotes it: "gpj.exe" is
    not shown as "exe.jpg". Marks that texts from right to left need stay.
    """
    desk.mail(writes(KIM, "Rechnung \u202egpj.exe", "See \u202egpj.exe\u202c and \u2067\u05d0\u2069."))
    desk.turn()
    desk.redmine.writes(1, BOB, "We look at \u202egpj.exe.")
    desk.turn()
    issue = desk.redmine.issues[1]
    assert "Rechnung gpj.exe" == issue["subject"]
    assert "\u2067\u05d0\u2069" in issue["description"]
    texts = [issue["description"], *(part for mail in mails(desk) for part in (text_of(mail), page(mail)))]
    assert 5 == len(texts)
    assert [] == [text for text in texts if "\u202e" in text or "gpj.exe" not in text]

"""The team's signature: a template below mail to customers, last in the mail and cut from replies."""

import email
import email.policy
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from redmine_mailbridge.mail.parse import parse
from redmine_mailbridge.model.mail import ReadingOptions
from redmine_mailbridge.outgoing.template_variables import EXAMPLES, KINDS
from redmine_mailbridge.outgoing.templates import Rendered, Templates, check_templates
from tests.helpdesk import BOB, HelpDesk, text_of, writes

SIGNED = {"received", "received_reply", "refused", "registration", "answer", "closed", "reminder", "third_party"}
UNSIGNED = {"withheld", "escalation", "budget", "alert"}
KIM = "Kim Client <kim@client.example>"
LINE = "Example Ltd & Sons, 1 Main Street"
IN_HTML = "Example Ltd &amp; Sons, 1 Main Street"


def signed(folder: Path, text: str = f"{{{{ agent.name }}}}\n{LINE}\n", language: str = "en", html: str = "") -> Path:
    """Given a folder, write a signature into it. Return the folder."""
    place = folder / "signature" / language
    place.mkdir(parents=True)
    (place / "body.txt").write_text(text, "utf-8")
    if html:
        (place / "body.html").write_text(html, "utf-8")
    return folder


def answer(templates: Templates, language: str = "en", **note: Any) -> Rendered:
    """An agent's answer, with these values of the note."""
    values = {**EXAMPLES["answer"], "note": {**EXAMPLES["answer"]["note"], **note}}
    return templates.mail("answer", language, values, EXAMPLES["frame"])


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"frame", "signature"}))
def test_without_a_template_no_mail_has_a_signature(kind: str) -> None:
    """The built-in signature is empty: neither the delimiter nor a gap is in any mail."""
    mail = Templates().preview(kind, "en")
    assert (False, False) == ("-- " in mail.text.splitlines(), "moz-signature" in mail.html)
    assert "\n\n\n" not in mail.text


def test_all_kinds_are_sorted_into_signed_and_unsigned(tmp_path: Path) -> None:
    """Mail to customers and third parties ends with the signature, once, behind "-- "; mail to the team and to admins
    has none.
    """
    templates = Templates(signed(tmp_path, LINE))
    assert SIGNED | UNSIGNED | {"frame", "signature"} == set(KINDS)
    for kind in SIGNED:
        mail = templates.preview(kind, "en")
        assert mail.text.endswith(f"\n\n-- \n{LINE}\n"), kind
        assert (1, 1) == (mail.text.count(LINE), mail.html.count(IN_HTML))
        assert re.search(rf'class="faint moz-signature"[^>]*>-- <br>\n{IN_HTML}</td>\n</tr>\n</table>', mail.html), kind
    for kind in UNSIGNED:
        mail = templates.preview(kind, "en")
        assert (False, False) == (LINE in mail.text, IN_HTML in mail.html)


def test_the_marker_stands_above_the_signature(tmp_path: Path) -> None:
    """What a program cuts with the signature is not the line by which a reply is recognised."""
    text = answer(Templates(signed(tmp_path))).text
    assert text.index(EXAMPLES["frame"]["reference"]) < text.index("\n-- \n")


@pytest.mark.parametrize(("note", "above", "below"), [
    ({"author": "Bob Builder", "signed": False}, 0, 1),
    ({"author": "Bob Builder", "signed": True, "text": "Hello\nBob Builder", "html": "Hello<br>Bob Builder"}, 1, 0),
    ({"author": "", "signed": False}, 0, 0),
])  # fmt: skip
def test_an_agents_name_is_in_the_mail_once(tmp_path: Path, note: Mapping[str, Any], above: int, below: int) -> None:
    """A signature with the agent's name takes the place of the line that signs for the agent; it has no name where the
    note ends with it, and where no agent wrote. Without the name, the mail is signed as ever.
    """
    mail = answer(Templates(signed(tmp_path)), **note)
    for text, delimiter in ((mail.text, "\n-- \n"), (mail.html, "-- <br>")):
        before, _, after = text.partition(delimiter)
        assert (above, below) == (before.count("Bob Builder"), after.count("Bob Builder"))
        assert "Example Ltd" in after
    plain = answer(Templates(signed(tmp_path / "plain", LINE)), author="Bob Builder", signed=False)
    assert "\nBob Builder\nExample Support\n" in plain.text


def test_values_are_escaped_and_html_of_ones_own_is_not(tmp_path: Path) -> None:
    """A name with markup is text in the HTML; so are the lines of a signature that has no HTML."""
    evil = {"author": "<script>Bob", "signed": False}
    mail = answer(Templates(signed(tmp_path / "a", "{{ agent.name }}\n<b>Ltd</b>")), **evil)
    assert "\n-- \n<script>Bob\n<b>Ltd</b>\n" in mail.text
    assert "-- <br>\n&lt;script&gt;Bob<br>\n&lt;b&gt;Ltd&lt;/b&gt;</td>" in mail.html
    mail = answer(Templates(signed(tmp_path / "b", LINE, html="<b>{{ agent.name }}</b>")), **evil)
    assert "-- <br>\n<b>&lt;script&gt;Bob</b></td>" in mail.html


@pytest.mark.parametrize("delimiter", ["-- ", "--", "\n-- "])
def test_a_delimiter_of_the_templates_own_is_not_doubled(tmp_path: Path, delimiter: str) -> None:
    """Who writes the delimiter into the template gets one."""
    text = answer(Templates(signed(tmp_path, f"{delimiter}\n{LINE}"))).text
    assert text.endswith(f"\n\n-- \n{LINE}\n")
    assert 1 == len(re.findall("(?m)^-- ?$", text))


def test_each_language_has_its_own_and_english_is_for_the_others(tmp_path: Path) -> None:
    """German mail has the German signature, French mail the English one."""
    templates = Templates(signed(signed(tmp_path, "English"), "Deutsch", "de"))
    last = {language: answer(templates, language).text.splitlines()[-1] for language in ("de", "de-AT", "en", "fr")}
    assert {"de": "Deutsch", "de-AT": "Deutsch", "en": "English", "fr": "English"} == last
    only_english = Templates(signed(tmp_path / "one", "English"))
    assert "English" == answer(only_english, "de").text.splitlines()[-1]


@pytest.mark.parametrize(("file", "source", "says"), [
    ("body.txt", "Ltd\n{{ agent.nmae }}", "line 2: agent.nmae does not exist here"),
    ("body.txt", "Ltd\n{% if %}", "line 2: "),
    ("body.html", "<p>\n\n{{ issue.subject }}", "line 3: issue.subject does not exist here"),
])  # fmt: skip
def test_a_faulty_signature_is_named_and_none_is_sent(tmp_path: Path, file: str, source: str, says: str) -> None:
    """`check` names file and line; the mail goes out without a signature."""
    place = signed(tmp_path) / "signature" / "en"
    (place / file).write_text(source)
    (problem,) = check_templates(Templates(tmp_path), "en")
    assert problem.startswith(f"{place / file}, {says}")
    text = answer(Templates(tmp_path)).text
    assert ("leave the room" in text, "\n-- \n" in text) == (True, False)


def test_a_frame_that_leaves_the_signature_out_is_named(tmp_path: Path) -> None:
    """A layout of one's own without the signature is fine as long as there is none."""
    frame = tmp_path / "frame" / "en"
    frame.mkdir(parents=True)
    (frame / "subject.txt").write_text("{{ subject }}")
    (frame / "body.txt").write_text("{{ text }}")
    assert [] == check_templates(Templates(tmp_path), "en")
    signed(tmp_path)
    assert [f"{frame}: signature.text or signature.html is not used"] == check_templates(Templates(tmp_path), "en")


QUOTES = {
    "Gmail": '<div>My answer.</div><div class="gmail_quote"><div class="gmail_attr">On Thu, May 21, 2026 at 9:30 AM '
    "Example Support &lt;s@example.com&gt; wrote:<br></div><blockquote>{}</blockquote></div>",
    "nothing": "<p>My answer.</p>{}",
}


@pytest.mark.parametrize("quote", QUOTES)
def test_a_reply_is_read_without_our_signature(tmp_path: Path, quote: str) -> None:
    """A reply that quotes our mail, or holds the signature of one below its text, is read without it."""
    page = answer(Templates(signed(tmp_path, LINE))).html
    ours = re.sub(r"(?s)^.*<body[^>]*>|</body>.*$", "", page)
    if quote == "nothing":
        ours = re.sub(r"(?s)<tr>\s*<td dir=\"auto\" class=\"note\".*?</tr>\s*<tr>.*?</tr>", "", ours)
    for subtype, body in (("html", QUOTES[quote].format(ours)), ("plain", f"My answer.\n\n-- \n{LINE}")):
        raw = (
            "From: kim@client.example\r\nTo: s@example.com\r\nMessage-ID: <r@client.example>\r\nSubject: Re: x\r\n"
            f"Content-Type: text/{subtype}; charset=utf-8\r\n\r\n{body}"
        ).encode()
        assert "My answer." == parse(raw, ReadingOptions()).body.written


def test_a_mailbox_has_a_signature_of_its_own(desk: HelpDesk, tmp_path: Path) -> None:
    """The folder of a mailbox's own settings is used; the delimiter arrives with its blank."""
    desk.change({
        "outgoing": {"templates": str(signed(tmp_path / "all", "For all"))},
        "mailboxes": {"desk": {"outgoing": {"templates": str(signed(tmp_path / "desk", "{{ agent.name }}\nDesk"))}}},
    })  # fmt: skip
    desk.mail(writes(KIM))
    desk.turn()
    desk.redmine.writes(1, BOB, "Is it plugged in?")
    desk.turn()
    texts = [text_of(email.message_from_bytes(raw, policy=email.policy.default)) for _, raw in desk.post.taken]
    ends = [text[text.rindex("\n\n-- ") :].rstrip("\n") for text in texts]
    assert ["\n\n-- \nDesk", "\n\n-- \nBob Builder\nDesk"] == ends
    assert 1 == texts[1].count("Bob Builder")


@pytest.mark.fault("A36-4")
@pytest.mark.parametrize(("text", "html", "in_text", "in_html"), [
    ("Bob Builders Ltd", "", 1, 1),
    ("{{ agent.name }}\nBob Builders Ltd", "", 0, 0),
    (f"{{{{ agent.name }}}}\n{LINE}", f"<b>{IN_HTML}</b>", 1, 1),
    (LINE, f"<b>{{{{ agent.name }}}}</b><br>{IN_HTML}", 1, 1),
])  # fmt: skip
def test_a_mail_is_signed_if_its_signature_is_not(
    tmp_path: Path, text: str, html: str, in_text: int, in_html: int
) -> None:
    """The mail is signed with the agent's name, unless the signature has it in the text and in the HTML; a name of
    which the company's begins with the same words is not the agent's.
    """
    mail = answer(Templates(signed(tmp_path, text, html=html)), author="Bob Builder", signed=False)
    above, page = mail.text.partition("\n-- \n")[0], mail.html.partition("-- <br>")[0]
    assert (in_text, in_html) == (above.count("Bob Builder"), page.count("Bob Builder"))

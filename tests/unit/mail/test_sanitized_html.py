"""A mail's own look, without anything in it that acts or asks."""

import re
import time
from email.message import EmailMessage
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redmine_mailbridge.mail.parse import parse
from redmine_mailbridge.mail.sanitized_html import original
from redmine_mailbridge.model.mail import ReadingOptions

DOT = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489")
HOSTILE = """<html><head><style>body{background:url(http://evil.example/a)}</style><script>alert(1)</script>
<meta http-equiv="refresh" content="0;url=http://evil.example/"><base href="http://evil.example/"></head>
<body onload="alert(2)" background="http://evil.example/b"><p style="background:url(http://evil.example/c)"
onclick=alert(3)>Text</p><img src=http://evil.example/d.png alt="a cat" onerror=alert(4)>
<a href="javascript:alert(5)">one</a><a href=" java&#9;script:alert(6)">two</a><a href="https://shop.example/">three</a>
<iframe src=http://evil.example/e></iframe><form action=http://evil.example/f><input name=g><button>h</button></form>
<svg onload=alert(7)><image href=http://evil.example/i></svg><object data=x></object><math><mi xlink:href=x></math>
<table background="http://evil.example/j"><tr><td width=5 bgcolor="red">Cell</td></tr></table>
<link rel=stylesheet href=http://evil.example/k><video src=http://evil.example/l></video></body></html>"""
SAFE_ATTRIBUTES = {
    "align", "valign", "width", "height", "border", "cellpadding", "cellspacing", "bgcolor", "color", "face", "size",
    "colspan", "rowspan", "dir", "lang", "start", "type", "title", "alt", "class", "src",
}  # fmt: skip


class Seen(HTMLParser):
    """What a browser would find: elements and attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs


def html_mail(html: str) -> bytes:
    made = EmailMessage()
    made["From"], made["Subject"] = "a@example.org", "x"
    made.set_content("plain")
    made.add_alternative(html, subtype="html")
    return made.as_bytes()


def harmless(text: str) -> None:
    seen = Seen(text)
    assert set() == seen.tags & {"script", "style", "iframe", "form", "input", "svg", "object", "link", "meta", "base"}
    assert set() == {name for name, _ in seen.attributes} - SAFE_ATTRIBUTES
    assert [] == [
        value for name, value in seen.attributes if name == "src" and not str(value).startswith("data:image/")
    ]


def test_hostile() -> None:
    """Scripts, styles, frames, forms, handlers and remote pictures are gone; the words stay."""
    made = original(html_mail(HOSTILE))
    harmless(made.html)
    assert 1 == made.blocked
    for words in ("Text", "one", "two", "three", "Cell", "[a cat]", "https://shop.example/"):
        assert words in made.html
    assert "evil.example" not in made.html


def test_pictures_of_the_mail_itself() -> None:
    """A picture that came with the mail is shown from the mail, a file that calls itself one is not."""
    made = EmailMessage()
    made["From"] = "a@example.org"
    made.set_content('<p>See <img src="cid:dot"> <img src="cid:page" alt="other"></p>', subtype="html")
    made.add_related(DOT, "image", "png", cid="<dot>")
    made.add_related(b"<script>", "image", "svg+xml", cid="<page>")
    raw = made.as_bytes()
    shown = original(raw, parse(raw, ReadingOptions()).attachments)

    harmless(shown.html)
    assert re.search('<img[^>]* src="data:image/png;base64,iVBOR', shown.html)
    assert "[other]" in shown.html
    assert "svg" not in shown.html


def test_plain_text() -> None:
    """A plain mail is shown as it is written, its angle brackets as such."""
    made = EmailMessage()
    made.set_content("1 < 2 & <script>alert(1)</script>")
    assert "<pre>1 &lt; 2 &amp; &lt;script&gt;alert(1)&lt;/script&gt;\n</pre>" == original(made.as_bytes()).html


@given(st.text(alphabet="<>/\"'= abiscrptonlJAV:;&#x0\n-!", max_size=400))
def test_nothing_gets_through(text: str) -> None:
    """Whatever the HTML, only allowed elements and attributes come out."""
    harmless(original(html_mail(f"<p>{text}")).html)


@pytest.mark.parametrize(
    "piece", ["<div>", "<b><i>", "<table><tr><td>", "<a href='x", "<!--", "<img src=cid:x>", "&lt"]
)
def test_it_takes_linear_time(piece: str) -> None:
    """Twice as much of a hostile mail takes about twice as long, however deep it nests."""

    def seconds(number: int) -> float:
        raw = html_mail("x" + piece * number)
        best = 9.0
        for _ in range(3):
            start = time.perf_counter()
            original(raw)
            best = min(best, time.perf_counter() - start)
        return best

    assert seconds(20_000) < 8 * seconds(5_000) + 0.2

import json
import re
import time
from pathlib import Path

import pytest

from redmine_mailbridge.mail.text import body
from redmine_mailbridge.mail.text.body import Alternative, TextPart, read_body
from redmine_mailbridge.mail.text.flowed import unflow
from redmine_mailbridge.model.mail import ReadingOptions, TextFormat

FIXTURES = Path(__file__).parents[2] / "fixtures"
REPLIES = [json.loads(line) for line in (FIXTURES / "replies_html.jsonl").read_text("utf-8").splitlines()]
MARKDOWN = ReadingOptions()
TEXTILE = ReadingOptions(text_format="textile")


def html(content: str, options: ReadingOptions = MARKDOWN, pictures: dict[str, str] | None = None) -> str:
    return read_body([TextPart(content, True)], pictures or {}, options).body.whole


def test_text_is_preferred() -> None:
    """Of an alternative the text is read, when it says anything."""
    both = Alternative((TextPart("plain", False),), (TextPart("<p>rich</p>", True),))
    assert ("plain", "text") == (
        read_body([both], {}, MARKDOWN).body.whole,
        read_body([both], {}, MARKDOWN).body.source,
    )


@pytest.mark.parametrize(
    "stub",
    ["", " \n", *(FIXTURES / "stubs.txt").read_text("utf-8").splitlines()],
)
def test_stub(stub: str) -> None:
    """The HTML is read when the text is empty or only points to it."""
    both = Alternative((TextPart(stub, False),), (TextPart("<p>rich</p>", True),))
    assert "rich" == read_body([both], {}, MARKDOWN).body.written


@pytest.mark.parametrize(
    "answer",
    [
        "The HTML export does not open in my browser.",
        "My mail client does not support HTML, please send text.",
        "Der Browser zeigt die Seite nicht, HTML kann ich lesen.",
        "Can you see the HTML version?\n\nMax",
        "Yes, view it in the browser.",
    ],
)
def test_answers_about_html_are_no_stubs(answer: str) -> None:
    """A short answer that speaks of HTML and browsers is read as it is, since the HTML half says it too."""
    rich = "<p>" + answer.replace("\n", "<br>") + "</p><blockquote>old</blockquote>"
    both = Alternative((TextPart(answer, False),), (TextPart(rich, True),))
    assert (answer, "text") == (
        read_body([both], {}, MARKDOWN).body.written,
        read_body([both], {}, MARKDOWN).body.source,
    )


@pytest.mark.parametrize("is_html", [False, True])
def test_the_delimiter_ends_a_new_mail_too(is_html: bool) -> None:
    """Below the admin's delimiter nothing is read, not even what comes in later parts."""
    content = "<p>Above</p><p>-- cut --</p><p>Below</p>" if is_html else "Above\n-- cut --\nBelow"
    options = ReadingOptions(delimiters=(re.compile("-- cut --"),))
    body = read_body([TextPart(content, is_html), TextPart("Footer", False)], {}, options).body
    assert ("Above", "Above") == (body.whole, body.written)
    assert "Footer" in body.quoted


def test_empty_html() -> None:
    """The text is read when the preferred HTML shows nothing."""
    both = Alternative((TextPart("plain", False),), (TextPart("<p> </p>", True),))
    assert "plain" == read_body([both], {}, ReadingOptions(prefer="html")).body.written


def test_several_parts() -> None:
    """Several text parts are joined in their order."""
    assert "one\n\ntwo" == read_body([TextPart("one", False), TextPart("<p>two</p>", True)], {}, MARKDOWN).body.whole


def test_flowed() -> None:
    """format=flowed is joined per quote depth, the signature line stays, DelSp removes the blank."""
    assert "one two\n> a b\n-- \nme" == unflow("one \ntwo\n> a \n> b\n-- \nme")
    assert "onetwo" == unflow("one \ntwo", delsp=True)


def test_pictures_are_placed() -> None:
    """An inline picture stands where it stood, and is told apart from one in the cut quote."""
    content = '<p>see <img src="cid:a@x"></p><blockquote type="cite"><img src="cid:b@x"></blockquote>'
    reading = read_body([TextPart(content, True)], {"a@x": "a b.png", "b@x": "b.png"}, TEXTILE)
    assert ("see !a%20b.png!", {"a b.png"}, {"b.png"}) == (
        reading.body.written, set(reading.placed), set(reading.placed_in_quoted)
    )  # fmt: skip
    assert "see ![](a%20b.png)" == read_body([TextPart(content, True)], {"a@x": "a b.png"}, MARKDOWN).body.written


@pytest.mark.parametrize(
    ("source", "markdown", "textile"),
    [
        ("<p>a <b>b </b>c</p>", "a **b** c", "a *b* c"),
        ("<h2>T</h2>x", "## T\n\nx", "h2. T\n\nx"),
        ("<ul><li>a<ul><li>b</ul><li>c</ul>", "- a\n  - b\n- c", "* a\n** b\n* c"),
        ("<ol><li>a<li>b</ol>", "1. a\n2. b", "# a\n# b"),
        ('<a href="https://x.org/">t</a>', "[t](https://x.org/)", '"t":https://x.org/'),
        ('<a href="https://x.org/">https://x.org/</a>', "https://x.org/", "https://x.org/"),
        ('<a href="javascript:x()">t</a>', "t", "t"),
        ('<a href=" java\nscript:x()">t</a>', "t", "t"),
        ("<table><tr><td>a</td><td>b</td></tr></table>", "a b", "a b"),
        (
            "<table><tr><th>a<th>b</tr><tr><td>1|2<td>3</tr></table>",
            "| a | b |\n| --- | --- |\n| 1&#124;2 | 3 |",
            "|_. a |_. b |\n| 1&#124;2 | 3 |",
        ),
        ("<pre>a\n  b</pre>", "```\na\n  b\n```", "<pre>\na\n  b\n</pre>"),
        ("<blockquote>q</blockquote>x", "> q\n\nx", "> q\n\nx"),
        ('<div style="display:none">pre</div>x<img src=t width=1 height=1 alt=p>', "x", "x"),
        ("<title>t</title><style>s</style><script>c</script>x<o:p>&nbsp;</o:p>", "x", "x"),
        ("<!--[if mso]>m<![endif]-->x<![if !mso]>y<![endif]>", "xy", "xy"),
        ("2*3*4 snake_case", "2\\*3\\*4 snake_case", "2*3*4 snake_case"),
        ("- no list", "\\- no list", "- no list"),
        ("a&amp;b &lt;tag&gt;", "a&b \\<tag>", "a&b &lt;tag>"),
    ],
)
def test_markup(source: str, markdown: str, textile: str) -> None:
    """HTML becomes the markup of the settings, escaped where it must be and nowhere else."""
    assert (markdown, textile) == (html(source), html(source, TEXTILE))


@pytest.mark.parametrize("tag", ["div", "blockquote", "b", "ul><li", "table><tr><td"])
@pytest.mark.parametrize("text_format", ["common_mark", "textile"])
def test_deep_nests(tag: str, text_format: TextFormat) -> None:
    """20,000 nested elements lose no text and no stack."""
    shown = html(f"<{tag}>" * 20_000 + "found", ReadingOptions(text_format=text_format))
    assert shown.rstrip("*_").endswith("found")


def test_deep_nests_keep_what_stands_around_them() -> None:
    """Elements too deep for the parser go; the quote around them, and what it tells, stay."""
    deep = "<div>" * 300 + "deep" + "</div>" * 300
    quote = f'<div class="gmail_quote"><div class="gmail_attr">Ann:</div><blockquote>old {deep}</blockquote></div>'
    body = read_body([TextPart(f"<p>new</p>{quote}", True)], {}, MARKDOWN).body
    assert ("new", "Ann:\n\n> old\n> deep") == (body.written, body.quoted)


@pytest.mark.parametrize("unit", ["<p>x</p>", "<b>x</b><br>", "<table><tr><td>x</td></tr></table>", "x\n"])
def test_no_bound_loses_text(unit: str) -> None:
    """What stands beyond the bounds of lines and elements is there, in order, and inert."""
    shown = read_body([TextPart(unit * 30_000 + "{{end}}", "<" in unit)], {}, MARKDOWN).body.whole
    assert (30_000, True) == (shown.count("x"), shown.replace("\u2060", "").endswith("{{end}}"))
    assert "{{" not in shown


@pytest.mark.parametrize(
    ("style", "inner", "shown"),
    [
        ("font-size:0", "", False),
        ("font-size: 1px; line-height: 1px", "", False),
        ("color:#ffffff;background-color:#FFF", "", False),
        ("color: transparent", "", False),
        ("text-indent:-9999px", "", False),
        ("max-height:0", "", False),
        ("font-size:0px;padding:20px", "font-size:13px", True),
        ("color:#fff;background:#fff", "color:#000", True),
        ("color:#fff;background:#003366", "", True),
        ("color:#fff", "", True),
        ("font-size:10px", "", True),
    ],
)
def test_hidden_text(style: str, inner: str, shown: bool) -> None:
    """What no eye sees is not read: of size 0, white on white; unless something within it is styled otherwise."""
    source = f'<div style="{style}"><p style="{inner}">secret</p></div>open'
    assert shown == ("secret" in html(source))


def test_hidden_beyond_the_bound_stays_hidden() -> None:
    """A style or a hidden element is not shown, wherever it stands."""
    hidden = '<style>p {}</style><div style="display:none">no</div>yes'
    assert html("<p>x</p>" * 30_000 + hidden).endswith("x\nyes")


def test_macro_over_element_borders() -> None:
    """Live syntax that elements hide in the source is inert all the same."""
    assert not re.search(r"(?<!!)\{\{", html("{<b></b>{collapse}}"))


def test_gmail_container_is_cut() -> None:
    """What Gmail marks as quoted goes, what stands above stays."""
    quote = '<div class="gmail_quote"><div class="gmail_attr">X:<br></div><blockquote>old</blockquote></div>'
    body = read_body([TextPart(f"<div>new</div>{quote}", True)], {}, MARKDOWN).body
    assert ("new", "X:\n\n> old") == (body.written, body.quoted)


@pytest.mark.parametrize("case", REPLIES, ids=lambda case: case["id"])
def test_html_replies(case: dict[str, str]) -> None:
    """What a mail program marks or draws as quoted goes, answers between quotes and forwarded mails stay."""
    written = read_body([TextPart(case["text"], True)], {}, MARKDOWN).body.written
    assert re.findall(r"\w+", case["expected"]) == re.findall(r"\w+", written)


def test_forward_is_kept() -> None:
    """A forwarded mail in Gmail's container is content."""
    forward = '<div class="gmail_quote"><div class="gmail_attr">---------- Forwarded message ---------<br>'
    forward += "From: A &lt;a@example.com&gt;<br>Date: 3 Mar 2025<br>Subject: s<br>To: b@example.com</div>old</div>"
    assert "old" in read_body([TextPart(f"<div>see</div>{forward}", True)], {}, MARKDOWN).body.written


@pytest.mark.parametrize("text_format", ["common_mark", "textile"])
@pytest.mark.parametrize(
    "unit",
    ["[[", "{{x", "<a", "<http://", "!a ", "*_~ -a ", "#1 @a {{x}} [[y]] !z! ", "<p>x</p>", "<b>x", "<br>", "<tr><td>x",
     "<blockquote>x", "<a href=http://x>y</a>"],
)  # fmt: skip
def test_linear(unit: str, text_format: TextFormat) -> None:
    """Eight times the hostile input takes about eight times the processor time, nowhere near its square."""
    options = ReadingOptions(text_format=text_format)
    small, large = (_seconds(unit * count, options) for count in (2_000, 16_000))
    assert large <= 24 * small + 0.05


def _seconds(content: str, options: ReadingOptions) -> float:
    """The least processor time of three readings."""
    times = []
    for _ in range(3):
        before = time.process_time()
        read_body([TextPart(content, content.startswith("<"))], {}, options)
        times.append(time.process_time() - before)
    return min(times)


def test_a_text_that_is_not_cut_is_made_inert_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written is the whole of most mails: the same words are not looked at twice."""
    seen: list[str] = []

    def counted(text: str, _text_format: TextFormat) -> str:
        seen.append(text)
        return text

    monkeypatch.setattr(body, "make_inert", counted)
    found = read_body([TextPart("One\n\nTwo r3 #4\n", False)], {}, ReadingOptions())
    assert found.body.written == found.body.whole
    assert 1 == sum("Two r3 #4" in text for text in seen)

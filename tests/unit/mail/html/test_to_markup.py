"""What a reader of the HTML saw stands in the issue, in Redmine's markup; what the reader did not see does not."""

import pytest

from redmine_mailbridge.mail.text.body import TextPart, read_body
from redmine_mailbridge.mail.text.escaping import JOINER
from redmine_mailbridge.model.mail import ReadingOptions, TextFormat

PICTURES = {"1": "a.png", "a@b": "c.png"}


def converted(html: str, text_format: TextFormat = "common_mark") -> str:
    """The text that an HTML part becomes."""
    return read_body([TextPart(html, True)], PICTURES, ReadingOptions(text_format=text_format)).body.whole


@pytest.mark.parametrize(
    ("html", "markdown", "textile"),
    [
        ("a<b> bold </b>c", "a **bold** c", "a *bold* c"),
        ("a<b> <i>x</i> </b>b", "a ***x*** b", "a *_x_* b"),
        ("a<b>\n</b>b", "a b", "a b"),
        ("<b><b>twice</b></b>", "**twice**", "*twice*"),
        ("x<b>bo</b>ld", "xbold", "xbold"),
        ("</b>x", "x", "x"),
        ("<b>(note)</b>", "**(note)**", f"*{JOINER}(note)*"),
        ("a<b><code> x </code> y</b>", "a **`x` y**", "a *<code>x</code> y*"),
        ("<del>see a</del>", "~~see a~~", "-see a-"),
    ],
)
def test_emphasis(html: str, markdown: str, textile: str) -> None:
    """Blanks at the edge of emphasis stand outside of it, and marks stand only where Redmine reads them as marks."""
    assert [markdown, textile] == [converted(html), converted(html, "textile")]


def test_no_address_in_struck_out_text() -> None:
    """Redcarpet would lose the words between its marks beside an address: they stand there without marks."""
    assert "see http://a.example" == converted("<del>see http://a.example</del>", "markdown")


@pytest.mark.parametrize(
    ("html", "markdown", "textile"),
    [
        ("<b><img src='cid:1'> x</b>", "**![](a.png) x**", "!a.png! x"),
        ("a<b><img src='cid:1'> </b>b", "a![](a.png) b", "a !a.png! b"),
        ("x<img src='cid:1'>: y", "x![](a.png): y", f"x !a.png!{JOINER}: y"),
        ("<img src='cid:a%40b'>", "![](c.png)", "!c.png!"),
        ("a<code> x <img src='cid:1'> y </code>b", "a `x  y`![](a.png) b", "a <code>x  y</code> !a.png! b"),
        ("<img src='https://x.example/y.png' alt='Our  logo'>", "Our logo", "Our logo"),
        ("<img src='https://x.example/y.png' alt='seen' width='1px'>", "", ""),
    ],
)
def test_pictures(html: str, markdown: str, textile: str) -> None:
    """A picture of the mail stands where it stood, also within emphasis and code; of a remote one its description
    stands there, and nothing of one that counts readers.
    """
    assert [markdown, textile] == [converted(html), converted(html, "textile")]


@pytest.mark.parametrize(
    ("href", "words", "expected"),
    [
        ("https://e.example/x", " here ", "x [here](https://e.example/x) y"),
        ("https://e.example/", "e.example", "xe.exampley"),
        ("mailto:kim@c.example?subject=Hi", "kim@c.example", "xkim@c.exampley"),
        ("javascript:alert(1)", "here", "xherey"),
        ("https://evil.example", "bank.example", "xbank.example (<https://evil.example>) y"),
        ("https://www.bank.example/x", "bank.example", "x[bank.example](https://www.bank.example/x)y"),
        ("mailto:kim@c.example", "lee@c.example", "xlee@c.example (<mailto:kim@c.example>) y"),
    ],
)
def test_links(href: str, words: str, expected: str) -> None:
    """A link that shows another address than where it leads is written with both, so that nobody is led astray; one
    that does something else than lead somewhere is its words.
    """
    assert expected == converted(f'x<a href="{href}">{words}</a>y')


def test_a_link_that_hides_its_host() -> None:
    """What stands before an @ is not the host that a browser goes to: the link is none by the name that it shows."""
    shown = converted('<a href="https://bank.example@evil.example">bank.example</a>')
    assert shown.startswith("bank.example (")
    assert "evil.example" in shown


@pytest.mark.parametrize(
    ("html", "markdown", "textile"),
    [
        ("<ol start=3><li>a<li>b</ol>", "3. a\n4. b", "3. a\n4. b"),
        ("<ol start=x><li>a</ol>", "1. a", "# a"),
        ("<ol><li>a<p>b</p><li>c</ol>", "1. a\n   b\n2. c", "# a\n\nb\n# c"),
        ("<li>alone<p>then</p>", "- alone\n  then", "* alone\n\nthen"),
        ("<ol><li>a<blockquote>q</blockquote><li>b</ol>", "1. a\n\n> q\n\n2. b", "# a\n\n> q\n\n2. b"),
        ("<ul><li><pre>x</pre></ul>", "-\n\n```\nx\n```", f"* {JOINER}\n\n<pre>\nx\n</pre>"),
        ("<h1>T</h1><ul><li>a<h2>in</h2><li>b</ul>", "# T\n\n- a\n\n## in\n\n- b", "h1. T\n\n* a\n\nh2. in\n\n* b"),
    ],
)
def test_lists(html: str, markdown: str, textile: str) -> None:
    """Items keep their numbers, whatever stands between two of them, and what belongs to an item stays with it."""
    assert [markdown, textile] == [converted(html), converted(html, "textile")]


def test_a_list_that_redmine_would_begin_anew() -> None:
    """Where the older Markdown would count from 1 again, the numbers stand as words."""
    assert "1. a\n\n> q\n\n2\\. b" == converted("<ol><li>a<blockquote>q</blockquote><li>b</ol>", "markdown")


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<pre><b>x</b>\n<img src='cid:1'>\n\n</pre>y", "```\nx\n```\n\ny"),
        ("<pre>\n \n</pre>y", "y"),
        ("<pre>a<pre>b</pre>c</pre>d", "```\na\nb\nc\n```\n\nd"),
        ("<pre>a<hr>b</pre>", "```\na\n\nb\n```"),
        ("<blockquote><pre>c\nd</pre>x</blockquote>", ">     c\n>     d\n>\n> x"),
        ("<blockquote><ul><li>a<pre>c</pre></ul></blockquote>", "> - a\n>\n> <pre><code>c</code></pre>"),
    ],
)
def test_code(html: str, expected: str) -> None:
    """Code is a block of its own, in quotes and lists too, without the blank lines around it."""
    assert expected == converted(html)


TABLE = "| a | b |\n| --- | --- |\n| 1 | 2 |"
LAYOUT = "a b\n1 2"


@pytest.mark.parametrize(
    ("table", "cell", "expected"),
    [
        ("border=1", "", TABLE),
        ("", "style='border:solid 1pt'", TABLE),
        ("class=MsoTableGrid", "", TABLE),
        ("", "", LAYOUT),
        ("role=presentation border=1", "", LAYOUT),
        ("border=1", "rowspan=2", LAYOUT),
    ],
)
def test_tables_and_layout(table: str, cell: str, expected: str) -> None:
    """What is drawn as a table is one, as mail programs draw it; a frame for the layout is not."""
    assert expected == converted(f"<table {table}><tr><td {cell}>a<td>b<tr><td>1<td>2</table>")


@pytest.mark.parametrize(
    "html",
    [
        "<table border=1><tr><td>a<td>b</table>",
        "<table border=1><tr><td>a<td>b<tr><td>1</table>",
        "<table border=1><tr><td><p>a<p>A<td>b<tr><td>1<td>2</table>",
        f"<table border=1><tr><td>{'a' * 301}<td>b<tr><td>1<td>2</table>",
        "<table border=1><tr><td><ul><li>a</ul><td>b<tr><td>1<td>2</table>",
    ],
)
def test_a_table_that_markup_cannot_say(html: str) -> None:
    """Rows of different length, one row alone, paragraphs, lists and long texts in cells: the text stands in lines."""
    shown = converted(html)
    assert "|" not in shown
    assert {"a", "b"} <= set(shown.replace("a" * 301, "a").replace("- a", "a").split())


def test_a_bar_in_a_cell() -> None:
    """A bar in a cell does not make another cell."""
    html = "<table border=1><tr><td>a|x<td>b<tr><td>1<td>2</table>"
    assert TABLE.replace("| a |", "| a&#124;x |", 1) == converted(html)


@pytest.mark.parametrize(
    "hidden",
    [
        "<p style='opacity:0'>x</p>",
        "<p hidden>x</p>",
        "<p style='font-size:1px'>x</p>",
        "<p style='color:white;background:white'>x</p>",
        "<select><option>x</select>",
        "<o:p>x</o:p>",
    ],
)
def test_what_nobody_saw(hidden: str) -> None:
    """A preheader, tiny or white text and parts of a form are not in the issue."""
    assert "y" == converted(f"{hidden}y")


@pytest.mark.parametrize(
    "seen",
    [
        "<p style='font-size:0'><span style='font-size:12px'>x</span></p>",
        "<p style='color:#fff;background-color:#fff'><span style='color:red'>x</span></p>",
        "<p style='color:white;background:navy'>x</p>",
        f"<div style='font-size:0'>{'<i></i>' * 70}x</div>",
    ],
)
def test_what_somebody_saw(seen: str) -> None:
    """What is shown after all within a hidden cell, as newsletters do, stays; so it does in doubt."""
    assert ["x", "y"] == converted(f"{seen}<p>y").split()


def test_lists_of_any_depth() -> None:
    """A list within lists without an end keeps every word, and its marks stay within what a line may hold."""
    shown = converted("<ol>" + "<li>x<ol>" * 40 + "<li>y", "textile")
    assert 40 == shown.count("x")
    assert shown.endswith("y")
    assert 20 > max(map(len, shown.splitlines()))

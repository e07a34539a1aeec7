"""Links that show another host than they lead to, and what Redmine's Textile takes for a list, a code, or neither."""

import pytest

from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.outgoing.rendering import markdown, textile
from redmine_mailbridge.outgoing.rendering.note import NoteContext, render

BANK = '<a href="http://evil.example/x">https://bank.example/login</a> (evil.example)'


@pytest.mark.fault("A30-5")
@pytest.mark.parametrize(
    ("note", "text_format", "expected"),
    [
        ("[https://bank.example/login](http://evil.example/x)", "common_mark", BANK),
        ('"https://bank.example/login":http://evil.example/x', "textile", BANK),
        (
            "[bank.example](http://e.example/)",
            "common_mark",
            '<a href="http://e.example/">bank.example</a> (e.example)',
        ),
        ("[Bank](http://evil.example/)", "common_mark", '<a href="http://evil.example/">Bank</a>'),
        ("[www.a.example](http://a.example/)", "common_mark", '<a href="http://a.example/">www.a.example</a>'),
        ("[a.example](http://docs.a.example/)", "common_mark", '<a href="http://docs.a.example/">a.example</a>'),
        ("[plan.pdf](http://a.example/p)", "common_mark", '<a href="http://a.example/p">plan.pdf</a>'),
        (
            "![http://bank.example](http://evil.example/p)",
            "common_mark",
            '<a href="http://evil.example/p">[http://bank.example]</a> (evil.example)',
        ),
    ],
)
def test_a_link_that_shows_another_host(note: str, text_format: TextFormat, expected: str) -> None:
    """Where it leads stands behind it."""
    assert f"<p>{expected}</p>" == render(note, text_format).html


@pytest.mark.fault("A30-5")
def test_a_picture_of_another_site_in_the_text() -> None:
    """Its address is in the text as in the HTML."""
    assert "[plan] (http://a.example/p.png)" == render("![plan](http://a.example/p.png)", "common_mark").text


@pytest.mark.fault("A30-6")
@pytest.mark.parametrize(
    "note",
    ["#12 is solved", "#12 is solved\n#13 too", "#_ x", "; not a term", ": not a meaning", "#12\n#13", "#: x"],
)
def test_what_is_no_list_in_redmine(note: str) -> None:
    """A line that begins with the number of an issue keeps it."""
    assert note == render(note, "textile").text


@pytest.mark.fault("A30-7")
def test_mentions_are_no_code() -> None:
    """As in Redmine, code ends where no letter follows."""
    context = NoteContext("", lambda user: {"anna": "Anna Agent", "bob": "Bob Agent"}.get(user, ""))
    assert "Anna Agent, ask Bob Agent." == render("@anna, ask @bob.", "textile", context).text
    assert "<p>run <code>ls -l</code>, (<code>a &lt;b&gt;</code>) and <code>x.y</code></p>" == (
        render("run @ls -l@, (@a <b>@) and @x.y@", "textile").html
    )


@pytest.mark.fault("A30-8")
@pytest.mark.parametrize("text_format", ["common_mark", "textile"])
def test_control_characters_by_number(text_format: TextFormat) -> None:
    """An entity makes no control character."""
    shown = render("a&#27;[31m&#1;&#0;&#007;&#127;b &#228;", text_format)
    assert [] == [sign for sign in shown.text + shown.html if ord(sign) < 32 or ord(sign) == 127]
    assert shown.text.endswith("ä")


@pytest.mark.fault("A30-9")
@pytest.mark.parametrize("fault", [AssertionError, ZeroDivisionError, RecursionError, MemoryError])
def test_any_fault_of_the_libraries(monkeypatch: pytest.MonkeyPatch, fault: type[Exception]) -> None:
    """Whatever a library raises, the note is mailed as it was typed."""

    def fails(*_: object) -> str:
        raise fault("x")

    monkeypatch.setattr(markdown._PARSER, "parse", fails)
    monkeypatch.setattr(textile.library.Textile, "parse", fails)
    assert f"*a* {fault.__name__}" == render(f"*a* {fault.__name__}", "common_mark").text
    assert f"*a* {fault.__name__}" == render(f"*a* {fault.__name__}", "textile").text


@pytest.mark.fault("A30-12")
def test_code_in_tags_is_code() -> None:
    """As in Redmine, nothing in it is markup."""
    assert "<p>set <code>*a* &lt; @b @c</code> and <code>x</code></p>" == (
        render('set <code>*a* < @b @c</code> and <code class="ruby">x</code>', "textile").html
    )


@pytest.mark.fault("A30-13")
def test_cells_without_a_space() -> None:
    """As in Redmine, a cell's text may follow its attributes at once; numbers are no attributes."""
    page = render("|_.Name|_.Value|\n|>.5.00|1.5|\n|\\2.both|", "textile").html
    assert "<th>Name</th><th>Value</th>" in page
    assert 'text-align:right">5.00</td><td>1.5</td>' in page
    assert "<td>both</td>" in page


@pytest.mark.fault("A30-14")
def test_line_breaks_in_html() -> None:
    """In Markdown, <br> breaks the line, in the cell of a table too, but not in code."""
    page = render("a<br>b<br/>c `<br>` <b>\n\n| x<BR />y |\n|---|", "common_mark").html
    assert "<p>a<br>\nb<br>\nc <code>&lt;br&gt;</code> &lt;b&gt;</p>" in page
    assert "<th>x<br>\ny</th>" in page


@pytest.mark.fault("A30-15")
@pytest.mark.parametrize("host", ["redmine.example:443", "redmine.example.", "x@Redmine.Example.:443"])
def test_other_spellings_of_redmines_address(host: str) -> None:
    """The usual port and the dot of the root lead to Redmine's pages too; another port does not."""
    context = NoteContext("https://redmine.example/base")
    assert "<p>l</p>" == render(f"[l](https://{host}/base/projects/x)", "common_mark", context).html
    assert "<a " in render("[l](https://redmine.example:8443/base/projects/x)", "common_mark", context).html
    assert (
        "<p>l</p>" == render(f"[l](https://{host}/x)", "common_mark", NoteContext("https://redmine.example:443")).html
    )


@pytest.mark.fault("A30-16")
@pytest.mark.parametrize("row", ["|=. word |", "|=.word|", "|: word |", "|:word|", "|=. word"])
def test_no_word_of_a_table_is_lost(row: str) -> None:
    """A first cell that begins with a colon or is centered is a cell."""
    assert "word" in render(f"{row}\n|b|", "textile").text

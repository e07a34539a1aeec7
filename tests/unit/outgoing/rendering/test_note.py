"""Agents' notes as people read them in a mail."""

import time

import pytest

from redmine_mailbridge.outgoing.rendering.note import render

MARKDOWN = """Hello Kim,

please look at **this** [page](https://example.com/a_b?x=1&y=2), not at `rm -rf`:

- one
- two _really_

1. first
2. second

> It burns.

```sh
echo "<b>"
```

# Done
See https://example.com/x). ![plan.png](plan.png) [[Start|the wiki]]
"""
TEXTILE = """Hello Kim,

please look at *this* "page":https://example.com/a_b?x=1&y=2, not at @rm -rf@:

* one
* two _really_

# first
# second

bq. It burns.

<pre><code class="sh">
echo "<b>"
</code></pre>

h2. Done
!plan.png!
"""


@pytest.mark.parametrize(("note", "form"), [(MARKDOWN, "common_mark"), (TEXTILE, "textile")])
def test_html(note: str, form: str) -> None:
    """Emphasis, links, lists, quotes and code of both markups are HTML; what is in code is as it was written."""
    page = render(note, form).html  # type: ignore[arg-type]  # one of the two
    for expected in (
        "<p>Hello Kim,</p>", "<b>this</b>", '<a href="https://example.com/a_b?x=1&amp;y=2">page</a>',
        "<code>rm -rf</code>", "<ul><li>one</li><li>two <i>really</i></li></ul>", "<ol><li>first</li><li>second</li>",
        "It burns.</blockquote>", "echo &quot;&lt;b&gt;&quot;</pre>", ">Done</h", "[plan.png]",
    ):  # fmt: skip
        assert expected in page


@pytest.mark.parametrize(("note", "form"), [(MARKDOWN, "common_mark"), (MARKDOWN, "markdown"), (TEXTILE, "textile")])
def test_text(note: str, form: str) -> None:
    """The plain text reads like a mail that somebody typed."""
    text = render(note, form).text  # type: ignore[arg-type]  # one of the two
    assert "please look at *this* page (https://example.com/a_b?x=1&y=2), not at rm -rf:" in text
    assert '- one\n- two _really_\n\n1. first\n2. second\n\n> It burns.\n\n    echo "<b>"\n\nDone' in text


@pytest.mark.parametrize("form", ["common_mark", "textile"])
@pytest.mark.parametrize(
    "note",
    [
        "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "[x](javascript:alert(1))",
        '"x":javascript:alert(1)', '[x](https://a"onmouseover="alert(1))', "**<b onclick=x>**", "@<i>@", "`<i>`",
        '"<u>":https://example.com/"onx="', "> <style>", "```\n</pre><script>\n```", "<pre></pre><script></pre>",
        "![x](javascript:x)", "!https://evil.example/x.png!", "<https://example.com/<b>>", "\\<script>",
        "<<pre>script>alert(1)<</pre>/script>", "<scr<code>ipt>",
    ],
)  # fmt: skip
def test_nothing_of_a_note_is_html(note: str, form: str) -> None:
    """Whatever a note holds, the page has no tag but the renderer's own, and no address but of web and mail."""
    import lxml.html

    page = lxml.html.fragments_fromstring(f"<div>{render(note, form).html}</div>")[0]  # type: ignore[arg-type]
    allowed = {"div", "p", "br", "b", "i", "s", "a", "ul", "ol", "li", "blockquote", "pre", "code", "hr", "h1", "sub"}
    assert set() == {element.tag for element in page.iter()} - allowed
    assert set() == {name for element in page.iter() for name in element.attrib} - {"href", "style"}
    assert all(link.startswith(("http://", "https://", "mailto:")) for _, _, link, _ in page.iterlinks())


@pytest.mark.parametrize("form", ["common_mark", "textile"])
@pytest.mark.parametrize(
    "unit", ["*", "_", "`", "@", "[", "[a](", "![", '"', "<", "> ", "<pre>", "{{", "\\", "http://a"]
)
def test_linear(unit: str, form: str) -> None:
    """However many marks follow each other, nothing takes more than so many seconds, as HTML and as text."""
    for many in (100_000, 39_000 // len(unit)):
        began = time.perf_counter()
        render(unit * many, form)  # type: ignore[arg-type]
        assert time.perf_counter() - began < 10.0


def test_macros_and_their_contents() -> None:
    """A collapsed part of a note is shown, without the macro around it."""
    assert "before\n\ninside\n\nafter" == render("before\n{{collapse(more)\ninside\n}}\nafter", "common_mark").text


WORDS = {
    "common_mark": {
        "```one line```": "one line",
        "before\n```one```\nafter": "before\none\nafter",
        "    indented code\n    more": "indented code",
        "1. first\n\n2. second\n\n3. third": "1. first\n2. second\n3. third",
        "3. third\n4. fourth": "3. third\n4. fourth",
        "1. first\n\n   more of it\n2. second": "1. first\n   more of it\n2. second",
        "- [x] done": "[x] done",
        "| a | b |\n|---|---|\n| 1 | 2 |": "a | b\n1 | 2",
        "a_b_c and 2*3*4": "a_b_c and 2*3*4",
        "> quoted\n> > twice": "> quoted\n>\n> > twice",
        "```\n{{toc}}\n}}\n```": "{{toc}}\n    }}",
        "snake_case and **bold *both***": "*bold *both**",
        "a\\*b": "a*b",
        "see <https://example.com/x>": "https://example.com/x",
        "[mail us](mailto:a@b.example)": "mail us (mailto:a@b.example)",
        "printer. is on fire": "printer. is on fire",
    },
    "textile": {
        "printer. The new one": "printer. The new one",
        "password. Please change it": "password. Please change it",
        "h2o. is water": "h2o. is water",
        "bqx. nothing": "bqx. nothing",
        "```\nnot code in Textile\n```": "not code in Textile",
        "p(note). Hello": "Hello",
        "h1{color:red}. Title": "Title",
        "p>. right": "right",
    },
}
LOST = {  # what the first version lost or changed
    "```one line```", "before\n```one```\nafter", "1. first\n\n2. second\n\n3. third", "3. third\n4. fourth",
    "printer. The new one", "password. Please change it", "h2o. is water", "bqx. nothing",
}  # fmt: skip


@pytest.mark.parametrize(
    ("form", "note"),
    [
        pytest.param(form, note, marks=pytest.mark.fault("O15") if note in LOST else ())
        for form, notes in WORDS.items()
        for note in notes
    ],
)
def test_no_word_is_lost(form: str, note: str) -> None:
    """What an agent writes arrives: each word of it, in the text and in the HTML, numbered as it was."""
    import lxml.html

    wanted = WORDS[form][note]
    assert wanted in render(note, form).text  # type: ignore[arg-type]  # one of the two
    page = lxml.html.fromstring(f"<div>{render(note, form).html}</div>").text_content()  # type: ignore[arg-type]  # likewise
    words = [word.strip("*>|-") for word in wanted.split() if word.strip("*>|-").isalpha()]
    assert [] == [word for word in words if word not in page]


@pytest.mark.fault("A13-O2")
def test_a_wide_table_of_short_rows_is_shown_as_it_stands() -> None:
    """A short row is filled up to its table's width: a note of 40,000 characters would be five million cells. Such a
    note is shown as it stands, a table that people write is a table.
    """
    wide = "|a" * 300 + "|\n" + "|-" * 300 + "|\n" + "x\n" * 18_000
    assert len(wide) > len(render(wide, "common_mark").html) - 60
    assert render(wide, "common_mark").html.startswith("<pre")
    usual = "|a|b|\n|-|-|\n" + "|1|2|\n" * 200
    assert render(usual, "common_mark").html.startswith("<table border=")

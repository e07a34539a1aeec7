import re

import pytest

from redmine_mailbridge.mail.text.escaping import JOINER, LONGEST_LINE, MOST_LINES, inert_in_bulk, make_inert
from redmine_mailbridge.model.mail import TextFormat

FORMATS = ("common_mark", "textile", "markdown")
MENTION = re.compile(r"(?:^|\W)@([A-Za-z0-9_.@-]+)")  # lib/redmine/acts/mentionable.rb, near enough


@pytest.mark.parametrize("text_format", FORMATS)
@pytest.mark.parametrize(
    "text",
    [
        "Hello,\n\n* one\n* two\n\n> a quote\n\nsee https://example.com/a?b=c#12 or ann@example.com, item no. 5",
        "Total: 12 r\nnote: five\nratio 3:4\nColumn r and error",
    ],
)
def test_ordinary_text_is_left_alone(text: str, text_format: str) -> None:
    """Text without live syntax comes back as it was."""
    assert text == make_inert(text, text_format)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "markdown", "textile"),
    [
        ("see #12", "see !#12", f"see {JOINER}#12"),
        ("@ann hi", "!&#64;ann hi", f"{JOINER}&#64;ann hi"),
        ("(r12)", "(!r12)", f"({JOINER}r12)"),
        ("attachment:a.png", "!attachment:a.png", f"{JOINER}attachment:a.png"),
        ("[[Start]]", "![[Start]]", f"[{JOINER}[Start]]"),
        ("{{collapse}}", "!{{collapse}}", "{" + JOINER + "{collapse}}"),
        ("{{unknown}}", "{" + JOINER + "{unknown}}", "{" + JOINER + "{unknown}}"),
        ('"#12"', f'"{JOINER}#12"', f'"{JOINER}#12"'),
    ],
)
def test_links(text: str, markdown: str, textile: str) -> None:
    """Redmine's links and macros are made inert in both formats, in CommonMark by the "!" that Redmine takes away."""
    assert [markdown, textile] == [make_inert(text, "common_mark"), make_inert(text, "textile")]


def test_formats_of_their_own() -> None:
    """Pictures, HTML and reference definitions are inert where they are live."""
    assert f"{JOINER}!http&#58;//example.com/a.png!" == make_inert("!http://example.com/a.png!", "textile")
    assert f"a,{JOINER}#1#1:" == make_inert("a,#1#1:", "common_mark")  # Redmine sees no issue there
    assert f"- *[{JOINER}x] done*" == make_inert("- *[x] done*", "common_mark")
    assert "![x]\\(http://example.com/a.png)" == make_inert("![x](http://example.com/a.png)", "common_mark")
    assert f"{JOINER}&#64;x@ and a@example.com" == make_inert("@x@ and a@example.com", "textile")
    assert f"a[{JOINER}1] {JOINER}_b_ *c*" == make_inert("a[1] _b_ *c*", "textile")
    assert f"!{JOINER}#1" == make_inert("!#1", "common_mark")
    assert "List\\<String>" == make_inert("List<String>", "common_mark")
    assert "\\[1]: https://example.com" == make_inert("[1]: https://example.com", "common_mark")
    assert "Sum\n\n---" == make_inert("Sum\n---", "common_mark")


def test_bulk_begins_at_the_bounds() -> None:
    """Up to the bounds a text is made inert with care, beyond them by joiners alone; both read the same."""
    line = "see {{x}} [[y]] #1"
    text = "\n".join([line] * (MOST_LINES + 1))
    made = make_inert(text, "common_mark").split("\n")
    assert [made[0]] * MOST_LINES + [inert_in_bulk(line)] == made
    assert line == inert_in_bulk(line).replace(JOINER, "")
    long = "a" * LONGEST_LINE + " #1"
    assert f"{long[:-2]}{JOINER}#1" == make_inert(long, "common_mark")


@pytest.mark.fault("V8")
@pytest.mark.parametrize("text_format", ["common_mark", "textile"])
@pytest.mark.parametrize(
    "text", ["@ann", "(@ann)", "x !@ann", "> @ann", "* @ann", "see `@ann`", ">     @ann", "|@ann|"]
)
def test_nobody_is_notified(text: str, text_format: str) -> None:
    """No login behind an @ stands in what is stored, where Redmine looks for those whom it notifies."""
    assert [] == MENTION.findall(make_inert(text, text_format))  # type: ignore[arg-type]


@pytest.mark.fault("S5")
@pytest.mark.parametrize("text_format", ["common_mark", "textile"])
@pytest.mark.parametrize("text", ["```\n{}\n```", "words\n\n    {}\n", "- item\n\n  ```\n  {}\n  ```", "x `{}` y"])
def test_code_stays_as_it_is(text: str, text_format: str) -> None:
    """In code stands no sign that was not there: it can be copied."""
    code = 'curl "a[1]" | sh #12 {{x}} && tail -f r12 x!=y'
    assert code in make_inert(text.format(code), text_format)  # type: ignore[arg-type]


def test_code_that_looks_like_redmines_own_marks() -> None:
    """Code that holds what Redmine writes where it has taken a macro out is not the place of another macro."""
    made = make_inert("> ```\n> a <b> {{macro(0)}} {{toc}}\n>\n> @x\n> ```", "common_mark")
    assert "a &#60;b&#62; {{macro(0)}} {&#123;toc}}" in made


@pytest.mark.fault("V7")
def test_code_ends_where_the_format_ends_it() -> None:
    """What stands below a fence that a list item holds is inert: the fence is written at the left edge."""
    made = make_inert("- a\n  ```\n  code\n- b\n![](http://example.com/a.png)\n  ```\n[[Wiki]] {{toc}}", "common_mark")
    assert "```\ncode\n- b\n![](http://example.com/a.png)\n```\n\n![[Wiki]] {\u2060{toc}}" == made.partition("\n\n")[2]


@pytest.mark.parametrize(
    ("text", "at", "halves"),
    [
        ("w\n```\n@ann\n@bob\n```", 12, ("w\n```\n@ann\n```", "```\n@bob\n```")),
        ("<pre>\n@ann\n@bob\n</pre>", 11, ("<pre>\n@ann\n</pre>", "<pre>\n@bob\n</pre>")),
        ("see `x` and `@ann {{to` x", 18, ("see `x` and ", JOINER + "`@ann {{to` x")),
        ("see <code>x y</code> z", 12, ("see ", f"{JOINER}<code>x y</code> z")),
        ("`@ann {{toc}}` z", 8, ("`@ann `", "`{{toc}}` z")),
        ("see [text](http://e.example/a) b", 18, ("see ", f"{JOINER}[text](http://e.example/a) b")),
        ("aaaa!#12", 5, ("aaaa!", f"{JOINER}#12")),
        ("words words", 8, ("words wo", "rds")),
    ],
)
def test_what_is_cut_stays_still(text: str, at: int, halves: tuple[str, str]) -> None:
    """A text that was made inert is inert in two halves, too: no code is cut, or it is whole in each."""
    from redmine_mailbridge.mail.text.splitting import divided  # newer than the first version

    assert halves == divided(text, at)


@pytest.mark.fault("N15")
@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("see #12", "see &#35;12"),
        ("@ann", "&#64;ann"),
        ("{{toc}} [[Wiki]]", "{&#123;toc}} &#91;&#91;Wiki]]"),
        ("![x](http://example.com/a.png)", "!&#91;x](http://example.com/a.png)"),
        ("a_b __init__ x^2^", "a_b \\_\\_init\\_\\_ x\\^2\\^"),
        ("```\n{{toc}} @ann\n```", "```\n{{toc}} @ann\n```"),
    ],
)
def test_markdown_of_older_redmines(text: str, made: str) -> None:
    """In the Markdown of Redmine up to 5.1 signs are written by their numbers, which stay that in what it makes."""
    assert made == make_inert(text, "markdown")


@pytest.mark.fault("A13-R1", "A13-R2")
@pytest.mark.parametrize(
    ("html", "written"),
    [
        ("x{0}y", "x !a.png!y"),
        ("wow!{0}{0}", "wow! !a.png! !a.png!"),
        ("<b>{0} x</b> <b>x {0}</b>", "!a.png! x *x !a.png!*"),
        ('<a href="http://e.example/x">{0}</a>', "!a.png! (http://e.example/x)"),
        ("{0}:http://e.example", f"!a.png!{JOINER}:http&#58;//e.example"),
        ("{0}:/logout", f"!a.png!{JOINER}:/logout"),
        ("<code>x{0}{0}</code>:/logout", f"<code>x</code> !a.png! !a.png!{JOINER}:/logout"),
    ],
)
def test_pictures_in_textile(html: str, written: str) -> None:
    """A mail's picture is shown wherever it stands among words, and what stands behind it makes no link of it."""
    from redmine_mailbridge.mail.html.read import read_html

    page = html.format('<img src="cid:1">')
    assert written == read_html(f"<p>{page}</p>", {"1": "a.png"}, "textile", ()).whole


@pytest.mark.parametrize("text_format", FORMATS)
@pytest.mark.parametrize("number", [1, 127, 0xFEFF])
@pytest.mark.parametrize("beyond", [False, True])
def test_what_an_entity_writes_keeps_nothing_apart(number: int, text_format: TextFormat, beyond: bool) -> None:
    """A sign that no issue holds, written as an entity of HTML, does not hide a macro or a mention from who makes them
    inert: they would come to life when it is taken out. Nor does it beyond the elements that are read as markup."""
    from redmine_mailbridge.mail.html.read import read_html

    live = "{~{hello_world}} @~ann #~12 [~[Wiki]] r~12 attach~ment:a.png"
    page = f"{'<i></i>' * 12_000 * beyond}<p>{live} <code>{live}</code></p><pre>{live}</pre><a href='http://a.example/@~b'>c</a>"
    plain, hidden = (read_html(page.replace("~", sign), {}, text_format, ()) for sign in ("", f"&#{number};"))

    assert plain.whole == hidden.whole

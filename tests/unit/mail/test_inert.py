import pytest

from redmine_mailbridge.mail.inert import JOINER, LONGEST_LINE, MOST_LINES, inert_in_bulk, make_inert

FORMATS = ("common_mark", "textile")


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
        ("@ann hi", "!@ann hi", f"{JOINER}@ann hi"),
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
    assert f"{JOINER}!http://example.com/a.png!" == make_inert("!http://example.com/a.png!", "textile")
    assert "!\\[x](http://example.com/a.png)" == make_inert("![x](http://example.com/a.png)", "common_mark")
    assert "&#64;x@ and a@example.com" == make_inert("@x@ and a@example.com", "textile")
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

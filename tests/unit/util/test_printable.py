"""One line of a text from outside."""

import pytest

from redmine_mailbridge.util.printable import printable_line


@pytest.mark.parametrize(
    ("text", "width", "line"),
    [
        ("", None, ""),
        ("  a\r\n\tb\x1b[2J\u200b c ", None, "a b [2J c"),
        ("Grüße aus Köln", 14, "Grüße aus Köln"),
        ("Grüße aus Köln", 13, "Grüße aus Kö…"),
    ],
)
def test_one_line(text: str, width: int | None, line: str) -> None:
    """Control and invisible characters are blanks, blanks are one, and only what is longer than the width is cut."""
    assert line == printable_line(text, width)

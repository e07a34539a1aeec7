"""Lines of a header may be of any length: the first one too."""

import pytest

from redmine_mailbridge.mail.parse import read
from redmine_mailbridge.model.mail import ReadingOptions

LONG = [1_990, 2_000, 2_001, 5_000, 70_000, 1_000_000]


def mail(first: bytes, end: bytes) -> bytes:
    """Given the first lines of a mail and how lines end, return a mail."""
    lines = [first, b"From: Zoe <zoe@elsewhere.example>", b"Subject: A question", b"", b"How does it work?", b""]
    return end.join(lines)


def read_of(raw: bytes) -> tuple[str, str, str]:
    """Sender, subject and text of a mail."""
    message = read(raw, ReadingOptions())
    return message.sender.address, message.subject, message.body.whole.strip()


@pytest.mark.fault("V20")
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("length", [one for one in LONG if one > 2000])
def test_a_long_first_line(length: int, end: bytes) -> None:
    """A mail whose first line is long keeps its sender, its subject and its text."""
    assert ("zoe@elsewhere.example", "A question", "How does it work?") == read_of(
        mail(b"X-Long: " + b"x" * length, end)
    )


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("length", LONG)
@pytest.mark.parametrize("name", [b"X-Long: ", b"DKIM-Signature: v=1; b=", b"X-Folded: \t"])
def test_first_lines_of_any_length(length: int, end: bytes, name: bytes) -> None:
    """The same for lines that end with LF, CRLF or CR, on both sides of each window that is looked at."""
    assert ("zoe@elsewhere.example", "A question", "How does it work?") == read_of(mail(name + b"x" * length, end))


@pytest.mark.fault("V20")
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_carriage_return_inside_a_long_line(end: bytes) -> None:
    """A CR in the middle of a long first line is no end of it, where lines end with LF."""
    first = b"X-Long: " + b"x" * 3000 + b"\r" + b"y" * 100
    assert ("zoe@elsewhere.example", "A question", "How does it work?") == read_of(mail(first, end))


@pytest.mark.fault("V20")
def test_a_long_mbox_line() -> None:
    """A long line of an mbox file in front of the first field is passed over, too."""
    first = b"From zoe@elsewhere.example " + b"x" * 3000
    assert ("zoe@elsewhere.example", "A question", "How does it work?") == read_of(mail(first, b"\n"))


@pytest.mark.fault("V20")
def test_the_first_line_of_a_part() -> None:
    """The first line of a part may be long, too: its type is read, and its text stands in the body."""
    raw = (
        b"From: zoe@elsewhere.example\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n"
        b"X-Long: " + b"x" * 3000 + b"\r\nContent-Type: text/html\r\n\r\n<p>How <b>does</b> it work?</p>\r\n--b--\r\n"
    )
    assert "<b>" not in read_of(raw)[2]
    assert "work?" in read_of(raw)[2]

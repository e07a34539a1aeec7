"""Bodies decoded a piece at a time: what was encoded comes out whole, and nothing that was not."""

import base64
import binascii
import quopri

import pytest

from redmine_mailbridge.mail.mime.transfer_encoding import PIECE, chunks, encoding_of, read


def decoded(body: bytes, encoding: str) -> bytes:
    """All that a body holds."""
    return b"".join(chunks(body, 0, len(body), encoding))


def uuencoded(data: bytes, end: bytes = b"\n") -> bytes:
    """A body in uuencode."""
    lines = [binascii.b2a_uu(data[at : at + 45]).rstrip(b"\n") for at in range(0, len(data), 45)]
    return end.join([b"begin 644 plan.bin", *lines, b"`", b"end", b""])


DATA = bytes(range(256)) * 2500
"""More than two pieces when it is encoded."""


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_file_in_uuencode(end: bytes) -> None:
    """A file of any length comes out as it was, without what stands before it and behind its end."""
    body = b"See below." + end + uuencoded(DATA, end) + b"M is a letter, and so is this line." + end
    assert DATA == decoded(body, "uuencode")


@pytest.mark.parametrize("shift", [0, 31])
def test_what_stands_behind_the_end_of_uuencode(shift: int) -> None:
    """What follows the end, as a list's footer, is no part of the file, wherever the pieces of the mail are cut."""
    head = b"x" * shift + b"\n"
    size = (PIECE - len(head) - 40) // 62 * 45
    body = head + uuencoded(DATA[:size])
    footer = b"#0V%T\n" * 30
    assert DATA[:size] == decoded(body + footer, "uuencode")


def test_uuencode_that_was_damaged() -> None:
    """Lines with something behind them are read, those that cannot be are passed over, and no line is too long."""
    one, other = (binascii.b2a_uu(text).rstrip(b"\n") for text in (b"first line", b"other line"))
    body = b"\n".join([b"begin 644 x", one + b" rubbish", b"\x81\x82", b"", b"#\x80\x80", other, b"y" * (2 * PIECE)])
    assert b"first lineother line" == decoded(body, "uuencode")


def test_uuencode_without_a_beginning_is_no_file() -> None:
    """Without "begin" nothing is decoded."""
    assert b"" == decoded(b"#0V%T\n`\nend\n", "uuencode")


@pytest.mark.parametrize("text", ["Grüße, =3D\n" * 50_000, "ü" * 300_000, "x" * (PIECE - 1) + "ü=3D" * 9])
def test_quoted_printable_of_any_length(text: str) -> None:
    """Neither a line nor a letter is torn where one piece ends and the next begins."""
    body = quopri.encodestring(text.encode()).replace(b"=\n", b"")  # lines without an end, as broken senders write
    assert text.encode() == decoded(body, "quoted-printable")


def test_soft_line_ends_with_blanks() -> None:
    """Blanks that were added behind a soft line end do not break the word."""
    assert b"one word" == decoded(b"one wo=  \r\nrd", "quoted-printable")


def test_base64_that_was_glued_together() -> None:
    """Two stretches with padding are two texts, line ends and blanks count for nothing, and a letter too many is passed
    over.
    """
    glued = base64.encodebytes(b"first ") + b" \r\n" + base64.b64encode(b"second!") + b"\nQ"
    assert b"first second!" == decoded(glued, "base64")
    assert DATA == decoded(base64.encodebytes(DATA), "base64")


@pytest.mark.parametrize(
    ("declared", "body", "expected"),
    [
        ("BASE64", b"SGVsbG8=", "base64"),
        (' "base64" ', b"SGVsbG8=", "base64"),
        ("base64", b"Hello, this is plain text.\n", ""),
        ("base64", b"SGVsbG8=\n\n-- \nSent by a scanner: https://x.example\n", "base64"),
        ("Quoted-Printeable", b"x", "quoted-printable"),
        ("x-uue", b"begin", "uuencode"),
        ("8bit", b"x", ""),
        ("", b"x", ""),
    ],
)
def test_which_encoding_is_undone(declared: str, body: bytes, expected: str) -> None:
    """The declared one, however it is spelled; not base64 where the body is plainly text."""
    assert expected == encoding_of(body, 0, len(body), declared)


def test_no_more_than_is_asked_for() -> None:
    """A reader gets at most as many bytes as it takes, and learns whether that is all."""
    body = base64.b64encode(b"0123456789")
    assert (b"0123", False) == read(body, 0, len(body), "base64", 4)
    assert (b"0123456789", True) == read(body, 0, len(body), "base64", 10)
    assert (b"plain", True) == read(b"plain", 0, 5, "", 100)

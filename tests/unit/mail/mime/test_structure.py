import time

import pytest

from redmine_mailbridge.mail.mime import structure
from redmine_mailbridge.mail.parse import read
from redmine_mailbridge.model.mail import ReadingOptions


def bodies(raw: bytes) -> list[bytes]:
    return [bytes(raw[part.body : part.end]) for part in structure.leaves(structure.scan(raw))]


def test_a_boundary_that_begins_another_is_another() -> None:
    """--ab does not end a part of boundary "a"."""
    raw = b"Content-Type: multipart/mixed; boundary=a\n\n--a\n\none\n--ab\nstill one\n--a\n\ntwo\n--a--\n"
    assert [b"one\n--ab\nstill one", b"two"] == bodies(raw)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r", b"\r\r\n"])
def test_every_kind_of_line_end_is_understood(end: bytes) -> None:
    """LF, CRLF, bare CR and CRCRLF separate lines alike."""
    lines = [
        b"Content-Type: multipart/mixed; boundary=a",
        b"",
        b"--a",
        b"",
        b"one",
        b"--a",
        b"X: y",
        b"",
        b"two",
        b"--a--",
    ]
    assert [b"one", b"two"] == [body.rstrip(b"\r") for body in bodies(end.join(lines))]


def test_parts_behind_a_premature_end_are_kept() -> None:
    """A last delimiter that comes too early does not lose what follows."""
    raw = b"Content-Type: multipart/mixed; boundary=a\n\n--a\n\none\n--a--\n--a\n\ntwo\n--a--\n"
    assert [b"one", b"two"] == bodies(raw)


def test_a_multipart_without_its_boundary_is_read_by_the_one_it_shows() -> None:
    """A missing boundary parameter is found in the first delimiter line; what stands before it is kept."""
    raw = b"Content-Type: multipart/mixed\n\nfirst\n--zz\nContent-Type: text/plain\n\none\n--zz\n\ntwo\n--zz--\n"
    assert [b"first", b"one", b"two"] == [body.strip() for body in bodies(raw)]


def test_an_inner_multipart_without_an_end_does_not_swallow_the_outer() -> None:
    """The outer delimiter closes the inner parts."""
    raw = (
        b"Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; boundary=b\n\n"
        b"--b\n\none\n--a\n\ntwo\n--a--\n"
    )
    assert [b"one", b"two"] == bodies(raw)


def test_a_delimiter_ends_a_header_block_that_lost_its_empty_line() -> None:
    """The first part is not taken for the folded end of the last field."""
    raw = b"Content-Type: multipart/mixed; boundary=a\nX: y\n--a\nContent-Type: text/html\n\none\n--a\n\ntwo\n--a--\n"
    assert [b"one", b"two"] == bodies(raw)


def nested(depth: int) -> bytes:
    heads = [b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(depth)]
    return b"".join(heads) + b"\r\nthe innermost\r\n"


HOSTILE = {
    "nested parts": nested(10_000),
    "empty parts": b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n\n" * 200_000,
    "delimiter-like lines": b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--\n" * 350_000,
    "carriage returns": b"Subject: x\n\n" + b"\r" * 1_000_000,
    "carriage returns in a header": b"Subject: " + b"\r" * 1_000_000,
    "one header": b"Subject: " + b"x" * 1_000_000 + b"\n\nbody",
    "encoded words": b"Subject: " + b"=?a?b?" * 160_000 + b"\n\nbody",
    "good encoded words": b"Subject: " + b"=?utf-8?q?a?= " * 70_000 + b"\n\nbody",
    "headers": b"X: =?utf-8?q?a?=\n" * 60_000 + b"\nbody",
    "8-bit headers": b"X: \xe4\xf6\xfc\n" * 100_000 + b"\nbody",
    "broken folding": b"Subject: x\n" + b"lost\n" * 190_000 + b"X-A: b\n\nbody",
    "parameters": b"Content-Type: text/plain" + b"; a" * 300_000 + b"\n\nbody",
    "semicolons": b"Content-Type: text/plain" + b";" * 1_000_000 + b"\n\nbody",
    "quotes": b'Content-Type: text/plain; name="' + b'"x' * 500_000 + b"\n\nbody",
    "continuations": b"Content-Type: text/plain" + b"; n*1*=a" * 120_000 + b"\n\nbody",
    "open brackets": b"From: " + b"<" * 1_000_000 + b"\n\nbody",
    "open comments": b"From: " + b"(" * 1_000_000 + b"\n\nbody",
    "open quotes": b"From: " + b'"\\a' * 330_000 + b"\n\nbody",
    "commas": b"To: " + b"a," * 500_000 + b"\n\nbody",
    "addresses": b"To: " + b"a@b," * 250_000 + b"\n\nbody",
    "ids": b"References: " + b"<a@b>" * 200_000 + b"\n\nbody",
    "open ids": b"References: " + b"<a@" * 330_000 + b"\n\nbody",
    "results": b"Authentication-Results: " + b"a; b=c (" * 120_000 + b"\n\nbody",
    "paddings": b"Content-Transfer-Encoding: base64\nContent-Type: image/png\n\n" + b"A=" * 500_000,
    "soft breaks": b"Content-Transfer-Encoding: quoted-printable\nContent-Type: image/png\n\n" + b"= " * 500_000,
    "uuencode in one line": b"Content-Transfer-Encoding: uuencode\nContent-Type: image/png\n\n" + b"M" * 1_000_000,
    "bounce text": b"From: MAILER-DAEMON@a.b\nSubject: failure notice\n\n" + b"a@b.c \n" * 140_000,
    "bounce without an address": b"From: MAILER-DAEMON@a.b\nSubject: failure notice\n\n" + b"a" * 1_000_000,
    "calendar": b"Content-Type: text/calendar\n\nBEGIN:VEVENT\n" + b"SUMMARY:\\n\n" * 90_000,
    "utf-7": b"Content-Type: text/plain; charset=utf-7\n\n" + b"+AAA" * 250_000,
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_mail_takes_less_than_a_second_a_megabyte(name: str) -> None:
    """Whatever a megabyte is made of, reading it raises nothing and stays below a second of this process."""
    raw = HOSTILE[name]
    times = []
    for _ in range(3):
        began = time.process_time()
        read(raw, ReadingOptions(trusted_authserv_ids=("a",)))
        times.append(time.process_time() - began)
        if times[-1] < len(raw) / 1e6:
            break
    assert min(times) < max(len(raw) / 1e6, 0.3)


def test_parts_beyond_the_limits_are_kept_as_one() -> None:
    """Behind ten thousand parts, the rest is one part; nothing is dropped."""
    raw = b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n\nx\n" * 11_000
    found = structure.leaves(structure.scan(raw))
    assert (structure.MAX_PARTS, True) == (len(found), found[-1].rest)
    assert 11_000 - structure.MAX_PARTS + 1 == bytes(raw[found[-1].start : found[-1].end]).count(b"--a\n")


def test_the_innermost_of_ten_thousand_parts_is_kept() -> None:
    """What lies deeper than a hundred multiparts is attached as it stands."""
    message = read(nested(10_000), ReadingOptions())
    assert b"the innermost" in b"".join(message.attachments[0].chunks())

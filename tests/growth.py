"""Mails and texts made to be slow, of any size: whoever doubles one finds out whether its work more than doubles."""

import base64
import gc
import time
from collections.abc import Callable

MULTIPART = b"From: a@evil.example\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n"


def head(field: str, value: str, *more: str) -> bytes:
    """A mail with this field, and a plain text."""
    return "\r\n".join(["From: Mallory <mallory@evil.example>", f"{field}: {value}", *more, "", "Hello."]).encode()


def text(content: str, kind: str = "plain") -> bytes:
    """A mail with this text."""
    return f"From: mallory@evil.example\r\nContent-Type: text/{kind}; charset=utf-8\r\n\r\n{content}".encode()


def html(content: str) -> bytes:
    """A mail with this text of HTML."""
    return text(content, "html")


def folded(line: str, size: int) -> str:
    """A value of about so many characters, in lines that no server refuses."""
    return "\r\n ".join([line] * max(size // (len(line) + 3), 1))


def files(size: int, name: str) -> bytes:
    """A mail of so many bytes of small files whose names are alike."""
    part = f"--a\r\nContent-Disposition: attachment; filename={name}\r\n\r\nx\r\n".encode()
    return MULTIPART + part * (size // len(part)) + b"--a--\r\n"


def nested(size: int, kind: str = "mixed") -> bytes:
    """Multiparts within multiparts."""
    heads = [
        b"Content-Type: multipart/%s; boundary=b%d\r\n\r\n--b%d\r\n" % (kind.encode(), n, n) for n in range(size // 60)
    ]
    return b"From: a@evil.example\r\n" + b"".join(heads) + b"\r\nthe innermost\r\n"


def enclosed(size: int) -> bytes:
    """Mails within mails."""
    return b"From: a@evil.example\r\n" + b"Content-Type: message/rfc822\r\n\r\n" * (size // 32) + b"Subject: x\r\n\r\nx"


def encoded(size: int) -> bytes:
    """A text of blanks in base 64."""
    data = base64.encodebytes(b" \t" * (size * 3 // 8))
    return b"From: a@evil.example\r\nContent-Transfer-Encoding: base64\r\n\r\n" + data


BLANKS = "=?utf-8?q?" + "_=09" * 15 + "?="
PLAIN_BLANKS = "=?utf-8?b?" + base64.b64encode(b" " * 42).decode() + "?="
TABS = "=?utf-8?b?" + base64.b64encode(b" \t" * 21).decode() + "?="

MAILS: dict[str, Callable[[int], bytes]] = {
    "encoded blanks in the subject": lambda n: head("Subject", folded(PLAIN_BLANKS, n)),
    "encoded tabs in the subject": lambda n: head("Subject", folded(TABS, n)),
    "encoded blanks and tabs": lambda n: head("Subject", folded(BLANKS, n)),
    "encoded separators": lambda n: head("Subject", folded("=?utf-8?q?=E2=80=A8_=C2=85_=1C_?=", n)),
    "encoded blanks in a name": lambda n: head("From", folded(PLAIN_BLANKS, n) + " <a@evil.example>"),
    "encoded blanks in a file's name": lambda n: (
        MULTIPART
        + f'--a\r\nContent-Disposition: attachment; filename="{folded(PLAIN_BLANKS, n)}"\r\n\r\nx\r\n--a--'.encode()
    ),
    "a percent-encoded file's name": lambda n: (
        MULTIPART
        + f"--a\r\nContent-Disposition: attachment; filename*=utf-8''{'%20%09' * (n // 6)}\r\n\r\nx\r\n--a--".encode()
    ),
    "a file's name of blanks": lambda n: (
        MULTIPART + f'--a\r\nContent-Disposition: attachment; filename="{"a " * (n // 2)}"\r\n\r\nx\r\n--a--'.encode()
    ),
    "pieces of a file's name": lambda n: (
        MULTIPART
        + b"--a\r\nContent-Disposition: attachment"
        + "".join(f"; filename*{i}=a" for i in range(n // 16)).encode()
        + b"\r\n\r\nx\r\n"
    ),
    "a subject of blanks": lambda n: head("Subject", folded(" " * 900 + "x", n)),
    "a subject of brackets": lambda n: head("Subject", folded("[ #1 ", n)),
    "a subject of replies": lambda n: head("Subject", folded("Re: ", n)),
    "broken encoded words": lambda n: head("Subject", folded("=?a?b?", n)),
    "encoded words of letters": lambda n: head("Subject", folded("=?utf-8?q?a?= =?latin1?q?b?=", n)),
    "addresses": lambda n: head("To", folded("a@b.example,", n)),
    "addresses in Cc with names": lambda n: head("Cc", folded('"A, B" <a@b.example>,', n)),
    "angle brackets": lambda n: head("To", folded("<<<>>>", n)),
    "comments": lambda n: head("To", folded("((((", n)),
    "closed comments": lambda n: head("To", folded("(a)(b)", n)),
    "quotes in addresses": lambda n: head("To", folded('"\\"', n)),
    "groups": lambda n: head("To", folded("a:b:c:;", n)),
    "blanks in addresses": lambda n: head("To", folded("a @ ", n)),
    "references": lambda n: head("References", folded("<a@b>", n)),
    "open references": lambda n: head("References", folded("<a@", n)),
    "bare references": lambda n: head("References", folded("a@b ", n)),
    "results": lambda n: head("Authentication-Results", "mx.evil.example" + folded('; a=b (c "d")', n)),
    "results of comments": lambda n: head("Authentication-Results", "mx.evil.example; a=b" + folded(" (((", n)),
    "results of comments, closed": lambda n: head(
        "Authentication-Results", "mx.evil.example; a=b" + folded(" (header.", n)
    ),
    "results of properties": lambda n: head("Authentication-Results", "mx.evil.example; a=b" + folded(" a.b=c", n)),
    "many results": lambda n: head("X-A", "b", *["Authentication-Results: mx.evil.example; dmarc=pass"] * (n // 50)),
    "many Receiveds": lambda n: head("X-A", "b", *["Received: from a by mx.evil.example with LMTP; x"] * (n // 50)),
    "Receiveds of brackets": lambda n: head("Received", folded("from a (((", n)),
    "signatures": lambda n: head("X-A", "b", *["DKIM-Signature: d=a.example; s=b; l=1"] * (n // 40)),
    "tags of a signature": lambda n: head("DKIM-Signature", folded("d=a; ", n)),
    "header fields": lambda n: head("X-A", "b", *["X-B: =?utf-8?q?c?="] * (n // 20)),
    "header lines without a field": lambda n: head("X-A", "b", *["lost"] * (n // 6), "X-C: d"),
    "8-bit header fields": lambda n: b"X: \xe4\xf6\xfc\r\n" * (n // 8) + b"\r\nHello.",
    "parameters": lambda n: head("Content-Type", "text/plain" + folded("; a=b", n)),
    "semicolons": lambda n: head("Content-Type", "text/plain" + folded(";;;", n)),
    "a type of blanks": lambda n: head("Content-Type", folded("text ", n)),
    "delimiters": lambda n: MULTIPART + b"--a\r\n\r\n" * (n // 7),
    "what is like a delimiter": lambda n: MULTIPART + b"--b\r\n" * (n // 5),
    "long delimiters": lambda n: (
        MULTIPART.replace(b"=a", b"=" + b"a" * 900) + (b"--" + b"a" * 899 + b"\r\n") * (n // 903)
    ),
    "many multiparts": lambda n: (
        MULTIPART + b"--a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n" * (n // 60)
    ),
    "nested parts": nested,
    "nested alternatives": lambda n: nested(n, "alternative"),
    "nested signed parts": lambda n: nested(n, "signed"),
    "enclosed mails": enclosed,
    "files": lambda n: files(n, "a.txt"),
    "files without a name": lambda n: MULTIPART + b"--a\r\nContent-Type: image/png\r\n\r\nx\r\n" * (n // 35),
    "texts": lambda n: MULTIPART + b"--a\r\nContent-Type: text/plain\r\n\r\nx\r\n" * (n // 35),
    "texts of HTML": lambda n: MULTIPART + b"--a\r\nContent-Type: text/html\r\n\r\n<b>x\r\n" * (n // 37),
    "invitations": lambda n: MULTIPART + b"--a\r\nContent-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\n" * (n // 54),
    "base 64 of blanks": encoded,
    "base 64 of paddings": lambda n: b"Content-Transfer-Encoding: base64\r\n\r\n" + b"A=" * (n // 2),
    "base 64 with a footer": lambda n: (
        b"Content-Transfer-Encoding: base64\r\n\r\n" + b"QUFB\r\n\r\n" * (n // 8) + b"-- \r\nx y"
    ),
    "soft breaks": lambda n: b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=\r\n" * (n // 3),
    "blanks before soft breaks": lambda n: b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"= " * (n // 2),
    "uuencoded": lambda n: text("begin 644 a\n" + "M" * 61 + "\n" + "begin 644 a\n" * (n // 12)),
    "a report": lambda n: b"From: MAILER-DAEMON@a.example\r\nSubject: failure notice\r\n\r\n" + b"a@b.c \n" * (n // 7),
    "a report of parts": lambda n: (
        b"From: <>\r\nContent-Type: multipart/report; boundary=a\r\n\r\n--a\r\n"
        b"Content-Type: message/delivery-status\r\n\r\n"
        + b"Final-Recipient: rfc822;a@b.c\r\nAction: failed\r\n\r\n"
        * (n // 50)
    ),
    "a calendar": lambda n: (
        b"Content-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n" + b"SUMMARY:\\n\r\n" * (n // 12)
    ),
    "enriched text": lambda n: text("<bold>" * (n // 6), "enriched"),
    "quote marks": lambda n: text("> " * (n // 2)),
    "quoted lines": lambda n: text(">" * 70 + " x\n", "plain") + b"> > > x\n" * (n // 8),
    "deeper and deeper quotes": lambda n: text("\n".join(">" * i + " x" for i in range(int((2 * n) ** 0.5)))),
    "empty quotes": lambda n: text(">\n" * (n // 2)),
    "empty lines": lambda n: text("\n" * n),
    "blanks": lambda n: text(" " * n),
    "blanks and lines": lambda n: text(" \n" * (n // 2)),
    "blanks of all kinds": lambda n: text("\u00a0\t \u3000" * (n // 6)),
    "one line": lambda n: text("x" * n),
    "one line of words": lambda n: text("x " * (n // 2)),
    "attributions": lambda n: text("On Monday, May 4, 2026 at 12:00 a@b.example wrote\n" * (n // 50)),
    "half attributions": lambda n: text("On a " * (n // 5)),
    "header blocks": lambda n: text("From: a@b.example\nSent: Monday\nTo: c\n" * (n // 38)),
    "signatures of lines": lambda n: text("--\nx\n" * (n // 5)),
    "underlines": lambda n: text("x\n___\n" * (n // 6)),
    "stars": lambda n: text("* " * (n // 2)),
    "marks": lambda n: text("*_~`^+-%@" * (n // 9)),
    "marks apart": lambda n: text("*a _b -c +d ^e ~f %g @h ??i " * (n // 28)),
    "list markers": lambda n: text("* x\n" * (n // 4)),
    "deeper list markers": lambda n: text("\n".join(" " * i + "* x" for i in range(int((2 * n) ** 0.5)))),
    "numbers": lambda n: text("1. x\n" * (n // 5)),
    "fences": lambda n: text("```\n" * (n // 4)),
    "longer fences": lambda n: text("\n".join("`" * i for i in range(3, int((2 * n) ** 0.5)))),
    "backticks": lambda n: text("`" * n),
    "lone backticks": lambda n: text("` `` ``` " * (n // 9)),
    "brackets": lambda n: text("[" * n),
    "closed brackets": lambda n: text("[](" * (n // 3)),
    "wiki brackets": lambda n: text("[[a" * (n // 3)),
    "braces": lambda n: text("{{a" * (n // 3)),
    "macros": lambda n: text("{{include(a)}}" * (n // 14)),
    "numbers of issues": lambda n: text("#1 " * (n // 3)),
    "logins": lambda n: text("@a " * (n // 3)),
    "prefixes": lambda n: text("a:a|r" * (n // 5)),
    "long prefixes": lambda n: text(" " + "a" * (n // 2) + ":" + "a" * (n // 2)),
    "table cells": lambda n: text("|x" * (n // 2)),
    "exclamations": lambda n: text("!a" * (n // 2)),
    "less than": lambda n: text("<a" * (n // 2)),
    "entities as text": lambda n: text("&amp;&#x" * (n // 8)),
    "key words": lambda n: text("Priority: a\n" * (n // 12)),
    "almost key words": lambda n: text("Priority \t" * (n // 10)),
    "markers": lambda n: text("mbz1z" * (n // 5)),
    "links": lambda n: text("http://a" * (n // 8)),
    "flowed text": lambda n: b"Content-Type: text/plain; format=flowed\r\n\r\n" + b"> x \r\n" * (n // 6),
    "attributes": lambda n: html("<p " + " ".join(f"a{i}=b" for i in range(n // 8)) + ">x"),
    "attributes of quotes": lambda n: html("<p " + " ".join(f'a{i}=">"' for i in range(n // 10)) + ">x"),
    "attributes of brackets": lambda n: html("<p " + "".join(f"a{i}<" for i in range(n // 7)) + ">x"),
    "the same attribute": lambda n: html("<p " + "style=color:red " * (n // 16) + ">x"),
    "styles": lambda n: html("<p style='" + "color:red;" * (n // 10) + "'>x"),
    "a style of blanks": lambda n: html("<p style='" + " " * n + "'>x"),
    "many styles": lambda n: html("<p style='color:red'>x" * (n // 22)),
    "elements": lambda n: html("<p>" * (n // 3)),
    "nested elements": lambda n: html("<div>" * (n // 5)),
    "nested lists": lambda n: html("<ul><li>" * (n // 8)),
    "nested tables": lambda n: html("<table><tr><td>" * (n // 15)),
    "nested quotes": lambda n: html("<blockquote>" * (n // 12)),
    "nested emphasis": lambda n: html("<b><i>" * (n // 6)),
    "closed elements": lambda n: html("</p>" * (n // 4)),
    "cells": lambda n: html("<table><tr>" + "<td>x" * (n // 5)),
    "rows": lambda n: html("<table>" + "<tr><td>x<td>y" * (n // 14)),
    "wide rows": lambda n: html("<table>" + "<tr><td>x" * (n // 20) + "<tr>" + "<td>y" * (n // 10)),
    "spans of cells": lambda n: html("<table>" + "<tr><td colspan=1000 rowspan=1000>x" * (n // 36)),
    "entities": lambda n: html("&amp;" * (n // 5)),
    "entities without an end": lambda n: html("&amp" * (n // 4)),
    "open comments": lambda n: html("<!--" * (n // 4)),
    "open tags": lambda n: html("<a " * (n // 3)),
    "open quotes of attributes": lambda n: html('<a b="' * (n // 6)),
    "pictures": lambda n: html("<img src=cid:a>" * (n // 15)),
    "links of HTML": lambda n: html("<a href=http://a.example>x</a>" * (n // 30)),
    "line breaks": lambda n: html("<br>" * (n // 4)),
    "preformatted": lambda n: html("<pre>" + "x\n" * (n // 2)),
    "scripts": lambda n: html("<script>" * (n // 8)),
    "style sheets": lambda n: html("<style>" + "p{color:red}" * (n // 12) + "</style>x"),
    "style sheet comments": lambda n: html("<style>" + "/*" * (n // 2) + "</style>x"),
    "selectors": lambda n: html(
        "<style>" + ",".join(f".a{i}" for i in range(n // 12)) + "{display:none}</style>" + "<p class=a1>x" * (n // 30)
    ),
    "classes": lambda n: html("<style>.a{display:none}</style><p class='" + "b " * (n // 2) + "'>x"),
    "blanks in HTML": lambda n: html("<p>" + " &nbsp;" * (n // 7)),
    "code in HTML": lambda n: html("<code>`</code>" * (n // 14)),
    "stubs": lambda n: (
        b"Content-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\n\r\nsee html "
        + b"x " * (n // 4)
        + b"\r\n--a\r\nContent-Type: text/html\r\n\r\n"
        + b"<b>x</b>" * (n // 16)
        + b"\r\n--a--"
    ),
}
"""Each makes a mail of about so many bytes."""


def growth(work: Callable[[bytes], object], make: Callable[[int], bytes], *, tries: int = 6) -> float:
    """Given some work and a maker of what it works on, return by how much the work grows when that is doubled.

    In the time of this process, the least of several runs of each size, so that what else the machine does counts for
    little; the size is such that doubling it can be measured.
    """
    size = 20_000
    while (took := _least(work, make(size), 1)) < 0.012 and size < 1_250_000:
        size *= 2 if took > 0.004 else 4
    found = _doubled(work, make, size, tries)
    return found if found <= 2.2 or took > 1 else min(found, _doubled(work, make, 2 * size, tries))


def _doubled(work: Callable[[bytes], object], make: Callable[[int], bytes], size: int, tries: int) -> float:
    """By how much the work grows from this size on. Where a bound of the product's lies between, it may jump once."""
    once, twice = make(size), make(2 * size)
    best = one = two = float("inf")
    for _ in range(tries):
        one, two = min(one, _least(work, once, 1)), min(two, _least(work, twice, 1))
        best = min(best, two / one)
        if best <= 2.2 or two > 1:  # a second of work is measured well at once
            break
    return best


def _least(work: Callable[[bytes], object], given: bytes, runs: int) -> float:
    times = []
    gc.collect()
    gc.disable()
    try:
        for _ in range(runs):
            began = time.process_time()
            work(given)
            times.append(time.process_time() - began)
    finally:
        gc.enable()
    return min(times)

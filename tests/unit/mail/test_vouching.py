"""By which name a mail server says what it found out, guessed from mails that lie there."""

import pytest

from redmine_mailbridge.mail.vouching import NAMELESS, voucher

OURS = "Received: from out.client.example (out.client.example [192.0.2.1]) by mx.firm.example with ESMTPS id 1; x"
RESULTS = "Authentication-Results: mx.firm.example; dmarc=pass header.from=client.example"
FORGED = "Authentication-Results: mx.evil.example; dmarc=pass header.from=client.example"
GOOGLE = "Received: from out.client.example (out.client.example. [192.0.2.1]) by mx.google.com with ESMTPS id 1; x"
INNER = "Received: by 2002:a05:7000:1 with SMTP id 1; x"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([RESULTS, OURS], "mx.firm.example"),
        (["Subject: x", RESULTS, FORGED], "mx.firm.example"),
        ([OURS, FORGED], None),
        (["Authentication-Results: dmarc=pass header.from=client.example", OURS], NAMELESS),
        (["Authentication-Results: (no end; dmarc=pass", OURS], None),
        ([INNER, GOOGLE, "Authentication-Results: mx.google.com; dmarc=pass header.from=c.example"], "mx.google.com"),
        ([INNER, GOOGLE, FORGED], None),
        ([OURS, OURS, RESULTS], None),
        ([OURS], None),
        ([], None),
    ],
)
def test_who_vouches(fields: list[str], expected: str | None) -> None:
    """The name is that of the topmost field above every Received, or of Google's right below its own; whatever stands
    further below came with the mail, and what is not written as the RFC says names nobody.
    """
    head = "\r\n".join([*fields, "From: kim@client.example"])
    assert expected == voucher(f"{head}\r\n\r\nHello.\r\n".encode())

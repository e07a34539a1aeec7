import base64
import random

import pytest

from redmine_mailbridge.mail import authenticity
from redmine_mailbridge.mail.message import Authenticity, ReadingOptions
from redmine_mailbridge.mail.parse import read

OPTIONS = ReadingOptions(trusted_authserv_ids=("mx.example.com", "*"))
MICROSOFT = (
    "spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=example.org; dmarc=pass action=none header.from=example.org;"
    "compauth=pass reason=100"
)
OURS = "Received: from sender.example.net by mx.example.com with ESMTP; x\r\n"
FOREIGN = "Received: from a by relay.example.net; x\r\n"


def verdict(head: str, sender: str = "a@example.org", options: ReadingOptions = OPTIONS) -> Authenticity:
    return read(f"{head}From: {sender}\r\nSubject: x\r\n\r\nHello.\r\n".encode(), options).authenticity


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ("mx.example.com; dmarc=pass (p=none) header.from=example.org", ("passed", "dmarc")),
        ("mx.example.com; dmarc=fail header.from=example.org; dkim=pass header.d=example.org", ("failed", "dmarc")),
        ("mx.example.com; dkim=pass header.i=@example.org header.s=k", ("passed", "dkim")),
        ("mx.example.com; dkim=pass header.d=mail.example.org", ("passed", "dkim")),
        ("mx.example.com; dkim=pass header.d=example.net", ("unknown", "")),
        ("mx.example.com; dkim=pass header.d=org", ("unknown", "")),
        ("mx.example.com 1; spf=pass smtp.mailfrom=bounce@example.org", ("passed", "spf")),
        ("mx.example.com; spf=pass smtp.mailfrom=example.net", ("unknown", "")),
        ("mx.example.com; none", ("unknown", "")),
        (MICROSOFT, ("passed", "dmarc")),
        ("mx.evil.example; dmarc=pass header.from=example.org", ("unknown", "")),
        ('mx.example.com; dmarc=pass (a "comment; with=things") header.from=example.org', ("passed", "dmarc")),
    ],
)  # fmt: skip
def test_results_of_trusted_servers_decide(results: str, expected: tuple[str, str]) -> None:
    """DMARC first, then DKIM and SPF aligned with the From domain; other servers' results count for nothing."""
    found = verdict(f"Authentication-Results: {results}\r\n{OURS}")
    assert expected == (found.verdict, found.method)


def test_results_below_a_foreign_hop_are_forged() -> None:
    """What stands below the first Received of a host that is not ours came in with the mail."""
    forged = "Authentication-Results: mx.example.com; dmarc=pass header.from=example.org\r\n"
    assert "unknown" == verdict(FOREIGN + forged).verdict
    assert "unknown" == verdict(OURS + FOREIGN + forged).verdict
    assert "passed" == verdict(OURS.replace("mx.", "inner.") + forged + FOREIGN).verdict


def test_without_trusted_servers_nothing_is_known() -> None:
    """No authserv-id in the settings: no header is believed."""
    head = "Authentication-Results: mx.example.com; dmarc=pass header.from=example.org\r\n"
    assert "unknown" == verdict(head, options=ReadingOptions()).verdict


def test_two_senders_are_never_authentic() -> None:
    """A From of two addresses proves neither."""
    head = "Authentication-Results: mx.example.com; dmarc=pass header.from=example.org\r\n"
    assert "unknown" == verdict(head, "a@example.org, b@example.net").verdict


@pytest.mark.parametrize(
    ("authenticated", "domain", "expected"),
    [
        ("example.org", "example.org", True),
        ("example.org", "mail.example.org", True),
        ("mail.example.org", "example.org", True),
        ("notexample.org", "example.org", False),
        ("co.uk", "example.co.uk", False),
        ("org", "example.org", False),
        ("", "example.org", False),
    ],
)
def test_alignment(authenticated: str, domain: str, expected: bool) -> None:
    """One organisation, never a public suffix."""
    assert expected == authenticity.aligned(authenticated, domain)


def test_own_dkim_verification() -> None:
    """A signature of the From domain is verified with the key that DNS gives; a changed body is not."""
    dkim = pytest.importorskip("dkim")
    key, record = _keys()
    raw = b"From: a@example.org\r\nSubject: x\r\n\r\nHello.\r\n"
    signed = dkim.sign(raw, b"k", b"example.org", key, include_headers=[b"from", b"subject"]) + raw
    options = ReadingOptions(verify_dkim=True)

    def dns(name: bytes, timeout: int = 5) -> bytes:
        assert b"k._domainkey.example.org." == name
        return record

    good = read(signed, options, dns).authenticity
    assert ("passed", "dkim") == (good.verdict, good.method)
    assert "unknown" == read(signed.replace(b"Hello", b"Hullo"), options, dns).authenticity.verdict


def _prime(rng: random.Random) -> int:
    while True:
        found = rng.getrandbits(512) | 1 | 3 << 510
        if found % 65537 != 1 and all(pow(base, found - 1, found) == 1 for base in (2, 3, 5, 7)):
            return found


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    return bytes([tag]) + (bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2)) + content


def _keys() -> tuple[bytes, bytes]:
    """A small RSA key for this test as PEM, and its DNS record."""
    rng = random.Random(5)
    p, q = _prime(rng), _prime(rng)
    e = 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    whole = [0, p * q, e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p)]

    def integers(numbers: list[int]) -> bytes:
        return _der(0x30, b"".join(_der(2, one.to_bytes(one.bit_length() // 8 + 1)) for one in numbers))

    pem = (
        b"-----BEGIN RSA PRIVATE KEY-----\n" + base64.encodebytes(integers(whole)) + b"-----END RSA PRIVATE KEY-----\n"
    )
    rsa = _der(0x30, bytes.fromhex("06092a864886f70d0101010500"))
    public = _der(0x30, rsa + _der(3, b"\0" + integers(whole[1:3])))
    return pem, b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)

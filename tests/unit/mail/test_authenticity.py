import base64
import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from redmine_mailbridge.mail.parse import read
from redmine_mailbridge.model.mail import Authenticity, ReadingOptions
from tests import results

OPTIONS = ReadingOptions(trusted_authserv_ids=("mx.example.com", "*"))
MICROSOFT = (
    "spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=example.org; dmarc=pass action=none header.from=example.org;"
    "compauth=pass reason=100"
)
PIECES = [
    ";", " ", "(", ")", "@", "=", ".", "/", '\\"', "\\\\", "\\x", "\\(", "x", "y", "1",
    "dmarc=pass", "header.from=corp.example", "smtp.mailfrom=q@corp.example", "spf=pass",
    "dkim=pass header.d=corp.example",
    ";dmarc=pass header.from=corp.example;", ") ;dmarc=pass header.from=corp.example (", "header(z).from=corp.example",
    "auth=pass smtp.auth=", "policy.x=", "reason=", "corp.example", "mx.corp.example;", "none", "<", ">", ",", "[", "ü",
]  # fmt: skip
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
    assert "unknown" == verdict(OURS.replace("mx.", "inner.") + forged + FOREIGN).verdict


INNER = [
    "Received: from mx.example.com by inner.example.com with LMTP id x; x\r\n",
    "Received: from mx.example.com (mx.example.com [192.0.2.7]) by inner.example.com (Postfix) with ESMTP; x\r\n",
    "Received: from mx.example.com ([10.0.0.7]) by inner.example.com with ESMTP; x\r\n",
    "Received: from mx.example.com by mx.example.com (Dovecot) with LMTP id x; x\r\n",
    "Received: from localhost (localhost [127.0.0.1]) by mx.example.com (Postfix) with ESMTP; x\r\n",
    "Received: from mx.example.com ([127.0.0.1]) by localhost (mx [127.0.0.1]) (amavisd-new, port 10024); x\r\n",
]
DOORS = [
    "Received: from mx.example.com (unknown [198.51.100.6]) by inner.example.com (Postfix) with ESMTP; x\r\n",
    "Received: from mx.example.com (evil.example.net [198.51.100.6]) by inner.example.com with ESMTP; x\r\n",
    "Received: from mx.example.com (mx.example.com [192.0.2.7]) by mx.example.com with ESMTP; x\r\n",
    "Received: from mx.example.com ([10.0.0.7]) by mx.example.com with ESMTP; x\r\n",
    "Received: from mx.example.com by mx.example.com with ESMTP; x\r\n",
    "Received: from x(y (unknown [198.51.100.6]) by mx.example.com with LMTP; x\r\n",
    "Received: from with (LMTP [198.51.100.6]) by mx.example.com with ESMTP; x\r\n",
    "Received: from [127.0.0.1] (evil.example.net [198.51.100.6]) by mx.example.com with ESMTP; x\r\n",
]


@pytest.mark.fault("V2")
@pytest.mark.parametrize("hop", DOORS)
def test_what_a_server_lets_in_unwritten_is_not_believed(hop: str) -> None:
    """A field of the server's name counts only above the first Received by which the mail came in: the server itself
    may have written none, and have left the one that was there."""
    forged = "Authentication-Results: mx.example.com; dmarc=pass header.from=example.org\r\n"
    further = "Received: from mx.example.com by mx.example.com with LMTP id y; x\r\n"
    assert "unknown" == verdict(hop + forged).verdict
    assert "unknown" == verdict(hop + forged + further + OURS).verdict
    assert "unknown" == verdict(hop + further + forged + OURS).verdict


@pytest.mark.parametrize("hop", INNER)
def test_hosts_behind_the_server_may_have_passed_it_on(hop: str) -> None:
    """What hosts of ours write when they hand a mail on to each other stands above the server's field."""
    results = "Authentication-Results: mx.example.com; dmarc=pass header.from=example.org\r\n"
    assert "passed" == verdict(hop + results + OURS).verdict


@pytest.mark.fault("V2")
def test_only_the_topmost_field_of_a_name_counts() -> None:
    """A server writes its field on top of all; a second one of its name was in the mail when it came."""
    passed = "Authentication-Results: mx.example.com; dmarc=pass header.from=example.org\r\n"
    for top in ("none", "dmarc=none", "spf=none smtp.mailfrom=x@example.net", "(never closed"):
        assert "unknown" == verdict(f"Authentication-Results: mx.example.com; {top}\r\n{passed}{OURS}").verdict
    assert "passed" == verdict(f"Authentication-Results: other.example.net; none\r\n{passed}{OURS}").verdict


def test_servers_that_write_below_their_own_received() -> None:
    """With results_below_received, and for Google's servers always, the field right below the server's own Received
    counts, that server's only, and none below the author's own fields."""
    results = "Authentication-Results: mx.example.com; dmarc=pass header.from=example.org\r\n"
    below = replace(OPTIONS, results_below_received=True)
    assert "passed" == verdict(OURS + results + FOREIGN, options=below).verdict
    assert "unknown" == verdict(OURS + FOREIGN + results, options=below).verdict
    assert "unknown" == verdict(OURS + "Subject: x\r\n" + results, options=below).verdict
    assert "unknown" == verdict(FOREIGN + results, options=below).verdict
    assert "results_below_received is off" in verdict(OURS + results + FOREIGN).detail
    google = (
        "Received: by 2002:a05:6402:1a4e:b0:5c2:1 with SMTP id bf14; x\r\n"
        "Received: from mail.example.org (mail.example.org. [192.0.2.9]) by mx.google.com with ESMTPS id x; x\r\n"
    )
    found = results.replace("mx.example.com", "mx.google.com")
    options = ReadingOptions(trusted_authserv_ids=("mx.google.com", "mx.example.com"))
    assert "passed" == verdict(google + found + FOREIGN, options=options).verdict
    assert "unknown" == verdict(google + results + FOREIGN, options=options).verdict


def test_microsofts_field_without_a_name() -> None:
    """Microsoft's field stands above the Received of the server that took the mail in, and nowhere else."""
    within = "Received: from DU2.eurprd01.prod.exchangelabs.com (2603:10a6::17) by DB8.eurprd07.prod.outlook.com; x\r\n"
    door = "Received: from mail.example.org (192.0.2.9) by DB5.mail.protection.outlook.com (10.167.8.203); x\r\n"
    results = f"Authentication-Results: {MICROSOFT}\r\n"
    assert "passed" == verdict(within + results + door).verdict
    assert "unknown" == verdict(within + door + results).verdict


BROKEN = [
    'mx.example.com; spf=pass smtp.mailfrom="a;dmarc=pass header.from=example.org;x=y@evil.example',
    'mx.example.com; spf=pass smtp.mailfrom="\\"x;dmarc=pass header.from=example.org;y\\"@evil.example"',
    'mx.example.com; spf=pass smtp.mailfrom="x;dmarc=pass header.from=example.org;y"@evil.example',
    "mx.example.com; spf=pass a) smtp.mailfrom=evil.example; dmarc=pass header.from=example.org",
    'mx.example.com; spf=pass smtp.mailfrom="x"y; dmarc=pass header.from=example.org',
    "mx.example.com; spf=pass smtp.mailfrom=x y; dmarc=pass header.from=example.org",
    "mx.example.com; spf=pass smtp.mailfrom=x\\; dmarc=pass header.from=example.org",
    "mx.example.com; spf=pass smtp.mailfrom=; dmarc=pass header.from=example.org",
    "mx.example.com; dmarc=pass header.from=evil.example header.from=example.org",
    "mx.example.com; dmarc=pass",
    "mx.example.com; dmarc=pass (header.from=example.org) header.from=example.org",
    'mx.example.com; dmarc=pass (of "a) header.from=example.org',
    "mx.example.com; dmarc=pass header.from=mail.example.org",
    "mx.example.com; dmarc=pass header.from=example.org; dmarc=none",
    "mx.example.com; dmarc=pass header.from=example.org; dmarc=pass header.from=evil.example",
    "mx.example.com; spf=pass smtp.mailfrom=a@example.org; spf=pass smtp.mailfrom=b@evil.example",
    'mx.example.com; spf=pass smtp.mailfrom="a@example.org"@evil.example',
    "mx.example.com; dkim=pass header.d=example.org header.s=k; dkim=fail header.d=example.org header.s=k",
    "mx.example.com\x00; dmarc=pass header.from=example.org",
]


@pytest.mark.fault("V1")
@pytest.mark.parametrize("results", BROKEN)
def test_what_is_not_to_the_letter_proves_nothing(results: str) -> None:
    """Quotes and comments that do not close, words between words, properties given twice, results that differ, and
    domains that are not exactly From's: none of it proves a sender."""
    assert "passed" != verdict(f"Authentication-Results: {results}\r\n{OURS}").verdict


BROKEN_TOO = [
    "mx.example.com.evil.example; dmarc=pass header.from=example.org",
    "mx.example.com; dkim=pass header.i=@example.org@evil.example",
    "mx.example.com; dmarc=pass header.from=example.org header.from=evil.example",
    'mx.example.com; spf=pass smtp.mailfrom="\\"a@example.org\\"@evil.example"',
    "mx.example.com; spf=pass smtp.mailfrom=a@example.org@evil.example",
    "mx.example.com; spf=pass (domain of a(b) smtp.mailfrom=evil.example; dmarc=pass header.from=example.org",
]


@pytest.mark.parametrize("results", BROKEN_TOO)
def test_this_proved_nothing_before(results: str) -> None:
    """What the first reader saw through stays seen through."""
    assert "passed" != verdict(f"Authentication-Results: {results}\r\n{OURS}").verdict


WRITTEN = [
    "mx.example.com 1; dmarc=pass(p=REJECT) header.from=example.org;",
    "mx.example.com (a (nested) comment) ; spf=none smtp.mailfrom=<>; dmarc = pass header.from=EXAMPLE.ORG",
    '"mx.example.com"; dkim=pass (1024-bit key) header.d=example.org header.b="a+/b=="; none=none',
    'mx.example.com; dmarc=fail reason="p=none; (" header.from=evil.example; spf=pass smtp.mailfrom="x\\""@example.org',
    "mx.example.com; dkim=pass header.d=example.org header.s=a; dkim=neutral header.d=example.org header.s=b x-bits=25",
    "mx.example.com; arc=pass (i=1 spf=pass);iprev=pass policy.iprev=::; dmarc/1=pass reason=1 header.from=example.org",
]


@pytest.mark.parametrize("results", WRITTEN)
def test_what_servers_write_is_read(results: str) -> None:
    """The whole grammar counts: versions, comments within comments, quoted words, and what servers add to it."""
    assert "passed" == verdict(f"Authentication-Results: {results}\r\n{OURS}").verdict


@pytest.mark.fault("V1")
@given(
    written=st.sampled_from(list(results.WRITERS.values())),
    inner=st.lists(st.sampled_from(PIECES), min_size=1, max_size=9).map("".join),
    helo=st.lists(st.sampled_from(PIECES), max_size=6).map(lambda pieces: "".join(pieces).replace(" ", "()")),
    dmarc=st.sampled_from(["", "none", "fail"]),
)
@example(results.rspamd, "x;dmarc=pass header.from=corp.example;y", "h", "")
@example(results.rspamd, "a) smtp.mailfrom=q@corp.example; dmarc=pass header.from=corp.example (y", "h", "")
@example(results.google, 'a\\"b) smtp.mailfrom=q@corp.example; dmarc=pass header.from=corp.example (\\"y', "h", "")
@example(results.policy_server, "x;dmarc=pass header.from=corp.example;auth=pass smtp.auth=y", "h", "")
@example(results.opendmarc, 'x@a;dmarc=pass header.from=corp.example;p.q=\\"y', "h", "")
@settings(max_examples=600, deadline=None)
def test_no_envelope_makes_a_server_say_pass(
    written: Callable[[results.Client], list[str]], inner: str, helo: str, dmarc: str
) -> None:
    """Whatever a client puts into his envelope, with quotes, semicolons, comments and backslashes, no server's way of
    writing it down proves that he is somebody else."""
    client = results.Client(inner, helo=helo or "h", dmarc=dmarc)
    head = "".join(f"Authentication-Results: {one}\r\n" for one in written(client))
    door = f"Received: from {client.helo} (unknown [192.0.2.66]) by {results.MX}; x\r\n"
    options = ReadingOptions(trusted_authserv_ids=(results.MX, "*"))
    assert "passed" != verdict(head + door, "root@corp.example", options).verdict, head


@pytest.mark.parametrize("written", results.WRITERS.values(), ids=results.WRITERS)
def test_an_honest_envelope_is_believed(written: Callable[[results.Client], list[str]]) -> None:
    """The same servers are believed about an honest client."""
    client = results.Client("root", domain="corp.example", dmarc="pass")
    head = "".join(f"Authentication-Results: {one}\r\n" for one in written(client))
    options = ReadingOptions(trusted_authserv_ids=(results.MX, "*"))
    assert "passed" == verdict(head, "root@corp.example", options).verdict


@pytest.mark.fault("V1")
def test_an_envelope_that_needs_quotes_proves_nothing() -> None:
    """Where the mail shows that its envelope's sender was one that has to be quoted, no result is believed: a server
    that does not quote it may have written the sender's own words."""
    passed = f"Authentication-Results: mx.example.com; dmarc=pass header.from=example.org\r\n{OURS}"
    assert "unknown" == verdict(f'Return-Path: <"x;dmarc=pass"@evil.example>\r\n{passed}').verdict
    for plain in ("<>", "<a@example.org>", "<SRS0=a+b=c=example.net=d@example.org>", "a@example.org"):
        assert "passed" == verdict(f"Return-Path: {plain}\r\n{passed}").verdict


@pytest.mark.fault("V17")
@pytest.mark.parametrize(
    ("found", "tags"),
    [
        ("dkim=pass header.d=example.org header.s=k", "d=example.org; s=k; l=10; b=x"),
        ("dkim=pass header.d=example.org", "d=example.org; s=k; b=x;\r\n\tl = 10"),
        ("dkim=pass header.i=@mail.example.org", "d=mail.example.org; s=k; l=0"),
        ("dkim=pass header.d=example.org; dmarc=pass header.from=example.org", "d=example.org; s=k; l=10"),
        ("dmarc=pass header.from=example.org", "d=example.org; s=k; l=10"),
    ],
)  # fmt: skip
def test_a_signature_of_the_beginning_proves_nothing(found: str, tags: str) -> None:
    """A DKIM signature with l= covers the beginning of the text only: anybody can write more below. It proves nothing,
    not by DMARC either, where it is seen."""
    judged = verdict(f"Authentication-Results: mx.example.com; {found}\r\n{OURS}DKIM-Signature: v=1; {tags}\r\n")
    assert "unknown" == judged.verdict


@pytest.mark.parametrize(
    ("found", "tags"),
    [
        ("dkim=pass header.d=example.org header.s=j", "d=example.org; s=k; l=10"),
        ("dkim=pass header.d=example.org", "d=example.net; s=k; l=10"),
        ("spf=pass smtp.mailfrom=example.org; dmarc=pass header.from=example.org", "d=example.org; s=k; l=1"),
    ],
)
def test_another_proof_beside_such_a_signature(found: str, tags: str) -> None:
    """A signature of the beginning takes nothing from another one, nor from SPF."""
    judged = verdict(f"Authentication-Results: mx.example.com; {found}\r\n{OURS}DKIM-Signature: v=1; {tags}\r\n")
    assert "passed" == judged.verdict


@pytest.mark.fault("V1")
@pytest.mark.parametrize("suffix", ["co.uk", "com.tr", "github.io", "example", "s3.amazonaws.com"])
def test_a_public_suffix_proves_nobody(suffix: str) -> None:
    """What stands below a public suffix belongs to many: neither it nor a name below it vouches for the other."""
    for sender, proof in ((f"a@{suffix}", suffix), (f"a@one.{suffix}", suffix), (f"a@one.{suffix}", f"two.{suffix}")):
        for found in (f"dkim=pass header.d={proof}", f"spf=pass smtp.mailfrom={proof}"):
            assert "unknown" == verdict(f"Authentication-Results: mx.example.com; {found}\r\n", sender).verdict


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
        ("one.example.co.uk", "two.example.co.uk", True),
        ("bücher.example", "xn--bcher-kva.example", True),
        ("192.0.2.1", "192.0.2.1", False),
        ("org", "example.org", False),
        ("", "example.org", False),
    ],
)
def test_alignment(authenticated: str, domain: str, expected: bool) -> None:
    """One organisation, never a public suffix."""
    from redmine_mailbridge.mail import domains  # it is new

    assert expected == domains.aligned(authenticated, domain)


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


CALLED_HIMSELF_OURS = [
    "from [198.51.100.6] (helo=[127.0.0.1]) by mx.example.com with esmtp (Exim 4.98) id x; x",
    "from [198.51.100.6] (port=2525 helo=[10.0.0.7]) by inner.example.com with esmtp (Exim 4.98) id x; x",
    "from [198.51.100.6] (helo=x ident=[127.0.0.1]) by mx.example.com with esmtp (Exim 4.98) id x; x",
    "from unknown (HELO [127.0.0.1]) (198.51.100.6) by mx.example.com with SMTP; x",
    "from unknown (EHLO [10.0.0.7]) ([198.51.100.6]) by inner.example.com with SMTP; x",
    "from [127.0.0.1] by mx.example.com with SMTP; x",
]


@pytest.mark.fault("A13-I1")
@pytest.mark.parametrize("door", CALLED_HIMSELF_OURS)
def test_what_a_client_calls_himself_in_a_comment_is_not_where_he_is(door: str) -> None:
    """An address in brackets is a HELO that servers take: where Exim or qmail write it into a comment, the hop is the
    door all the same, and the results that the mail brought along below it count for nothing.
    """
    forged = "Authentication-Results: mx.example.com; dmarc=pass header.from=example.org\r\n"
    assert "unknown" == verdict(f"Received: {door}\r\n{forged}").verdict


@pytest.mark.fault("A13-I2")
def test_a_name_that_may_be_forged_is_nobodys() -> None:
    """Who owns an IP address names it as he likes; Sendmail says "(may be forged)" where the name does not lead back,
    and such a name makes no host of ours of it.
    """
    forged = "Authentication-Results: mx.example.com; dmarc=pass header.from=example.org\r\n"
    client = "from mx.example.com (mx.example.com [198.51.100.6]{}) by inner.example.com (8.18.1/8.18.1) with ESMTP; x"
    assert "passed" == verdict(f"Received: {client.format('')}\r\n{forged}").verdict
    assert "unknown" == verdict(f"Received: {client.format(' (may be forged)')}\r\n{forged}").verdict


@pytest.mark.fault("A13-I7")
def test_a_mail_that_brings_thousands_of_results_along_is_read_in_time() -> None:
    """Of a mail's Authentication-Results the first fifty are read, however many there are."""
    from redmine_mailbridge.mail.authenticity import MAX_FIELDS

    other = "Authentication-Results: mx.other.example; none\r\n"
    ours = "Authentication-Results: mx.example.com; dmarc=pass header.from=example.org\r\n"
    assert "passed" == verdict(other * (MAX_FIELDS - 1) + ours + OURS).verdict
    assert "unknown" == verdict(other * MAX_FIELDS + ours + OURS).verdict

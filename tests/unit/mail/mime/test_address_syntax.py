"""Which addresses mail can go to, and which spellings mean the same mailbox."""

import pytest

from redmine_mailbridge.mail.mime.address_syntax import ascii_host, is_local_part, spellings, unquoted, ways_to_write


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("Example.com", "Example.com"),
        ("müller.example", "xn--mller-kva.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("[192.0.2.1]", "[192.0.2.1]"),
        ("[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"),
        ("ex ample.com", None),
        ("-x.example", None),
        ("a..example", None),
        ("\u200b.example", None),
        ("☃︎\u202e.example", None),
        ("x" * 256, None),
        ("", None),
    ],
)
def test_hosts(host: str, expected: str | None) -> None:
    """Names in any script are read as the one name that DNS knows; what is no name is refused."""
    assert expected == ascii_host(host)


@pytest.mark.parametrize(
    ("local", "allowed"),
    [
        ("kim.client+x", True),
        ('"kim client"', True),
        ("kim..client", False),
        ("kim client", False),
        ("=?utf-8?q?kim?=", False),
        ("jörg", True),
        ("jörg\u00a0x", False),
        ("jörg\u202ex", False),
        ("jörg..x", False),
        ('"jörg"', False),
    ],
)
def test_local_parts(local: str, allowed: bool) -> None:
    """Letters of any script may stand before the @; blanks, what cannot be seen, and encoded words may not."""
    assert allowed == is_local_part(local)


@pytest.mark.parametrize(
    ("local", "expected"), [('"kim"', "kim"), ('"kim c"', '"kim c"'), ("kim", "kim"), ('""', '""'), ('"', '"')]
)
def test_quotes_that_are_not_needed(local: str, expected: str) -> None:
    """Quotes around what needs none do not make another mailbox."""
    assert expected == unquoted(local)


def test_spellings_of_a_domain() -> None:
    """A domain beyond ASCII is the same in its own script and in ASCII, in any case; one that is none is itself."""
    both = {"kim@müller.example", "kim@xn--mller-kva.example"}
    assert both == spellings(" Kim@Müller.example ") == spellings("kim@XN--mller-kva.example")
    assert {"kim@xn--a"} == spellings("kim@xn--a")
    assert {"kim@.."} == spellings("kim@..")


def test_ways_to_write_one_address() -> None:
    """Quotes that are not needed and a last dot are other ways to write the same address."""
    assert {'"kim"@c.example.', "kim@c.example"} <= ways_to_write('"Kim"@C.example.')

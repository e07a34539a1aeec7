"""The mail within an opaque S/MIME signature comes out in each form that signers write it, and nothing else does."""

import pytest

from redmine_mailbridge.mail.mime.smime import enclosed

SIGNED, DATA = bytes.fromhex("06092a864886f70d010702"), bytes.fromhex("06092a864886f70d010701")
PART = b"Content-Type: text/plain\r\n\r\nThe delivery is late.\r\n"


def value(tag: int, *content: bytes) -> bytes:
    """A value of BER with a definite length, in its shortest form."""
    data = b"".join(content)
    size = bytes([len(data)]) if len(data) < 128 else b"\x82" + len(data).to_bytes(2)
    return bytes([tag]) + size + data


def endless(tag: int, *content: bytes) -> bytes:
    """A value of BER with an indefinite length."""
    return bytes([tag, 0x80]) + b"".join(content) + b"\0\0"


def signed(octets: bytes, kind: bytes = DATA) -> bytes:
    """A SignedData around this."""
    inner = value(0x30, kind, value(0xA0, octets))
    return value(0x30, SIGNED, value(0xA0, value(0x30, b"\x02\x01\x01", inner)))


@pytest.mark.parametrize(
    "octets",
    [
        value(0x04, PART),
        endless(0x24, value(0x04, PART[:20]), value(0x04, PART[20:])),
        value(0x24, value(0x04, PART[:7]), value(0x04, PART[7:])),
        endless(0x24, endless(0x24, value(0x04, PART))),
    ],
    ids=["plain", "in pieces", "in pieces of known length", "nested"],
)
def test_the_mail_within(octets: bytes) -> None:
    """Plain and in pieces, of known length or not: as OpenSSL, Outlook and Apple Mail write it."""
    assert PART == enclosed(signed(octets))


def test_everything_of_indefinite_length() -> None:
    """A signature that was written while it was made has no lengths at all."""
    inner = endless(0x30, DATA, endless(0xA0, endless(0x24, value(0x04, PART))))
    assert PART == enclosed(endless(0x30, SIGNED, endless(0xA0, endless(0x30, b"\x02\x01\x01", inner))))


WHOLE = signed(value(0x04, PART))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"%PDF-1.4",
        WHOLE.replace(SIGNED, b"\x06\x09" + b"*" * 9),
        WHOLE.replace(DATA, b"\x06\x09" + b"*" * 9),
        signed(b""),
        signed(value(0x02, b"5")),
        signed(b"\x04\x89" + b"\xff" * 9),
        signed(b"\x04\x82\x01"),
        WHOLE[: WHOLE.index(DATA) + len(DATA)],
        WHOLE.replace(DATA + b"\xa0", DATA + b"\xa1"),
        signed(b"\x24\x80" * 50 + value(0x04, PART)),
    ],
)
def test_what_is_none(data: bytes) -> None:
    """Encrypted, detached, cut off, nested without an end, or no signature at all: nothing is read out of it."""
    assert None is enclosed(data)


def test_a_length_beyond_the_end() -> None:
    """Of a signature that was cut off, what is there is read."""
    assert PART[:-5] == enclosed(WHOLE[:-5])

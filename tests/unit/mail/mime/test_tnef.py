"""What Outlook encloses in a winmail.dat comes out, or the winmail.dat stays."""

import base64
import struct

import pytest

from redmine_mailbridge.mail.mime.tnef import SIGNATURE
from redmine_mailbridge.mail.parse import read
from redmine_mailbridge.model.mail import Message, ReadingOptions

RENDER, DATA, PROPERTIES, MESSAGE = 0x9002, 0x800F, 0x9005, 0x9003


def attribute(level: int, name: int, data: bytes) -> bytes:
    return struct.pack("<BHHI", level, name, 0, len(data)) + data + struct.pack("<H", sum(data) & 0xFFFF)


def properties(*pairs: tuple[int, int, bytes]) -> bytes:
    made = struct.pack("<I", len(pairs))
    for key, kind, value in pairs:
        made += struct.pack("<HHII", kind, key, 1, len(value)) + value + b"\0" * (-len(value) % 4)
    return made


def text(said: str) -> bytes:
    return (said + "\0").encode("utf-16-le")


def tnef(*attributes: bytes) -> bytes:
    return SIGNATURE + b"\1\0" + b"".join(attributes)


def item(kind: str = "IPM.Note", body: str = "The old offer was 400 EUR.", *more: bytes) -> bytes:
    said = [(0x001A, 0x1F, text(kind)), (0x0037, 0x1F, text("Offer ä")), (0x0C1A, 0x1F, text("Bo Example"))]
    said += [(0x5D01, 0x1F, text("bo@customer.example"))] + ([(0x1000, 0x1F, text(body))] if body else [])
    return tnef(attribute(1, MESSAGE, properties(*said)), *more)


def enclosing(inner: bytes, stub: bytes = b"stub" * 20) -> tuple[bytes, ...]:
    held = properties((0x3701, 0x0D, b"\x07\x03\x02\x00" + b"\0" * 12 + inner), (0x3707, 0x1F, text("Offer")))
    return attribute(2, RENDER, b"\0" * 14), attribute(2, DATA, stub), attribute(2, PROPERTIES, held)


def mail(winmail: bytes) -> Message:
    head = (
        b"From: ann@customer.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nsee below\r\n"
        b"--b\r\n"
        b'Content-Type: application/ms-tnef; name="winmail.dat"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    )
    return read(head + base64.encodebytes(winmail) + b"\r\n--b--\r\n", ReadingOptions())


@pytest.mark.fault("R3")
def test_an_enclosed_message_comes_out() -> None:
    """A message within is attached as a mail, with its subject, sender, text and files; the stub beside it is not."""
    file = (attribute(2, RENDER, b"\0" * 14), attribute(2, 0x8010, b"plan.txt\0"), attribute(2, DATA, b"the plan"))
    message = mail(tnef(*enclosing(item("IPM.Note", "The old offer was 400 EUR.", *file))))
    assert (["Offer.eml"], ["winmail.dat"]) == (
        [one.name for one in message.attachments],
        [one.name for one in message.left_out],
    )
    inner = read(b"".join(message.attachments[0].chunks()), ReadingOptions())
    assert ("Offer ä", "bo@customer.example", "The old offer was 400 EUR.") == (
        inner.subject,
        inner.sender.address,
        inner.body.whole,
    )
    assert [("plan.txt", b"the plan")] == [(one.name, b"".join(one.chunks())) for one in inner.attachments]


@pytest.mark.fault("R3")
@pytest.mark.parametrize(
    "inner", [item("IPM.Contact"), item("IPM.Note", ""), item()[:-9]], ids=["contact", "rtf", "cut"]
)
def test_what_does_not_come_out_keeps_the_winmail_dat(inner: bytes) -> None:
    """Where an item within cannot be said in a mail, the winmail.dat stays; nothing is replaced by a stub."""
    assert ["winmail.dat"] == [one.name for one in mail(tnef(*enclosing(inner))).attachments]


def test_messages_within_messages_end() -> None:
    """Items nested without an end cost no more than a few levels: the winmail.dat stays."""
    inner = item()
    for _ in range(40):
        inner = item("IPM.Note", "x", *enclosing(inner))
    assert ["winmail.dat"] == [one.name for one in mail(tnef(*enclosing(inner))).attachments]

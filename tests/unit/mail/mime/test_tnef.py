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


def names_and_bytes(message: Message) -> list[tuple[str, bytes]]:
    """The files of a mail, and what they hold."""
    return [(one.name, b"".join(one.chunks())) for one in message.attachments]


def file(*attributes: bytes, data: bytes = b"the plan") -> tuple[bytes, ...]:
    """A file in a winmail.dat, with what is said of it."""
    return attribute(2, RENDER, b"\0" * 14), attribute(2, DATA, data), *attributes


def test_names_of_files() -> None:
    """The long name wins over the short one, in whatever order they stand; a title is read in the codepage that the
    message names, and an unknown one is read as Windows reads it.
    """
    long = (0x3707, 0x1F, text("The plan.txt"))
    both = attribute(2, PROPERTIES, properties((0x3704, 0x1F, text("PLAN~1.TXT")), long))
    title = attribute(2, 0x8010, "план.txt\0".encode("cp1251"))
    for codepage, name in ((1251, "план.txt"), (64999, "ïëàí.txt")):
        page = attribute(1, 0x9007, struct.pack("<II", codepage, 0))
        winmail = tnef(page, *file(both), *file(title, data=b"other"))
        assert [("The plan.txt", b"the plan"), (name, b"other")] == names_and_bytes(mail(winmail))


def test_a_picture_within() -> None:
    """A picture's type and the id by which the text names it come out with it."""
    said = properties(
        (0x3707, 0x1F, text("logo.png")), (0x370E, 0x1F, text("IMAGE/PNG")), (0x3712, 0x1F, text("logo@1"))
    )
    (found,) = mail(tnef(*file(attribute(2, PROPERTIES, said), data=b"\x89PNG\r\n\x1a\n"))).attachments
    assert ("logo.png", "image/png", "logo@1") == (found.name, found.content_type, found.content_id)


def test_properties_of_every_kind() -> None:
    """Numbers, lists of values and named properties beside a name do not hide it."""
    fixed = struct.pack("<HHI", 0x0003, 0x0E21, 7)
    several = struct.pack("<HHI", 0x1003, 0x1234, 2) + struct.pack("<II", 1, 2)
    guid = b"g" * 16
    by_number = struct.pack("<HH", 0x0003, 0x8001) + guid + struct.pack("<II", 0, 5) + struct.pack("<I", 9)
    word = "Color".encode("utf-16-le")
    by_name = struct.pack("<HH", 0x0003, 0x8002) + guid + struct.pack("<II", 1, len(word)) + word
    by_name += b"\0" * (-len(word) % 4) + struct.pack("<I", 9)
    named = properties((0x3707, 0x1F, text("plan.txt")))[4:]
    data = struct.pack("<I", 5) + fixed + several + by_number + by_name + named
    assert [("plan.txt", b"the plan")] == names_and_bytes(mail(tnef(*file(attribute(2, PROPERTIES, data)))))


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\1\0",
        struct.pack("<IHH", 1, 0x1F, 0x3707),
        struct.pack("<IHHI", 1, 0x1F, 0x3707, 1),
        struct.pack("<IHHI", 1, 0x0099, 0x3707, 1),
        struct.pack("<IHH", 1, 0x0003, 0x8001) + b"g" * 8,
    ],
)
def test_properties_that_are_cut_off(broken: bytes) -> None:
    """What is said of a file may be damaged: the file comes out under a name of ours."""
    ((name, data),) = names_and_bytes(mail(tnef(*file(attribute(2, PROPERTIES, broken)))))
    assert (b"the plan", True) == (data, bool(name))


@pytest.mark.parametrize(
    "winmail",
    [
        b"no winmail.dat at all",
        tnef(*file()) + b"\7",
        tnef(*file()) + struct.pack("<BHHI", 9, DATA, 0, 3) + b"abc\0\0",
        tnef(*file(), attribute(2, RENDER, b""), struct.pack("<BHHI", 2, DATA, 0, 1000) + b"x"),
    ],
    ids=["none", "cut in a head", "no level", "cut in a file"],
)
def test_a_damaged_one_stays(winmail: bytes) -> None:
    """Of what cannot be read to its end nothing is lost: the winmail.dat itself is attached."""
    assert "winmail.dat" in [one.name for one in mail(winmail).attachments]

"""What Outlook says in compressed RTF only is read."""

import struct
import zlib

import pytest

from redmine_mailbridge.mail.parse import read
from redmine_mailbridge.model.mail import Message, ReadingOptions
from tests.unit.mail.mime.test_tnef import MESSAGE, attribute, enclosing, item, mail, properties, text, tnef

EXAMPLES = {
    b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n": (
        "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
    ),
    b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}": "1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0",
}
"""MS-OXRTFCP section 4: RTF, and what it is packed as."""
WRAPPED = (
    rb"{\rtf1\ansi\ansicpg1252\fromhtml1 \deff0{\fonttbl{\f0\fswiss Arial;}}\uc1\pard\plain\deftab360 \f0\fs24 "
    rb"{\*\htmltag19 <html>}{\*\htmltag50 <body>}\htmlrtf \lang1031 \htmlrtf0 {\*\htmltag64 <p>}\htmlrtf {\htmlrtf0 "
    rb"Gr\'fc\'dfe \u8364?5 {\*\htmltag84 <b>}\htmlrtf {\b\htmlrtf0 now{\*\htmltag92 </b>}\htmlrtf }\htmlrtf0 "
    rb"{\*\htmltag84 &lt;}x{\*\htmltag72 </p>}\htmlrtf\par}\htmlrtf0 {\*\htmltag58 </body>}{\*\htmltag27 </html>}}"
)
PLAIN = (
    rb"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fnil Arial;}{\f1\fcharset204 Arial Cyr;}}{\*\generator Riched20;}"
    rb"{\info{\author Nobody}}\pard Gr\'fc\'dfe,\par \{a\} {\f1 \'cf\'f0\'e8\'e2\'e5\'f2} \u-10179?\u-8704?\line end}"
)


def packed(rtf: bytes) -> bytes:
    """RTF as Outlook could have packed it: letter by letter, with the mark of the end."""
    body = b"".join(b"\0" + rtf[at : at + 8] for at in range(0, len(rtf) - len(rtf) % 8, 8))
    rest = rtf[len(rtf) - len(rtf) % 8 :]
    body += bytes([1 << len(rest)]) + rest + struct.pack(">H", ((207 + len(rtf)) % 4096) << 4)
    check = zlib.crc32(body, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return struct.pack("<II4sI", len(body) + 12, len(rtf), b"LZFu", check) + body


def in_rtf(rtf: bytes) -> bytes:
    """A winmail.dat that says its text in RTF only."""
    said = [(0x001A, 0x1F, text("IPM.Note")), (0x0037, 0x1F, text("Offer")), (0x1009, 0x102, packed(rtf))]
    return tnef(attribute(1, MESSAGE, properties(*said)))


def alone(winmail: bytes) -> Message:
    """A mail that is a winmail.dat and nothing else."""
    head = b"From: a@b.example\r\nContent-Type: application/ms-tnef; name=winmail.dat\r\n\r\n"
    return read(head + winmail, ReadingOptions())


@pytest.mark.fault("R3")
@pytest.mark.parametrize("rtf", EXAMPLES)
def test_the_examples_of_the_specification(rtf: bytes) -> None:
    """What the specification packs is unpacked as it says; one that is broken, cut or promises too much is none."""
    from redmine_mailbridge.mail.mime.rtf import MOST, unpacked

    given = bytes.fromhex(EXAMPLES[rtf])
    assert rtf == unpacked(given)
    assert rtf == unpacked(packed(rtf))
    assert unpacked(given[:-1]) is None
    assert unpacked(given[:20] + b"x" + given[21:]) is None
    assert unpacked(given[:4] + struct.pack("<I", MOST + 1) + given[8:]) is None
    assert unpacked(given[:12]) is None


@pytest.mark.fault("R3")
def test_a_mail_in_rtf_only() -> None:
    """A mail whose text is RTF alone says that, or the HTML that it was made of; the winmail.dat stays beside it."""
    plain, wrapped = alone(in_rtf(PLAIN)), alone(in_rtf(WRAPPED))
    assert "Grüße,\n{a} Привет \U0001f600\nend" == plain.body.whole.replace("\\", "")
    assert "Grüße €5 **now**" in wrapped.body.whole
    assert (["winmail.dat"], ["winmail.dat"]) == (
        [one.name for one in plain.attachments],
        [one.name for one in wrapped.attachments],
    )
    beside = mail(in_rtf(PLAIN))  # where another part says the text, it is not said twice
    assert "see below" == beside.body.whole


@pytest.mark.fault("R3")
def test_an_enclosed_message_in_rtf_only() -> None:
    """A message within that says its text in RTF only comes out as a mail; one with pictures in it, or one that cannot
    be read, keeps the winmail.dat."""
    (found,) = mail(tnef(*enclosing(in_rtf(WRAPPED)))).attachments
    inner = read(b"".join(found.chunks()), ReadingOptions())
    assert ("Offer.eml", True) == (found.name, "Grüße €5 **now**" in inner.body.whole)
    (found,) = mail(tnef(*enclosing(in_rtf(PLAIN)))).attachments
    assert "Привет" in read(b"".join(found.chunks()), ReadingOptions()).body.whole
    for kept in (in_rtf(PLAIN.replace(rb"\line", rb"{\pict\pngblip 89504e47}")), item("IPM.Note", "")):
        assert ["winmail.dat"] == [one.name for one in mail(tnef(*enclosing(kept))).attachments]


@pytest.mark.fault("R3")
@pytest.mark.parametrize(
    "piece", [b"{", b"{\\field{\\*\\fldinst{", b"\\'e4", b"\\u-1?", b"}", b"\\f1", b"\\\\", b"\\*"]
)
def test_hostile_rtf_costs_what_its_length_does(piece: bytes) -> None:
    """Whatever is repeated in it, RTF twice as long takes about twice the time."""
    from redmine_mailbridge.mail.mime.rtf import read_rtf
    from tests.growth import growth

    assert growth(read_rtf, lambda size: packed(b"{\\rtf1 x" + piece * (size // len(piece)))) < 3

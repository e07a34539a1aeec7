"""Bytes to characters: labels, texts without one, and Japanese of every kind."""

import base64

import pytest

from redmine_mailbridge.mail.mime import charset
from redmine_mailbridge.mail.parse import read
from redmine_mailbridge.model.mail import ReadingOptions

KANA = "ﾌﾟﾘﾝﾀ"
GREETING = "平素より大変お世話になっております。"


def mail(body: bytes, content_type: str = "") -> bytes:
    head = b"From: ann@customer.example\r\nSubject: x\r\n"
    return head + (f"Content-Type: {content_type}\r\n".encode() if content_type else b"") + b"\r\n" + body


@pytest.mark.fault("R5")
@pytest.mark.parametrize("label", ["iso-2022-jp", "cp50221", "", "us-ascii", "x-unknown-jp"])
def test_japanese_with_half_width_kana(label: str) -> None:
    """Half-width kana in ISO-2022-JP are read, whatever the label says; no escape code reaches the text."""
    data = GREETING.encode("iso2022_jp") + b"\x1b(I" + bytes(b & 0x7F for b in KANA.encode("cp932")) + b"\x1b(B end"
    assert f"{GREETING}{KANA} end" == charset.decode(data, label)


@pytest.mark.fault("R5")
def test_japanese_with_the_characters_of_windows() -> None:
    """NEC's row 13 and IBM's rows are what Windows means by them: 髙 stays 髙, ① stays ①."""
    assert "髙 ①" == charset.decode(b"\x1b$B\x7c\x62\x1b(B \x1b$B\x2d\x21\x1b(B", "iso-2022-jp")


@pytest.mark.fault("R5")
def test_broken_japanese_loses_only_what_is_broken() -> None:
    """A line that was cut in mid-character costs that character."""
    assert "日\ufffd\nok" == charset.decode(b"\x1b$B\x46\x7c\x4b\n\x1b(Bok", "iso-2022-jp")


@pytest.mark.parametrize(
    ("label", "text", "codec"),
    [
        pytest.param("ISO 8859-2", "Příliš žluťoučký kůň", "iso-8859-2", marks=pytest.mark.fault("R6")),
        ("iso_8859-2", "Příliš žluťoučký kůň", "iso-8859-2"),
        pytest.param("x-mac-turkish", "Şişli ığüö", "mac-turkish", marks=pytest.mark.fault("R6")),
        ("x-mac-japanese", "お世話になっております", "cp932"),
        pytest.param("x-mac-centraleurroman", "Příliš žluťoučký", "mac-latin2", marks=pytest.mark.fault("R6")),
        ("csISO2022JP", "お世話になっております", "iso2022_jp"),
        ("csEUCKR", "안녕하세요", "cp949"),
        ("iso88592", "Žluťoučký", "iso-8859-2"),
        ("l5", "Müşteri ığ", "cp1254"),
        pytest.param("unicodefffe", "Größe", "utf-16-be", marks=pytest.mark.fault("R6")),
    ],
)
def test_what_mail_programs_call_a_charset(label: str, text: str, codec: str) -> None:
    """A charset under any name that the WHATWG Encoding Standard or a mail program knows it by is read."""
    assert text == charset.decode(text.encode(codec), label)


@pytest.mark.fault("R6")
def test_a_subject_that_is_called_unicode() -> None:
    """What a program calls "unicode" and writes in UTF-8, or in UTF-16, is read as what it is."""
    assert "Größen" == charset.decode("Größen".encode(), "unicode")
    assert "Größen" == charset.decode("Größen".encode("utf-16"), "unicode")


@pytest.mark.fault("R6")
@pytest.mark.parametrize("label", ["", "utf-8"])
def test_a_form_without_a_charset(label: str) -> None:
    """What a web form sends without a label, or with a wrong one, is never read as a code page of DOS or of a Mac."""
    text = "Firma: Björn Strößner\nStraße: Große Bäckerstraße 5\nOrt: Düsseldorf\nGrüße"
    assert text == charset.decode(text.encode("windows-1252"), label)


def test_a_wrong_label_that_can_be_seen_is_not_believed() -> None:
    """Under a label of East Asia, a text that its standard cannot hold is guessed and not forced into extensions."""
    text = "Kirjatüüp ei salvesta pandžabi tähestikku, müüja ütles öösel, et käsk võib jääda täitmata ja pärast kõik"
    assert text == charset.decode(text.encode("windows-1257"), "shift_jis")


def test_a_damaged_text_stays_in_its_charset() -> None:
    """One byte that was lost on the way does not make another charset of a long text."""
    data = (GREETING * 4).encode("cp932")
    assert 1 >= charset.decode(data[:20] + b"\xff" + data[20:], "shift_jis").count("\ufffd") - 1
    assert GREETING in charset.decode(data[:20] + b"\xff" + data[20:], "shift_jis")


@pytest.mark.fault("R8")
def test_two_fields_on_one_line() -> None:
    """A transfer encoding that stands on the line of the Content-Type counts."""
    raw = mail(b"R3LDvMOfZSBhdXMgS8O2bG4K", 'text/plain; charset="utf-8" Content-Transfer-Encoding: base64')
    assert "Grüße aus Köln" == read(raw, ReadingOptions()).body.written


@pytest.mark.fault("R8")
def test_an_encoded_word_as_content_type() -> None:
    """A Content-Type that a program wrote as an encoded word is the type that it says."""
    part = (
        b"--b\r\n\r\nsee the picture\r\n--b\r\nContent-Type: =?utf-8?Q?image/png=3B_name=3D=22plan=2Epng=22?=\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n--b--\r\n"
    )
    message = read(mail(part, "multipart/mixed; boundary=b"), ReadingOptions())
    assert "see the picture" == message.body.written
    assert ["plan.png"] == [one.name for one in message.attachments]


@pytest.mark.fault("R8")
def test_a_multipart_under_a_transfer_encoding() -> None:
    """A multipart that was sent in base64 as a whole is opened: its text and its file are there."""
    inner = (
        b"--SAP\r\nContent-Type: text/plain\r\n\r\nthe order is enclosed\r\n"
        b'--SAP\r\nContent-Type: application/pdf; name="order.pdf"\r\n\r\n%PDF-1.4\r\n--SAP--\r\n'
    )
    head = b"From: ann@customer.example\r\nContent-Type: multipart/mixed; boundary=SAP\r\n"
    raw = head + b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(inner)
    message = read(raw, ReadingOptions())
    assert "the order is enclosed" == message.body.written
    assert ["order.pdf"] == [one.name for one in message.attachments]


@pytest.mark.fault("R7")
def test_base64_with_a_plain_footer() -> None:
    """What a mailing list put in clear below a text in base64 neither spoils the text nor is lost."""
    body = b"SGVsbG8sIHRoZSBjYWbDqSBpcyBjbG9zZWQgb24gTW9uZGF5LgpBbm4K\r\n\r\nstaff mailing list, see lists.example\r\n"
    head = b"From: ann@customer.example\r\nContent-Type: text/plain; charset=utf-8\r\n"
    whole = read(head + b"Content-Transfer-Encoding: base64\r\n\r\n" + body, ReadingOptions()).body.whole
    assert whole.startswith("Hello, the café is closed on Monday.\nAnn")
    assert "staff mailing list" in whole

"""Which part is text and which is a file, where senders or relays do not say it plainly."""

import base64
import binascii

import pytest

from redmine_mailbridge.mail.parse import read
from redmine_mailbridge.model.mail import Message, ReadingOptions


def mail(content_type: str, body: str, *fields: str) -> Message:
    head = "\r\n".join(["From: ann@customer.example", "Message-ID: <1@x>", f"Content-Type: {content_type}", *fields])
    return read(f"{head}\r\n\r\n{body}".replace("\r\n", "\n").replace("\n", "\r\n").encode(), ReadingOptions())


def names(message: Message) -> list[str]:
    return [one.name for one in message.attachments]


@pytest.mark.fault("R9")
def test_a_text_with_a_name_is_the_text_where_there_is_no_other() -> None:
    """A gateway of phones names the text; it is the description, and no file besides."""
    body = '--b\nContent-Type: text/plain; name="text_0.txt"\nContent-Location: text_0.txt\n\nThe pump leaks.\n--b--\n'
    message = mail("multipart/mixed; boundary=b", body)
    assert ("The pump leaks.", []) == (message.body.written, names(message))


def test_a_text_with_a_name_beside_a_text_is_a_file() -> None:
    """Beside what somebody wrote, a text with a name stays a file; so does one that is sent as an attachment."""
    part = '--b\nContent-Type: text/plain; name="log.txt"\n\nerror 7\n--b--\n'
    assert ["log.txt"] == names(mail("multipart/mixed; boundary=b", f"--b\n\nsee the log\n{part}"))
    alone = '--b\nContent-Type: text/plain\nContent-Disposition: attachment; filename="log.txt"\n\nerror 7\n--b--\n'
    assert ["log.txt"] == names(mail("multipart/mixed; boundary=b", alone))


@pytest.mark.fault("R9")
@pytest.mark.parametrize("kind", ["text/markdown", "text/x-markdown"])
def test_markdown_is_text(kind: str) -> None:
    """A mail in Markdown has a description."""
    message = mail(kind, "The pump leaks.")
    assert ("The pump leaks.", []) == (message.body.written, names(message))


@pytest.mark.fault("R9")
def test_enriched_text_is_text() -> None:
    """text/enriched is read without its commands and their parameters."""
    body = "<bold>The pump</bold>\nleaks.\n\n<color><param>red</param>Help</color>, 2 << 3."
    assert "The pump leaks.\nHelp, 2 < 3." == mail("text/enriched", body).body.written


def signed(content: bytes) -> str:
    """A CMS SignedData around some content, without signers."""

    def value(tag: int, data: bytes) -> bytes:
        size = len(data).to_bytes(3)
        return bytes([tag, 0x83]) + size + data

    inner = value(0x30, bytes.fromhex("06092a864886f70d010701") + value(0xA0, value(0x04, content)))
    whole = value(0x30, bytes.fromhex("06092a864886f70d010702") + value(0xA0, value(0x30, b"\x02\x01\x01" + inner)))
    return base64.encodebytes(whole).decode()


@pytest.mark.fault("R9")
def test_a_signed_message_that_a_server_called_a_file() -> None:
    """smime.p7m sent as octet-stream is opened like one that says what it is."""
    body = signed(b"Content-Type: text/plain\r\n\r\nThe delivery is late.\r\n")
    message = mail('application/octet-stream; name="smime.p7m"', body, "Content-Transfer-Encoding: base64")
    assert "The delivery is late." == message.body.written


def test_a_signed_file_is_a_file() -> None:
    """A signed PDF is no message: its bytes never become the text."""
    part = '--b\nContent-Type: application/pkcs7-mime; name="bill.pdf.p7m"\nContent-Transfer-Encoding: base64\n\n'
    message = mail("multipart/mixed; boundary=b", f"--b\n\nthe bill\n{part}{signed(b'%PDF-1.4 1 0 obj')}\n--b--\n")
    assert ("the bill", ["bill.pdf.p7m"]) == (message.body.written, names(message))


INVITATION = "BEGIN:VCALENDAR\nMETHOD:{method}\nBEGIN:VEVENT\nSUMMARY:Walk\n{attendee}\nEND:VEVENT\nEND:VCALENDAR\n"


@pytest.mark.fault("R11")
def test_an_invitation_stands_once() -> None:
    """What a calendar sends as an alternative and as a file is one file, under its name."""
    event = INVITATION.format(method="REQUEST", attendee="LOCATION:Room 5")
    body = (
        "--m\nContent-Type: multipart/alternative; boundary=a\n\n--a\n\nWalk\n--a\n"
        f"Content-Type: text/calendar; method=REQUEST\n\n{event}\n--a--\n--m\n"
        f'Content-Type: application/ics; name="invite.ics"\nContent-Transfer-Encoding: base64\n\n'
        f"{base64.encodebytes(event.replace(chr(10), chr(13) + chr(10)).encode()).decode()}\n--m--\n"
    )
    assert ["invite.ics"] == names(mail("multipart/mixed; boundary=m", body))


@pytest.mark.fault("R11")
@pytest.mark.parametrize(("status", "said"), [("DECLINED", "Declined"), ("ACCEPTED", "Accepted")])
def test_an_answer_to_an_invitation(status: str, said: str) -> None:
    """A calendar's reply says who answered what."""
    attendee = f"ATTENDEE;CN=Bo Example;PARTSTAT={status}:mailto:bo@customer.example"
    message = mail("text/calendar; method=REPLY", INVITATION.format(method="REPLY", attendee=attendee))
    assert f"{said} by Bo Example (bo@customer.example)" in message.body.written


@pytest.mark.fault("R11")
@pytest.mark.parametrize("kind", ["text/vnd.google.email-reaction+json", "text/x-amp-html", "text/watch-html"])
def test_forms_of_the_text_for_single_programs(kind: str) -> None:
    """What only one mail program shows in place of the text is no file."""
    body = f"--b\n\nfine\n--b\nContent-Type: {kind}\n\n{{}}\n--b\nContent-Type: text/html\n\n<p>fine</p>\n--b--\n"
    message = mail("multipart/alternative; boundary=b", body)
    assert ("fine", []) == (message.body.written, names(message))


@pytest.mark.fault("R11")
def test_uuencode_within_a_text() -> None:
    """A file in uuencode within the text is attached, and the text stands without the code."""
    code = binascii.b2a_uu(b"Order 4711, put 3\n").decode()
    message = mail("text/plain", f"See the file.\n\nbegin 644 order.txt\n{code}`\nend\nThanks\n")
    assert ("See the file.\n\nThanks", ["order.txt"]) == (message.body.written, names(message))
    assert b"Order 4711, put 3\n" == b"".join(message.attachments[0].chunks())


def test_a_word_that_begins_a_line_is_no_uuencode() -> None:
    """Text that only looks like it stays as it is."""
    text = "begin 644 words\nthis is what we said\nend of it"
    assert text == mail("text/plain", text).body.written

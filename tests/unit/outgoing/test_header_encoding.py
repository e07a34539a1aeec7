"""Header fields and parts as bytes: what was meant comes out at the other end, within the lengths of the standards."""

import datetime as dt
import email
import email.header
import email.policy
import email.utils
import re
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.outgoing import header_encoding
from redmine_mailbridge.outgoing.message import FromIdentity, OutgoingFile, OutgoingMessage

NOW = dt.datetime(2026, 5, 20, 10, 0, tzinfo=dt.UTC)
ANYTHING = st.text(st.characters(codec=None), max_size=300)
SEEN = st.text(st.characters(categories=["L", "N", "P", "S"], include_characters=" "), max_size=120)
WORD = re.compile(rb"=\?[^? ]+\?[bBqQ]\?[^? ]*\?=")


def composed(**more: object) -> bytes:
    """A mail with these values."""
    values: dict[str, object] = {
        "kind": "answer",
        "sender": FromIdentity("support@example.com", "Support"),
        "to": Address("Kim", "kim@client.example"),
        "subject": "x",
        "text": "Hello\n",
        "message_id": "own@example.com",
    }
    return OutgoingMessage(**(values | more)).as_bytes(NOW)  # type: ignore[arg-type]  # a table of values


def parsed(content: bytes) -> EmailMessage:
    return email.message_from_bytes(content, policy=email.policy.default)  # type: ignore[return-value]  # policy's class


def one_line(text: str) -> str:
    return " ".join(text.split())


@settings(deadline=None)
@given(SEEN)
def test_a_subject_arrives_as_it_was_meant(subject: str) -> None:
    """Whatever letters and signs of whatever script a subject holds, a mail program shows them, encoded words too."""
    raw = re.sub(rb"\r\n(?=[ \t])", b"", composed(subject=subject))
    (line,) = [one for one in raw.split(b"\r\n") if one.startswith(b"Subject:")]
    shown = email.header.make_header(email.header.decode_header(line.partition(b":")[2].decode().strip()))
    assert one_line(subject) == one_line(str(shown))


@settings(deadline=None)
@given(SEEN)
def test_a_name_arrives_as_it_was_meant(name: str) -> None:
    """A display name with any letters and signs stays a name, and the address beside it the address."""
    raw = composed(to=Address(name, "kim@client.example"), cc=(Address(name, "lee@client.example"),))
    mail = email.message_from_bytes(raw)
    for field, address in (("To", "kim@client.example"), ("Cc", "lee@client.example")):
        ((shown, found),) = email.utils.getaddresses([re.sub(r"\r\n(?=[ \t])", "", str(mail[field]))])
        decoded = email.header.make_header(email.header.decode_header(shown))
        assert (one_line(name), address) == (one_line(str(decoded)), found)


@pytest.mark.fault("L2")
@settings(deadline=None, max_examples=200)
@given(ANYTHING, ANYTHING, st.lists(ANYTHING, max_size=30))
def test_no_encoded_word_is_longer_than_75_and_no_line_than_998(subject: str, name: str, ids: list[str]) -> None:
    """RFC 2047 section 2, RFC 5322 section 2.1.1: whatever stands in it, no line and no word is too long for any
    server, no line is bare, and the header has the fields that were set.
    """
    long = "x" * 1200
    raw = composed(
        subject=f"{subject} \u00e4 {long}", to=Address(f"{name} {long}", "kim@client.example"), thread_topic=subject,
        references=(*ids, long, "first@x"), in_reply_to="last@x",
        files=(OutgoingFile(f"{name}{long}\u00e4.pdf", "text/x", b"1"),),
    )  # fmt: skip
    for line in raw.split(b"\r\n"):
        assert len(line) <= 998
        assert not re.search(rb"[\r\n\x00]", line)
    head = raw.partition(b"\r\n\r\n")[0]
    assert head.isascii()
    assert [] == [one for one in WORD.findall(head) if len(one) > 75]
    assert [] == [one for one in head.split(b"\r\n") if WORD.search(one) and len(one) > 76]
    names = ["From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "Thread-Topic"]
    names = names if subject else names[:-1]
    assert [*names, "MIME-Version", "Content-Type"] == list(parsed(raw))


@settings(deadline=None)
@given(ANYTHING, st.text(st.characters(codec="utf-8"), max_size=400))
def test_text_and_files_arrive_whole(name: str, text: str) -> None:
    """The text comes out as it went in, but for line ends, NUL and lone surrogates; so does a file, under its name."""
    content = bytes(range(256)) * 3
    mail = parsed(
        composed(text=text, html=f"<p>{len(text)}</p>", files=(OutgoingFile(name, "application/x-y", content),))
    )
    body = mail.get_body(("plain",))
    assert body is not None
    wanted = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "?")
    payload = body.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert wanted.rstrip("\n") == payload.decode().replace("\r\n", "\n").rstrip("\n")
    (file,) = list(mail.iter_attachments())
    assert (content, "application/x-y") == (file.get_payload(decode=True), file.get_content_type())


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plan.pdf", "plan.pdf"),
        ("Pl\u00e4ne f\u00fcr \u6771\u4eac.pdf", "Pl\u00e4ne f\u00fcr \u6771\u4eac.pdf"),
        ('a "b" \\c.pdf', 'a "b" _c.pdf'),
        ("=?utf-8?q?x=0d=0aBcc:_y?=.pdf", "=?utf-8?q?x=0d=0aBcc:_y?=.pdf"),
        ("../../etc/passwd", ".._.._etc_passwd"),
        ("\u202egpj.exe", "gpj.exe"),
        ("x" * 400 + ".pdf", "x" * 196 + ".pdf"),
        ("", "file"),
    ],
)
def test_file_names(name: str, shown: str) -> None:
    """A file keeps its name and, when that is too long, its ending; a name is never read as anything else."""
    (file,) = list(email.message_from_bytes(composed(files=(OutgoingFile(name, "a/b", b"1"),))).walk())[2:]
    assert shown == email.message.Message.get_filename(file)


@pytest.mark.parametrize(
    "kind", ["text/html\r\nX-Evil: 1", "message/rfc822", "multipart/mixed", "x", "", "a/b; c=d", "a/\x00"]
)
def test_types_of_files(kind: str) -> None:
    """A file's type is one, or none is told; it makes no mail of the file."""
    mail = parsed(composed(files=(OutgoingFile("x", kind, b"1"),)))
    (file,) = list(mail.iter_attachments())
    assert ("a/b" if kind == "a/b; c=d" else "application/octet-stream") == file.get_content_type()


@pytest.mark.fault("O1")
@pytest.mark.parametrize(
    "evil",
    ["=?utf-8?q?x=0d=0aContent-Type:_text/html=0d=0a=0d=0a=3Cb=3E?=@evil", "a b@x", "", "x\r\nBcc: y@z", "ä@x", "<x@y>",
     "=?utf-8?b?/w==?=\u00e4@x", "x" * 901],
)  # fmt: skip
def test_an_id_that_cannot_stand_in_a_field_is_left_out(evil: str) -> None:
    """Such a Message-ID is not repeated; the others of the conversation are."""
    mail = email.message_from_bytes(composed(in_reply_to=evil, references=("first@x", evil, "second@x")))
    assert (None, "<first@x> <second@x>") == (mail["In-Reply-To"], " ".join(str(mail["References"]).split()))


def test_a_mail_that_is_not_the_one_that_was_meant_does_not_leave() -> None:
    """Should a value of ours ever break out of its field, nothing is built; nor is what a store holds sent."""
    from redmine_mailbridge.errors import MailMalformed
    from redmine_mailbridge.outgoing.message import FIELDS
    from redmine_mailbridge.outgoing.mime import inspect, inspect_again

    with pytest.raises(MailMalformed, match="not what was set"):
        inspect(b"To: x\r\nBcc: y\r\n\r\nx\r\n", ["To"])
    heads = (b"To: x\nBcc: y", b"To: x\r\nno field", b"To: \x00", b" x\r\nTo: x", b"To: " + b"x" * 999)
    broken = (b"To: x", b"To: x\r\n\r\nx\ny", *(head + b"\r\n\r\n" for head in heads))
    for content in broken:
        with pytest.raises(MailMalformed):
            inspect(content, ["To"])
    good = composed()
    inspect_again(good, FIELDS)
    for more in (b"Bcc: x@y\r\n", b"Subject: again\r\n"):
        with pytest.raises(MailMalformed):
            inspect_again(more + good, FIELDS)
    with pytest.raises(MailMalformed):
        composed(message_id="own\r\nBcc: x")


@pytest.mark.fault("A13-O4")
@pytest.mark.parametrize("blanks", range(40, 75, 2))
def test_a_quoted_name_is_never_folded(blanks: int) -> None:
    """Wherever a line is full, a display name between quotes stands on one line, or is encoded: who reads a line's end
    as the end of the quotes finds no address in it.
    """
    name = f"x <b>{'y' * (blanks - 39)} thief@evil.example, {'z ' * 30}".strip()
    people = [Address(name[:blanks], "kim@client.example"), Address(name, "lee@client.example")]
    field = header_encoding.addresses("Cc", people)
    assert all(0 == line.replace(b'\\"', b"").count(b'"') % 2 for line in field.split(b"\r\n"))
    read = email.message_from_bytes(field + b"\r\n")["Cc"]
    assert ["kim@client.example", "lee@client.example"] == [one for _, one in email.utils.getaddresses([str(read)])]
    shown = email.message_from_bytes(field + b"\r\n", policy=email.policy.default)["Cc"].addresses
    said = ["".join(one.display_name.split()) for one in shown]  # Python has blanks of its own between encoded words
    assert ["".join(one.split()) for one in (name[:blanks], name)] == said

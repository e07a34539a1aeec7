import json
from pathlib import Path
from typing import Any

import pytest

from redmine_mailbridge.mail.mime.parts import LONGER
from redmine_mailbridge.mail.parse import parse, read
from redmine_mailbridge.model.mail import Message, ReadingOptions
from redmine_mailbridge.settings.reading import compile_file_name

MAILS = Path(__file__).parents[2] / "fixtures/mails"
CASES = [json.loads(line) for line in (MAILS / "expected.jsonl").read_text("utf-8").splitlines()]
OWN = ReadingOptions(own_addresses=frozenset({"support@example.com"}))


def fixture(name: str, options: ReadingOptions = OWN) -> Message:
    return read((MAILS / name).read_bytes(), options)


def mail(head: str = "", body: str | bytes = "Hello.\r\n") -> bytes:
    content = body.encode() if isinstance(body, str) else body
    return b"From: a@example.org\r\nSubject: s\r\n" + head.encode() + b"\r\n" + content


def folded(text: str) -> str:
    return " ".join(text.replace("\u2060", "").split())


@pytest.mark.parametrize("case", [case for case in CASES if "subject" in case], ids=lambda case: case["file"])
def test_a_mail_reads_as_a_person_reads_it(case: dict[str, Any]) -> None:
    """Subject, sender, text and the names of the files are those that a person would copy."""
    message = fixture(case["file"])
    assert case["subject"] == message.subject
    assert case["sender"] == message.sender.address
    assert case["attachments"] == [one.name for one in message.attachments]
    assert case["text"] == folded(message.body.whole)


@pytest.mark.parametrize("case", [case for case in CASES if "automatic" in case], ids=lambda case: case["file"])
def test_automatic_mail_is_told_apart(case: dict[str, Any]) -> None:
    """What kind of machine sent it, about which of our mails, and for whom it failed."""
    verdict = fixture(case["file"]).automatic
    assert case["automatic"] == verdict.kind
    assert case["about"] == list(verdict.about)
    assert case["recipients"] == [[one.recipient, one.action, one.status] for one in verdict.bounced]


def test_a_late_delivery_is_not_a_failed_one() -> None:
    """A report that only says "delayed" is told from one that failed for ever."""
    assert [("delayed", False)] == [(one.action, one.hard) for one in fixture("bounce-delayed.eml").automatic.bounced]
    assert [True] == [one.hard for one in fixture("bounce-failed.eml").automatic.bounced]


def test_attachments_give_their_decoded_bytes() -> None:
    """chunks() yields what size and sha256 speak of."""
    import hashlib

    for case in CASES:
        for one in fixture(case["file"]).attachments:
            data = b"".join(one.chunks())
            assert (len(data), hashlib.sha256(data).hexdigest()) == (one.size, one.sha256)


def test_an_opened_winmail_dat_is_named() -> None:
    """Its files are attached with their bytes, and nobody has to wonder where winmail.dat is."""
    message = fixture("winmail.eml")
    assert [b"the report", b"1;2;3"] == [b"".join(one.chunks()) for one in message.attachments]
    assert ["winmail.dat"] == [one.name for one in message.left_out]


def test_a_broken_winmail_dat_stays_whole() -> None:
    """One that ends in mid-file is attached as it came."""
    raw = mail(
        "Content-Type: application/ms-tnef\r\n", b"\x78\x9f\x3e\x22\x01\x00\x02\x02\x90\x06\x00\xff\xff\xff\x00ab"
    )
    assert ["winmail.dat"] == [one.name for one in read(raw, OWN).attachments]


def test_an_empty_part_is_skipped_and_named() -> None:
    """A file of no bytes is no attachment, and the reason is told."""
    raw = mail("Content-Type: text/csv; name=a.csv\r\nContent-Disposition: attachment\r\n", "")
    message = read(raw, OWN)
    assert ((), [("a.csv", "it is empty")]) == (message.attachments, [(one.name, one.why) for one in message.left_out])


def test_excluded_and_large_files_are_named() -> None:
    """What the settings leave out is named with its reason."""
    raw = mail("Content-Type: text/csv; name=a.csv\r\nContent-Disposition: attachment\r\n", "1;2;3")
    excluded = read(raw, ReadingOptions(excluded_names=(compile_file_name("*.CSV"),)))
    large = read(raw, ReadingOptions(max_attachment=4))
    assert ["its name is excluded by the settings"] == [one.why for one in excluded.left_out]
    assert ["its 5 bytes are more than the 4 that are allowed"] == [one.why for one in large.left_out]


def outlook(html: str, *pictures: str, text: str = "") -> bytes:
    """A reply of Outlook's: text and HTML beside each other, pictures related to them."""
    parts = [f"--a\n\n{text}\n--a\nContent-Type: text/html\n\n{html}\n--a--"]
    parts[0] = f"Content-Type: multipart/alternative; boundary=a\n\n{parts[0]}"
    parts += [
        f"Content-Type: image/png; name={name}\nContent-ID: <{name}@01DC>\nContent-Disposition: inline\n"
        f"Content-Transfer-Encoding: base64\n\niVBORw0KGgo="
        for name in pictures
    ]
    whole = "".join(f"--r\n{part}\n" for part in parts)
    head = "From: ann@customer.example\nIn-Reply-To: <x@example.com>\nContent-Type: multipart/related; boundary=r\n\n"
    return f"{head}{whole}--r--\n".replace("\n", "\r\n").encode()


def test_signature_logos_are_left_out_on_replies_only() -> None:
    """With the setting, a small picture of a reply's signature is named instead of attached; a first mail keeps it."""
    raw = outlook("<p>Fine.</p><p>-- <br>Ann<br><img src='cid:logo.png@01DC'></p>", "logo.png", text="Fine.")
    options = ReadingOptions(skip_signature_logos=True)
    first = read(raw.replace(b"In-Reply-To", b"X-Nothing"), options)
    reply = read(raw, options)
    assert (["logo.png"], []) == ([one.name for one in first.attachments], list(reply.attachments))
    assert ["logo.png"] == [one.name for one in reply.left_out]


@pytest.mark.fault("N5")
def test_a_small_picture_in_the_text_is_no_logo() -> None:
    """A small picture that was pasted into what somebody wrote stays, whatever is left out of signatures."""
    raw = outlook("<p>Look: <img src='cid:shot.png@01DC'> here</p>", "shot.png", text="Look: [cid:shot.png@01DC] here")
    reply = read(raw, ReadingOptions(skip_signature_logos=True))
    assert ["shot.png"] == [one.name for one in reply.attachments]


@pytest.mark.fault("N5")
def test_pictures_stand_in_their_place_in_the_text() -> None:
    """Outlook's marks of pictures in the plain text become the pictures."""
    raw = outlook("<p>one <img src='cid:a.png@01DC'> two</p>", "a.png", text="one [cid:a.png@01DC] two")
    message = read(raw, ReadingOptions())
    assert ("one ![](a.png) two", "text") == (message.body.written, message.body.source)


@pytest.mark.fault("N5")
@pytest.mark.parametrize(
    ("html", "shown"),
    [
        ("<p>see <img src='cid:a.png@01DC'></p>", "![](a.png)"),
        ("<table><tr><th>Part</th><th>Price</th></tr><tr><td>pump</td><td>5</td></tr></table>", "| pump | 5 |"),
    ],
    ids=["picture", "table"],
)
def test_the_html_is_taken_where_it_holds_more(html: str, shown: str) -> None:
    """Where only the HTML shows a picture or a table, it is read, although text is preferred."""
    message = read(outlook(html, "a.png", text="Part\nPrice\npump\n5"), ReadingOptions())
    assert "html" == message.body.source
    assert shown in message.body.written


def test_the_text_is_taken_where_the_html_holds_no_more() -> None:
    """A table that only lays out the mail, or a picture that nobody sent, is no reason to leave the text."""
    html = "<table><tr><td>Fine.</td></tr></table><img src='https://track.example/1.png'>"
    assert "text" == read(outlook(html, text="Fine."), ReadingOptions()).body.source


def test_a_long_text_is_also_attached() -> None:
    """A text of more than a megabyte shows its start and is attached whole."""
    message = read(mail("", "All work and no play. " * 60_000), OWN)
    assert [22 * 60_000] == [one.size for one in message.attachments]
    lines = read(mail("", "x\r\n" * 60_000), OWN)
    assert ([180_000], 50_000) == (
        [one.size for one in lines.attachments],
        lines.body.whole.count("x") - LONGER.count("x"),
    )
    lines = read(mail("", "x\r\n" * 60_000), OWN)
    assert ([180_000], 50_000) == (
        [one.size for one in lines.attachments],
        lines.body.whole.count("x") - LONGER.count("x"),
    )
    assert message.body.whole.startswith("All work")
    assert message.body.whole.endswith("all of it is attached.)")


def test_copies_of_a_mail_share_their_content_key() -> None:
    """Trace headers and line ends make no difference; another body does."""
    raw = (MAILS / "split-character.eml").read_bytes()
    key = read(raw, OWN).content_key
    copy = b"Received: from a by b; x\r\nDelivered-To: q@example.com\r\n" + raw.replace(b"\r\n", b"\n") + b"\n"
    assert key == read(copy, OWN).content_key
    assert key != read(raw.replace(b"matters", b"batters"), OWN).content_key


def test_a_missing_message_id_is_made_from_the_bytes() -> None:
    """The same bytes give the same id, others another one."""
    first, second = read(mail(), OWN), read(mail(body="Other.\r\n"), OWN)
    assert first.message_id_made
    assert first.message_id == read(mail(), OWN).message_id != second.message_id


def test_pictures_between_texts_stand_in_their_place() -> None:
    """A plain mail with a picture between two texts shows it between them."""
    picture = "Content-Type: image/png; name=p.png\r\nContent-Disposition: inline\r\n\r\nx\r\n"
    picture = "Content-Type: image/png; name=p.png\r\nContent-Disposition: inline\r\n\r\nx\r\n"
    parts = f"--m\r\n\r\nAbove.\r\n--m\r\n{picture}--m\r\n\r\nBelow.\r\n--m--"
    message = read(mail("Content-Type: multipart/mixed; boundary=m\r\n", parts), OWN)
    assert "Above. ![](p.png) Below." == folded(message.body.whole)
    assert [True] == [one.inline for one in message.attachments]


def test_an_encrypted_mail_says_so() -> None:
    """S/MIME that encrypts is kept as a file, and the text says why there is none."""
    message = read(mail("Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n", "MII"), OWN)
    assert ("encrypted", ["smime.p7m"]) == (message.security, [one.name for one in message.attachments])
    assert message.body.whole.startswith("This mail is encrypted (S/MIME).")


def test_a_fault_of_the_reader_does_not_lose_the_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    """When reading fails after all, the mail comes whole as an attachment and the text says so."""
    from redmine_mailbridge.mail.mime import structure

    def fault(_: bytes) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(structure, "scan", fault)
    message = parse(mail())
    assert mail() == b"".join(message.attachments[0].chunks())
    assert "This mail could not be read (ZeroDivisionError). It is attached as it came." == message.body.whole


def test_what_a_mail_answers_stands_nearest_first() -> None:
    """In-Reply-To comes first, then References from its end, each id once, for whoever asks what a mail answers."""
    head = "In-Reply-To: <c@example.org>\r\nReferences: <a@example.org> <b@example.org> <c@example.org>\r\n"
    answer = read(mail(head + "Auto-Submitted: auto-replied\r\n"), OWN)

    assert ("c@example.org", "b@example.org", "a@example.org") == answer.answered
    assert answer.answered == answer.automatic.about

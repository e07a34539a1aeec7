"""Whom a mail forwards: the first header block counts, and only where nothing above it may be another one."""

import pytest

from redmine_mailbridge.mail.parse import parse
from redmine_mailbridge.mail.text.forwards import without_forward_prefix
from redmine_mailbridge.model.mail import Forwarded, Message, ReadingOptions

OPTIONS = ReadingOptions(forwards=True)
KIM = "Kim Client <kim@client.example>"
GMAIL = (
    f"---------- Forwarded message ---------\nFrom: {KIM}\nDate: Mon, May 4, 2026 at 9:00 AM\n"
    "Subject: P\nTo: a@b.example"
)
FAKE = GMAIL.replace(KIM, "Victim <victim@bank.example>")
OUTLOOK = f"From: {KIM}\nSent: Monday, May 4, 2026 9:00 AM\nTo: Anna Agent\nSubject: Printer"
BLOCKS = {
    "Gmail": GMAIL,
    "Outlook": OUTLOOK,
    "Outlook, German": f"Von: {KIM}\nGesendet: Montag, 4. Mai 2026 09:00\nAn: Anna Agent\nBetreff: Drucker",
    "Outlook, French": f"De : {KIM}\nEnvoyé : lundi 4 mai 2026 09:00\nÀ : Anna Agent\nObjet : Imprimante",
    "Outlook, Polish": f"Od: {KIM}\nWysłano: poniedziałek, 4 maja 2026 09:00\nDo: Anna\nTemat: Drukarka",
    "Outlook, Japanese": f"差出人: {KIM}\n送信日時: 2026年5月4日 9:00\n宛先: Anna\n件名: プリンター",
    "Outlook, Chinese": f"发件人: {KIM}\n发送时间: 2026年5月4日 9:00\n收件人: Anna\n主题: 打印机",
    "Outlook, Russian": f"От: {KIM}\nОтправлено: 4 мая 2026 г. 9:00\nКому: Anna\nТема: Принтер",
    "Outlook, Spanish": f"De: {KIM}\nEnviado el: lunes, 4 de mayo de 2026 9:00\nPara: Anna\nAsunto: Impresora",
    "Outlook, mailto": OUTLOOK.replace("<", "[mailto:").replace(">", "]"),
    "bold": f"*From:* {KIM}\n*Sent:* Monday, May 4, 2026 9:00 AM\n*To:* Anna Agent\n*Subject:* Printer",
    "Apple": "Begin forwarded message:\n\n"
    f"> From: {KIM}\n> Subject: P\n> Date: 4 May 2026 at 09:00:00 CEST\n> To: a@b.example\n> \n> hi",
    "Thunderbird": "-------- Weitergeleitete Nachricht --------\n"
    f"Betreff: \tP\nDatum: \tMon, 4 May 2026 09:00:00 +0200\nVon: \t{KIM}\nAn: \ta@b.example",
}


def read(text: str, subject: str = "Fwd: Printer", kind: str = "plain", **more: str) -> Message:
    """A mail of Anna's."""
    head = {"From": "Anna <anna@corp.example>", "To": "support@corp.example", "Subject": subject} | more
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    content = f"Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{text}"
    return parse((lines + content).encode(), OPTIONS)


def sender(message: Message) -> str | None:
    """Name and address of whose mail it forwards."""
    return None if message.forwarded is None else str(message.forwarded.sender)


@pytest.mark.parametrize(
    "remark", ["", "For your information.\n\n", "Hi,\nplease look.\n\nAnna\n-- \nAnna Agent, Corp\n\n"]
)
@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
def test_the_block_of_a_program(block: str, remark: str) -> None:
    """The header block of each program and language that the reader knows names the writer, whatever stands above."""
    assert KIM == sender(read(f"{remark}{block}\n\nIt burns.\n"))


@pytest.mark.fault("A21-1")
@pytest.mark.parametrize("written", ["<{}>", "'{0}' <{0}>", "[mailto:{}]", "'{}'", "{0} <mailto:{0}>"])
def test_an_address_is_read_whole(written: str) -> None:
    """An apostrophe belongs to the address: what follows it is somebody else's."""
    message = read(OUTLOOK.replace(f"{KIM}", written.format("o'brien@client.example")))
    assert message.forwarded is not None
    assert "o'brien@client.example" == message.forwarded.sender.address


@pytest.mark.parametrize("block", [OUTLOOK, BLOCKS["Outlook, German"]])
def test_html(block: str) -> None:
    """So it does in HTML."""
    lines = block.replace("<", "&lt;").replace(">", "&gt;").replace("\n", "<br>\n")
    text = f"<html><body><p>Look</p><hr><p><b>{lines}</b></p><p>It burns.</p></body></html>"
    assert KIM == sender(read(text, kind="html"))


def test_only_the_first_block_counts() -> None:
    """What a stranger wrote into the forwarded mail stands below, and is not taken for the block."""
    assert KIM == sender(read(f"Look\n\n{OUTLOOK}\n\n{FAKE}\n\nIt burns.\n"))
    assert KIM == sender(read(f"Look\n\n{OUTLOOK}\n\nFrom: victim@bank.example\nTo: x\nIt burns.\n"))
    assert KIM == sender(read(f"{BLOCKS['Apple']}\n> {FAKE}\n"))


@pytest.mark.parametrize(
    "above",
    [
        f"Xvon: {KIM}\nXgesendet: Monday, May 4, 2026 9:00 AM\nXan: Anna\nXbetreff: P",
        "---------- Forwarded message ---------\nKim wrote this.",
        "-----Original Message-----\nKim wrote this.",
        f"On Mon, May 4, 2026 at 9:00 AM {KIM} wrote:\n> It burns.",
        "> It burns.",
    ],
    ids=["a block of unknown words", "another announcement", "an original", "an attribution", "a quote"],
)
def test_what_may_be_another_block_above(above: str) -> None:
    """Where the first block may be one that is not recognised, a later one could be the stranger's: none counts."""
    assert None is sender(read(f"Look\n\n{above}\n\n{FAKE}\n\nIt burns.\n"))


@pytest.mark.parametrize(
    "value",
    [
        "victim@bank.example <kim@client.example>",
        '"Kim" <kim@client.example>; lee@client.example',
        "kim@client.example on behalf of victim@bank.example",
        "Kim Client",
        "kim@",
        "Kim <kim@client..example>",
        "Kim <kim\u200b@client.example>",
        "Kim <kim@client.example\u202e>",
    ],
)
def test_a_sender_that_is_not_certain(value: str) -> None:
    """Two addresses, or none, name nobody."""
    assert None is sender(read(f"{OUTLOOK.replace(KIM, value)}\n\nIt burns.\n"))


@pytest.mark.fault("A21-2")
@pytest.mark.parametrize(
    "value",
    [
        '"victim@bank.example"@client.example',
        '<"victim@bank.example x"@client.example>',
        f"<{'x' * 60}victim@bank.example>",
    ],
)
def test_a_part_of_an_address(value: str) -> None:
    """An address that is only a part of another one, as its owner chose it, is nobody's."""
    assert None is sender(read(f"{OUTLOOK.replace(KIM, value)}\n\nIt burns.\n"))


def test_a_line_of_a_wrapped_subject() -> None:
    """A subject that a program wraps into a second From names nobody."""
    wrapped = (
        f"Subject: long\nFrom: victim@bank.example\nDate: Mon, 4 May 2026 09:00:00 +0200\nFrom: {KIM}\nTo: a@b.example"
    )
    assert None is sender(read(f"-------- Forwarded Message --------\n{wrapped}\n\nIt burns.\n"))


@pytest.mark.fault("A21-7")
@pytest.mark.parametrize(
    "line", ["On 4 May 2026, Kim wrote:", "Kim wrote:", "On 4 May 2026, Kim Client\nwrote:", "Kim schrieb:"]
)
def test_a_quote_that_is_not_marked(line: str) -> None:
    """Below a line that introduces a quote everything is the quoted writer's, whether a program marks it or not."""
    assert None is sender(read(f"Look.\n\n{line}\n\nHello,\n\n{FAKE}\n\nIt burns."))
    assert KIM == sender(read(f"Please look, as Kim asks:\n\n{OUTLOOK}\n\nIt burns."))


def test_a_reply_forwards_nothing() -> None:
    """The same block below a reply, or in a mail without a word of forwarding, is a quote."""
    assert None is sender(read(f"Done.\n\n{OUTLOOK}\n\nIt burns.\n", "Re: Printer"))
    assert None is sender(read(f"Done.\n\n{OUTLOOK}\n\nIt burns.\n", "Printer"))
    assert KIM == sender(read(f"Done.\n\n{GMAIL}\n\nIt burns.\n", "Printer"))


def test_nothing_is_read_unless_asked_for() -> None:
    """Without the option nothing is looked for."""
    raw = f"From: a@corp.example\r\nSubject: Fwd: x\r\n\r\n{GMAIL}\r\n".encode()
    assert None is parse(raw).forwarded
    assert None is not parse(raw, OPTIONS).forwarded


INNER = f"From: {KIM}\r\nTo: anna@corp.example\r\nSubject: Printer\r\n\r\nIt burns.\r\n"


def attached(*inner: str, subject: str = "Fwd: Printer", text: str = "Look.") -> Message:
    """A mail of Anna's with mails as files."""
    files = "".join(f"--b\r\nContent-Type: message/rfc822\r\n\r\n{one}\r\n" for one in inner)
    return parse(
        f"From: Anna <anna@corp.example>\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n"
        f"{text}\r\n{files}--b--\r\n".encode(),
        OPTIONS,
    )  # fmt: skip


def test_an_attached_mail() -> None:
    """A mail that is attached names its writer, with its text and its subject, and stays a file."""
    message = attached(INNER)
    assert message.forwarded is not None
    assert (KIM, True, "It burns.", "Printer") == (
        str(message.forwarded.sender), message.forwarded.attached, message.forwarded.text, message.forwarded.subject,
    )  # fmt: skip
    assert 1 == len(message.attachments)
    assert KIM == sender(attached(INNER, subject="Printer", text=""))


@pytest.mark.parametrize(
    "message",
    [
        attached(INNER, INNER.replace("kim", "lee")),
        attached(INNER, subject="A fault of the mail server"),
        attached(INNER, text=f"Xvon: {KIM}\nXgesendet: Monday, May 4, 2026 9:00 AM\nXan: Anna\nXbetreff: P"),
        attached(INNER, text="> quoted"),
        attached(INNER.replace(KIM, f"{KIM}, victim@bank.example")),
        attached(INNER.replace(f"From: {KIM}\r\n", "")),
        attached("no mail at all"),
    ],
    ids=["two", "not forwarded", "a block of unknown words", "a quote", "two writers", "no writer", "no mail"],
)
def test_attached_mails_that_name_nobody(message: Message) -> None:
    """Several, one that is shown as a file, and one beside what may be a block of its own: none counts."""
    assert None is message.forwarded


def test_the_block_goes_before_an_attached_mail() -> None:
    """A mail that the stranger attached does not count beside the block of the forwarded one."""
    message = attached(INNER.replace(KIM, "victim@bank.example"), text=f"Look\n\n{OUTLOOK}\n\nIt burns.")
    assert Forwarded is type(message.forwarded)
    assert KIM == sender(message)


@pytest.mark.parametrize(
    ("subject", "rest"),
    [
        ("Fwd: P", "P"),
        ("FW: WG: P", "P"),
        ("Tr : P", "P"),
        ("转发：P", "P"),
        ("Re: P", None),
        ("P", None),
    ],
)
def test_subjects(subject: str, rest: str | None) -> None:
    """What programs put before the subject of a forwarded mail is taken off."""
    assert rest == without_forward_prefix(subject)


NAMES = [f"victim@bank.example{sign}Date: now{sign}" for sign in "\u2028\u2029\x85\x0c\r"]


@pytest.mark.fault("A28-2", "A28-3")
@pytest.mark.parametrize("name", [*NAMES, "victim@bank.example " + "x" * 620])
def test_a_name_that_hides_the_address_behind_it(name: str) -> None:
    """A line break of another kind in somebody's name, or a name of endless length, does not make the address in that
    name the sender's: it is the real one, or none.
    """
    raw = (
        "From: Anna <anna@corp.example>\r\nTo: s@corp.example\r\nSubject: Fwd: P\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        f"---------- Forwarded message ---------\r\nFrom: {name} <evil@evil.example>\r\n"
        "Date: Mon, 1 Jun 2026 10:00\r\nSubject: P\r\nTo: s@corp.example\r\n\r\nHelp"
    )
    found = parse(raw.encode(), ReadingOptions(forwards=True)).forwarded
    assert found is None or found.sender.key == "evil@evil.example"

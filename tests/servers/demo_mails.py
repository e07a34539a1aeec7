"""The mails of the demo: what people, machines and strangers send to a help desk on an ordinary morning."""

import struct
import zlib
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.utils import formatdate

MX = "mx.example.com"


def png(width: int, height: int, colour: tuple[int, int, int]) -> bytes:
    """Given a size in pixels and a colour, return a picture of it (PNG, 8 bit RGB)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\x00" + bytes(colour) * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


PICTURE = png(120, 60, (227, 77, 39))


@dataclass(frozen=True, slots=True)
class DemoMail:
    """One mail: what it is, in three words, the mailbox that it goes to, its bytes.

    `key` is what the bridge calls it: its Message-ID without brackets, or the subject of one that has none.
    """

    what: str
    mailbox: str
    content: bytes
    no_id: str = ""

    @property
    def key(self) -> str:
        """What tells it from all others."""
        return self.no_id or str(message_from_bytes(self.content)["Message-ID"]).strip("<>")


def _mail(sender: str, to: str, subject: str, *, number: str, passed: bool | None = None) -> EmailMessage:
    mail = EmailMessage()
    domain = sender.rpartition("@")[2].rstrip(">")
    if passed is not None:
        mail["Authentication-Results"] = f"{MX}; dmarc={'pass' if passed else 'fail'} header.from={domain}"
    mail["Received"] = f"from client.example by {MX}; {formatdate()}"
    mail["From"] = sender
    mail["To"] = to
    mail["Subject"] = subject
    mail["Date"] = formatdate()
    mail["Message-ID"] = f"<{number}@demo.{domain}>"
    return mail


def demo_mails(run: str) -> list[DemoMail]:
    """Given a word that no earlier run had, return the mails in the order in which they arrive."""
    support, sales = "support@example.com", "sales@example.com"
    makers = (_plain, _picture, _file, _reply, _forged)
    mails = [maker(run, support) for maker in makers]
    mails.append(_japanese(run, sales))
    mails += [_away(run, support), _broken(run, sales), _blocked(run, sales)]
    return mails


def _plain(run: str, to: str) -> DemoMail:
    mail = _mail(
        "Anna Agent <anna@example.com>", to, "The printer on floor 2 is jammed", number=f"{run}-1", passed=True
    )
    mail.set_content("Hello,\n\nit has eaten the invoice of May again.\nTray 2 is open.\n\nAnna\n")
    return DemoMail("plain, a user", "support", mail.as_bytes())


def _picture(run: str, to: str) -> DemoMail:
    mail = _mail("Kim Client <kim@client.example>", to, "What does this light mean?", number=f"{run}-2", passed=True)
    mail.set_content("Your client does not show HTML.\n")
    page = (
        "<html><body><p>Hello,</p><p>since this morning the panel shows <b>this</b>:</p>"
        '<p><img src="cid:panel" width="120"></p>'
        "<table><tr><th>Lamp</th><th>Colour</th></tr><tr><td>1</td><td>red</td></tr></table>"
        "<p>Regards<br>Kim</p></body></html>"
    )
    mail.add_alternative(page, subtype="html")
    part = mail.get_payload(1)
    assert isinstance(part, EmailMessage)  # what add_alternative has just made
    part.add_related(PICTURE, "image", "png", cid="<panel>", filename="panel.png")
    return DemoMail("HTML, a picture in it", "support", mail.as_bytes())


def _file(run: str, to: str) -> DemoMail:
    mail = _mail("Bob Builder <bob@example.com>", to, "Maße für Tür 7", number=f"{run}-3", passed=True)
    mail.set_content("The drawing is attached.\n\nPriority: High\n")
    mail.add_attachment(
        b"%PDF-1.4\n" + b"demo " * 200, maintype="application", subtype="pdf", filename="Türmaße größer.pdf"
    )
    return DemoMail("a file", "support", mail.as_bytes())


def _japanese(run: str, to: str) -> DemoMail:
    mail = _mail("山田太郎 <taro@client.example>", to, "見積もりのお願い", number=f"{run}-4", passed=True)
    mail.set_content("お世話になっております。\nプリンター三台の見積もりをお願いします。\n", charset="iso-2022-jp")
    return DemoMail("Japanese", "sales", mail.as_bytes())


def _reply(run: str, to: str) -> DemoMail:
    mail = _mail(
        "Kim Client <kim@client.example>", to, "Re: What does this light mean?", number=f"{run}-5", passed=True
    )
    mail["In-Reply-To"] = f"<{run}-2@demo.client.example>"
    mail["References"] = f"<{run}-2@demo.client.example>"
    mail.set_content(
        "It went out by itself. Is that good?\n\n"
        "On Sat, 21 Nov 2026 at 09:12, Kim Client <kim@client.example> wrote:\n"
        "> since this morning the panel shows this\n"
    )
    return DemoMail("a reply", "support", mail.as_bytes())


def _forged(run: str, to: str) -> DemoMail:
    mail = _mail("Redmine Admin <anna@example.com>", to, "Make me an admin", number=f"{run}-6", passed=False)
    mail.set_content("Status: Closed\n\nThis is Anna, honestly. {{include(Secret)}} @admin please see #1.\n")
    return DemoMail("forged From of a user", "support", mail.as_bytes())


def _away(run: str, to: str) -> DemoMail:
    mail = _mail("Lee Later <lee@client.example>", to, "Out of office: your offer", number=f"{run}-7", passed=True)
    mail["Auto-Submitted"] = "auto-replied"
    mail.set_content("I am away until Monday.\n")
    return DemoMail("out of office", "support", mail.as_bytes())


def _broken(run: str, to: str) -> DemoMail:
    lines = (
        f"From: Zo\xeb <zoe@client.example>\r\nTo: {to}\r\nSubject: caf\xe9 menu {run}\r\n"
        'Content-Type: multipart/mixed; boundary="nowhere"\r\n\r\n'
        "This has no parts, no Message-ID and no charset: na\xefve.\r\n"
    )
    return DemoMail("broken", "sales", lines.encode("latin-1"), no_id=f"café menu {run}")


def _blocked(run: str, to: str) -> DemoMail:
    mail = _mail("Win Now <win@lottery.example>", to, "You have won", number=f"{run}-9")
    mail.set_content("Send us your password.\n")
    return DemoMail("a blocked sender", "sales", mail.as_bytes())

"""A mail server in the way that one stands between mailboxes: SMTP in, with DSN; LMTP into Dovecot; reports back."""

import contextlib
import email
import smtplib
from collections.abc import Iterator
from email.message import EmailMessage, Message
from email.utils import formatdate, make_msgid

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session, syntax

from tests.servers.dovecot import Mail
from tests.servers.processes import free_port


class Relay:
    """Delivers what it takes to Dovecot. `gone@…` bounces, `late@…` is told to be late; `refused@…` is refused at once.

    `taken` holds sender, recipient and mail of each; `asked` the DSN parameters of each recipient (RFC 3461).
    """

    def __init__(self, mail: Mail) -> None:
        self.mail = mail
        self.port = free_port()
        self.taken: list[tuple[str, str, bytes]] = []
        self.asked: list[str] = []

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [*responses[:-1], "250-DSN", responses[-1]]

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address.startswith("refused@"):
            return "550 5.1.1 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - likewise
        content = envelope.content
        assert isinstance(content, bytes)
        for recipient in envelope.rcpt_tos:
            self.taken.append((str(envelope.mail_from), recipient, content))
            local = recipient.partition("@")[0]
            if local in {"gone", "late"}:
                self.deliver(report(content, recipient, failed=local == "gone"), str(envelope.mail_from), "")
            else:
                self.deliver(content, recipient, str(envelope.mail_from))
        return "250 2.0.0 delivered"

    def deliver(self, content: bytes, recipient: str, sender: str) -> None:
        """Given a mail, hand it to Dovecot over LMTP."""
        with smtplib.LMTP(self.mail["host"], self.mail["lmtp_port"]) as lmtp:
            lmtp.sendmail(sender, [recipient], content)


class _Server(SMTP):
    """aiosmtpd's, which knows no DSN: its parameters are noted and taken off."""

    @syntax("RCPT TO: <address>")
    async def smtp_RCPT(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's name
        relay = self.event_handler
        words = arg.split()
        relay.asked += [word for word in words if word.startswith(("NOTIFY=", "ORCPT="))]
        await super().smtp_RCPT(" ".join(word for word in words if not word.startswith(("NOTIFY=", "ORCPT="))))

    @syntax("MAIL FROM: <address>")
    async def smtp_MAIL(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's name
        self.event_handler.asked += [word for word in arg.split() if word.startswith(("RET=", "ENVID="))]
        await super().smtp_MAIL(" ".join(word for word in arg.split() if not word.startswith(("RET=", "ENVID="))))


class _Controller(Controller):
    def factory(self) -> SMTP:
        return _Server(self.handler, **self.SMTP_kwargs)


@contextlib.contextmanager
def relay(mail: Mail) -> Iterator[Relay]:
    """Given Dovecot, serve a relay before it until the end of the block."""
    made = Relay(mail)
    controller = _Controller(made, "127.0.0.1", made.port)
    controller.start()
    try:
        yield made
    finally:
        controller.stop()


def report(content: bytes, recipient: str, *, failed: bool) -> bytes:
    """Given a mail and whom it did not reach, return the delivery report (RFC 3464)."""
    original = email.message_from_bytes(content)
    outer = EmailMessage()
    outer["From"] = "Mail Delivery System <mailer-daemon@example.org>"
    outer["To"] = str(original["From"])
    outer["Subject"] = "Undelivered Mail Returned to Sender" if failed else "Delayed Mail (still being retried)"
    outer["Date"], outer["Message-ID"] = formatdate(), make_msgid(domain="example.org")
    outer["Auto-Submitted"] = "auto-replied"
    outer.set_content(f"Your mail to <{recipient}> was {'not delivered' if failed else 'delayed'}.\n")
    outer.make_mixed()
    outer.replace_header("Content-Type", 'multipart/report; report-type="delivery-status"')
    status = Message()
    status["Content-Type"] = "message/delivery-status"
    action, code = ("failed", "5.1.1") if failed else ("delayed", "4.4.1")
    said = "550 5.1.1 no such user" if failed else "421 4.4.1 timed out"
    status.set_payload(
        f"Reporting-MTA: dns; mx.example.org\n\nFinal-Recipient: rfc822; {recipient}\nAction: {action}\n"
        f"Status: {code}\nDiagnostic-Code: smtp; {said}\n"
    )
    heads = Message()
    heads["Content-Type"] = "text/rfc822-headers"
    heads.set_payload("".join(f"{name}: {value}\n" for name, value in original.items()))
    for part in (status, heads):
        outer.attach(part)
    return outer.as_bytes()

"""A mail server in the way that one stands between mailboxes: SMTP in, with DSN; LMTP into Dovecot; reports back."""

import contextlib
import smtplib
from collections.abc import Iterator
from email.utils import formatdate, make_msgid

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session, syntax

from tests.servers.dovecot import Mail
from tests.servers.processes import free_port


class Relay:
    """Delivers what it takes to Dovecot. `gone@…` bounces, `late@…` is told to be late; `refused@…` is refused at once.

    `strip` names header fields that are lost on the way. `taken` holds sender, recipient and mail of each, `asked` the
    DSN parameters (RFC 3461).
    """

    def __init__(self, mail: Mail) -> None:
        self.mail = mail
        self.port = free_port()
        self.taken: list[tuple[str, str, bytes]] = []
        self.asked: list[str] = []
        self.strip: tuple[str, ...] = ()

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
        lost = tuple(f"{name}:".lower().encode() for name in self.strip)
        content = b"".join(x for x in content.splitlines(keepends=True) if not lost or not x.lower().startswith(lost))
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
    heads = content.replace(b"\r\n", b"\n").partition(b"\n\n")[0].decode("ascii", "replace")
    sender = next(line for line in heads.split("\n") if line.startswith("From: "))
    action, code = ("failed", "5.1.1") if failed else ("delayed", "4.4.1")
    said = "550 5.1.1 no such user" if failed else "421 4.4.1 timed out"
    text = f"""From: Mail Delivery System <mailer-daemon@example.org>
To: {sender.removeprefix("From: ")}
Subject: {"Undelivered Mail Returned to Sender" if failed else "Delayed Mail (still being retried)"}
Date: {formatdate()}
Message-ID: {make_msgid(domain="example.org")}
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="cut"

--cut
Content-Type: text/plain

Your mail to <{recipient}> was {"not delivered" if failed else "delayed"}.

--cut
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org

Final-Recipient: rfc822; {recipient}
Action: {action}
Status: {code}
Diagnostic-Code: smtp; {said}

--cut
Content-Type: text/rfc822-headers

{heads}

--cut--
"""
    return text.replace("\n", "\r\n").encode()

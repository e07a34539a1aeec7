"""What `check` finds of the answers: templates that render, a server that takes the login."""

from collections.abc import Iterator

from redmine_mailbridge.checks.advice import with_advice
from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.errors import SendingError
from redmine_mailbridge.outgoing.smtp import SmtpTransport
from redmine_mailbridge.outgoing.smtp_config import SmtpConfig
from redmine_mailbridge.outgoing.templates import Templates, check_templates
from redmine_mailbridge.settings.mailbox import MailboxSettings
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.wiring import oauth
from redmine_mailbridge.wiring import outgoing as speaking


def asks_for_login(config: SmtpConfig) -> bool:
    """Given where to send by, without a login, connect and return whether the server offers one (RFC 4954: AUTH among
    what it answers to EHLO, under TLS where the settings want that). Raise SendingError when it cannot be reached.
    """
    with SmtpTransport(config) as server:
        return server.offers("auth")


def outgoing_checks(name: str, settings: Settings, box: MailboxSettings) -> Iterator[Check]:
    """Given a mailbox, yield what is found of its answers. Nothing is sent."""
    wanted = [kind for kind in ("received", "received_reply", "closed") if getattr(box.answers, kind)]
    wanted += ["answer"] if box.answers.notes != "never" else []
    wanted += ["refused"] if box.issue.answer_refused else []
    wanted += ["registration"] if box.senders.create.notice == "own" else []
    out = speaking.sent_by(settings, box)
    place = f"mailbox {name}: answers"
    if not out.sends:
        if wanted:
            words = f"{', '.join(wanted)}: switched on, but neither [outgoing] nor this mailbox names a host to send by"
            yield Check(place, False, words)
        return
    problems = check_templates(Templates(out.templates), out.language or "en")
    yield Check(f"{place}: templates", not problems, "\n".join(problems) or ", ".join(wanted) or "none is switched on")
    if out.transport == "console" or out.host is None:
        yield Check(f"{place}: sending", None, "printed, not sent")
        return
    tokens = oauth.late(settings, oauth.outgoing_connection(name, box, settings))
    config = speaking.smtp_config(out, out.host, tokens, box)
    try:
        with SmtpTransport(config):
            pass
    except SendingError as error:
        yield Check(f"{place}: sending", False, with_advice(str(error)))
        return
    login = f"logged in as {config.username}" if config.username else "no login"
    yield Check(f"{place}: sending", True, f"{config.host}:{config.port}, {config.security}, {login}")

"""What `check` finds out about outgoing mail: templates that render, a server that accepts the login."""

from collections.abc import Iterator

from redmine_mailbridge.checks.advice import with_advice
from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.errors import MailboxError, SendingError
from redmine_mailbridge.mailboxes.imap.sent import SentFolder
from redmine_mailbridge.model.mailbox import MailboxConfig
from redmine_mailbridge.outgoing.graph import GraphTransport
from redmine_mailbridge.outgoing.smtp import SmtpTransport
from redmine_mailbridge.outgoing.smtp_config import SmtpConfig
from redmine_mailbridge.outgoing.templates import Templates, check_templates
from redmine_mailbridge.sasl.username import parse_username
from redmine_mailbridge.settings.mailbox import MailboxSettings
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.settings.outgoing import OutgoingSettings
from redmine_mailbridge.wiring import oauth, sending
from redmine_mailbridge.wiring.graph import graph_config
from redmine_mailbridge.wiring.mailboxes import mailbox_config


def asks_for_login(config: SmtpConfig) -> bool:
    """Given where to send by, without a login, connect and return whether the server offers one (RFC 4954: AUTH in its
    reply to EHLO, under TLS if the settings ask for it). Raise SendingError when it cannot be reached.
    """
    with SmtpTransport(config) as server:
        return server.offers("auth")


def _of_templates(templates: Templates, out: OutgoingSettings) -> list[str]:
    """What is wrong with the templates in each language used for customers, one line each."""
    named = (out.language or "en", *(out.languages or ()))
    unknown = [problem for language in dict.fromkeys(named) if (problem := templates.problem(language))]
    used = out.languages or templates.languages()
    return [
        *unknown,
        *dict.fromkeys(
            line for language in dict.fromkeys((named[0], *used)) for line in check_templates(templates, language)
        ),
    ]


def _of_graph(place: str, config: MailboxConfig) -> Check:
    """The result for sending by Microsoft Graph: it is asked for what sends nothing."""
    try:
        with GraphTransport(config) as transport:
            lacking = transport.check()
    except (SendingError, MailboxError) as error:
        return Check(f"{place}: sending", False, with_advice(str(error)))
    words = f"Microsoft Graph ({config.host}), from {config.authorize_as or parse_username(config.username).mailbox}"
    return Check(f"{place}: sending", None if lacking else True, f"{words}; {lacking}" if lacking else words)


def outgoing_checks(name: str, settings: Settings, box: MailboxSettings) -> Iterator[Check]:
    """Given a mailbox, yield the results for its answers. Nothing is sent."""
    kinds = [kind for kind in ("received", "received_reply", "closed") if getattr(box.answers, kind)]
    kinds += ["answer"] if box.answers.notes != "never" else []
    kinds += ["third_party"] if box.answers.third_parties else []
    kinds += ["refused"] if box.issue.answer_refused else []
    kinds += ["withheld"] if box.issue.agent_replies == "mail" else []
    kinds += ["registration"] if box.senders.create.notice == "own" else []
    out = sending.sent_by(settings, box)
    place = f"mailbox {name}: answers"
    if not out.sends:
        if kinds:
            words = f"{', '.join(kinds)}: enabled, but neither [outgoing] nor this mailbox sets a host to send by"
            yield Check(place, False, words)
        return
    problems = _of_templates(Templates(out.templates), out)
    yield Check(f"{place}: templates", not problems, "\n".join(problems) or ", ".join(kinds) or "none is enabled")
    if out.server is None:
        yield Check(f"{place}: sending", None, "printed, not sent")
        return
    tokens = oauth.late(settings, oauth.outgoing_connection(name, box, settings))
    if out.transport == "graph":
        yield _of_graph(place, graph_config(name, out, out.server, tokens, box))
        return
    config = sending.smtp_config(out, out.server, tokens, box)
    try:
        with SmtpTransport(config):
            pass
    except SendingError as error:
        yield Check(f"{place}: sending", False, with_advice(str(error)))
        return
    login = f"logged in as {config.username}" if config.username else "no login"
    yield Check(f"{place}: sending", True, f"{config.host}:{config.port}, {config.security}, {login}")
    if out.copies and box.protocol == "imap":
        yield _of_sent_folder(place, mailbox_config(name, box, tokens=oauth.late(settings, name)), out)
    elif out.save_sent:
        why = "this mailbox is not read over IMAP" if out.copies else "this server saves what it sends itself"
        yield Check(f"{place}: copies", None, f"the bridge saves none: {why}")


def _of_sent_folder(place: str, config: MailboxConfig, out: OutgoingSettings) -> Check:
    """The result for copies of sent mail: the folder exists. Nothing is written."""
    try:
        with SentFolder(config, out.sent_folder or "") as folder:
            return Check(f"{place}: copies", True, f"in {folder.name()}")
    except MailboxError as error:
        return Check(f"{place}: copies", False, with_advice(str(error)))

"""The kind of machine that sent a message, and what may be done with it: separate findings, each with the rule that
matched."""

import re
from collections.abc import Sequence

from redmine_mailbridge.mail import bounces
from redmine_mailbridge.mail.mime.headers import Headers
from redmine_mailbridge.mail.mime.structure import Part
from redmine_mailbridge.mail.no_reply import takes_no_reply
from redmine_mailbridge.model.mail import Address, Automatic, AutomaticKind, ReadingOptions

LOOP_HEADER = "X-Mailbridge-Loop"
MOST_ABOUT = 50
"""Mails that one reports on at most."""

_REDMINE_ID = re.compile(r"redmine\.[a-z0-9_]{1,60}-\d{1,20}\.\d{1,30}(?:\.[a-f0-9]{1,40})?@")
_VACATION = re.compile(
    r"(?:^|[\s:\[(])(?:out[ -]of[ -](?:the[ -])?office|automatic reply|auto(?:matic)?[ -]?(?:reply|response|answer|"
    r"responder)|autoreply|autoresponse|on (?:vacation|holiday|annual leave|leave)|vacation(?: reply| message|:)|"
    r"away from (?:my )?(?:mail|office|desk)|(?:i am|i'm) (?:currently )?(?:away|out)|"
    r"abwesenheit|automatische antwort|abwesend|nicht im (?:büro|hause)|urlaub|"
    r"réponse automatique|absence du bureau|absent(?:e)? du bureau|en congé|"
    r"respuesta automática|fuera de la oficina|ausencia|resposta automática|fora do escritório|"
    r"risposta automatica|fuori sede|fuori ufficio|automatisch antwoord|afwezig|"
    r"autoodpowiedź|automatyczna odpowiedź|odpowiedź automatyczna|poza biurem|nieobecno|"
    r"automatická odpověď|mimo kancelář|nepřítomn|автоответ|автоматический ответ|отсутств|нет на месте|"
    r"автоматична відповідь|автовідповідь|autosvar|automatiskt svar|frånvaro|automatisk svar|fraværende|"
    r"ikke til stede|ikke på kontoret|automaattinen vastaus|poissa|otomatik yanıt|ofis dışında|"
    r"αυτόματη απάντηση|εκτός γραφείου|自动回复|自動回覆|自動応答|自動返信|不在|外出|부재중|자동 회신|자동 응답|"
    r"رد تلقائي|خارج المكتب|תשובה אוטומטית|מחוץ למשרד)",
    re.IGNORECASE,
)
# What answering machines put in front of the subject of the mail that they answer.
_VACATION_PREFIX = re.compile(
    r"\s*(?:auto(?:matic|mated)?[ -]?(?:reply|response)|autoreply|out of (?:the )?office(?: auto-?reply)?|"
    r"vacation(?: reply| message)?|automatische antwort|abwesenheits(?:notiz|nachricht|benachrichtigung)|"
    r"réponse automatique|absence du bureau|respuesta automática|resposta automática|risposta automatica|"
    r"automatisch antwoord|autoodpowiedź|automatyczna odpowiedź|odpowiedź automatyczna|automatická odpověď|"
    r"автоответ|автоматический ответ|автоматична відповідь|autosvar|automatiskt svar|automatisk svar|"
    r"automaattinen vastaus|otomatik yanıt|αυτόματη απάντηση|自动回复|自動回覆|自動応答|自動返信|자동 회신|자동 응답|"
    r"رد تلقائي|תשובה אוטומטית)\s{0,3}[:：]",
    re.IGNORECASE,
)
# Headers that only auto-responders write.
_AUTOREPLY_HEADERS = (
    "x-apple-action", "x-autoreply", "x-auto-reply", "x-autorespond", "x-autoresponder", "x-autoreply-from",
    "x-mail-autoreply", "x-autoreply-domain", "x-auto-replied", "x-vacation", "x-pmx-vacation", "x-vacation-reply",
    "x-ooo",
)  # fmt: skip
# Headers that answering machines write, and seldom anybody else: they count beside a vacation subject.
_STRONG_HINTS = (
    "x-ms-exchange-generated-message-source", "x-lotus-outofoffice", "x-tm-as-autoreply",
)  # fmt: skip
# Headers that the mail of people carries too: they count beside the words in front of a subject that machines write.
# Exchange's rules put theirs into what they redirect: whoever wrote it stays the sender.
_WEAK_HINTS = (
    "x-auto-response-suppress", "x-notes-item", "x-lotus-fromdomain", "x-mimetrack", "x-loop",
    "x-ms-exchange-inbox-rules-loop",
)  # fmt: skip
_LIST_HEADERS = ("list-id", "list-post", "x-beenthere", "x-mailing-list", "mailing-list", "x-mailman-version")
_TOOL_HEADERS = (
    "x-jenkins-job", "x-cron-env", "x-nagios-notification-type", "x-icinga-notification", "x-prtg-sensor",
    "x-zabbix-event", "x-sentry-project", "x-pagerduty-incident", "x-grafana-alert", "x-monit-alert",
    "x-uptimerobot", "x-smartd", "x-backup-report", "x-amazon-sns-topic", "x-gitlab-pipeline-id",
)  # fmt: skip
# Systems that pass on what people wrote: no automatic answer (it would come back), and no accusation.
_RELAY_HEADERS = (
    "x-github-reason", "x-gitlab-project", "x-jira-fingerprint", "x-bugzilla-reason", "x-trac-project",
    "x-servicenow-generated", "x-otrs-loop", "x-otobo-loop", "x-zammad-ticket-id", "x-phabricator-stamps",
    "x-launchpad-bug", "x-freescout-mail-type", "x-discourse-topic-id",
)  # fmt: skip
_TOOLS = re.compile(
    r"nagios|icinga|zabbix|prtg|munin|monit\b|checkmk|check_mk|prometheus|alertmanager|grafana|jenkins|"
    r"logwatch|logcheck|apticron|fail2ban|smartd|smartmontools|veeam|\bcron\b|synology|qnap",
    re.IGNORECASE,
)


def judge(  # noqa: PLR0911  a list of verdicts in their order reads best as one
    headers: Headers, root: Part, text: str, sender: Address, options: ReadingOptions, *, answered: Sequence[str]
) -> Automatic:
    """Given a mail, the start of its text, its sender and the Message-IDs that it answers, the nearest first, return
    the verdicts on its origin. Never raises.

    In this order: our own and Redmine's own mail, delivery reports, read receipts, answering machines, mailing
    lists, notifications. A verdict needs marks that the mail of people does not carry by accident: a From of our own
    (a form, a scanner), a null path, Precedence, X-Auto-Response-Suppress or a word about leave alone are not evidence;
    only that an automatic answer is not due to some of them (RFC 3834 section 2).
    """
    answered = tuple(answered[:MOST_ABOUT])
    if rule := _own(headers, options):
        return Automatic(AutomaticKind.OWN, rule, answerable=False, may_change_status=False)
    if report := bounces.read_report(headers, root, text):
        about = _ours_first([*report.ids, *answered], options)
        return Automatic(AutomaticKind.BOUNCE, report.rule, False, False, about, report.recipients)
    if rule := _reply(headers, root, text, answered):
        about = _ours_first([*_receipt_ids(root), *answered], options)
        return Automatic(AutomaticKind.AUTO_REPLY, rule, False, False, about)
    if rule := _list(headers):
        return Automatic(AutomaticKind.LIST, rule, answerable=False)
    if rule := _notification(headers):
        return Automatic(AutomaticKind.NOTIFICATION, rule, answerable=False, about=answered)
    if rule := _no_answer_due(headers):
        return Automatic(rule=rule, answerable=False)
    if rule := _unanswerable_from(sender, options):
        return Automatic(rule=rule, answerable=False, unanswerable_from=True)
    return Automatic()


def _own(headers: Headers, options: ReadingOptions) -> str:
    if options.loop_value and options.loop_value in [line.strip() for line in headers.raw_lines(LOOP_HEADER.lower())]:
        return f"{LOOP_HEADER}: our own mail"
    if any(_REDMINE_ID.match(message_id) for message_id in headers.ids("message-id")):
        return "Message-ID: Redmine's own mail"
    for name in ("X-Redmine-Host", "X-Redmine-Issue-Id", "X-Redmine-Site"):
        if headers.raw_line(name.lower()):
            return f"{name}: Redmine's own mail"
    return "X-Mailer: Redmine's own mail" if headers.raw_line("x-mailer").lower().startswith("redmine") else ""


def _reply(  # noqa: PLR0911  as above
    headers: Headers, root: Part, text: str, answered: Sequence[str]
) -> str:
    """Return the rule by which the mail is a read receipt or a machine's answer, "" when it is neither."""
    kind = headers.raw_line("content-class").lower()
    if root.kind == "multipart/report" and root.params.get("report-type", "").lower() == "disposition-notification":
        return "multipart/report of a disposition: a read receipt (RFC 8098)"
    if kind.endswith(":mdn"):
        return f"Content-Class: {kind}: a read receipt"
    submitted = _submitted(headers)
    if submitted.startswith("auto-replied"):
        return "Auto-Submitted: auto-replied"
    for name in _AUTOREPLY_HEADERS:
        value = headers.raw_line(name)
        if value and value.lower() not in {"no", "false", "0"} and (name != "x-apple-action" or "VACATION" in value):
            return f"{name.title()}: {value[:60]}"
    if _precedence(headers) in {"auto_reply", "auto-reply", "autoreply"}:
        return f"Precedence: {_precedence(headers)}"
    subject = headers.text("subject")[:300]
    if _VACATION.search(subject) and (hint := _hint(headers, submitted)):
        return f"a vacation subject and {hint}"
    if _VACATION_PREFIX.match(subject) and (hint := next((name for name in _WEAK_HINTS if headers.raw_line(name)), "")):
        return f"a subject as answering machines write it and {hint.title()}"
    if bounces.null_path(headers) and answered and _VACATION.search(text[:600]):
        return "an answer about an absence with Return-Path: <>"
    return ""


def _hint(headers: Headers, submitted: str) -> str:
    """Return another sign of a machine beside the subject, "" when there is none."""
    if submitted and submitted != "no":
        return f"Auto-Submitted: {submitted[:40]}"
    if _precedence(headers) in {"bulk", "junk"}:
        return f"Precedence: {_precedence(headers)}"
    if bounces.null_path(headers) or bounces.from_daemon(headers):
        return "Return-Path: <>" if bounces.null_path(headers) else "From a mail system"
    return next((name.title() for name in _STRONG_HINTS if headers.raw_line(name)), "")


def _submitted(headers: Headers) -> str:
    return headers.raw_line("auto-submitted").lower()


def _precedence(headers: Headers) -> str:
    return headers.raw_line("precedence").lower().strip()


def _list(headers: Headers) -> str:
    for name in _LIST_HEADERS:
        if value := headers.raw_line(name):
            return f"{name.title()}: {value[:60]}" if value.lower() != "no" else ""
    if _precedence(headers) == "list":
        return "Precedence: list"
    sender = headers.raw_line("sender").lower().strip("<> ")
    through = sender.startswith("owner-") or "-bounces@" in sender or bool(headers.raw_line("x-loop"))
    return "Precedence: bulk, sent through a list" if _precedence(headers) == "bulk" and through else ""


def _notification(headers: Headers) -> str:
    """Return the rule by which the mail is a machine's own message, "" when it is not."""
    submitted = _submitted(headers)
    if submitted.startswith(("auto-generated", "auto-notified")):
        return f"Auto-Submitted: {submitted[:40]}"
    if _precedence(headers) == "junk":
        return "Precedence: junk"
    for name in _TOOL_HEADERS:
        if headers.raw_line(name):
            return f"{name.title()}"
    mailer = headers.raw_line("x-mailer")[:200]
    if _TOOLS.search(mailer):
        return f"X-Mailer: {mailer[:60]}"
    return ""


def _no_answer_due(headers: Headers) -> str:  # noqa: PLR0911  as above
    """Return the sign by which a mail that nothing accuses gets no automatic answer, "" when it may have one."""
    if bounces.null_path(headers):
        return "Return-Path: <>"
    if bounces.from_daemon(headers):
        return "From a mail system"
    if _VACATION_PREFIX.match(headers.text("subject")[:300]):
        return "a subject as answering machines write it"
    if _precedence(headers) in {"bulk", "list"}:
        return "Precedence: bulk, and nothing else"
    for name in _RELAY_HEADERS:
        if headers.raw_line(name):
            return name.title()
    suppressed = headers.raw_line("x-auto-response-suppress").lower()
    if "all" in suppressed or "oof" in suppressed or "autoreply" in suppressed:
        return f"X-Auto-Response-Suppress: {suppressed[:60]}"
    return ""


def _unanswerable_from(sender: Address, options: ReadingOptions) -> str:
    """Return why no automatic answer can go to the From address, "" when one can."""
    if sender.address and sender.key in options.own_addresses:
        return "From is an address of our own"
    return "a sender that takes no replies" if takes_no_reply(sender) else ""


def _receipt_ids(root: Part) -> list[str]:
    """Given a read receipt, return the Message-ID of the mail that was read (RFC 8098 section 3.2.5)."""
    return bounces.original_ids(root) if root.kind == "multipart/report" else []


def _ours_first(ids: Sequence[str], options: ReadingOptions) -> tuple[str, ...]:
    """Given Message-IDs, return each once, those that look like the bridge's or Redmine's first."""
    domains = {address.rpartition("@")[2] for address in options.own_addresses} - {""}

    def rank(message_id: str) -> int:
        return 0 if _REDMINE_ID.match(message_id) or message_id.rpartition("@")[2].lower() in domains else 1

    return tuple(sorted(dict.fromkeys(ids), key=rank))[:MOST_ABOUT]

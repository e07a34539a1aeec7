"""The kinds of conditions: their keys, and what each means. docs/admin/troubleshooting.md contains this table."""

from typing import Final

from redmine_mailbridge.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class ConditionKind:
    """A kind of condition. `title` and `over` are the headings while it lasts and when it is over, `remedy` says what
    to do; in them, {subject} is what the condition is about. `meaning` is for the documentation.

    `unready`: the service cannot do its work, so that `/readyz` says so. `is_mailed`: an alert is sent; not where the
    service could send none. `fails_check`: `check`, which tests servers itself, counts it as failed.
    """

    key: str
    title: str
    over: str
    meaning: str
    remedy: str
    unready: bool = False
    is_mailed: bool = True
    fails_check: bool = False


STORE_UNAVAILABLE: Final = "store-unavailable"
SERVICE_NOT_RUNNING: Final = "service-not-running"
PROCESSING_STOPPED: Final = "processing-stopped"
TASK_PAUSED: Final = "task-paused"
REDMINE_UNAVAILABLE: Final = "redmine-unavailable"
MAILBOX_NOT_READ: Final = "mailbox-not-read"
MAILBOX_PAUSED: Final = "mailbox-paused"
TOO_MANY_NEW_MAILS: Final = "too-many-new-mails"
MAIL_FAILED: Final = "mail-failed"
MAIL_HELD: Final = "mail-held"
SENDING_FAILS: Final = "sending-fails"
OUTBOX_WAITING: Final = "outbox-waiting"
OUTBOX_FAILED: Final = "outbox-failed"
ALERT_FAILED: Final = "alert-failed"
CERTIFICATE_ENDS: Final = "certificate-ends"

_IN_ORDER = (
    ConditionKind(
        STORE_UNAVAILABLE,
        "The store does not answer",
        "The store answers again",
        "The database cannot be opened or read.",
        "Check the database and the disk; see the log.",
        unready=True,
        is_mailed=False,
        fails_check=True,
    ),
    ConditionKind(
        SERVICE_NOT_RUNNING,
        "The service is not running",
        "The service is running again",
        "The service has given no sign of life for a minute, was stopped, or has never run. No mail is read.",
        "Start `redmine-mailbridge run` or the systemd unit; see the log if it ends again.",
        unready=True,
        is_mailed=False,
    ),
    ConditionKind(
        PROCESSING_STOPPED,
        "Synchronization is stopped",
        "Synchronization is started again",
        "Someone has stopped all processing by the command `stop` or on the page. No mail is read or sent.",
        "Run `redmine-mailbridge start`, or press Start on the overview.",
        is_mailed=False,
    ),
    ConditionKind(
        TASK_PAUSED,
        "Task {subject} is paused",
        "Task {subject} is scheduled again",
        "Someone has paused a task by the command `tasks pause` or on the page. It does not run, even after a restart.",
        "Run `redmine-mailbridge tasks resume {subject}`.",
    ),
    ConditionKind(
        REDMINE_UNAVAILABLE,
        "Redmine does not accept mail",
        "Redmine accepts mail again",
        "Redmine does not answer, or does not accept the API key. Mail waits; none is lost.",
        "Check that Redmine answers; run `redmine-mailbridge check`.",
    ),
    ConditionKind(
        MAILBOX_NOT_READ,
        "Mailbox {subject} cannot be read",
        "Mailbox {subject} is read again",
        "The mail server does not answer, does not accept the login, or no pass has ended for two hours.",
        "Run `redmine-mailbridge check --mailbox {subject}`.",
    ),
    ConditionKind(
        MAILBOX_PAUSED,
        "Mailbox {subject} is paused: its settings do not fit Redmine",
        "Mailbox {subject} is processed again",
        "A name in the settings of the mailbox does not exist in Redmine, or Redmine rejects every issue for it.",
        "Fix this in Redmine or in [mailboxes.{subject}] (`check` lists all problems); waiting messages are then "
        "processed.",
        fails_check=True,
    ),
    ConditionKind(
        TOO_MANY_NEW_MAILS,
        "Mailbox {subject} is paused: too many new messages",
        "Mailbox {subject} is processed again",
        "More messages are new than `max_new_mails` allows.",
        "Look at the folder, then run `redmine-mailbridge mailboxes resume {subject}`.",
    ),
    ConditionKind(
        MAIL_FAILED,
        "Mail of mailbox {subject} has failed",
        "No mail of mailbox {subject} has failed of late",
        "Messages became `failed` within the last week and wait for a person.",
        "Run `redmine-mailbridge messages --state failed`, fix the cause, then `messages retry ID`.",
    ),
    ConditionKind(
        MAIL_HELD,
        "Mail of mailbox {subject} waits for a decision",
        "No mail of mailbox {subject} waits for a decision",
        "Messages have been `held` for more than a day.",
        "Run `redmine-mailbridge messages --state held`, then `messages accept ID` or `messages reject ID`.",
    ),
    ConditionKind(
        SENDING_FAILS,
        "Mail cannot be sent",
        "Mail is sent again",
        "The server for outgoing mail does not answer, or does not accept the login or the sender.",
        "Run `redmine-mailbridge check`; waiting mail is then sent.",
    ),
    ConditionKind(
        OUTBOX_WAITING,
        "Outgoing mail of mailbox {subject} waits",
        "No outgoing mail of mailbox {subject} waits for long",
        "Outgoing mail has waited for more than an hour; for more than a day, this is critical.",
        "Run `redmine-mailbridge queue`, which says for each mail why it waits.",
    ),
    ConditionKind(
        OUTBOX_FAILED,
        "Outgoing mail of mailbox {subject} was not accepted",
        "No outgoing mail of mailbox {subject} was rejected of late",
        "Outgoing mail was rejected or given up within the last day.",
        "Run `redmine-mailbridge queue --undelivered`, then `queue retry ID` or `queue discard ID`.",
    ),
    ConditionKind(
        ALERT_FAILED,
        "Alerts were not accepted",
        "No alert was rejected of late",
        "Alerts were rejected or given up within the last day: the admins know less than they should.",
        "Run `redmine-mailbridge queue --undelivered`; check `alert_to` in [admin] and the server for outgoing mail.",
        is_mailed=False,
    ),
    ConditionKind(
        CERTIFICATE_ENDS,
        "The certificate of {subject} ends",
        "The certificate of {subject} was renewed",
        "The TLS certificate of a server in the settings ends in less than 21 days, as the last connection saw it; in "
        "less than 7 days, this is critical.",
        "Renew it on that server, or inform its provider.",
    ),
)
KINDS: Final = {kind.key: kind for kind in _IN_ORDER}
"""All kinds by key, the most general first."""

"""All tables. Times are seconds since the epoch, UTC; the same statements run on SQLite and PostgreSQL.

Until the first release a change here is made in `migrations/versions/0001_first.py` too; after it, it requires a
separate migration and a new HEAD. A test compares the two on both databases.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.types import TypeEngine

HEAD = "0001_first"

metadata = MetaData()
_Id = BigInteger().with_variant(Integer, "sqlite")


def _id() -> Column[Any]:
    """A number assigned by the database."""
    return Column("id", _Id, primary_key=True, autoincrement=True)


def _key(kind: type[TypeEngine[Any]], *names: str) -> list[Column[Any]]:
    """Columns of a primary key assigned elsewhere."""
    return [Column(name, kind, primary_key=True, autoincrement=False) for name in names]


def _required(kind: type[TypeEngine[Any]], *names: str) -> list[Column[Any]]:
    return [Column(name, kind, nullable=False) for name in names]


def _optional(kind: type[TypeEngine[Any]], *names: str) -> list[Column[Any]]:
    return [Column(name, kind) for name in names]


def _of_mail(*, nullable: bool = False, ondelete: str = "CASCADE") -> Column[Any]:
    return Column("mail_id", _Id, ForeignKey("mail.id", ondelete=ondelete), nullable=nullable)


# columns of one kind are adjacent, so that all tables fit a few pages
# fmt: off
# ---------------------------------------------------------------------- mails

mail = Table(
    "mail", metadata, _id(),
    # its location
    *_required(Text, "mailbox", "folder", "uid_validity", "uid"),
    # its bytes; the digest stays when they are deleted
    *_required(BigInteger, "size"), *_optional(Text, "raw", "digest"),
    Column("truncated", Boolean, nullable=False),
    Column("first_sync", Boolean, nullable=False), *_optional(Double, "received_at"),
    *_required(Double, "kept_at"),
    # its headers; `proof` is how far its sender is proven, see store/mails/copies.py; `requester` is the address of who
    # asks (lower case) as decided, NULL if that is the sender
    *_optional(Text, "message_id", "content_key"), *_optional(Integer, "proof"),
    *_optional(Text, "sender", "requester", "subject"),
    # its state; `paused_by` is the mailbox for whose pause it waits or has waited, see pauses.py
    *_required(Text, "state"), Column("tries", Integer, nullable=False),
    Column("next_try_at", Double, nullable=False),
    Column("accepted", Boolean, nullable=False),
    Column("released", Boolean, nullable=False, server_default=false()),
    *_optional(Text, "manual_decision", "reason", "paused_by"), *_required(Double, "changed_at"),
    Column("junk", Boolean, nullable=False, default=False, server_default=false()),
    # the intent: the write to Redmine that is (perhaps) in progress
    *_optional(Text, "request"), *_optional(Double, "first_sent_at", "last_sent_at"),
    # the result
    *_optional(Integer, "issue"), Column("created_issue", Integer, unique=True),
    Column("journal", Integer, unique=True),
    # its note is an agent's reply, which is sent to the requester
    Column("to_requester", Boolean, nullable=False, default=False, server_default=false()),
    # it is from a third party of its issue: a supplier and the like, who does not take part in the conversation
    Column("third_party", Boolean, nullable=False, default=False, server_default=false()),
    # filing
    *_optional(Double, "filed_at"), *_optional(Text, "filed_to"),
    Column("file_tries", Integer, nullable=False),
    Column("next_file_at", Double, nullable=False),
    UniqueConstraint("mailbox", "folder", "uid_validity", "uid", name="uq_mail_location"),
    Index("ix_mail_message_id", "message_id"),
    Index("ix_mail_open", "mailbox", "state", "next_try_at"),
    Index("ix_mail_unfiled", "mailbox", "filed_at", "next_file_at", "state"),
    Index("ix_mail_issue", "issue"),
    Index("ix_mail_raw", "raw"),
    Index("ix_mail_state", "state", "issue", "kept_at", "changed_at", "mailbox"),
    Index("ix_mail_kept", "mailbox", "kept_at", "state", "issue"),
    Index("ix_mail_kept_at", "kept_at"),
    Index("ix_mail_sender", "sender"),
    Index("ix_mail_requester", "requester"),
)

# the bytes of messages, if they are kept in the database, in parts; without a digest while they are being written, and
# after a crash; see raw_mails/table.py
raw_mail = Table(
    "raw_mail", metadata, _id(), Column("digest", Text, unique=True), *_required(BigInteger, "size"),
    *_required(Double, "begun_at"),
)
raw_mail_part = Table(
    "raw_mail_part", metadata,
    Column("raw_mail_id", _Id, ForeignKey("raw_mail.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    *_key(Integer, "number"), *_required(LargeBinary, "content"),
)

# the history of each message
step = Table(
    "step", metadata, _id(), _of_mail(), *_required(Double, "at"), *_required(Text, "line"),
    Index("ix_step_mail", "mail_id"),
)

# the primary message of each content: a second copy is a duplicate, in any location
content = Table("content", metadata, *_key(Text, "key"), _of_mail())

# what persons decided about messages by hand, and how far that is carried out; see mails/manual_changes.py
manual_change = Table(
    "manual_change", metadata, _id(), _of_mail(), *_required(Text, "who"), *_required(Double, "at"),
    *_required(Text, "before", "reason", "phase"),
    *_optional(Integer, "old_issue", "old_journal"), *_optional(Boolean, "old_created"),
    *_optional(Text, "old_request", "old_requester"),
    *_optional(Integer, "new_issue", "new_journal"), *_optional(Boolean, "new_created"),
    *_optional(Text, "new_request", "new_requester"),
    *_optional(Integer, "status"), *_required(Double, "next_at"), *_optional(Text, "undone_by"),
    Index("ix_manual_change_mail", "mail_id"),
    Index("ix_manual_change_phase", "phase", "next_at"),
)

# the requesters that persons have set; see mails/requesters.py
requester_change = Table(
    "requester_change", metadata, _id(), _of_mail(), *_required(Integer, "issue"),
    *_required(Text, "address", "name", "before", "before_name", "who"), *_optional(Text, "requester", "undone_by"),
    *_required(Boolean, "joined"), *_required(Double, "at"),
    # the custom field in Redmine is still to be set to the address
    Column("field_due", Boolean, nullable=False, default=False, server_default=false()),
    Index("ix_requester_change_mail", "mail_id"),
)

# the participants of an issue by mail
participant = Table("participant", metadata, *_key(Integer, "issue"), *_key(Text, "address"))

# the issues made in Redmine that became conversations; `field` is the value of the requester field that was last seen
begun_issue = Table(
    "begun_issue", metadata, *_key(Integer, "issue"), *_required(Text, "mailbox", "requester", "field"),
    *_required(Integer, "after_journal"), *_required(Double, "begun_on"),
)

# whom the answers of these issues went to before somebody changed the requester, and when (`at`) that was
former_requester = Table(
    "former_requester", metadata, *_key(Integer, "issue"), *_key(Text, "address"), *_required(Double, "at"),
)

# the entries of these issues that say who is answered apart from the field: whom a note named by a command, or "" where
# a change of the field does not count
begun_requester = Table("begun_requester", metadata, *_key(Integer, "issue", "journal"), *_required(Text, "address"))

# whom agents have added to the Cc of an issue's conversation (`copied`), or removed from it, by the last note that
# says so; addresses as they are compared
cc_change = Table(
    "cc_change", metadata, *_key(Integer, "issue"), *_key(Text, "address"), *_required(Text, "written", "name", "who"),
    *_required(Boolean, "copied"), *_required(Integer, "journal"), *_required(Double, "at"),
)

# ---------------------------------------------------------------------- mailboxes

# how far each folder has been read; messages received before `taken_from` are skipped; NULL: not recorded
folder = Table(
    "folder", metadata, *_key(Text, "mailbox", "folder"), *_required(Text, "uid_validity"),
    *_optional(Text, "uid", "first_until"), *_required(Double, "since"), *_optional(Double, "taken_from"),
)

# the last account of a mailbox's name, and how often that account has moved
account = Table(
    "account", metadata, *_key(Text, "mailbox"), *_required(Text, "account", "address"),
    Column("moves", Integer, nullable=False, default=0),
)

# messages that existed when a folder was first read, that the settings skip, and that no cursor excludes;
# the row without a UID says that they are all recorded
left_lying = Table("left_lying", metadata, *_key(Text, "mailbox", "folder", "uid"))

# mailboxes paused because their settings do not fit Redmine: the message that revealed it, and the problems
mailbox_pause = Table(
    "mailbox_pause", metadata, *_key(Text, "mailbox"), _of_mail(), *_required(Double, "since"),
    *_required(Text, "lines"), *_required(Integer, "looks"),
)

# ---------------------------------------------------------------------- outgoing messages

# one row is one message to one recipient; an answer's row is created in the transaction that closes its message
outbox = Table(
    "outbox", metadata, _id(), _of_mail(nullable=True),
    *_required(Text, "mailbox", "kind", "sender", "recipient"), *_optional(Integer, "issue"),
    *_required(Text, "message_id"), *_optional(Text, "content_hash"), *_required(Text, "state"),
    Column("tries", Integer, nullable=False),
    Column("next_try_at", Double, nullable=False), *_required(Double, "created_at"),
    *_optional(Double, "offered_at", "sent_at"), *_optional(Text, "reason", "files"),
    Column("reported", Boolean, nullable=False, default=False, server_default=false()),
    Column("copy_due", Boolean, nullable=False, default=False, server_default=false()),
    Column("report_due", Boolean, nullable=False, default=False, server_default=false()),
    UniqueConstraint("message_id", "recipient", name="uq_outbox_mail"),
    Index("ix_outbox_copy_due", "mailbox", "copy_due"),
    Index("ix_outbox_report_due", "report_due"),
    Index("ix_outbox_due", "state", "next_try_at"),
    Index("ix_outbox_recipient", "recipient", "created_at"),
    Index("ix_outbox_issue", "issue", "created_at"),
    Index("ix_outbox_created", "created_at"),
    Index("ix_outbox_content", "content_hash"),
)

# the bytes of outgoing messages, once for all recipients
outgoing_content = Table("outgoing_content", metadata, *_key(Text, "hash"), *_required(LargeBinary, "content"))

# notices to the agents of an issue, each posted once as a private note
notice = Table(
    "notice", metadata, _id(), *_required(Integer, "issue"), *_required(Text, "key"),
    _of_mail(nullable=True, ondelete="SET NULL"), *_required(Text, "text"), *_required(Double, "created_at"),
    *_optional(Double, "reported_at"),
    UniqueConstraint("issue", "key", name="uq_notice_once"),
    Index("ix_notice_reported", "reported_at"),
)

# the decision on each agent's note
answer = Table(
    "answer", metadata, *_key(Integer, "journal"), *_required(Integer, "issue"), *_required(Double, "at"),
    *_required(Text, "line"), *_optional(Text, "notified_by"),
    # the note is still to be made private in Redmine
    Column("hide_due", Boolean, nullable=False, default=False, server_default=false()),
    Index("ix_answer_issue", "issue"),
)

# ---------------------------------------------------------------------- copies of Redmine's data

# the copy of the issues that came by mail or became conversations in Redmine, and their histories; of the latter,
# `mail_id` is NULL, and `begun_on` is when they did
issue = Table(
    "issue", metadata, *_key(Integer, "id"), *_required(Text, "mailbox"), *_optional(BigInteger, "mail_id"),
    *_required(Text, "requester", "requester_name", "domain"), *_required(Integer, "project_id"),
    *_required(Text, "project", "project_name"), *_required(Boolean, "project_public"),
    *_required(Text, "tracker", "status"), *_required(Boolean, "closed"), *_required(Text, "priority"),
    *_optional(Integer, "assignee_id"), *_optional(Text, "assignee"), *_optional(Integer, "author_id"),
    *_required(Text, "subject"), *_required(Boolean, "private"), *_required(Double, "created_on", "updated_on"),
    *_optional(Double, "closed_on"), *_required(Double, "seen_at"), *_required(Boolean, "settled", "gone"),
    *_optional(Double, "begun_on"),
    Index("ix_issue_updated", "updated_on"),
    Index("ix_issue_open", "closed", "gone"),
)
journal = Table(
    "journal", metadata, *_key(Integer, "id"), *_required(Integer, "issue"), *_required(Double, "at"),
    *_required(Integer, "user_id"), *_required(Text, "user_name", "side"),
    *_required(Boolean, "has_notes", "private"), *_optional(Text, "status_from", "status_to"),
    # its note begins with the command for mail to third parties
    Column("to_third_party", Boolean, nullable=False, default=False, server_default=false()),
    *_optional(BigInteger, "mail_id"),
    Index("ix_journal_issue", "issue", "id"),
)

# the runs of automation rules
applied = Table(
    "applied", metadata, *_key(Text, "rule"), *_key(Integer, "issue", "trigger_event"), *_required(Text, "state"),
    *_required(Double, "due_at"), *_required(Text, "reason"), *_optional(Text, "request"),
    *_required(Integer, "after_journal"), *_required(Double, "sent_at", "changed_at"),
    *_optional(Integer, "journal"), *_optional(Text, "outcome"),
    Index("ix_applied_state", "state"),
    Index("ix_applied_issue", "issue"),
)

# time entries as they were last read
time_entry = Table(
    "time_entry", metadata, *_key(BigInteger, "id"), *_optional(Integer, "issue"),
    *_required(Integer, "project_id", "user_id"), *_required(Text, "user", "activity"),
    *_required(BigInteger, "units_of_12s"), *_required(Text, "spent_on"),
    *_required(Double, "created_on", "updated_on"),
    Index("ix_time_entry_issue", "issue"),
)

# the values computed for each issue by the last run of the aggregate task
figure = Table(
    "figure", metadata, *_key(Integer, "issue"), *_required(BigInteger, "units_of_12s"),
    *_optional(Double, "first_answer", "first_answer_business", "resolution", "resolution_business"),
    *_required(Integer, "mails_in", "mails_out", "reopened"), *_required(Double, "computed_at"),
)

# the value last written to a custom field, so that it is written only when it changes
field_written = Table(
    "field_written", metadata, *_key(Text, "kind"), *_key(Integer, "of"), *_key(Text, "field"),
    *_required(Text, "value"), *_required(Double, "at"), *_optional(Text, "refused"),
)

# the budget thresholds with a warning already sent
budget_warning = Table(
    "budget_warning", metadata, *_key(Text, "budget", "period"), *_key(Integer, "threshold"),
    *_required(Double, "at"), *_required(Text, "line"),
)

# ---------------------------------------------------------------------- the service

# changes by an admin at run time: they override the settings file until they are reset
task_override = Table(
    "task_override", metadata, *_key(Text, "name"), *_optional(Boolean, "active"), *_optional(Double, "every"),
    *_optional(Text, "cron"), *_optional(Double, "next_run"), *_required(Double, "changed_at"),
)

# runs that were asked for by hand; when the service will run each task next, as it said last; the runs that were
task_wish = Table("task_wish", metadata, *_key(Text, "name"), *_required(Double, "at"))
task_next = Table("task_next", metadata, *_key(Text, "name"), *_optional(Double, "at"))
task_run = Table(
    "task_run", metadata, _id(), *_required(Text, "name"), *_optional(Double, "planned_at"),
    *_required(Double, "began_at"), *_optional(Double, "ended_at"),
    Column("done", Integer, nullable=False, default=0), Column("failed", Integer, nullable=False, default=0),
    Column("skipped", Boolean, nullable=False, default=False), *_optional(Text, "error"),
    Index("ix_task_run_name", "name", "id"),
)

# the health of everything: one row for the service, for Redmine, for sending, and for each mailbox
health = Table(
    "health", metadata, *_key(Text, "name"), *_required(Double, "at"),
    *_optional(Double, "ok_at", "failing_since"), *_optional(Text, "error"), *_required(Text, "doing"),
    Column("refused", Boolean, nullable=False, default=False, server_default=false()),
)

# until when the certificate of a server is valid, as seen at `seen_at`; `server` is host:port
certificate = Table(
    "certificate", metadata, *_key(Text, "server"), *_required(Double, "until", "seen_at"),
)

# the conditions of which an alert was sent, and no all-clear yet
alert = Table("alert", metadata, *_key(Text, "key", "subject"), *_required(Double, "at"))

# the processes that share this store, and which of them holds the right to which work; see cluster/leases.py. Times by
# the database's clock; `boot` and `started` identify a process on its machine
process = Table(
    "process", metadata, *_key(Text, "id"), *_required(Text, "machine", "boot", "started", "version"),
    *_required(Integer, "pid"), *_required(Double, "since", "seen_at", "ends_at"),
)
lease = Table(
    "lease", metadata, *_key(Text, "name"), *_optional(Text, "holder"), *_required(BigInteger, "number"),
    *_optional(Double, "since"),
)

# the sessions of the admin pages; `key` is the SHA-256 of the token
admin_session = Table(
    "admin_session", metadata, *_key(Text, "key"), *_required(Text, "login", "name", "way"),
    *_required(Double, "created_at", "seen_at"), *_optional(Text, "notice"), *_required(LargeBinary, "proof"),
    *_required(Double, "asked_at"),
)

# the audit log of manual changes
audit = Table(
    "audit", metadata, _id(), *_required(Double, "at"), *_required(Text, "who", "address", "action", "detail"),
    Index("ix_audit_action", "action", "at"),
)

# senders that a person has blocked or allowed, beside the lists of the settings
sender_list = Table(
    "sender_list", metadata, *_key(Text, "pattern"), *_required(Text, "listing", "who"), *_required(Double, "at"),
)

# the last lines of the log
log_entry = Table(
    "log_entry", metadata, _id(), *_required(Double, "at"),
    *_required(Text, "level", "event", "mailbox", "line"),
)

# OAuth: encrypted tokens; pending sign-ins, by the SHA-256 of the state parameter
oauth_token = Table(
    "oauth_token", metadata, *_key(Text, "connection"), *_optional(LargeBinary, "sealed"),
    *_optional(Text, "refused"), *_required(Text, "signed_in_as"),
    *_optional(Double, "signed_in_at", "renewed_at"), *_required(Double, "renew_at", "expires_at"),
    *_required(Integer, "version"), *_required(Double, "lease_until"),
)
oauth_flow = Table(
    "oauth_flow", metadata, *_key(Text, "key"), *_required(Text, "connection"),
    *_required(LargeBinary, "sealed"), *_required(Double, "ends_at"),
)

# single values by name; see meta.py
meta = Table("meta", metadata, *_key(Text, "key"), *_required(Text, "value"))

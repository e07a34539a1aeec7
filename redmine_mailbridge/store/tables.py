"""All tables. Times are seconds since the epoch, UTC; the same statements run on SQLite and PostgreSQL.

Until the first release a change here is made in `migrations/versions/0001_first.py` too; after it, it needs a migration
of its own and a new HEAD. A test compares the two on both databases.
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
    """A number that the database gives."""
    return Column("id", _Id, primary_key=True, autoincrement=True)


def _key(kind: type[TypeEngine[Any]], *names: str) -> list[Column[Any]]:
    """Columns of a primary key that others give."""
    return [Column(name, kind, primary_key=True, autoincrement=False) for name in names]


def _required(kind: type[TypeEngine[Any]], *names: str) -> list[Column[Any]]:
    return [Column(name, kind, nullable=False) for name in names]


def _optional(kind: type[TypeEngine[Any]], *names: str) -> list[Column[Any]]:
    return [Column(name, kind) for name in names]


def _of_mail(*, nullable: bool = False, ondelete: str = "CASCADE") -> Column[Any]:
    return Column("mail_id", _Id, ForeignKey("mail.id", ondelete=ondelete), nullable=nullable)


# columns of one kind stand side by side, so that all tables fit a few pages
# fmt: off
# ---------------------------------------------------------------------- mails

mail = Table(
    "mail", metadata, _id(),
    # where it lies
    *_required(Text, "mailbox", "folder", "validity", "uid"),
    # its bytes; the digest stays when they are forgotten
    *_required(BigInteger, "size"), *_optional(Text, "raw", "digest"),
    Column("truncated", Boolean, nullable=False, default=False),
    Column("first_sync", Boolean, nullable=False, default=False), *_optional(Double, "received_at"),
    *_required(Double, "kept_at"),
    # what it says of itself; `proof` is how far its sender is proven, see store/mails/copies.py
    *_optional(Text, "message_id", "content_key"), *_optional(Integer, "proof"),
    *_optional(Text, "sender", "subject"),
    # where it stands; `paused_by` is the mailbox for whose pause it waits or has waited, see pauses.py
    *_required(Text, "state"), Column("tries", Integer, nullable=False, default=0),
    Column("next_try_at", Double, nullable=False, default=0.0),
    Column("accepted", Boolean, nullable=False, default=False),
    Column("let_through", Boolean, nullable=False, default=False, server_default=false()),
    *_optional(Text, "wish", "reason", "paused_by"), *_required(Double, "changed_at"),
    # the intent: what is (perhaps) being written to Redmine
    *_optional(Text, "request"), *_optional(Double, "first_sent_at", "last_sent_at"),
    # what was made
    *_optional(Integer, "issue"), Column("created_issue", Integer, unique=True),
    Column("journal", Integer, unique=True),
    # filing
    *_optional(Double, "filed_at"), *_optional(Text, "filed_to"),
    Column("file_tries", Integer, nullable=False, default=0),
    Column("next_file_at", Double, nullable=False, default=0.0),
    UniqueConstraint("mailbox", "folder", "validity", "uid", name="uq_mail_location"),
    Index("ix_mail_message_id", "message_id"),
    Index("ix_mail_open", "mailbox", "state", "next_try_at"),
    Index("ix_mail_unfiled", "mailbox", "filed_at", "next_file_at", "state"),
    Index("ix_mail_issue", "issue"),
    Index("ix_mail_raw", "raw"),
    Index("ix_mail_state", "state", "issue", "mailbox"),
    Index("ix_mail_kept", "mailbox", "kept_at", "state", "issue"),
)

# the human lines about each mail
step = Table(
    "step", metadata, _id(), _of_mail(), *_required(Double, "at"), *_required(Text, "line"),
    Index("ix_step_mail", "mail_id"),
)

# the one mail that speaks for each content: a second copy is a duplicate, wherever it lies
content = Table("content", metadata, *_key(Text, "key"), _of_mail())

# who took part in an issue by mail
participant = Table("participant", metadata, *_key(Integer, "issue"), *_key(Text, "address"))

# ---------------------------------------------------------------------- mailboxes

# how far each folder has been read; mails received before `taken_from` are left lying; NULL: never noted
folder = Table(
    "folder", metadata, *_key(Text, "mailbox", "folder"), *_required(Text, "validity"),
    *_optional(Text, "uid", "first_until"), *_required(Double, "since"), *_optional(Double, "taken_from"),
)

# which account stood behind a mailbox's name last, and how often that account has moved
account = Table(
    "account", metadata, *_key(Text, "mailbox"), *_required(Text, "account", "address"),
    Column("moves", Integer, nullable=False, default=0),
)

# mails that lay in a folder when it was first read, that the settings do not take, and that no cursor leaves behind;
# the row without a UID says that they are all noted
left_lying = Table("left_lying", metadata, *_key(Text, "mailbox", "folder", "uid"))

# mailboxes that are paused since their settings do not fit Redmine: the mail that found it out, and what does not fit
mailbox_pause = Table(
    "mailbox_pause", metadata, *_key(Text, "mailbox"), _of_mail(), *_required(Double, "since"),
    *_required(Text, "lines"), *_required(Integer, "looks"),
)

# ---------------------------------------------------------------------- mails that go out

# one row is one mail to one person; the row of an answer is made in the transaction that ends the mail it answers
outbox = Table(
    "outbox", metadata, _id(), _of_mail(nullable=True),
    *_required(Text, "mailbox", "kind", "sender", "recipient"), *_optional(Integer, "issue"),
    *_required(Text, "message_id"), *_optional(Text, "content_hash"), *_required(Text, "state"),
    Column("tries", Integer, nullable=False, default=0),
    Column("next_try_at", Double, nullable=False, default=0.0), *_required(Double, "created_at"),
    *_optional(Double, "offered_at", "sent_at"), *_optional(Text, "reason"),
    Column("told", Boolean, nullable=False, default=False, server_default=false()),
    UniqueConstraint("message_id", "recipient", name="uq_outbox_mail"),
    Index("ix_outbox_due", "state", "next_try_at"),
    Index("ix_outbox_recipient", "recipient", "created_at"),
    Index("ix_outbox_issue", "issue", "created_at"),
    Index("ix_outbox_created", "created_at"),
    Index("ix_outbox_content", "content_hash"),
)

# the bytes of mails that go out, once for all whom a mail goes to
outgoing_content = Table("outgoing_content", metadata, *_key(Text, "hash"), *_required(LargeBinary, "content"))

# what the agents of an issue are to be told, each once, by a private note
notice = Table(
    "notice", metadata, _id(), *_required(Integer, "issue"), *_required(Text, "key"),
    _of_mail(nullable=True, ondelete="SET NULL"), *_required(Text, "text"), *_required(Double, "created_at"),
    *_optional(Double, "told_at"),
    UniqueConstraint("issue", "key", name="uq_notice_once"),
    Index("ix_notice_told", "told_at"),
)

# what became of each note of an agent
answer = Table(
    "answer", metadata, *_key(Integer, "journal"), *_required(Integer, "issue"), *_required(Double, "at"),
    *_required(Text, "line"), *_optional(Text, "told"),
    Index("ix_answer_issue", "issue"),
)

# ---------------------------------------------------------------------- what is known of Redmine

# the copy of the issues that came by mail, and their histories
issue = Table(
    "issue", metadata, *_key(Integer, "id"), *_required(Text, "mailbox"), *_required(BigInteger, "mail_id"),
    *_required(Text, "requester", "requester_name", "domain"), *_required(Integer, "project_id"),
    *_required(Text, "project", "project_name"), *_required(Boolean, "project_public"),
    *_required(Text, "tracker", "status"), *_required(Boolean, "closed"), *_required(Text, "priority"),
    *_optional(Integer, "assignee_id"), *_optional(Text, "assignee"), *_optional(Integer, "author_id"),
    *_required(Text, "subject"), *_required(Boolean, "private"), *_required(Double, "created_on", "updated_on"),
    *_optional(Double, "closed_on"), *_required(Double, "seen_at"), *_required(Boolean, "settled", "gone"),
    Index("ix_issue_updated", "updated_on"),
    Index("ix_issue_open", "closed", "gone"),
)
journal = Table(
    "journal", metadata, *_key(Integer, "id"), *_required(Integer, "issue"), *_required(Double, "at"),
    *_required(Integer, "user_id"), *_required(Text, "user_name", "side"),
    *_required(Boolean, "has_notes", "private"), *_optional(Text, "status_from", "status_to"),
    *_optional(BigInteger, "mail_id"),
    Index("ix_journal_issue", "issue", "id"),
)

# what rules of time have done
applied = Table(
    "applied", metadata, *_key(Text, "rule"), *_key(Integer, "issue", "anchor"), *_required(Text, "state"),
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
    *_required(BigInteger, "ticks"), *_required(Text, "spent_on"),
    *_required(Double, "created_on", "updated_on"),
    Index("ix_time_entry_issue", "issue"),
)

# what was computed for each issue when the aggregate task last ran
figure = Table(
    "figure", metadata, *_key(Integer, "issue"), *_required(BigInteger, "ticks"),
    *_optional(Double, "first_answer", "first_answer_business", "resolution", "resolution_business"),
    *_required(Integer, "mails_in", "mails_out", "reopened"), *_required(Double, "computed_at"),
)

# what was last written to a custom field, so that it is written again only when it changes
field_written = Table(
    "field_written", metadata, *_key(Text, "kind"), *_key(Integer, "of"), *_key(Text, "field"),
    *_required(Text, "value"), *_required(Double, "at"), *_optional(Text, "refused"),
)

# which budget's thresholds were told of, each once
budget_warning = Table(
    "budget_warning", metadata, *_key(Text, "budget", "period"), *_key(Integer, "threshold"),
    *_required(Double, "at"), *_required(Text, "line"),
)

# ---------------------------------------------------------------------- the service

# what an admin changed while running: it stands above the settings file until it is reset
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

# how everything is: one row for the service, for Redmine, for sending, and for each mailbox and its settings
health = Table(
    "health", metadata, *_key(Text, "name"), *_required(Double, "at"),
    *_optional(Double, "ok_at", "failing_since"), *_optional(Text, "error"), *_required(Text, "doing"),
    *_optional(Double, "certificate_until", "alerted_at"),
)

# who is signed in to the admin page; `key` is the SHA-256 of the token
admin_session = Table(
    "admin_session", metadata, *_key(Text, "key"), *_required(Text, "login", "name", "way"),
    *_required(Double, "created_at", "seen_at"), *_optional(Text, "notice"), *_required(LargeBinary, "proof"),
    *_required(Double, "asked_at"),
)

# who changed what by hand
audit = Table(
    "audit", metadata, _id(), *_required(Double, "at"), *_required(Text, "who", "address", "action", "detail"),
    Index("ix_audit_action", "action", "at"),
)

# the last lines of the log
log_entry = Table(
    "log_entry", metadata, _id(), *_required(Double, "at"),
    *_required(Text, "level", "event", "mailbox", "line"),
)

# OAuth: sealed tokens; sign-ins that have begun, by the SHA-256 of what the provider brings back
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

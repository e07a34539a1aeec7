"""The tables of the first release, as they stand in tables.py.

Until that release a new column or table goes in here, since no store has data to keep; afterwards each change
is a migration of its own behind this one.
"""

from typing import Any

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.types import TypeEngine

revision = "0001_first"
down_revision = None

_Id = BigInteger().with_variant(Integer, "sqlite")


def _id() -> Column[Any]:
    return Column("id", _Id, primary_key=True, autoincrement=True)


def _key(kind: type[TypeEngine[Any]], *names: str) -> list[Column[Any]]:
    return [Column(name, kind, primary_key=True, autoincrement=False) for name in names]


def _required(kind: type[TypeEngine[Any]], *names: str) -> list[Column[Any]]:
    return [Column(name, kind, nullable=False) for name in names]


def _optional(kind: type[TypeEngine[Any]], *names: str) -> list[Column[Any]]:
    return [Column(name, kind) for name in names]


def _of_mail(*, nullable: bool = False, ondelete: str = "CASCADE") -> Column[Any]:
    return Column("mail_id", _Id, ForeignKey("mail.id", ondelete=ondelete), nullable=nullable)


def upgrade() -> None:
    """Make the tables."""
    _mails()
    _mailboxes()
    _outgoing()
    _redmine()
    _service()


# fmt: off
def _mails() -> None:
    op.create_table(
        "mail", _id(),
        *_required(Text, "mailbox", "folder", "uid_validity", "uid"),
        *_required(BigInteger, "size"), *_optional(Text, "raw", "digest"),
        Column("truncated", Boolean, nullable=False),
        Column("first_sync", Boolean, nullable=False), *_optional(Double, "received_at"),
        *_required(Double, "kept_at"),
        *_optional(Text, "message_id", "content_key"), *_optional(Integer, "proof"),
        *_optional(Text, "sender", "requester", "subject"),
        *_required(Text, "state"), Column("tries", Integer, nullable=False),
        Column("next_try_at", Double, nullable=False),
        Column("accepted", Boolean, nullable=False),
        Column("released", Boolean, nullable=False, server_default=false()),
        *_optional(Text, "manual_decision", "reason", "paused_by"), *_required(Double, "changed_at"),
        Column("junk", Boolean, nullable=False, server_default=false()),
        *_optional(Text, "request"), *_optional(Double, "first_sent_at", "last_sent_at"),
        *_optional(Integer, "issue"), Column("created_issue", Integer, unique=True),
        Column("journal", Integer, unique=True),
        Column("to_requester", Boolean, nullable=False, server_default=false()),
        Column("third_party", Boolean, nullable=False, server_default=false()),
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
    op.create_table(
        "raw_mail", _id(), Column("digest", Text, unique=True), *_required(BigInteger, "size"),
        *_required(Double, "begun_at"),
    )
    op.create_table(
        "raw_mail_part",
        Column("raw_mail_id", _Id, ForeignKey("raw_mail.id", ondelete="CASCADE"), primary_key=True,
               autoincrement=False),
        *_key(Integer, "number"), *_required(LargeBinary, "content"),
    )
    op.create_table(
        "step", _id(), _of_mail(), *_required(Double, "at"), *_required(Text, "line"),
        Index("ix_step_mail", "mail_id"),
    )
    op.create_table("content", *_key(Text, "key"), _of_mail())
    op.create_table(
        "manual_change", _id(), _of_mail(), *_required(Text, "who"), *_required(Double, "at"),
        *_required(Text, "before", "reason", "phase"),
        *_optional(Integer, "old_issue", "old_journal"), *_optional(Boolean, "old_created"),
        *_optional(Text, "old_request", "old_requester"),
        *_optional(Integer, "new_issue", "new_journal"), *_optional(Boolean, "new_created"),
        *_optional(Text, "new_request", "new_requester"),
        *_optional(Integer, "status"), *_required(Double, "next_at"), *_optional(Text, "undone_by"),
        Index("ix_manual_change_mail", "mail_id"),
        Index("ix_manual_change_phase", "phase", "next_at"),
    )
    op.create_table(
        "requester_change", _id(), _of_mail(), *_required(Integer, "issue"),
        *_required(Text, "address", "name", "before", "before_name", "who"), *_optional(Text, "requester", "undone_by"),
        *_required(Boolean, "joined"), *_required(Double, "at"),
        Column("field_due", Boolean, nullable=False, server_default=false()),
        Index("ix_requester_change_mail", "mail_id"),
    )
    op.create_table("participant", *_key(Integer, "issue"), *_key(Text, "address"))
    op.create_table(
        "begun_issue", *_key(Integer, "issue"), *_required(Text, "mailbox", "requester", "field"),
        *_required(Integer, "after_journal"), *_required(Double, "begun_on"),
    )
    op.create_table("former_requester", *_key(Integer, "issue"), *_key(Text, "address"), *_required(Double, "at"))
    op.create_table("begun_requester", *_key(Integer, "issue", "journal"), *_required(Text, "address"))
    op.create_table(
        "cc_change", *_key(Integer, "issue"), *_key(Text, "address"), *_required(Text, "written", "name", "who"),
        *_required(Boolean, "copied"), *_required(Integer, "journal"), *_required(Double, "at"),
    )


def _mailboxes() -> None:
    op.create_table(
        "folder", *_key(Text, "mailbox", "folder"), *_required(Text, "uid_validity"),
        *_optional(Text, "uid", "first_until"), *_required(Double, "since"), *_optional(Double, "taken_from"),
    )
    op.create_table(
        "account", *_key(Text, "mailbox"), *_required(Text, "account", "address"),
        Column("moves", Integer, nullable=False),
    )
    op.create_table("left_lying", *_key(Text, "mailbox", "folder", "uid"))
    op.create_table(
        "mailbox_pause", *_key(Text, "mailbox"), _of_mail(), *_required(Double, "since"),
        *_required(Text, "lines"), *_required(Integer, "looks"),
    )


def _outgoing() -> None:
    op.create_table(
        "outbox", _id(), _of_mail(nullable=True),
        *_required(Text, "mailbox", "kind", "sender", "recipient"), *_optional(Integer, "issue"),
        *_required(Text, "message_id"), *_optional(Text, "content_hash"), *_required(Text, "state"),
        Column("tries", Integer, nullable=False),
        Column("next_try_at", Double, nullable=False), *_required(Double, "created_at"),
        *_optional(Double, "offered_at", "sent_at"), *_optional(Text, "reason", "files"),
        Column("reported", Boolean, nullable=False, server_default=false()),
        Column("copy_due", Boolean, nullable=False, server_default=false()),
        Column("report_due", Boolean, nullable=False, server_default=false()),
        UniqueConstraint("message_id", "recipient", name="uq_outbox_mail"),
        Index("ix_outbox_copy_due", "mailbox", "copy_due"),
        Index("ix_outbox_report_due", "report_due"),
        Index("ix_outbox_due", "state", "next_try_at"),
        Index("ix_outbox_recipient", "recipient", "created_at"),
        Index("ix_outbox_issue", "issue", "created_at"),
        Index("ix_outbox_created", "created_at"),
        Index("ix_outbox_content", "content_hash"),
    )
    op.create_table("outgoing_content", *_key(Text, "hash"), *_required(LargeBinary, "content"))
    op.create_table(
        "notice", _id(), *_required(Integer, "issue"), *_required(Text, "key"),
        _of_mail(nullable=True, ondelete="SET NULL"), *_required(Text, "text"), *_required(Double, "created_at"),
        *_optional(Double, "reported_at"),
        UniqueConstraint("issue", "key", name="uq_notice_once"),
        Index("ix_notice_reported", "reported_at"),
    )
    op.create_table(
        "answer", *_key(Integer, "journal"), *_required(Integer, "issue"), *_required(Double, "at"),
        *_required(Text, "line"), *_optional(Text, "notified_by"),
        Column("hide_due", Boolean, nullable=False, server_default=false()),
        Index("ix_answer_issue", "issue"),
    )


def _redmine() -> None:
    op.create_table(
        "issue", *_key(Integer, "id"), *_required(Text, "mailbox"), *_optional(BigInteger, "mail_id"),
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
    op.create_table(
        "journal", *_key(Integer, "id"), *_required(Integer, "issue"), *_required(Double, "at"),
        *_required(Integer, "user_id"), *_required(Text, "user_name", "side"),
        *_required(Boolean, "has_notes", "private"), *_optional(Text, "status_from", "status_to"),
        Column("to_third_party", Boolean, nullable=False, server_default=false()),
        *_optional(BigInteger, "mail_id"),
        Index("ix_journal_issue", "issue", "id"),
    )
    op.create_table(
        "applied", *_key(Text, "rule"), *_key(Integer, "issue", "trigger_event"), *_required(Text, "state"),
        *_required(Double, "due_at"), *_required(Text, "reason"), *_optional(Text, "request"),
        *_required(Integer, "after_journal"), *_required(Double, "sent_at", "changed_at"),
        *_optional(Integer, "journal"), *_optional(Text, "outcome"),
        Index("ix_applied_state", "state"),
        Index("ix_applied_issue", "issue"),
    )
    op.create_table(
        "time_entry", *_key(BigInteger, "id"), *_optional(Integer, "issue"),
        *_required(Integer, "project_id", "user_id"), *_required(Text, "user", "activity"),
        *_required(BigInteger, "units_of_12s"), *_required(Text, "spent_on"),
        *_required(Double, "created_on", "updated_on"),
        Index("ix_time_entry_issue", "issue"),
    )
    op.create_table(
        "figure", *_key(Integer, "issue"), *_required(BigInteger, "units_of_12s"),
        *_optional(Double, "first_answer", "first_answer_business", "resolution", "resolution_business"),
        *_required(Integer, "mails_in", "mails_out", "reopened"), *_required(Double, "computed_at"),
    )
    op.create_table(
        "field_written", *_key(Text, "kind"), *_key(Integer, "of"), *_key(Text, "field"),
        *_required(Text, "value"), *_required(Double, "at"), *_optional(Text, "refused"),
    )
    op.create_table(
        "budget_warning", *_key(Text, "budget", "period"), *_key(Integer, "threshold"),
        *_required(Double, "at"), *_required(Text, "line"),
    )


def _service() -> None:
    op.create_table(
        "task_override", *_key(Text, "name"), *_optional(Boolean, "active"), *_optional(Double, "every"),
        *_optional(Text, "cron"), *_optional(Double, "next_run"), *_required(Double, "changed_at"),
    )
    op.create_table("task_wish", *_key(Text, "name"), *_required(Double, "at"))
    op.create_table("task_next", *_key(Text, "name"), *_optional(Double, "at"))
    op.create_table(
        "task_run", _id(), *_required(Text, "name"), *_optional(Double, "planned_at"),
        *_required(Double, "began_at"), *_optional(Double, "ended_at"),
        Column("done", Integer, nullable=False), Column("failed", Integer, nullable=False),
        Column("skipped", Boolean, nullable=False), *_optional(Text, "error"),
        Index("ix_task_run_name", "name", "id"),
    )
    op.create_table(
        "health", *_key(Text, "name"), *_required(Double, "at"),
        *_optional(Double, "ok_at", "failing_since"), *_optional(Text, "error"), *_required(Text, "doing"),
        Column("refused", Boolean, nullable=False, server_default=false()),
    )
    op.create_table("certificate", *_key(Text, "server"), *_required(Double, "until", "seen_at"))
    op.create_table("alert", *_key(Text, "key", "subject"), *_required(Double, "at"))
    op.create_table(
        "process", *_key(Text, "id"), *_required(Text, "machine", "boot", "started", "version"),
        *_required(Integer, "pid"), *_required(Double, "since", "seen_at", "ends_at"),
    )
    op.create_table(
        "lease", *_key(Text, "name"), *_optional(Text, "holder"), *_required(BigInteger, "number"),
        *_optional(Double, "since"),
    )
    op.create_table(
        "admin_session", *_key(Text, "key"), *_required(Text, "login", "name", "way"),
        *_required(Double, "created_at", "seen_at"), *_optional(Text, "notice"), *_required(LargeBinary, "proof"),
        *_required(Double, "asked_at"),
    )
    op.create_table(
        "audit", _id(), *_required(Double, "at"), *_required(Text, "who", "address", "action", "detail"),
        Index("ix_audit_action", "action", "at"),
    )
    op.create_table(
        "sender_list", *_key(Text, "pattern"), *_required(Text, "listing", "who"), *_required(Double, "at"),
    )
    op.create_table(
        "log_entry", _id(), *_required(Double, "at"),
        *_required(Text, "level", "event", "mailbox", "line"),
    )
    op.create_table(
        "oauth_token", *_key(Text, "connection"), *_optional(LargeBinary, "sealed"),
        *_optional(Text, "refused"), *_required(Text, "signed_in_as"),
        *_optional(Double, "signed_in_at", "renewed_at"), *_required(Double, "renew_at", "expires_at"),
        *_required(Integer, "version"), *_required(Double, "lease_until"),
    )
    op.create_table(
        "oauth_flow", *_key(Text, "key"), *_required(Text, "connection"),
        *_required(LargeBinary, "sealed"), *_required(Double, "ends_at"),
    )
    op.create_table("meta", *_key(Text, "key"), *_required(Text, "value"))
